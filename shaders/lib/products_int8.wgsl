// Products of a block of weights with eight tokens in int8.

// The codes of the rows of a row block.
struct RowCodes { a: Codes, b: Codes, c: Codes, d: Codes }

fn row_codes(w: Blocks) -> RowCodes {
    return RowCodes(codes_of(w.a), codes_of(w.b), codes_of(w.c), codes_of(w.d));
}

// The sums of the rows of a row block with one token.
fn row_products(w: RowCodes, x: XBlock) -> vec4<f32> {
    return vec4<f32>(product_of(w.a, x), product_of(w.b, x), product_of(w.c, x), product_of(w.d, x));
}

fn add_rows(w: RowCodes, at: u32, stride: u32, sums: ptr<function, Sums>) {
    (*sums).t0 += row_products(w, int8_block(at));
    (*sums).t1 += row_products(w, int8_block(at + stride));
    (*sums).t2 += row_products(w, int8_block(at + 2u * stride));
    (*sums).t3 += row_products(w, int8_block(at + 3u * stride));
    (*sums).t4 += row_products(w, int8_block(at + 4u * stride));
    (*sums).t5 += row_products(w, int8_block(at + 5u * stride));
    (*sums).t6 += row_products(w, int8_block(at + 6u * stride));
    (*sums).t7 += row_products(w, int8_block(at + 7u * stride));
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
    add_rows(row_codes(raw), at, stride, sums);
    if (ROW_BLOCKS > 1u) {
        add_rows(row_codes(raw_1), at, stride, sums_1);
    }
}
