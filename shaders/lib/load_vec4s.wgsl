// Eight vec4s of x, `stride` apart, times `unit`: a block of one token, or one vec4 of eight tokens.

fn load_vec4s(invocation: Invocation, at: u32, stride: u32, unit: vec4<f32>) -> XBlock {
    return with_sums(unit, array<vec4<f32>, 8>(
        load_x(at) * unit,
        load_x(at + stride) * unit,
        load_x(at + 2u * stride) * unit,
        load_x(at + 3u * stride) * unit,
        load_x(at + 4u * stride) * unit,
        load_x(at + 5u * stride) * unit,
        load_x(at + 6u * stride) * unit,
        load_x(at + 7u * stride) * unit,
    ));
}
