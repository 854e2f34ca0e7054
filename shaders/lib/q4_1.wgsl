// Reader of Q4_1 blocks: src/weights/pack.rs.

// What a superblock says of its blocks, four of them each. `planes` holds the first vec4 of planes 1, 2 and 3.
struct HeadROLE { front: KeptROLE, back: KeptROLE }

fn headROLE(planes: vec3<u32>, super_block: u32) -> HeadROLE {
    let at = planes.x + super_block * 2u;
    return HeadROLE(keepROLE(at), keepROLE(at + 1u));
}

struct RawROLE { nibbles: vec4<u32>, scale_offset: vec2<f32> }

fn fetchROLE(head: HeadROLE, block: u32, j: u32) -> RawROLE {
    var word = wordROLE(head.front, j & 3u);
    if (j >= 4u) {
        word = wordROLE(head.back, j & 3u);
    }
    return RawROLE(loadROLE(block), unpack2x16float(word));
}

// Quad q of the block: weights 4q .. 4q+4, unscaled, a byte each. A weight is byte - CENTER.
const CENTERROLE: f32 = 0.0;

fn bytesROLE(raw: RawROLE, q: u32) -> u32 {
    return (raw.nibbles[q >> 1u] >> (4u * (q & 1u))) & 0x0f0f0f0fu;
}

// Whether the halves of a block differ in scale and offset.
const HALVESROLE: bool = false;

// Scales of the two halves of the block.
fn scaleROLE(raw: RawROLE) -> vec2<f32> {
    return vec2<f32>(raw.scale_offset.x);
}

// What is added to the scaled quants of the two halves.
const OFFSETROLE: bool = true;

fn offsetROLE(raw: RawROLE) -> vec2<f32> {
    return vec2<f32>(raw.scale_offset.y);
}
