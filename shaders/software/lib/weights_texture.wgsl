// Packed weights in a texture: src/weights/pack.rs.

fn loadROLE(at: u32) -> vec4<u32> {
    return texel_weightsROLE(at);
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
