// Four numbers of a KV cache in f32.

fn kv_vec4(v: vec4<f32>) -> vec4<f32> {
    return v;
}

// [kv_heads][capacity][d]
@group(0) @binding(3) var<storage, read> keys: array<vec4<f32>>;
// [kv_heads][capacity][d]
@group(0) @binding(4) var<storage, read> values: array<vec4<f32>>;
