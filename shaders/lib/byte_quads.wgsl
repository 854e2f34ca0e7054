// Quads of a reader that gives bytes. A weight is quad * UNIT - CENTER.

const UNITROLE: vec4<f32> = BYTE_UNIT;

fn quadROLE(raw: RawROLE, q: u32) -> vec4<f32> {
    return numbers(bytesROLE(raw, q));
}
