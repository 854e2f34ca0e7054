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
// [part rows][k], packed
@group(0) @binding(2) var<storage, read> weights_w: array<vec4<u32>>;

const ROWS_PER_GROUP: u32 = ROW_LANES * 4u;

var<workgroup> partial_sum: array<vec4<f32>, SPLIT_SUMS>;
var<workgroup> partial_square: array<f32, KSPLIT>;

fn fetch_row(row: u32, g: u32, s: u32, j: u32) -> Raw_w {
    let tile = row / TILE;
    return fetch_w(
        vec3<u32>(params.plane_1, params.plane_2, params.plane_3),
        (tile * params.blocks + g) * TILE + row % TILE,
        (tile * params.supers + s) * TILE + row % TILE,
        j,
    );
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    prepare_input(lane);
    let row_lane = lane % ROW_LANES;
    let split = lane / ROW_LANES;
    let first = group.x * ROWS_PER_GROUP + 2u * row_lane;
    let second = first + 2u * ROW_LANES;

    var acc = vec4<f32>(0.0);
    var square = 0.0;
    for (var s = split; s < params.supers; s += KSPLIT) {
        let blocks = min(8u, params.blocks - 8u * s);
        for (var j = 0u; j < blocks; j++) {
            let g = 8u * s + j;
            let a = fetch_row(first, g, s, j);
            let b = fetch_row(first + 1u, g, s, j);
            let c = fetch_row(second, g, s, j);
            let d = fetch_row(second + 1u, g, s, j);
            let x0 = load_input(8u * g, &square);
            let x1 = load_input(8u * g + 1u, &square);
            let x2 = load_input(8u * g + 2u, &square);
            let x3 = load_input(8u * g + 3u, &square);
            let x4 = load_input(8u * g + 4u, &square);
            let x5 = load_input(8u * g + 5u, &square);
            let x6 = load_input(8u * g + 6u, &square);
            let x7 = load_input(8u * g + 7u, &square);
            // v * M is the dot product of v with each column of M: one per row.
            var low = x0 * mat4x4<f32>(quad_w(a, 0u), quad_w(b, 0u), quad_w(c, 0u), quad_w(d, 0u));
            low += x1 * mat4x4<f32>(quad_w(a, 1u), quad_w(b, 1u), quad_w(c, 1u), quad_w(d, 1u));
            low += x2 * mat4x4<f32>(quad_w(a, 2u), quad_w(b, 2u), quad_w(c, 2u), quad_w(d, 2u));
            low += x3 * mat4x4<f32>(quad_w(a, 3u), quad_w(b, 3u), quad_w(c, 3u), quad_w(d, 3u));
            var high = x4 * mat4x4<f32>(quad_w(a, 4u), quad_w(b, 4u), quad_w(c, 4u), quad_w(d, 4u));
            high += x5 * mat4x4<f32>(quad_w(a, 5u), quad_w(b, 5u), quad_w(c, 5u), quad_w(d, 5u));
            high += x6 * mat4x4<f32>(quad_w(a, 6u), quad_w(b, 6u), quad_w(c, 6u), quad_w(d, 6u));
            high += x7 * mat4x4<f32>(quad_w(a, 7u), quad_w(b, 7u), quad_w(c, 7u), quad_w(d, 7u));
            let scales = transpose(mat4x2<f32>(scale_w(a), scale_w(b), scale_w(c), scale_w(d)));
            acc += low * scales[0] + high * scales[1];
            if (OFFSET_w) {
                let sums = vec2<f32>(dot(x0 + x1 + x2 + x3, vec4<f32>(1.0)), dot(x4 + x5 + x6 + x7, vec4<f32>(1.0)));
                acc += sums * mat4x2<f32>(offset_w(a), offset_w(b), offset_w(c), offset_w(d));
            }
        }
    }

    if (KSPLIT > 1u) {
        partial_sum[lane] = acc;
        if (row_lane == 0u) {
            partial_square[split] = square;
        }
        workgroupBarrier();
        square = 0.0;
        acc = vec4<f32>(0.0);
        for (var other = 0u; other < KSPLIT; other++) {
            square += partial_square[other];
            acc += partial_sum[other * ROW_LANES + row_lane];
        }
    }

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
