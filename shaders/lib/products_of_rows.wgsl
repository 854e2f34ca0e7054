// Products of the blocks of a row block with a block of x that is in registers, row by row.

fn products(w: Blocks, x: XBlock) -> vec4<f32> {
    return vec4<f32>(product(w.a, x), product(w.b, x), product(w.c, x), product(w.d, x));
}
