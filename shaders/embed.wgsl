// x[t] = E[id[t]]: gathers one row of the embedding per token. The table may lie in up to four shards.

struct Params {
    vocabulary: u32,
    shard_rows: u32,
    blocks: u32,
    supers: u32,
    shard_first: u32,
    planes_a_1: u32,
    planes_a_2: u32,
    planes_a_3: u32,
    planes_b_1: u32,
    planes_b_2: u32,
    planes_b_3: u32,
    planes_c_1: u32,
    planes_c_2: u32,
    planes_c_3: u32,
    planes_d_1: u32,
    planes_d_2: u32,
    planes_d_3: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
// [capacity + 1], the id at each position
@group(0) @binding(2) var<storage, read> ids: array<u32>;
// [rows][dim], padded with zeros to a multiple of 32
@group(0) @binding(3) var<storage, read_write> x: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local_id: u32) {
    let t = group.y;
    let vec4_index = group.x * WORKGROUP_SIZE + local_id;
    if (t >= run.rows || vec4_index >= params.blocks * 8u) {
        return;
    }
    // Rows follow each other.
    let id = min(ids[run.row[0].x + t], params.vocabulary - 1u);
    let shard = id / params.shard_rows - params.shard_first;
    let row = id % params.shard_rows;
    let g = vec4_index / 8u;
    let q = vec4_index % 8u;
    let j = g % 8u;
    // The even rows of a tile come first.
    let place = row % 2u * (TILE / 2u) + row % TILE / 2u;
    let block = ((row / TILE) * params.blocks + g) * TILE + place;
    let super_block = ((row / TILE) * params.supers + g / 8u) * TILE + place;
    var v = vec4<f32>();
    var scale = vec2<f32>();
    var minimum = vec2<f32>();
    if (shard == 0u) {
        let planes = vec3<u32>(params.planes_a_1, params.planes_a_2, params.planes_a_3);
        let raw = fetch_a(superblock_a(planes, super_block), block, j);
        v = vec4_a(raw, q) * UNIT_a - ZERO_POINT_a;
        scale = scale_a(raw) * row_unit_a(planes.y, row);
        minimum = minimum_a(raw);
    } else if (shard == 1u) {
        let planes = vec3<u32>(params.planes_b_1, params.planes_b_2, params.planes_b_3);
        let raw = fetch_b(superblock_b(planes, super_block), block, j);
        v = vec4_b(raw, q) * UNIT_b - ZERO_POINT_b;
        scale = scale_b(raw) * row_unit_b(planes.y, row);
        minimum = minimum_b(raw);
    } else if (shard == 2u) {
        let planes = vec3<u32>(params.planes_c_1, params.planes_c_2, params.planes_c_3);
        let raw = fetch_c(superblock_c(planes, super_block), block, j);
        v = vec4_c(raw, q) * UNIT_c - ZERO_POINT_c;
        scale = scale_c(raw) * row_unit_c(planes.y, row);
        minimum = minimum_c(raw);
    } else if (shard == 3u) {
        let planes = vec3<u32>(params.planes_d_1, params.planes_d_2, params.planes_d_3);
        let raw = fetch_d(superblock_d(planes, super_block), block, j);
        v = vec4_d(raw, q) * UNIT_d - ZERO_POINT_d;
        scale = scale_d(raw) * row_unit_d(planes.y, row);
        minimum = minimum_d(raw);
    } else {
        return;
    }
    x[t * params.blocks * 8u + vec4_index] = v * select(scale.x, scale.y, q >= 4u) + select(minimum.x, minimum.y, q >= 4u);
}
