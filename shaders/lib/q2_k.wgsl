// Reader of Q2_K blocks: src/weights/pack.rs.

// The data of a superblock that its blocks share: a byte per half, the scale in its low nibble, the minimum in its
// high one; and what those are multiplied by. `planes` holds the first vec4 of planes 1, 2 and 3.
struct SuperblockROLE { parts: KeptROLE, scale_minimum: vec2<f32> }

fn superblockROLE(planes: vec3<u32>, super_block: u32) -> SuperblockROLE {
    let of_super = loadROLE(planes.y + (super_block >> 2u))[super_block & 3u];
    return SuperblockROLE(keepROLE(planes.x + super_block), unpack2x16float(of_super));
}

struct RawROLE { low: vec2<u32>, scale: vec2<f32>, offset: vec2<f32> }

fn fetchROLE(superblock: SuperblockROLE, block: u32, j: u32) -> RawROLE {
    let parts = wordROLE(superblock.parts, j >> 1u) >> (16u * (j & 1u));
    let low = loadROLE(block >> 1u);
    return RawROLE(
        select(low.xy, low.zw, (block & 1u) == 1u),
        superblock.scale_minimum.x * vec2<f32>((vec2<u32>(parts) >> vec2<u32>(0u, 8u)) & vec2<u32>(15u)),
        -superblock.scale_minimum.y * vec2<f32>((vec2<u32>(parts) >> vec2<u32>(4u, 12u)) & vec2<u32>(15u)),
    );
}

// vec4 q of the block: weights 4q .. 4q+4, unscaled, a byte each. A weight is byte - ZERO_POINT.
const ZERO_POINTROLE: f32 = 0.0;

fn bytesROLE(raw: RawROLE, q: u32) -> u32 {
    return (raw.low[q >> 2u] >> (2u * (q & 3u))) & 0x03030303u;
}

// Whether the halves of a block differ in scale and minimum.
const HALVESROLE: bool = true;

// Scales of the two halves of the block.
fn scaleROLE(raw: RawROLE) -> vec2<f32> {
    return raw.scale;
}

// The minimums of the two halves of the block, which are added to its scaled quants.
const HAS_MINIMUMROLE: bool = true;

fn minimumROLE(raw: RawROLE) -> vec2<f32> {
    return raw.offset;
}
