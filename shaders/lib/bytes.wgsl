// Four bytes of a word as numbers, each where it stands: the second is 256 times as large, and so on, which takes no
// shifts. BYTE_UNIT is what their products are multiplied by, and x or the scale beforehand: powers of two, so that
// nothing is rounded. The last byte is below 128, so that numbers with a sign, which drivers on the CPU convert at once,
// hold it.

const BYTE_UNIT: vec4<f32> = vec4<f32>(1.0, 0x1p-8, 0x1p-16, 0x1p-24);

fn numbers(word: u32) -> vec4<f32> {
    return vec4<f32>(bitcast<vec4<i32>>(vec4<u32>(word) & vec4<u32>(0xffu, 0xff00u, 0xff0000u, 0xff000000u)));
}
