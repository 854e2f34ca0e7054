// Eight quads of x, each times the unit of the weights; and the sums of x over the first four and over the last four, for
// weights that have a center or offsets.

struct Quads { quads: array<vec4<f32>, 8>, sums: vec2<f32> }

fn sum_of(quad: vec4<f32>) -> f32 {
    return dot(quad, 1.0 / UNIT_w);
}

fn with_sums(quads: array<vec4<f32>, 8>) -> Quads {
    let low = sum_of(quads[0] + quads[1] + quads[2] + quads[3]);
    let high = sum_of(quads[4] + quads[5] + quads[6] + quads[7]);
    return Quads(quads, vec2<f32>(low, high));
}
