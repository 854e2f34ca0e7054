// y[r] = sum_k W[r,k] x[k], with x prepared by an input file and y used by an output file.
//
// LANES = ROW_LANES * KSPLIT lanes. A lane owns ROWS_PER_LANE rows in adjacent pairs, and every KSPLIT-th superblock.

struct Params {
    row_begin: u32,
    rows: u32,
    blocks: u32,
    supers: u32,
    plane_1: u32,
    plane_2: u32,
    plane_3: u32,
    quads: u32,
    at_head: u32,
    q_dim: u32,
    kv_dim: u32,
    head_dim: u32,
    norm_dim: f32,
    eps: f32,
    q_scale: f32,
    token_begin: u32,
    token_end: u32,
    stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
// [part rows][k], packed
@group(0) @binding(2) var<storage, read> weights_w: array<vec4<u32>>;

const ROWS_PER_GROUP: u32 = ROW_LANES * ROWS_PER_LANE;

var<workgroup> partial_sum: array<f32, SPLIT_SUMS>;
var<workgroup> partial_square: array<f32, KSPLIT>;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    prepare_input(lane);
    let row_lane = lane % ROW_LANES;
    let split = lane / ROW_LANES;
    let first = group.x * ROWS_PER_GROUP + 2u * row_lane;

    var acc: array<f32, ROWS_PER_LANE>;
    var square = 0.0;
    for (var s = split; s < params.supers; s += KSPLIT) {
        let blocks = min(8u, params.blocks - 8u * s);
        for (var j = 0u; j < blocks; j++) {
            let g = 8u * s + j;
            var x: array<vec4<f32>, 8>;
            for (var q = 0u; q < 8u; q++) {
                x[q] = load_input(8u * g + q, &square);
            }
            for (var i = 0u; i < ROWS_PER_LANE; i++) {
                let row = first + (i / 2u) * 2u * ROW_LANES + (i & 1u);
                let tile = row / TILE;
                let raw = fetch_w(
                    vec3<u32>(params.plane_1, params.plane_2, params.plane_3),
                    (tile * params.blocks + g) * TILE + row % TILE,
                    (tile * params.supers + s) * TILE + row % TILE,
                    j,
                );
                let scale = scale_w(raw);
                let low = dot(quad_w(raw, 0u), x[0]) + dot(quad_w(raw, 1u), x[1])
                    + dot(quad_w(raw, 2u), x[2]) + dot(quad_w(raw, 3u), x[3]);
                let high = dot(quad_w(raw, 4u), x[4]) + dot(quad_w(raw, 5u), x[5])
                    + dot(quad_w(raw, 6u), x[6]) + dot(quad_w(raw, 7u), x[7]);
                acc[i] += scale.x * low + scale.y * high;
            }
        }
    }

    if (KSPLIT > 1u) {
        for (var i = 0u; i < ROWS_PER_LANE; i++) {
            partial_sum[(i * KSPLIT + split) * ROW_LANES + row_lane] = acc[i];
        }
        if (row_lane == 0u) {
            partial_square[split] = square;
        }
        workgroupBarrier();
        square = 0.0;
        for (var other = 0u; other < KSPLIT; other++) {
            square += partial_square[other];
        }
        for (var i = 0u; i < ROWS_PER_LANE; i++) {
            acc[i] = 0.0;
            for (var other = 0u; other < KSPLIT; other++) {
                acc[i] += partial_sum[(i * KSPLIT + other) * ROW_LANES + row_lane];
            }
        }
    }

    if (split == 0u) {
        let scale = input_scale(square);
        for (var i = 0u; i < ROWS_PER_LANE; i += 2u) {
            let row = first + i * ROW_LANES;
            if (row < params.rows) {
                store_pair(0u, row, scale * acc[i], scale * acc[i + 1u]);
            }
        }
    }
}
