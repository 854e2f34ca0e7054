// Input of a matvec: RMSNorm, x * gamma / sqrt(mean(x^2) + eps) (arXiv 1910.07467). The root is taken once, at the end.

// [rows][k], padded with zeros to a multiple of 32
@group(0) @binding(3) var<storage, read> x: array<vec4<f32>>;
// [k], padded with zeros
@group(0) @binding(4) var<storage, read> gamma: array<vec4<f32>>;

fn prepare_input(local_id: u32) {}

fn normed_vec4(vec4_index: u32, square: ptr<function, f32>) -> vec4<f32> {
    let v = x[params.at_head * run.head_first * params.vec4s + vec4_index];
    *square += dot(v, v);
    return v * gamma[vec4_index] * UNIT_w;
}

fn load_block(invocation: Invocation, at: u32, square: ptr<function, f32>) -> XBlock {
    return with_sums(array<vec4<f32>, 8>(
        normed_vec4(at, square),
        normed_vec4(at + 1u, square),
        normed_vec4(at + 2u, square),
        normed_vec4(at + 3u, square),
        normed_vec4(at + 4u, square),
        normed_vec4(at + 5u, square),
        normed_vec4(at + 6u, square),
        normed_vec4(at + 7u, square),
    ));
}

fn input_scale(square: f32) -> f32 {
    return inverseSqrt(square / params.norm_dim + params.eps);
}
