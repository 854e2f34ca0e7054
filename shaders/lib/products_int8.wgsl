// Products of a block of weights with eight tokens in int8.

// The sums of the rows of a row block with one token.
fn row_products(w: Blocks, x: XBlock) -> vec4<f32> {
    return vec4<f32>(product(w.a, x), product(w.b, x), product(w.c, x), product(w.d, x));
}

// Adds block g, whose vec4s of the first token would begin at `at`, to the sums of one row block, or of two.
fn add_block(
    invocation: Invocation,
    at: u32,
    stride: u32,
    raw: Blocks,
    raw_1: Blocks,
    sums: ptr<function, Sums>,
    sums_1: ptr<function, Sums>,
) {
    let x0 = int8_block(at);
    let x1 = int8_block(at + stride);
    let x2 = int8_block(at + 2u * stride);
    let x3 = int8_block(at + 3u * stride);
    let x4 = int8_block(at + 4u * stride);
    let x5 = int8_block(at + 5u * stride);
    let x6 = int8_block(at + 6u * stride);
    let x7 = int8_block(at + 7u * stride);
    (*sums).t0 += row_products(raw, x0);
    (*sums).t1 += row_products(raw, x1);
    (*sums).t2 += row_products(raw, x2);
    (*sums).t3 += row_products(raw, x3);
    (*sums).t4 += row_products(raw, x4);
    (*sums).t5 += row_products(raw, x5);
    (*sums).t6 += row_products(raw, x6);
    (*sums).t7 += row_products(raw, x7);
    if (ROW_BLOCKS > 1u) {
        (*sums_1).t0 += row_products(raw_1, x0);
        (*sums_1).t1 += row_products(raw_1, x1);
        (*sums_1).t2 += row_products(raw_1, x2);
        (*sums_1).t3 += row_products(raw_1, x3);
        (*sums_1).t4 += row_products(raw_1, x4);
        (*sums_1).t5 += row_products(raw_1, x5);
        (*sums_1).t6 += row_products(raw_1, x6);
        (*sums_1).t7 += row_products(raw_1, x7);
    }
}
