// x[t] = E[id[t]]: gathers one row of the embedding per token. The table may lie in up to four parts.

struct Params {
    vocabulary: u32,
    part_rows: u32,
    blocks: u32,
    supers: u32,
    part_first: u32,
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

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let t = group.y;
    let quad = group.x * LANES + lane;
    if (t >= slot.rows || quad >= params.blocks * 8u) {
        return;
    }
    // Rows follow each other.
    let id = min(ids[slot.row[0].x + t], params.vocabulary - 1u);
    let part = id / params.part_rows - params.part_first;
    let row = id % params.part_rows;
    let g = quad / 8u;
    let q = quad % 8u;
    let j = g % 8u;
    let block = ((row / TILE) * params.blocks + g) * TILE + row % TILE;
    let super_block = ((row / TILE) * params.supers + g / 8u) * TILE + row % TILE;
    var v = vec4<f32>();
    var scale = vec2<f32>();
    var offset = vec2<f32>();
    if (part == 0u) {
        let planes = vec3<u32>(params.planes_a_1, params.planes_a_2, params.planes_a_3);
        let raw = fetch_a(head_a(planes, super_block), block, j);
        v = quad_a(raw, q) * UNIT_a - CENTER_a;
        scale = scale_a(raw);
        offset = offset_a(raw);
    } else if (part == 1u) {
        let planes = vec3<u32>(params.planes_b_1, params.planes_b_2, params.planes_b_3);
        let raw = fetch_b(head_b(planes, super_block), block, j);
        v = quad_b(raw, q) * UNIT_b - CENTER_b;
        scale = scale_b(raw);
        offset = offset_b(raw);
    } else if (part == 2u) {
        let planes = vec3<u32>(params.planes_c_1, params.planes_c_2, params.planes_c_3);
        let raw = fetch_c(head_c(planes, super_block), block, j);
        v = quad_c(raw, q) * UNIT_c - CENTER_c;
        scale = scale_c(raw);
        offset = offset_c(raw);
    } else if (part == 3u) {
        let planes = vec3<u32>(params.planes_d_1, params.planes_d_2, params.planes_d_3);
        let raw = fetch_d(head_d(planes, super_block), block, j);
        v = quad_d(raw, q) * UNIT_d - CENTER_d;
        scale = scale_d(raw);
        offset = offset_d(raw);
    } else {
        return;
    }
    x[t * params.blocks * 8u + quad] = v * select(scale.x, scale.y, q >= 4u) + select(offset.x, offset.y, q >= 4u);
}
