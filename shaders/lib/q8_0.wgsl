// Reader of Q8_0 blocks: src/pack.rs. `planes` holds the first vec4 of planes 1, 2 and 3.

struct RawROLE { low: vec4<u32>, high: vec4<u32>, scale: f32 }

fn fetchROLE(planes: vec3<u32>, block: u32, super_block: u32, j: u32) -> RawROLE {
    let scales = unpack2x16float(load_wordROLE(planes.x + super_block, j / 2u));
    return RawROLE(
        loadROLE(block * 2u),
        loadROLE(block * 2u + 1u),
        select(scales.x, scales.y, (j & 1u) == 1u),
    );
}

// Quad q of the block: weights 4q .. 4q+4, unscaled.
fn quadROLE(raw: RawROLE, q: u32) -> vec4<f32> {
    let words = select(raw.low, raw.high, q >= 4u);
    return vec4<f32>(unpack4xI8(words[q & 3u]));
}

// Scales of the two halves of the block.
fn scaleROLE(raw: RawROLE) -> vec2<f32> {
    return vec2<f32>(raw.scale);
}

// This type has no offsets.
const OFFSETROLE: bool = false;

fn offsetROLE(raw: RawROLE) -> vec2<f32> {
    return vec2<f32>(0.0);
}
