// Keys and values in f32: a texel is a vec4.

const TEXEL_VEC4S: u32 = 1u;

fn vec4_of(texel: vec4<u32>, q: u32) -> vec4<f32> {
    return bitcast<vec4<f32>>(texel);
}
