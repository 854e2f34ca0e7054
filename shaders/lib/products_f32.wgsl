// Products of a block of weights with eight tokens in f32, whose vec4s of x are in registers: for two row blocks, or
// where a subgroup exchanges them.

// v * M is the dot product of v with each column of M: one per row.
fn add(sums: Sums, w: mat4x4<f32>, x: XBlock) -> Sums {
    return Sums(
        sums.t0 + x.vec4s[0] * w,
        sums.t1 + x.vec4s[1] * w,
        sums.t2 + x.vec4s[2] * w,
        sums.t3 + x.vec4s[3] * w,
        sums.t4 + x.vec4s[4] * w,
        sums.t5 + x.vec4s[5] * w,
        sums.t6 + x.vec4s[6] * w,
        sums.t7 + x.vec4s[7] * w,
    );
}

// Adds block g, whose vec4s of the first token begin at `at`, to the sums of one row block, or of two.
fn add_block(
    invocation: Invocation,
    at: u32,
    stride: u32,
    raw: Blocks,
    raw_1: Blocks,
    sums: ptr<function, Sums>,
    sums_1: ptr<function, Sums>,
) {
    for (var q = 0u; q < 8u; q++) {
        let w = weights_of(raw, q);
        let x = load_vec4s(invocation, at + q, stride, vec4<f32>(1.0));
        *sums = add(*sums, w, x);
        if (ROW_BLOCKS > 1u) {
            *sums_1 = add(*sums_1, weights_of(raw_1, q), x);
        }
    }
}
