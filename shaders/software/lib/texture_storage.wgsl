// Words in a storage texture, row-major, TEXELS_PER_ROW of four words each. It has one level: where textures are sampled,
// lavapipe looks for the level of every texel.

@group(0) @binding(BINDING) var ROLE: texture_storage_2d<rgba32uint, read>;

fn texel_ROLE(at: u32) -> vec4<u32> {
    return textureLoad(ROLE, vec2<u32>(at % TEXELS_PER_ROW, at / TEXELS_PER_ROW));
}
