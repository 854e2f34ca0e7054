// Eight vec4s of x, `stride` apart: a block of one token, or one vec4 of eight tokens.

fn load_vec4s(invocation: Invocation, at: u32, stride: u32) -> XBlock {
    return with_sums(array<vec4<f32>, 8>(
        load_x(at),
        load_x(at + stride),
        load_x(at + 2u * stride),
        load_x(at + 3u * stride),
        load_x(at + 4u * stride),
        load_x(at + 5u * stride),
        load_x(at + 6u * stride),
        load_x(at + 7u * stride),
    ));
}
