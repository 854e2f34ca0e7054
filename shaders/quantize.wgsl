// y = x in another format of activations.

struct Params {
    vec4s: u32,
    bound: f32,
    pairwise: u32,
    low_first: u32,
    lora_scale: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
// [rows][k], padded with zeros to a multiple of 32
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;

// The first vec4 of a row.
struct Origin { first: u32 }

fn value(at: Origin, vec4_index: u32) -> vec4<f32> {
    return x[at.first + vec4_index];
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) group: vec3<u32>, invocation: Invocation) {
    if (group.y < run.rows) {
        store_share(group.x, group.y, local_id_of(invocation), Origin(group.y * params.vec4s));
    }
}
