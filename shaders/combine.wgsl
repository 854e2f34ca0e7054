// y = the splits of attention combined: one token, one workgroup. The input file has the formula.

struct Params {
    quads: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
// [q_dim], padded with zeros to a multiple of 32
@group(0) @binding(5) var<storage, read_write> y: array<vec4<f32>>;

@compute @workgroup_size(LANES)
fn main(lanes: Lanes) {
    prepare_input(lane_index(lanes));
    for (var quad = lane_index(lanes); quad < params.quads; quad += LANES) {
        y[quad] = combined_quad(quad);
    }
}
