// Keys and values in f32: a texel is a quad.

const TEXEL_QUADS: u32 = 1u;

fn quad_of(texel: vec4<u32>, q: u32) -> vec4<f32> {
    return bitcast<vec4<f32>>(texel);
}
