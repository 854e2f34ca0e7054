// Product of a block of one row with x in int8: sum (w - CODE_ZERO) (code - zero), in whole numbers, times both scales.

const ONES: u32 = 0x01010101u;

// The codes of the weights of a block, their sums over both halves, scales and minimums.
struct Codes { low: vec4<u32>, high: vec4<u32>, sums: vec2<i32>, scale: vec2<f32>, minimum: vec2<f32> }

// The sum of 16 codes; of up to six bits, four fit a byte.
fn sum_of_codes(words: vec4<u32>) -> i32 {
    if (CODES_FIT_w) {
        return i32(dot4U8Packed(words.x + words.y + words.z + words.w, ONES));
    }
    return i32(
        dot4U8Packed(words.x, ONES) + dot4U8Packed(words.y, ONES) + dot4U8Packed(words.z, ONES)
            + dot4U8Packed(words.w, ONES),
    );
}

fn codes_of(raw: Raw_w) -> Codes {
    let low = vec4<u32>(codes_w(raw, 0u), codes_w(raw, 1u), codes_w(raw, 2u), codes_w(raw, 3u));
    let high = vec4<u32>(codes_w(raw, 4u), codes_w(raw, 5u), codes_w(raw, 6u), codes_w(raw, 7u));
    let sums = vec2<i32>(sum_of_codes(low), sum_of_codes(high));
    return Codes(low, high, sums, scale_w(raw), minimum_w(raw));
}

fn half_products(w: vec4<u32>, x: vec4<u32>) -> i32 {
    return i32(
        dot4U8Packed(w.x, x.x) + dot4U8Packed(w.y, x.y) + dot4U8Packed(w.z, x.z) + dot4U8Packed(w.w, x.w),
    );
}

fn product_of(w: Codes, x: XBlock) -> f32 {
    let products = vec2<i32>(half_products(w.low, x.low), half_products(w.high, x.high));
    let whole = products - x.zero * w.sums - CODE_ZERO_w * x.sums;
    let sums = x.scale * vec2<f32>(x.sums);
    if (HALVES_w) {
        let scaled = dot(x.scale * vec2<f32>(whole), w.scale);
        if (HAS_MINIMUM_w) {
            return scaled + dot(sums, w.minimum);
        }
        return scaled;
    }
    let scaled = x.scale * f32(whole.x + whole.y) * w.scale.x;
    if (HAS_MINIMUM_w) {
        return scaled + (sums.x + sums.y) * w.minimum.x;
    }
    return scaled;
}

fn product(raw: Raw_w, x: XBlock) -> f32 {
    return product_of(codes_of(raw), x);
}
