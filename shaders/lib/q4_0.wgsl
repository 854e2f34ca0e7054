// Reader of Q4_0 blocks: src/weights/pack.rs.

// The data of a superblock that its blocks share. `planes` holds the first vec4 of planes 1, 2 and 3.
struct SuperblockROLE { scales: KeptROLE }

fn superblockROLE(planes: vec3<u32>, super_block: u32) -> SuperblockROLE {
    return SuperblockROLE(keepROLE(planes.x + super_block));
}

struct RawROLE { nibbles: QuantsROLE, scale: f32 }

fn fetchROLE(superblock: SuperblockROLE, block: u32, j: u32) -> RawROLE {
    let scale = unpack2x16float(wordROLE(superblock.scales, j >> 1u) >> (16u * (j & 1u))).x;
    return RawROLE(quantsROLE(block), scale);
}

// vec4 q of the block: weights 4q .. 4q+4, unscaled, a byte each. A weight is byte - ZERO_POINT.
const ZERO_POINTROLE: f32 = 8.0;

fn bytesROLE(raw: RawROLE, q: u32) -> u32 {
    return (quant_wordROLE(raw.nibbles, q >> 1u) >> (4u * (q & 1u))) & 0x0f0f0f0fu;
}

// Whether the halves of a block differ in scale and minimum.
const HALVESROLE: bool = false;

// Scales of the two halves of the block.
fn scaleROLE(raw: RawROLE) -> vec2<f32> {
    return vec2<f32>(raw.scale);
}

// This packing has no minimums.
const HAS_MINIMUMROLE: bool = false;

fn minimumROLE(raw: RawROLE) -> vec2<f32> {
    return vec2<f32>(0.0);
}
