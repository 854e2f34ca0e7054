// vec4s of a reader that gives bytes. A weight is vec4 * UNIT - ZERO_POINT.

const UNITROLE: vec4<f32> = BYTE_UNIT;

fn vec4ROLE(raw: RawROLE, q: u32) -> vec4<f32> {
    return numbers(bytesROLE(raw, q));
}
