// Keys and values in f32.

// [kv_heads][capacity][d]
@group(0) @binding(6) var<storage, read_write> keys: array<vec2<f32>>;
// [kv_heads][capacity][d]
@group(0) @binding(7) var<storage, read_write> values: array<vec2<f32>>;

fn kv_pair(v: vec2<f32>) -> vec2<f32> {
    return v;
}
