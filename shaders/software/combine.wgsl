// y = the splits of attention combined: one token, one workgroup. The input file has the formula, the output file stores.

struct Params {
    quads: u32,
    max_sum: f32,
    pairwise: u32,
}

@group(0) @binding(0) var<uniform> params: Params;

struct Origin { nothing: u32 }

fn value(at: Origin, quad: u32) -> vec4<f32> {
    return combined_quad(quad);
}

@compute @workgroup_size(LANES)
fn main(lanes: Lanes) {
    let lane = lane_index(lanes);
    prepare_input(lane);
    store_row(0u, lane, Origin(0u));
}
