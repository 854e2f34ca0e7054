// Input of a matvec that its workgroup makes once, in workgroup memory.

// [k] times the unit of the weights, padded with zeros
var<workgroup> held: array<vec4<f32>, INPUT_VEC4S>;

fn load_block(invocation: Invocation, at: u32) -> XBlock {
    return with_sums(UNIT_w, array<vec4<f32>, 8>(
        held[at],
        held[at + 1u],
        held[at + 2u],
        held[at + 3u],
        held[at + 4u],
        held[at + 5u],
        held[at + 6u],
        held[at + 7u],
    ));
}
