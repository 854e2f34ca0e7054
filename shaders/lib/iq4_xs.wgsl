// Reader of IQ4_XS blocks: src/weights/pack.rs.

// What a superblock says of its blocks. `planes` holds the first vec4 of planes 1, 2 and 3.
struct HeadROLE { header: vec2<u32> }

fn headROLE(planes: vec3<u32>, super_block: u32) -> HeadROLE {
    let headers = loadROLE(planes.x + (super_block >> 1u));
    return HeadROLE(select(headers.xy, headers.zw, (super_block & 1u) == 1u));
}

struct RawROLE { nibbles: vec4<u32>, scale: f32 }

fn fetchROLE(head: HeadROLE, block: u32, j: u32) -> RawROLE {
    let low = (head.header.y >> (4u * j)) & 15u;
    let scale = low | (((head.header.x >> (16u + 2u * j)) & 3u) << 4u);
    return RawROLE(loadROLE(block), unpack2x16float(head.header.x).x * (f32(scale) - 32.0));
}

// Quad q of the block: weights 4q .. 4q+4, unscaled. A weight is quad * UNIT - CENTER.
const UNITROLE: vec4<f32> = vec4<f32>(1.0);
const CENTERROLE: f32 = 0.0;

fn quadROLE(raw: RawROLE, q: u32) -> vec4<f32> {
    let bytes = (raw.nibbles[q >> 1u] >> (4u * (q & 1u))) & 0x0f0f0f0fu;
    // The table of 16 numbers, as the nearest integer to a polynomial: at most 0.45 off before rounding.
    let n = vec4<f32>(unpack4xU8(bytes));
    return round((((0.001586 * n + 0.03109) * n - 1.3719) * n + 24.174) * n - 126.57);
}

// Whether the halves of a block differ in scale and offset.
const HALVESROLE: bool = false;

// Scales of the two halves of the block.
fn scaleROLE(raw: RawROLE) -> vec2<f32> {
    return vec2<f32>(raw.scale);
}

// This type has no offsets.
const OFFSETROLE: bool = false;

fn offsetROLE(raw: RawROLE) -> vec2<f32> {
    return vec2<f32>(0.0);
}
