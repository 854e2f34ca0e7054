// Reader of Q5_1 blocks: src/weights/pack.rs.

// The data of a superblock that its blocks share, four of them each: scales and minimums, and high bits. `planes`
// holds the first vec4 of planes 1, 2 and 3.
struct SuperblockROLE { front_scales: KeptROLE, back_scales: KeptROLE, front: KeptROLE, back: KeptROLE }

fn superblockROLE(planes: vec3<u32>, super_block: u32) -> SuperblockROLE {
    let at = planes.xy + super_block * 2u;
    return SuperblockROLE(keepROLE(at.x), keepROLE(at.x + 1u), keepROLE(at.y), keepROLE(at.y + 1u));
}

struct RawROLE { low: vec4<u32>, high: u32, scale_offset: vec2<f32> }

fn fetchROLE(superblock: SuperblockROLE, block: u32, j: u32) -> RawROLE {
    var scale_offset = wordROLE(superblock.front_scales, j & 3u);
    var high = wordROLE(superblock.front, j & 3u);
    if (j >= 4u) {
        scale_offset = wordROLE(superblock.back_scales, j & 3u);
        high = wordROLE(superblock.back, j & 3u);
    }
    return RawROLE(loadROLE(block), high, unpack2x16float(scale_offset));
}

// vec4 q of the block: weights 4q .. 4q+4, unscaled, a byte each. A weight is byte - ZERO_POINT.
const ZERO_POINTROLE: f32 = 0.0;

fn bytesROLE(raw: RawROLE, q: u32) -> u32 {
    let low = (raw.low[q >> 1u] >> (4u * (q & 1u))) & 0x0f0f0f0fu;
    let high = (raw.high >> q) & 0x01010101u;
    return low | (high << 4u);
}

// Whether the halves of a block differ in scale and minimum.
const HALVESROLE: bool = false;

// Scales of the two halves of the block.
fn scaleROLE(raw: RawROLE) -> vec2<f32> {
    return vec2<f32>(raw.scale_offset.x);
}

// The minimums of the two halves of the block, which are added to its scaled quants.
const HAS_MINIMUMROLE: bool = true;

fn minimumROLE(raw: RawROLE) -> vec2<f32> {
    return vec2<f32>(raw.scale_offset.y);
}
