// Products of the blocks of a row block with a block of x in f32, vec4 by vec4 of x: each is read once for the four rows,
// and takes registers only there. An input file says in x_vec4 what a vec4 of x is, times the unit of the weights, and
// in held_sums, where it has them, the sums of x over both halves of a block.

// Where a block of x begins.
struct XBlock { at: u32 }

fn load_block(invocation: Invocation, at: u32) -> XBlock {
    return XBlock(at);
}

// Products over a half of a block, or over all of it: of the dots of its quants, and of the sum of x, from which what is
// taken from every weight is taken.
fn scaled(w: Blocks, half: u32, dots: vec4<f32>, sum: f32) -> vec4<f32> {
    var quants = dots;
    if (ZERO_POINT_w != 0.0) {
        quants -= ZERO_POINT_w * sum;
    }
    var products = quants * vec4<f32>(scale_w(w.a)[half], scale_w(w.b)[half], scale_w(w.c)[half], scale_w(w.d)[half]);
    if (HAS_MINIMUM_w) {
        products +=
            sum * vec4<f32>(minimum_w(w.a)[half], minimum_w(w.b)[half], minimum_w(w.c)[half], minimum_w(w.d)[half]);
    }
    return products;
}

// Adds vec4 q of x to the dots of the quants, and to the sum of x where it is not held.
fn add_vec4(w: Blocks, x: XBlock, q: u32, dots: ptr<function, vec4<f32>>, sum: ptr<function, f32>) {
    let v = x_vec4(x.at + q);
    if (USES_SUMS && !HOLDS_SUMS) {
        *sum += dot(v, 1.0 / UNIT_w);
    }
    *dots += vec4<f32>(dot(v, vec4_w(w.a, q)), dot(v, vec4_w(w.b, q)), dot(v, vec4_w(w.c, q)), dot(v, vec4_w(w.d, q)));
}

fn products(w: Blocks, x: XBlock) -> vec4<f32> {
    var held = vec2<f32>();
    if (USES_SUMS && HOLDS_SUMS) {
        held = held_sums(x.at);
    }
    var dots = vec4<f32>();
    var sum = held.x;
    add_vec4(w, x, 0u, &dots, &sum);
    add_vec4(w, x, 1u, &dots, &sum);
    add_vec4(w, x, 2u, &dots, &sum);
    add_vec4(w, x, 3u, &dots, &sum);
    var low = vec4<f32>();
    if (HALVES_w) {
        low = scaled(w, 0u, dots, sum);
        dots = vec4<f32>();
        sum = 0.0;
    }
    sum += held.y;
    add_vec4(w, x, 4u, &dots, &sum);
    add_vec4(w, x, 5u, &dots, &sum);
    add_vec4(w, x, 6u, &dots, &sum);
    add_vec4(w, x, 7u, &dots, &sum);
    if (HALVES_w) {
        return low + scaled(w, 1u, dots, sum);
    }
    return scaled(w, 0u, dots, sum);
}
