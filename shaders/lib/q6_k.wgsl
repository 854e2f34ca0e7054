// Reader of Q6_K blocks: src/pack.rs.

// What a superblock says of its blocks: where their high bits begin, a byte per half, and what those are multiplied by.
// `planes` holds the first vec4 of planes 1, 2 and 3.
struct HeadROLE { high: u32, parts: KeptROLE, scale: f32 }

fn headROLE(planes: vec3<u32>, super_block: u32) -> HeadROLE {
    let halves = unpack2x16float(loadROLE(planes.z + super_block / 8u)[(super_block / 2u) & 3u]);
    let scale = select(halves.x, halves.y, (super_block & 1u) == 1u);
    return HeadROLE(planes.x + super_block * 4u, keepROLE(planes.y + super_block), scale);
}

struct RawROLE { low: vec4<u32>, high: vec2<u32>, scale: vec2<f32> }

fn fetchROLE(head: HeadROLE, block: u32, j: u32) -> RawROLE {
    let high = loadROLE(head.high + j / 2u);
    let pair = wordROLE(head.parts, j / 2u) >> (16u * (j & 1u));
    return RawROLE(
        loadROLE(block),
        select(high.xy, high.zw, (j & 1u) == 1u),
        head.scale * vec2<f32>(unpack4xI8(pair).xy),
    );
}

// Quad q of the block: weights 4q .. 4q+4, unscaled.
fn quadROLE(raw: RawROLE, q: u32) -> vec4<f32> {
    let low = (raw.low[q / 2u] >> (4u * (q & 1u))) & 0x0f0f0f0fu;
    let high = (raw.high[q / 4u] >> (2u * (q & 3u))) & 0x03030303u;
    return vec4<f32>(unpack4xU8(low | (high << 4u))) - 32.0;
}

// Scales of the two halves of the block.
fn scaleROLE(raw: RawROLE) -> vec2<f32> {
    return raw.scale;
}

// This type has no offsets.
const OFFSETROLE: bool = false;

fn offsetROLE(raw: RawROLE) -> vec2<f32> {
    return vec2<f32>(0.0);
}
