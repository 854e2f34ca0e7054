// The input of a product in a texture: [tokens][k], padded with zeros to a multiple of 32.

// Times the unit of the weights.
fn load_x(at: u32) -> vec4<f32> {
    return bitcast<vec4<f32>>(texel_x(at)) * UNIT_w;
}

fn low_vec4(at: u32) -> vec4<f32> {
    return bitcast<vec4<f32>>(texel_x(at));
}
