// y[t,r] = sum_k W[r,k] x[t,k] for a tile of tokens: a weight is decoded once and used for eight tokens.
//
// A lane owns four rows, two adjacent pairs, and eight tokens; no workgroup memory, no barrier. Sums are vectors over its
// rows, and what could be a loop over tokens is written out: drivers that do not unroll put arrays into memory.

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

const ROWS_PER_GROUP: u32 = LANES * 4u;

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
    let first = group.x * ROWS_PER_GROUP + 2u * lane;
    let second = first + 2u * LANES;
    let token = params.token_begin + group.y * 8u;
    let tokens = select(slot.rows, slot.head_rows, params.at_head == 1u);
    if (token >= tokens) {
        return;
    }

    let stride = params.quads;
    var t0 = vec4<f32>(0.0);
    var t1 = vec4<f32>(0.0);
    var t2 = vec4<f32>(0.0);
    var t3 = vec4<f32>(0.0);
    var t4 = vec4<f32>(0.0);
    var t5 = vec4<f32>(0.0);
    var t6 = vec4<f32>(0.0);
    var t7 = vec4<f32>(0.0);
    for (var s = 0u; s < params.supers; s++) {
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
            let scales = mat4x2<f32>(scale_w(a), scale_w(b), scale_w(c), scale_w(d));
            let offsets = mat4x2<f32>(offset_w(a), offset_w(b), offset_w(c), offset_w(d));
            for (var q = 0u; q < 8u; q++) {
                let pick = select(vec2<f32>(1.0, 0.0), vec2<f32>(0.0, 1.0), q >= 4u);
                let scale = pick * scales;
                // v * M is the dot product of v with each column of M: one per row. Quads of x are times the unit.
                var w = mat4x4<f32>(
                    scale.x * (quad_w(a, q) - CENTER_w / UNIT_w),
                    scale.y * (quad_w(b, q) - CENTER_w / UNIT_w),
                    scale.z * (quad_w(c, q) - CENTER_w / UNIT_w),
                    scale.w * (quad_w(d, q) - CENTER_w / UNIT_w),
                );
                if (OFFSET_w) {
                    let offset = pick * offsets;
                    w += mat4x4<f32>(
                        offset.x / UNIT_w,
                        offset.y / UNIT_w,
                        offset.z / UNIT_w,
                        offset.w / UNIT_w,
                    );
                }
                let quads = load_quads(lanes, token * stride + 8u * g + q, stride).quads;
                t0 += quads[0] * w;
                t1 += quads[1] * w;
                t2 += quads[2] * w;
                t3 += quads[3] * w;
                t4 += quads[4] * w;
                t5 += quads[5] * w;
                t6 += quads[6] * w;
                t7 += quads[7] * w;
            }
        }
    }

    // One piece of code for all tokens, without an array: see above.
    for (var i = 0u; i < min(8u, tokens - token); i++) {
        var sums = select(t0, t1, i == 1u);
        sums = select(sums, t2, i == 2u);
        sums = select(sums, t3, i == 3u);
        sums = select(sums, t4, i == 4u);
        sums = select(sums, t5, i == 5u);
        sums = select(sums, t6, i == 6u);
        sums = select(sums, t7, i == 7u);
        if (first < params.rows) {
            store_pair(token + i, first, sums.x, sums.y);
        }
        if (second < params.rows) {
            store_pair(token + i, second, sums.z, sums.w);
        }
    }
}
