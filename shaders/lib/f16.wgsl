// Reader of F16 blocks: src/weights/pack.rs.

// Superblocks of this type say nothing.
struct HeadROLE { nothing: u32 }

fn headROLE(planes: vec3<u32>, super_block: u32) -> HeadROLE {
    return HeadROLE(0u);
}

struct RawROLE { at: u32 }

fn fetchROLE(head: HeadROLE, block: u32, j: u32) -> RawROLE {
    return RawROLE(block * 4u);
}

// Quad q of the block: weights 4q .. 4q+4, unscaled. A weight is quad * UNIT - CENTER.
const UNITROLE: vec4<f32> = vec4<f32>(1.0);
const CENTERROLE: f32 = 0.0;

fn quadROLE(raw: RawROLE, q: u32) -> vec4<f32> {
    let words = loadROLE(raw.at + (q >> 1u));
    let pair = select(words.xy, words.zw, (q & 1u) == 1u);
    return vec4<f32>(unpack2x16float(pair.x), unpack2x16float(pair.y));
}

// Whether the halves of a block differ in scale and offset.
const HALVESROLE: bool = false;

// Scales of the two halves of the block.
fn scaleROLE(raw: RawROLE) -> vec2<f32> {
    return vec2<f32>(1.0);
}

// This type has no offsets.
const OFFSETROLE: bool = false;

fn offsetROLE(raw: RawROLE) -> vec2<f32> {
    return vec2<f32>(0.0);
}
