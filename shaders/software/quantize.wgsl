// y = x in int16: one token, an invocation per block.

struct Params {
    vec4s: u32,
    max_sum: f32,
    pairwise: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
// [k], padded with zeros to a multiple of 32
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;

struct Origin { nothing: u32 }

fn value(at: Origin, vec4_index: u32) -> vec4<f32> {
    return x[vec4_index];
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) group: vec3<u32>, invocation: Invocation) {
    let block = group.x * WORKGROUP_SIZE + local_id_of(invocation);
    if (block < params.vec4s / 8u) {
        store_block(0u, block, Origin(0u));
    }
}
