// The input of a product in a buffer, as words.

// [tokens][words of k]
@group(0) @binding(3) var<storage, read> x: array<vec4<u32>>;

fn words_x(at: u32) -> vec4<u32> {
    return x[at];
}

fn low_vec4(at: u32) -> vec4<f32> {
    return bitcast<vec4<f32>>(x[at]);
}
