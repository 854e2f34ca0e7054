// Rows of y in int16: int16_block.wgsl. An invocation stores a block. A kernel that stores so has vec4s, bound and
// pairwise in its params, and says what a vec4 is: value(at, vec4), where at is what the row needs for that (Origin).

// [rows][k / 32][5]
@group(0) @binding(BINDING) var<storage, read_write> ROLE: array<vec4<u32>>;

fn put_low(at: u32, low: vec4<f32>) {
    ROLE[at] = bitcast<vec4<u32>>(low);
}

fn is_number(v: f32) -> bool {
    return (bitcast<u32>(v) & 0x7f800000u) != 0x7f800000u;
}

// Two vec4s: their words, and what they add to the sum.
struct Two { words: vec4<u32>, sum: i32 }

fn two_vec4s(a: vec4<f32>, b: vec4<f32>, inverse: f32) -> Two {
    let first = vec4<i32>(round(a * inverse));
    let second = vec4<i32>(round(b * inverse));
    let words = vec4<i32>(first.zw + first.xy * 65536, second.zw + second.xy * 65536);
    let both = first + second;
    return Two(bitcast<vec4<u32>>(words), both.x + both.y + both.z + both.w);
}

// Values are computed twice, in loops: drivers that compile for the CPU take long for what is written out.
fn store_block(row: u32, block: u32, at: Origin) {
    let first = 8u * block;
    var total = 0.0;
    // The largest sum of two or four numbers, without their signs, that become one sum of products.
    var largest = 0.0;
    for (var q = 0u; q < 8u; q++) {
        let x = abs(value(at, first + q));
        let pairs = x.xy + x.zw;
        let sum = pairs.x + pairs.y;
        total += sum;
        largest = max(largest, select(sum, max(pairs.x, pairs.y), params.pairwise == 1u));
    }
    let inverse = select(0.0, params.bound / largest, largest > 1e-30);
    let to = (row * (params.vec4s / 8u) + block) * 5u;
    var sums = vec2<i32>();
    for (var i = 0u; i < 4u; i++) {
        let two = two_vec4s(value(at, first + 2u * i), value(at, first + 2u * i + 1u), inverse);
        ROLE[to + i] = two.words;
        sums += select(vec2<i32>(two.sum, 0), vec2<i32>(0, two.sum), i >= 2u);
    }
    // A block that holds something that is no number, or numbers that are too large to sum, is no number.
    let scale = select(0x7fc00000u, bitcast<u32>(largest / params.bound), is_number(total));
    ROLE[to + 4u] = vec4<u32>(scale, bitcast<vec2<u32>>(sums), 0u);
}

fn store_row(row: u32, local_id: u32, at: Origin) {
    for (var block = local_id; block < params.vec4s / 8u; block += WORKGROUP_SIZE) {
        store_block(row, block, at);
    }
}
