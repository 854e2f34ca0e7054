// The input of a product in a texture, as words: [tokens][words of k].

fn words_x(at: u32) -> vec4<u32> {
    return texel_x(at);
}

fn low_vec4(at: u32) -> vec4<f32> {
    return bitcast<vec4<f32>>(texel_x(at));
}
