// Keys and values as halves, two in a word; what halves cannot hold becomes the largest they can.

// [kv_heads][capacity][d] halves
@group(0) @binding(6) var<storage, read_write> keys: array<u32>;
// [kv_heads][capacity][d] halves
@group(0) @binding(7) var<storage, read_write> values: array<u32>;

fn kv_pair(v: vec2<f32>) -> u32 {
    return pack2x16float(clamp(v, vec2<f32>(-65504.0), vec2<f32>(65504.0)));
}
