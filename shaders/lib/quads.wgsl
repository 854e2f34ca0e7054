// Eight quads of x, `stride` apart: a block of one token, or one quad of eight tokens.

fn load_quads(lanes: Lanes, at: u32, stride: u32) -> array<vec4<f32>, 8> {
    return array<vec4<f32>, 8>(
        x[at],
        x[at + stride],
        x[at + 2u * stride],
        x[at + 3u * stride],
        x[at + 4u * stride],
        x[at + 5u * stride],
        x[at + 6u * stride],
        x[at + 7u * stride],
    );
}
