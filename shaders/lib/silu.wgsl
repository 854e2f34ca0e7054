// silu(x) = x / (1 + e^-x), without an overflow.

fn silu(x: f32) -> f32 {
    return x / (1.0 + exp(min(-x, 80.0)));
}
