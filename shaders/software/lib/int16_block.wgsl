// A block of 32 activations in int16 block floating point: whole numbers times one scale. Five vec4 hold it. Word 2q +
// e of the first four is a[4q + e + 2] + a[4q + e] 2^16; then follow the scale, and the sums of both halves as whole
// numbers.

struct XBlock { pairs: array<vec2<i32>, 8>, scale: f32, sums: vec2<i32> }

fn block_of(a: vec4<i32>, b: vec4<i32>, c: vec4<i32>, d: vec4<i32>, rest: vec4<i32>) -> XBlock {
    return XBlock(array<vec2<i32>, 8>(a.xy, a.zw, b.xy, b.zw, c.xy, c.zw, d.xy, d.zw), bitcast<f32>(rest.x), rest.yz);
}

// Input of a matvec: such blocks.

fn prepare_input(local_id: u32) {}

fn input_scale() -> f32 {
    return 1.0;
}

fn int16_texel(at: u32) -> vec4<i32> {
    return bitcast<vec4<i32>>(words_x(at));
}
