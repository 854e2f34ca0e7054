// Eight vec4s of x, each times the unit of the weights; and the sums of x over the first four and over the last four,
// for weights that have a zero point or minimums.

struct XBlock { vec4s: array<vec4<f32>, 8>, sums: vec2<f32> }

fn sum_of(v: vec4<f32>) -> f32 {
    return dot(v, 1.0 / UNIT_w);
}

fn with_sums(vec4s: array<vec4<f32>, 8>) -> XBlock {
    let low = sum_of(vec4s[0] + vec4s[1] + vec4s[2] + vec4s[3]);
    let high = sum_of(vec4s[4] + vec4s[5] + vec4s[6] + vec4s[7]);
    return XBlock(vec4s, vec2<f32>(low, high));
}
