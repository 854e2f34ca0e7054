// Keys and values as f16, two in a word; a number beyond the range of f16 becomes the largest one.

// [kv_heads][capacity][d] f16
@group(0) @binding(6) var<storage, read_write> keys: array<u32>;
// [kv_heads][capacity][d] f16
@group(0) @binding(7) var<storage, read_write> values: array<u32>;

fn kv_pair(v: vec2<f32>) -> u32 {
    return pack2x16float(clamp(v, vec2<f32>(-65504.0), vec2<f32>(65504.0)));
}
