// A block of 32 activations in int8: scale * (code - zero), where a code is a byte without a sign, four to a word, the
// first in its lowest bits. Three vec4 hold it: the codes, then the scale, the zero point, and the sums of code - zero
// over both halves.

struct XBlock { low: vec4<u32>, high: vec4<u32>, scale: f32, zero: i32, sums: vec2<i32> }

// The block whose vec4s of f32 would begin at `at`.
fn int8_block(at: u32) -> XBlock {
    let first = at / 8u * 3u;
    let rest = words_x(first + 2u);
    let sums = bitcast<vec2<i32>>(rest.zw);
    return XBlock(words_x(first), words_x(first + 1u), bitcast<f32>(rest.x), bitcast<i32>(rest.y), sums);
}
