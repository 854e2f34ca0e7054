// Keys and values as halves: a texel holds two quads.

const TEXEL_QUADS: u32 = 2u;

fn quad_of(texel: vec4<u32>, q: u32) -> vec4<f32> {
    let words = select(texel.xy, texel.zw, q == 1u);
    return vec4<f32>(unpack2x16float(words.x), unpack2x16float(words.y));
}
