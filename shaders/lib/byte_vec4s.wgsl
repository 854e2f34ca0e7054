// vec4s of a reader that gives bytes. A weight is vec4 * UNIT - ZERO_POINT.

const UNITROLE: vec4<f32> = BYTE_UNIT;

fn vec4ROLE(raw: RawROLE, q: u32) -> vec4<f32> {
    return numbers(bytesROLE(raw, q));
}

// The same bytes as codes of whole-number products, and whether four of them fit a byte. A weight is code - CODE_ZERO.
const CODE_ZEROROLE: i32 = i32(ZERO_POINTROLE);
const CODES_FITROLE: bool = true;

fn codesROLE(raw: RawROLE, q: u32) -> u32 {
    return bytesROLE(raw, q);
}
