// Packed weights in a buffer: src/weights/pack.rs.

@group(0) @binding(BINDING) var<storage, read> weightsROLE: array<vec4<u32>>;

fn loadROLE(at: u32) -> vec4<u32> {
    return weightsROLE[at];
}

// The data of a superblock that its blocks share: each word is loaded where it is needed, which takes no registers
// meanwhile.
struct KeptROLE { at: u32 }

fn keepROLE(at: u32) -> KeptROLE {
    return KeptROLE(at);
}

fn allROLE(kept: KeptROLE) -> vec4<u32> {
    return weightsROLE[kept.at];
}

fn wordROLE(kept: KeptROLE, component: u32) -> u32 {
    return weightsROLE[kept.at][component];
}
