// Stores blocks of y in int8: lib/int8_block.wgsl. A kernel that stores so says what a vec4 is: value(at, vec4), where at
// is what the row needs for that (Origin).

// [rows][k / 32][3]
@group(0) @binding(BINDING) var<storage, read_write> ROLE: array<vec4<u32>>;

fn put_low(at: u32, low: vec4<f32>) {
    ROLE[at] = bitcast<vec4<u32>>(low);
}

const EXPONENT: u32 = 0x7f800000u;

fn is_number(v: f32) -> bool {
    return (bitcast<u32>(v) & EXPONENT) != EXPONENT;
}

fn are_numbers(v: vec4<f32>) -> bool {
    return all((bitcast<vec4<u32>>(v) & vec4<u32>(EXPONENT)) != vec4<u32>(EXPONENT));
}

// Codes of a vec4, to the nearest, and halfway to the even one.
fn codes_of(v: vec4<f32>, inverse: f32, zero: f32) -> vec4<u32> {
    return vec4<u32>(clamp(round(v * inverse) + zero, vec4<f32>(0.0), vec4<f32>(255.0)));
}

fn sum_of_codes(codes: vec4<u32>) -> i32 {
    return i32(codes.x + codes.y + codes.z + codes.w);
}

// bits are those of the scale, inverse is what values are multiplied by, zero a whole number from 0 to 255.
fn put_block(row: u32, block: u32, at: Origin, bits: u32, inverse: f32, zero: f32) {
    let to = (row * (params.vec4s / 8u) + block) * 3u;
    var sums = vec2<i32>();
    for (var half = 0u; half < 2u; half++) {
        var words = vec4<u32>();
        var sum = -16 * i32(zero);
        for (var i = 0u; i < 4u; i++) {
            let codes = codes_of(value(at, 8u * block + 4u * half + i), inverse, zero);
            let word = codes.x | (codes.y << 8u) | (codes.z << 16u) | (codes.w << 24u);
            words = select(words, vec4<u32>(word), vec4<u32>(i) == vec4<u32>(0u, 1u, 2u, 3u));
            sum += sum_of_codes(codes);
        }
        ROLE[to + half] = words;
        sums = select(vec2<i32>(sum, sums.y), vec2<i32>(sums.x, sum), half == 1u);
    }
    ROLE[to + 2u] = vec4<u32>(bits, u32(zero), bitcast<vec2<u32>>(sums));
}
