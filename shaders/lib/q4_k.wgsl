// Reader of Q4_K blocks: src/weights/pack.rs.

// The data of a superblock that its blocks share. `planes` holds the first vec4 of planes 1, 2 and 3.
struct SuperblockROLE { header: KeptROLE, scale_minimum: vec2<f32> }

fn superblockROLE(planes: vec3<u32>, super_block: u32) -> SuperblockROLE {
    let header = keepROLE(planes.x + super_block);
    return SuperblockROLE(header, vec2<f32>(1.0, -1.0) * unpack2x16float(wordROLE(header, 3u)));
}

struct RawROLE { nibbles: QuantsROLE, scale_offset: vec2<f32> }

fn fetchROLE(superblock: SuperblockROLE, block: u32, j: u32) -> RawROLE {
    let header = allROLE(superblock.header);
    let parts = header.xyz >> vec3<u32>(4u * j);
    let scale_minimum = vec2<f32>((parts.xy & vec2<u32>(15u)) | ((parts.zz << vec2<u32>(4u, 2u)) & vec2<u32>(48u)));
    return RawROLE(quantsROLE(block), superblock.scale_minimum * scale_minimum);
}

// vec4 q of the block: weights 4q .. 4q+4, unscaled, a byte each. A weight is byte - ZERO_POINT.
const ZERO_POINTROLE: f32 = 0.0;

fn bytesROLE(raw: RawROLE, q: u32) -> u32 {
    return (quant_wordROLE(raw.nibbles, q >> 1u) >> (4u * (q & 1u))) & 0x0f0f0f0fu;
}

// Whether the halves of a block differ in scale and minimum.
const HALVESROLE: bool = false;

// Scales of the two halves of the block.
fn scaleROLE(raw: RawROLE) -> vec2<f32> {
    return vec2<f32>(raw.scale_offset.x);
}

// The minimums of the two halves of the block, which are added to its scaled quants.
const HAS_MINIMUMROLE: bool = true;

fn minimumROLE(raw: RawROLE) -> vec2<f32> {
    return vec2<f32>(raw.scale_offset.y);
}
