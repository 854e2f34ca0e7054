// Reader of Q6_K blocks: src/weights/pack.rs.

// The data of a superblock that its blocks share: a byte per half, and what those are multiplied by; and where plane 1
// begins. `planes` holds the first vec4 of planes 1, 2 and 3.
struct SuperblockROLE { plane: u32, parts: KeptROLE, scale: f32 }

fn superblockROLE(planes: vec3<u32>, super_block: u32) -> SuperblockROLE {
    let halves = unpack2x16float(loadROLE(planes.z + (super_block >> 3u))[(super_block >> 1u) & 3u]);
    let scale = select(halves.x, halves.y, (super_block & 1u) == 1u);
    return SuperblockROLE(planes.x, keepROLE(planes.y + super_block), scale);
}

// Three words per half.
struct RawROLE { low: vec3<u32>, high: vec3<u32>, scale: vec2<f32> }

fn fetchROLE(superblock: SuperblockROLE, block: u32, j: u32) -> RawROLE {
    let four = loadROLE(block);
    let two = loadROLE(superblock.plane + (block >> 1u));
    let pair = wordROLE(superblock.parts, j >> 1u) >> (16u * (j & 1u));
    return RawROLE(
        four.xyz,
        vec3<u32>(four.w, select(two.xy, two.zw, (block & 1u) == 1u)),
        superblock.scale * vec2<f32>(unpack4xI8(pair).xy),
    );
}

// vec4 q of the block: weights 4q .. 4q+4, unscaled, a byte each. A weight is byte - ZERO_POINT.
const ZERO_POINTROLE: f32 = 32.0;

fn bytesROLE(raw: RawROLE, q: u32) -> u32 {
    let words = select(raw.low, raw.high, q >= 4u);
    let parts = (words >> vec3<u32>(6u, 4u, 2u)) & vec3<u32>(0x03030303u, 0x0c0c0c0cu, 0x30303030u);
    let whole = words[min(q & 3u, 2u)] & 0x3f3f3f3fu;
    return select(whole, parts.x | parts.y | parts.z, (q & 3u) == 3u);
}

// Whether the halves of a block differ in scale and minimum.
const HALVESROLE: bool = true;

// Scales of the two halves of the block.
fn scaleROLE(raw: RawROLE) -> vec2<f32> {
    return raw.scale;
}

// This packing has no minimums.
const HAS_MINIMUMROLE: bool = false;

fn minimumROLE(raw: RawROLE) -> vec2<f32> {
    return vec2<f32>(0.0);
}
