// Reader of Q4_0 blocks: src/weights/pack.rs.

// What a superblock says of its blocks. `planes` holds the first vec4 of planes 1, 2 and 3.
struct HeadROLE { scales: KeptROLE }

fn headROLE(planes: vec3<u32>, super_block: u32) -> HeadROLE {
    return HeadROLE(keepROLE(planes.x + super_block));
}

struct RawROLE { nibbles: vec4<u32>, scale: f32 }

fn fetchROLE(head: HeadROLE, block: u32, j: u32) -> RawROLE {
    let scale = unpack2x16float(wordROLE(head.scales, j >> 1u) >> (16u * (j & 1u))).x;
    return RawROLE(loadROLE(block), scale);
}

// Quad q of the block: weights 4q .. 4q+4, unscaled, a byte each. A weight is byte - CENTER.
const CENTERROLE: f32 = 8.0;

fn bytesROLE(raw: RawROLE, q: u32) -> u32 {
    return (raw.nibbles[q >> 1u] >> (4u * (q & 1u))) & 0x0f0f0f0fu;
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
