// Packed weights in a texture: src/pack.rs. Row-major, TEXELS_PER_ROW of four words each.

@group(0) @binding(BINDING) var weightsROLE: texture_2d<u32>;

fn loadROLE(at: u32) -> vec4<u32> {
    return textureLoad(weightsROLE, vec2<u32>(at % TEXELS_PER_ROW, at / TEXELS_PER_ROW), 0);
}

// What a superblock says of its blocks: loaded once for all of them. A word alone costs a driver on the CPU as much as
// its texel.
struct KeptROLE { words: vec4<u32> }

fn keepROLE(at: u32) -> KeptROLE {
    return KeptROLE(loadROLE(at));
}

fn allROLE(kept: KeptROLE) -> vec4<u32> {
    return kept.words;
}

fn wordROLE(kept: KeptROLE, component: u32) -> u32 {
    return kept.words[component];
}
