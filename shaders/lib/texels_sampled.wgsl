// Words in a sampled texture, row-major, TEXELS_PER_ROW of four words each.

@group(0) @binding(BINDING) var ROLE: texture_2d<u32>;

fn texel_ROLE(at: u32) -> vec4<u32> {
    return textureLoad(ROLE, vec2<u32>(at % TEXELS_PER_ROW, at / TEXELS_PER_ROW), 0);
}
