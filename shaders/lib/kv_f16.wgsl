// Four f16 of a KV cache without shader-f16: two words.

fn kv_vec4(bits: vec2<u32>) -> vec4<f32> {
    return vec4<f32>(unpack2x16float(bits.x), unpack2x16float(bits.y));
}

// [kv_heads][capacity][d]
@group(0) @binding(3) var<storage, read> keys: array<vec2<u32>>;
// [kv_heads][capacity][d]
@group(0) @binding(4) var<storage, read> values: array<vec2<u32>>;
