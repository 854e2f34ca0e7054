// Keys and values as f16: a texel holds two vec4s.

const TEXEL_VEC4S: u32 = 2u;

fn vec4_of(texel: vec4<u32>, q: u32) -> vec4<f32> {
    let words = select(texel.xy, texel.zw, q == 1u);
    return vec4<f32>(unpack2x16float(words.x), unpack2x16float(words.y));
}
