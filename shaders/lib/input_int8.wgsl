// Input of a matvec: x in int8 (lib/int8_block.wgsl).

fn prepare_input(local_id: u32) {}

fn load_block(invocation: Invocation, at: u32) -> XBlock {
    return int8_block(at);
}

fn input_scale() -> f32 {
    return 1.0;
}
