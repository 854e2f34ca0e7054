// Input of a matvec: the splits of attention (split-KV), reduced by lib/combine_splits.wgsl.

fn load_block(invocation: Invocation, at: u32, square: ptr<function, f32>) -> XBlock {
    return with_sums(array<vec4<f32>, 8>(
        combined_vec4(at) * UNIT_w,
        combined_vec4(at + 1u) * UNIT_w,
        combined_vec4(at + 2u) * UNIT_w,
        combined_vec4(at + 3u) * UNIT_w,
        combined_vec4(at + 4u) * UNIT_w,
        combined_vec4(at + 5u) * UNIT_w,
        combined_vec4(at + 6u) * UNIT_w,
        combined_vec4(at + 7u) * UNIT_w,
    ));
}

fn input_scale(square: f32) -> f32 {
    return 1.0;
}
