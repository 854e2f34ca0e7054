// Reader of Q5_K blocks: src/pack.rs.

// What a superblock says of its blocks: a header, and high bits of four blocks each. `planes` holds the first vec4 of
// planes 1, 2 and 3.
struct HeadROLE { header: KeptROLE, front: KeptROLE, back: KeptROLE }

fn headROLE(planes: vec3<u32>, super_block: u32) -> HeadROLE {
    let at = planes.y + super_block * 2u;
    return HeadROLE(keepROLE(planes.x + super_block), keepROLE(at), keepROLE(at + 1u));
}

struct RawROLE { low: vec4<u32>, high: u32, scale_offset: vec2<f32> }

fn fetchROLE(head: HeadROLE, block: u32, j: u32) -> RawROLE {
    let header = allROLE(head.header);
    let parts = header.xyz >> vec3<u32>(4u * j);
    let scale_minimum = vec2<f32>((parts.xy & vec2<u32>(15u)) | ((parts.zz << vec2<u32>(4u, 2u)) & vec2<u32>(48u)));
    let scale_offset = vec2<f32>(1.0, -1.0) * unpack2x16float(header.w) * scale_minimum;
    var high = wordROLE(head.front, j & 3u);
    if (j >= 4u) {
        high = wordROLE(head.back, j & 3u);
    }
    return RawROLE(loadROLE(block), high, scale_offset);
}

// Quad q of the block: weights 4q .. 4q+4, unscaled. A weight is quad * UNIT - CENTER.
const UNITROLE: vec4<f32> = BYTE_UNIT;
const CENTERROLE: f32 = 0.0;

fn quadROLE(raw: RawROLE, q: u32) -> vec4<f32> {
    let low = (raw.low[q >> 1u] >> (4u * (q & 1u))) & 0x0f0f0f0fu;
    let high = (raw.high >> q) & 0x01010101u;
    return numbers(low | (high << 4u));
}

// Scales of the two halves of the block.
fn scaleROLE(raw: RawROLE) -> vec2<f32> {
    return vec2<f32>(raw.scale_offset.x);
}

// What is added to the scaled quants of the two halves.
const OFFSETROLE: bool = true;

fn offsetROLE(raw: RawROLE) -> vec2<f32> {
    return vec2<f32>(raw.scale_offset.y);
}
