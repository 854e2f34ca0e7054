// Reader of BF16 blocks: src/weights/pack.rs.

// Superblocks of this packing hold no data.
struct SuperblockROLE { nothing: u32 }

fn superblockROLE(planes: vec3<u32>, super_block: u32) -> SuperblockROLE {
    return SuperblockROLE(0u);
}

struct RawROLE { at: u32 }

fn fetchROLE(superblock: SuperblockROLE, block: u32, j: u32) -> RawROLE {
    return RawROLE(block * 4u);
}

// vec4 q of the block: weights 4q .. 4q+4, unscaled. A weight is vec4 * UNIT - ZERO_POINT.
const UNITROLE: vec4<f32> = vec4<f32>(1.0);
const ZERO_POINTROLE: f32 = 0.0;

fn vec4ROLE(raw: RawROLE, q: u32) -> vec4<f32> {
    let words = loadROLE(raw.at + (q >> 1u));
    let pair = select(words.xy, words.zw, (q & 1u) == 1u);
    return bitcast<vec4<f32>>(vec4<u32>(pair.x << 16u, pair.x & 0xffff0000u, pair.y << 16u, pair.y & 0xffff0000u));
}

// Whether the halves of a block differ in scale and minimum.
const HALVESROLE: bool = false;

// Scales of the two halves of the block.
fn scaleROLE(raw: RawROLE) -> vec2<f32> {
    return vec2<f32>(1.0);
}

// This packing has no minimums.
const HAS_MINIMUMROLE: bool = false;

fn minimumROLE(raw: RawROLE) -> vec2<f32> {
    return vec2<f32>(0.0);
}
