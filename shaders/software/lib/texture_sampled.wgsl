// Words in a sampled texture, row-major, TEXELS_PER_ROW of four words each: a power of two, and fewer than 2^24 texels, so
// that the row is found exactly in floating point. SwiftShader divides and shifts lane by lane.

@group(0) @binding(BINDING) var ROLE: texture_2d<u32>;

fn texel_ROLE(at: u32) -> vec4<u32> {
    let row = i32(f32(i32(at)) * (1.0 / f32(TEXELS_PER_ROW)));
    return textureLoad(ROLE, vec2<i32>(i32(at & (TEXELS_PER_ROW - 1u)), row), 0);
}
