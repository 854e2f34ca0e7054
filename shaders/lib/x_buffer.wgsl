// The input of a product in a buffer.

// [tokens][k], padded with zeros to a multiple of 32
@group(0) @binding(3) var<storage, read> x: array<vec4<f32>>;

fn load_x(at: u32) -> vec4<f32> {
    return x[at];
}

fn low_vec4(at: u32) -> vec4<f32> {
    return x[at];
}
