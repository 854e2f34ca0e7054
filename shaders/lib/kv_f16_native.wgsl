// Four f16 of a KV cache with shader-f16.

fn kv_vec4(v: vec4<f16>) -> vec4<f32> {
    return vec4<f32>(v);
}

// [kv_heads][capacity][d]
@group(0) @binding(3) var<storage, read> keys: array<vec4<f16>>;
// [kv_heads][capacity][d]
@group(0) @binding(4) var<storage, read> values: array<vec4<f16>>;
