// Input of a matvec: x as it is.

fn prepare_input(local_id: u32) {}

fn load_block(invocation: Invocation, at: u32) -> XBlock {
    return load_vec4s(invocation, at, 1u, UNIT_w);
}

fn input_scale() -> f32 {
    return 1.0;
}
