// Reader of Q5_1 blocks: src/weights/pack.rs.

// What a superblock says of its blocks, four of them each: scales and offsets, and high bits. `planes` holds the first
// vec4 of planes 1, 2 and 3.
struct HeadROLE { front_scales: KeptROLE, back_scales: KeptROLE, front: KeptROLE, back: KeptROLE }

fn headROLE(planes: vec3<u32>, super_block: u32) -> HeadROLE {
    let at = planes.xy + super_block * 2u;
    return HeadROLE(keepROLE(at.x), keepROLE(at.x + 1u), keepROLE(at.y), keepROLE(at.y + 1u));
}

struct RawROLE { low: vec4<u32>, high: u32, scale_offset: vec2<f32> }

fn fetchROLE(head: HeadROLE, block: u32, j: u32) -> RawROLE {
    var scale_offset = wordROLE(head.front_scales, j & 3u);
    var high = wordROLE(head.front, j & 3u);
    if (j >= 4u) {
        scale_offset = wordROLE(head.back_scales, j & 3u);
        high = wordROLE(head.back, j & 3u);
    }
    return RawROLE(loadROLE(block), high, unpack2x16float(scale_offset));
}

// Quad q of the block: weights 4q .. 4q+4, unscaled, a byte each. A weight is byte - CENTER.
const CENTERROLE: f32 = 0.0;

fn bytesROLE(raw: RawROLE, q: u32) -> u32 {
    let low = (raw.low[q >> 1u] >> (4u * (q & 1u))) & 0x0f0f0f0fu;
    let high = (raw.high >> q) & 0x01010101u;
    return low | (high << 4u);
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
