// Reader of Q4_1 blocks: src/weights/pack.rs.

// The data of a superblock that its blocks share, four of them each. `planes` holds the first vec4 of planes 1, 2 and
// 3.
struct SuperblockROLE { front: KeptROLE, back: KeptROLE }

fn superblockROLE(planes: vec3<u32>, super_block: u32) -> SuperblockROLE {
    let at = planes.x + super_block * 2u;
    return SuperblockROLE(keepROLE(at), keepROLE(at + 1u));
}

struct RawROLE { nibbles: QuantsROLE, scale_offset: vec2<f32> }

fn fetchROLE(superblock: SuperblockROLE, block: u32, j: u32) -> RawROLE {
    var word = wordROLE(superblock.front, j & 3u);
    if (j >= 4u) {
        word = wordROLE(superblock.back, j & 3u);
    }
    return RawROLE(quantsROLE(block), unpack2x16float(word));
}

// vec4 q of the block: weights 4q .. 4q+4, unscaled, a byte each. A weight is byte - ZERO_POINT.
const ZERO_POINTROLE: f32 = 0.0;

fn bytesROLE(raw: RawROLE, q: u32) -> u32 {
    return (quant_wordROLE(raw.nibbles, q >> 1u) >> (4u * (q & 1u))) & 0x0f0f0f0fu;
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
