// Reader of INT8 blocks: src/weights/pack.rs.

// The scale of a row, found by the index of any of its superblocks. `planes` holds the first vec4 of planes 1, 2 and 3.
struct SuperblockROLE { scale: f32 }

fn superblockROLE(planes: vec3<u32>, super_block: u32) -> SuperblockROLE {
    let place = super_block / TILE / params.supers * TILE + super_block % TILE;
    return SuperblockROLE(bitcast<f32>(loadROLE(planes.x + place / 4u)[place % 4u]));
}

struct RawROLE { low: vec4<u32>, high: vec4<u32>, scale: f32 }

fn fetchROLE(superblock: SuperblockROLE, block: u32, j: u32) -> RawROLE {
    return RawROLE(loadROLE(block * 2u), loadROLE(block * 2u + 1u), superblock.scale);
}

// vec4 q of the block: weights 4q .. 4q+4, unscaled. A weight is vec4 * UNIT - ZERO_POINT.
const UNITROLE: vec4<f32> = vec4<f32>(1.0);
const ZERO_POINTROLE: f32 = 0.0;

fn vec4ROLE(raw: RawROLE, q: u32) -> vec4<f32> {
    let words = select(raw.low, raw.high, q >= 4u);
    return vec4<f32>(unpack4xI8(words[q & 3u]));
}

// Codes of whole-number products, bytes without a sign; and whether four of them fit a byte. A weight is code -
// CODE_ZERO.
const CODE_ZEROROLE: i32 = 128;
const CODES_FITROLE: bool = false;

fn codesROLE(raw: RawROLE, q: u32) -> u32 {
    let words = select(raw.low, raw.high, q >= 4u);
    return words[q & 3u] ^ 0x80808080u;
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
