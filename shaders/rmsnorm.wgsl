// y[t] = x[t] * gamma / sqrt(mean(x[t]^2) + eps) (arXiv 1910.07467). One workgroup per token. The output file stores.

struct Params {
    vec4s: u32,
    at_head: u32,
    norm_dim: f32,
    eps: f32,
    bound: f32,
    pairwise: u32,
    low_first: u32,
    lora_scale: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
// [rows][k], padded with zeros to a multiple of 32
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;
// [k], padded with zeros
@group(0) @binding(3) var<storage, read> gamma: array<vec4<f32>>;

// The first vec4 of a row, and what it is multiplied by.
struct Origin { first: u32, scale: f32 }

fn value(at: Origin, vec4_index: u32) -> vec4<f32> {
    return at.scale * x[at.first + vec4_index] * gamma[vec4_index];
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) group: vec3<u32>, invocation: Invocation) {
    let local_id = local_id_of(invocation);
    let tokens = select(run.rows, run.head_rows, params.at_head == 1u);
    if (group.x >= tokens) {
        return;
    }
    let from_row = (params.at_head * run.head_first + group.x) * params.vec4s;
    var square = 0.0;
    for (var q = local_id; q < params.vec4s; q += WORKGROUP_SIZE) {
        square += dot(x[from_row + q], x[from_row + q]);
    }
    let scale = inverseSqrt(sum_workgroup(invocation, square) / params.norm_dim + params.eps);
    store_row(group.x, local_id, Origin(from_row, scale));
    store_low(group.x, local_id, Origin(from_row, scale));
}
