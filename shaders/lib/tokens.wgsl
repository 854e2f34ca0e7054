// One quad of eight tokens whose rows of x are `stride` quads apart; the first token's is x[at].

fn load_tokens(lanes: Lanes, at: u32, stride: u32) -> array<vec4<f32>, 8> {
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
