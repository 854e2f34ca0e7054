// Products of a block of weights of one row block with eight tokens in f32. x is loaded where a token needs it: neither
// its numbers nor its addresses take registers before.

// Adds block g, whose vec4s of the first token begin at `at`, to the sums of the row block.
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
        // v * M is the dot product of v with each column of M: one per row.
        let w = weights_of(raw, q);
        var x_at = at + q;
        (*sums).t0 += load_x(x_at) * w;
        x_at += stride;
        (*sums).t1 += load_x(x_at) * w;
        x_at += stride;
        (*sums).t2 += load_x(x_at) * w;
        x_at += stride;
        (*sums).t3 += load_x(x_at) * w;
        x_at += stride;
        (*sums).t4 += load_x(x_at) * w;
        x_at += stride;
        (*sums).t5 += load_x(x_at) * w;
        x_at += stride;
        (*sums).t6 += load_x(x_at) * w;
        x_at += stride;
        (*sums).t7 += load_x(x_at) * w;
    }
}
