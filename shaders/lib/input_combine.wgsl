// Input of a matvec: the splits of attention, combined by lib/combine_splits.wgsl.

fn load_block(lanes: Lanes, at: u32, square: ptr<function, f32>) -> array<vec4<f32>, 8> {
    return array<vec4<f32>, 8>(
        combined_quad(at),
        combined_quad(at + 1u),
        combined_quad(at + 2u),
        combined_quad(at + 3u),
        combined_quad(at + 4u),
        combined_quad(at + 5u),
        combined_quad(at + 6u),
        combined_quad(at + 7u),
    );
}

fn input_scale(square: f32) -> f32 {
    return 1.0;
}
