// Eight vec4s of x, each times a unit; and the sums of x over the first four and over the last four, for weights that
// have a zero point or minimums.

struct XBlock { vec4s: array<vec4<f32>, 8>, sums: vec2<f32> }

fn sum_of(unit: vec4<f32>, v: vec4<f32>) -> f32 {
    return dot(v, 1.0 / unit);
}

fn with_sums(unit: vec4<f32>, vec4s: array<vec4<f32>, 8>) -> XBlock {
    let low = sum_of(unit, vec4s[0] + vec4s[1] + vec4s[2] + vec4s[3]);
    let high = sum_of(unit, vec4s[4] + vec4s[5] + vec4s[6] + vec4s[7]);
    return XBlock(vec4s, vec2<f32>(low, high));
}
