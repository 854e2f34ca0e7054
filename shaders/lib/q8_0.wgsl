// Reader of Q8_0 blocks: src/weights/pack.rs.

// What a superblock says of its blocks. `planes` holds the first vec4 of planes 1, 2 and 3.
struct HeadROLE { scales: KeptROLE }

fn headROLE(planes: vec3<u32>, super_block: u32) -> HeadROLE {
    return HeadROLE(keepROLE(planes.x + super_block));
}

struct RawROLE { low: vec4<u32>, high: vec4<u32>, scale: f32 }

fn fetchROLE(head: HeadROLE, block: u32, j: u32) -> RawROLE {
    let scale = unpack2x16float(wordROLE(head.scales, j >> 1u) >> (16u * (j & 1u))).x;
    return RawROLE(loadROLE(block * 2u), loadROLE(block * 2u + 1u), scale);
}

// Quad q of the block: weights 4q .. 4q+4, unscaled. A weight is quad * UNIT - CENTER.
const UNITROLE: vec4<f32> = vec4<f32>(1.0);
const CENTERROLE: f32 = 0.0;

fn quadROLE(raw: RawROLE, q: u32) -> vec4<f32> {
    let words = select(raw.low, raw.high, q >= 4u);
    return vec4<f32>(unpack4xI8(words[q & 3u]));
}

// Whether the halves of a block differ in scale and offset.
const HALVESROLE: bool = false;

// Scales of the two halves of the block.
fn scaleROLE(raw: RawROLE) -> vec2<f32> {
    return vec2<f32>(raw.scale);
}

// This type has no offsets.
const OFFSETROLE: bool = false;

fn offsetROLE(raw: RawROLE) -> vec2<f32> {
    return vec2<f32>(0.0);
}
