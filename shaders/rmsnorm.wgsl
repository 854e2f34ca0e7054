// y[t] = x[t] * gamma / sqrt(mean(x[t]^2) + eps) (arXiv 1910.07467). One workgroup per token. The output file stores.

struct Params {
    quads: u32,
    at_head: u32,
    norm_dim: f32,
    eps: f32,
    max_sum: f32,
    pairwise: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
// [rows][k], padded with zeros to a multiple of 32
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;
// [k], padded with zeros
@group(0) @binding(3) var<storage, read> gamma: array<vec4<f32>>;

// The first quad of a row, and what it is multiplied by.
struct Origin { first: u32, scale: f32 }

fn value(at: Origin, quad: u32) -> vec4<f32> {
    return at.scale * x[at.first + quad] * gamma[quad];
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, lanes: Lanes) {
    let lane = lane_index(lanes);
    let tokens = select(slot.rows, slot.head_rows, params.at_head == 1u);
    if (group.x >= tokens) {
        return;
    }
    let from_row = (params.at_head * slot.head_first + group.x) * params.quads;
    var square = 0.0;
    for (var q = lane; q < params.quads; q += LANES) {
        square += dot(x[from_row + q], x[from_row + q]);
    }
    let scale = inverseSqrt(sum_lanes(lanes, square) / params.norm_dim + params.eps);
    store_row(group.x, lane, Origin(from_row, scale));
}
