// Product of a block of one row with x in int8: sum (w - CODE_ZERO) (code - zero), in whole numbers, times both scales.

const ONES: u32 = 0x01010101u;

// One half of the block: words `first` and the three after it of the codes of the weights.
fn half_sum(raw: Raw_w, first: u32, codes: vec4<u32>, zero: i32, sum: i32) -> i32 {
    let w = vec4<u32>(
        codes_w(raw, first),
        codes_w(raw, first + 1u),
        codes_w(raw, first + 2u),
        codes_w(raw, first + 3u),
    );
    var products = dot4U8Packed(w.x, codes.x);
    products += dot4U8Packed(w.y, codes.y);
    products += dot4U8Packed(w.z, codes.z);
    products += dot4U8Packed(w.w, codes.w);
    // The sum of the codes of the weights: of up to six bits, four fit a byte.
    var weights = 0u;
    if (CODES_FIT_w) {
        weights = dot4U8Packed(w.x + w.y + w.z + w.w, ONES);
    } else {
        weights = dot4U8Packed(w.x, ONES);
        weights += dot4U8Packed(w.y, ONES);
        weights += dot4U8Packed(w.z, ONES);
        weights += dot4U8Packed(w.w, ONES);
    }
    return i32(products) - zero * i32(weights) - CODE_ZERO_w * sum;
}

fn product(raw: Raw_w, x: XBlock) -> f32 {
    let low = half_sum(raw, 0u, x.low, x.zero, x.sums.x);
    let high = half_sum(raw, 4u, x.high, x.zero, x.sums.y);
    let sums = x.scale * vec2<f32>(x.sums);
    if (HALVES_w) {
        let scaled = dot(x.scale * vec2<f32>(vec2<i32>(low, high)), scale_w(raw));
        if (HAS_MINIMUM_w) {
            return scaled + dot(sums, minimum_w(raw));
        }
        return scaled;
    }
    let scaled = x.scale * f32(low + high) * scale_w(raw).x;
    if (HAS_MINIMUM_w) {
        return scaled + (sums.x + sums.y) * minimum_w(raw).x;
    }
    return scaled;
}
