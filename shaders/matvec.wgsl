// y[r] = sum_k W[r,k] x[k], with x prepared by an input file and y used by an output file.
//
// LANES = ROW_LANES * KSPLIT lanes. A lane owns four rows, two adjacent pairs, and every KSPLIT-th superblock. Sums are
// vectors over its rows, and what could be a loop is written out: drivers that do not unroll put arrays into memory.

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

const ROWS_PER_GROUP: u32 = ROW_LANES * 4u;

fn head_of(row: u32, s: u32) -> Head_w {
    let planes = vec3<u32>(params.plane_1, params.plane_2, params.plane_3);
    return head_w(planes, ((row / TILE) * params.supers + s) * TILE + row % TILE);
}

fn block_of(row: u32, g: u32) -> u32 {
    return ((row / TILE) * params.blocks + g) * TILE + row % TILE;
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, lanes: Lanes) {
    let lane = lane_index(lanes);
    prepare_input(lane);
    let row_lane = lane % ROW_LANES;
    let split = lane / ROW_LANES;
    let first = group.x * ROWS_PER_GROUP + 2u * row_lane;
    let second = first + 2u * ROW_LANES;

    var acc = vec4<f32>(0.0);
    var square = 0.0;
    for (var s = split; s < params.supers; s += KSPLIT) {
        let blocks = min(8u, params.blocks - 8u * s);
        let head_a = head_of(first, s);
        let head_b = head_of(first + 1u, s);
        let head_c = head_of(second, s);
        let head_d = head_of(second + 1u, s);
        for (var j = 0u; j < blocks; j++) {
            let g = 8u * s + j;
            let a = fetch_w(head_a, block_of(first, g), j);
            let b = fetch_w(head_b, block_of(first + 1u, g), j);
            let c = fetch_w(head_c, block_of(second, g), j);
            let d = fetch_w(head_d, block_of(second + 1u, g), j);
            let x = load_block(lanes, 8u * g, &square);
            // Quads of x are times the unit, and what is taken from every weight is taken from the sum.
            // v * M is the dot product of v with each column of M: one per row.
            var low = vec4<f32>();
            var high = vec4<f32>();
            if (CENTER_w != 0.0) {
                low = vec4<f32>(-CENTER_w * x.sums.x);
                high = vec4<f32>(-CENTER_w * x.sums.y);
            }
            low += x.quads[0] * mat4x4<f32>(quad_w(a, 0u), quad_w(b, 0u), quad_w(c, 0u), quad_w(d, 0u));
            low += x.quads[1] * mat4x4<f32>(quad_w(a, 1u), quad_w(b, 1u), quad_w(c, 1u), quad_w(d, 1u));
            low += x.quads[2] * mat4x4<f32>(quad_w(a, 2u), quad_w(b, 2u), quad_w(c, 2u), quad_w(d, 2u));
            low += x.quads[3] * mat4x4<f32>(quad_w(a, 3u), quad_w(b, 3u), quad_w(c, 3u), quad_w(d, 3u));
            high += x.quads[4] * mat4x4<f32>(quad_w(a, 4u), quad_w(b, 4u), quad_w(c, 4u), quad_w(d, 4u));
            high += x.quads[5] * mat4x4<f32>(quad_w(a, 5u), quad_w(b, 5u), quad_w(c, 5u), quad_w(d, 5u));
            high += x.quads[6] * mat4x4<f32>(quad_w(a, 6u), quad_w(b, 6u), quad_w(c, 6u), quad_w(d, 6u));
            high += x.quads[7] * mat4x4<f32>(quad_w(a, 7u), quad_w(b, 7u), quad_w(c, 7u), quad_w(d, 7u));
            let scales = transpose(mat4x2<f32>(scale_w(a), scale_w(b), scale_w(c), scale_w(d)));
            acc += low * scales[0] + high * scales[1];
            if (OFFSET_w) {
                acc += x.sums * mat4x2<f32>(offset_w(a), offset_w(b), offset_w(c), offset_w(d));
            }
        }
    }

    acc = sum_splits(lanes, acc, &square);
    if (split == 0u) {
        acc *= input_scale(square);
        if (first < params.rows) {
            store_pair(0u, first, acc.x, acc.y);
        }
        if (second < params.rows) {
            store_pair(0u, second, acc.z, acc.w);
        }
    }
}
