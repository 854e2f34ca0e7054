// Packed weights in a texture: src/pack.rs. Row-major, TEXELS_PER_ROW of four words each.

@group(0) @binding(BINDING) var weightsROLE: texture_2d<u32>;

fn loadROLE(at: u32) -> vec4<u32> {
    return textureLoad(weightsROLE, vec2<u32>(at % TEXELS_PER_ROW, at / TEXELS_PER_ROW), 0);
}

fn load_wordROLE(at: u32, component: u32) -> u32 {
    return loadROLE(at)[component];
}
