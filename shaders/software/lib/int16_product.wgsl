// Product of a block of one row with x in fixed point, where one multiplication gives the sum of two products:
// (n + m 2^16) (b + a 2^16) = (n a + m b) 2^16 + n b (mod 2^32). The upper half is wanted. With MIDPOINT taken from every
// weight it holds the sum of a quad, or else (PAIRWISE) of a pair, and the lower half what is not wanted, between -2^15 and
// 2^15, so that adding 2^15 keeps it from the upper one: src/software/int16.rs.

// Pair e of quad q: weights e and e + 2 of it, as n + m 2^16.
fn pair(raw: Raw_w, q: u32, e: u32) -> i32 {
    return bitcast<i32>((bytes_w(raw, q) >> (8u * e)) & 0x00ff00ffu);
}

fn quad_sum(raw: Raw_w, x: Quads, q: u32) -> i32 {
    let a = x.pairs[q];
    let begin = -0x10001 * i32(MIDPOINT) * a;
    let first = pair(raw, q, 0u) * a.x;
    let second = pair(raw, q, 1u) * a.y;
    if (PAIRWISE) {
        return ((first + (begin.x + 0x8000)) >> 16u) + ((second + (begin.y + 0x8000)) >> 16u);
    }
    return (first + second + (begin.x + begin.y + 0x8000)) >> 16u;
}

// The weights are whole numbers less CENTER; what MIDPOINT took is given back to the whole sums.
fn product(raw: Raw_w, x: Quads) -> f32 {
    let back = (i32(MIDPOINT) - i32(CENTER_w)) * x.sums;
    let low = back.x + quad_sum(raw, x, 0u) + quad_sum(raw, x, 1u) + quad_sum(raw, x, 2u) + quad_sum(raw, x, 3u);
    let high = back.y + quad_sum(raw, x, 4u) + quad_sum(raw, x, 5u) + quad_sum(raw, x, 6u) + quad_sum(raw, x, 7u);
    let sums = x.scale * vec2<f32>(x.sums);
    if (HALVES_w) {
        let scaled = dot(x.scale * vec2<f32>(vec2<i32>(low, high)), scale_w(raw));
        if (OFFSET_w) {
            return scaled + dot(sums, offset_w(raw));
        }
        return scaled;
    }
    let scaled = x.scale * f32(low + high) * scale_w(raw).x;
    if (OFFSET_w) {
        return scaled + (sums.x + sums.y) * offset_w(raw).x;
    }
    return scaled;
}
