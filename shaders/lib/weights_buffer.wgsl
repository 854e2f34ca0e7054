// Packed weights in a buffer: src/pack.rs.

@group(0) @binding(BINDING) var<storage, read> weightsROLE: array<vec4<u32>>;

fn loadROLE(at: u32) -> vec4<u32> {
    return weightsROLE[at];
}

fn load_wordROLE(at: u32, component: u32) -> u32 {
    return weightsROLE[at][component];
}
