// Input of a matvec: x in f32 as it is, a vec4 at a time.

const HOLDS_SUMS: bool = false;
// Whether weights have a zero point or minimums, which are multiplied with sums of x.
const USES_SUMS: bool = ZERO_POINT_w != 0.0 || HAS_MINIMUM_w;

fn prepare_input(local_id: u32) {}

fn x_vec4(at: u32) -> vec4<f32> {
    return load_x(at) * UNIT_w;
}

fn held_sums(at: u32) -> vec2<f32> {
    return vec2<f32>();
}

fn input_scale() -> f32 {
    return 1.0;
}
