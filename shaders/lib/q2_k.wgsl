// Reader of Q2_K blocks: src/pack.rs. `planes` holds the first vec4 of planes 1, 2 and 3.

struct RawROLE { low: vec2<u32>, scale: vec2<f32>, offset: vec2<f32> }

fn fetchROLE(planes: vec3<u32>, block: u32, super_block: u32, j: u32) -> RawROLE {
    // A byte per half: the scale in its low nibble, the minimum in its high one.
    let parts = load_wordROLE(planes.x + super_block, j / 2u) >> (16u * (j & 1u));
    let of_super = unpack2x16float(load_wordROLE(planes.y + super_block / 4u, super_block & 3u));
    let low = loadROLE(block / 2u);
    return RawROLE(
        select(low.xy, low.zw, (block & 1u) == 1u),
        of_super.x * vec2<f32>((vec2<u32>(parts) >> vec2<u32>(0u, 8u)) & vec2<u32>(15u)),
        -of_super.y * vec2<f32>((vec2<u32>(parts) >> vec2<u32>(4u, 12u)) & vec2<u32>(15u)),
    );
}

// Quad q of the block: weights 4q .. 4q+4, unscaled.
fn quadROLE(raw: RawROLE, q: u32) -> vec4<f32> {
    let low = (raw.low[q / 4u] >> (2u * (q & 3u))) & 0x03030303u;
    return vec4<f32>(unpack4xU8(low));
}

// Scales of the two halves of the block.
fn scaleROLE(raw: RawROLE) -> vec2<f32> {
    return raw.scale;
}

// What is added to the scaled quants of the two halves.
const OFFSETROLE: bool = true;

fn offsetROLE(raw: RawROLE) -> vec2<f32> {
    return raw.offset;
}
