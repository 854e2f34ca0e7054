// Four bytes of a word as numbers. BYTE_UNIT is what their products are multiplied by, and x beforehand.

const BYTE_UNIT: vec4<f32> = vec4<f32>(1.0);

fn numbers(word: u32) -> vec4<f32> {
    return vec4<f32>(unpack4xU8(word));
}
