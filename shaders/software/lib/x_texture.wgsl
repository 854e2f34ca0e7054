// The input of a product in a texture: [tokens][k], padded with zeros to a multiple of 32.

fn load_x(at: u32) -> vec4<f32> {
    return bitcast<vec4<f32>>(texel_x(at));
}

fn low_vec4(at: u32) -> vec4<f32> {
    return bitcast<vec4<f32>>(texel_x(at));
}
