// Input of a matvec: the splits of attention, combined by lib/combine_splits.wgsl.

fn load_block(lanes: Lanes, at: u32, square: ptr<function, f32>) -> Quads {
    return with_sums(array<vec4<f32>, 8>(
        combined_quad(at) * UNIT_w,
        combined_quad(at + 1u) * UNIT_w,
        combined_quad(at + 2u) * UNIT_w,
        combined_quad(at + 3u) * UNIT_w,
        combined_quad(at + 4u) * UNIT_w,
        combined_quad(at + 5u) * UNIT_w,
        combined_quad(at + 6u) * UNIT_w,
        combined_quad(at + 7u) * UNIT_w,
    ));
}

fn input_scale(square: f32) -> f32 {
    return 1.0;
}
