// y[t,r] = sum_k W[r,k] x[t,k] for a tile of tokens: a weight is decoded once and used for eight tokens.
//
// A lane owns its rows (lib/linear.wgsl) for eight tokens; no workgroup memory, no barrier. Sums are vectors over the rows of
// a set, and what could be a loop over tokens is written out: drivers that do not unroll put arrays into memory.

// Sums of eight tokens.
struct Sums {
    t0: vec4<f32>,
    t1: vec4<f32>,
    t2: vec4<f32>,
    t3: vec4<f32>,
    t4: vec4<f32>,
    t5: vec4<f32>,
    t6: vec4<f32>,
    t7: vec4<f32>,
}

// Quad q of the rows of a set, times 1 / UNIT.
fn weights_of(raw: Blocks, q: u32) -> mat4x4<f32> {
    let pick = select(vec2<f32>(1.0, 0.0), vec2<f32>(0.0, 1.0), q >= 4u);
    let scale = pick * mat4x2<f32>(scale_w(raw.a), scale_w(raw.b), scale_w(raw.c), scale_w(raw.d));
    var w = mat4x4<f32>(
        scale.x * (quad_w(raw.a, q) - CENTER_w / UNIT_w),
        scale.y * (quad_w(raw.b, q) - CENTER_w / UNIT_w),
        scale.z * (quad_w(raw.c, q) - CENTER_w / UNIT_w),
        scale.w * (quad_w(raw.d, q) - CENTER_w / UNIT_w),
    );
    if (OFFSET_w) {
        let offset = pick * mat4x2<f32>(offset_w(raw.a), offset_w(raw.b), offset_w(raw.c), offset_w(raw.d));
        w += mat4x4<f32>(
            offset.x / UNIT_w,
            offset.y / UNIT_w,
            offset.z / UNIT_w,
            offset.w / UNIT_w,
        );
    }
    return w;
}

// v * M is the dot product of v with each column of M: one per row. Quads of x are times the unit.
fn add(sums: Sums, w: mat4x4<f32>, x: Quads) -> Sums {
    return Sums(
        sums.t0 + x.quads[0] * w,
        sums.t1 + x.quads[1] * w,
        sums.t2 + x.quads[2] * w,
        sums.t3 + x.quads[3] * w,
        sums.t4 + x.quads[4] * w,
        sums.t5 + x.quads[5] * w,
        sums.t6 + x.quads[6] * w,
        sums.t7 + x.quads[7] * w,
    );
}

// One piece of code for all tokens, without an array: see above.
fn store_rows(rows: Rows, token: u32, tokens: u32, all: Sums) {
    for (var i = 0u; i < min(8u, tokens - token); i++) {
        var sums = select(all.t0, all.t1, i == 1u);
        sums = select(sums, all.t2, i == 2u);
        sums = select(sums, all.t3, i == 3u);
        sums = select(sums, all.t4, i == 4u);
        sums = select(sums, all.t5, i == 5u);
        sums = select(sums, all.t6, i == 6u);
        sums = select(sums, all.t7, i == 7u);
        if (rows.first.x < params.rows) {
            store_pair(token + i, rows.first.x, sums.x, sums.y);
        }
        if (rows.first.y < params.rows) {
            store_pair(token + i, rows.first.y, sums.z, sums.w);
        }
    }
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, lanes: Lanes) {
    let lane = lane_index(lanes);
    let first = group.x * SETS * ROWS_PER_SET + 2u * lane;
    let rows = rows_from(first);
    let rows_1 = rows_from(first + ROWS_PER_SET);
    let token = params.token_begin + group.y * 8u;
    let tokens = select(slot.rows, slot.head_rows, params.at_head == 1u);
    if (token >= tokens) {
        return;
    }

    let stride = params.quads;
    var sums = Sums();
    var sums_1 = Sums();
    for (var s = 0u; s < params.supers; s++) {
        let blocks = min(8u, params.blocks - 8u * s);
        let heads = heads_of(rows, s);
        var heads_1 = heads;
        if (SETS > 1u) {
            heads_1 = heads_of(rows_1, s);
        }
        for (var j = 0u; j < blocks; j++) {
            let g = 8u * s + j;
            let raw = blocks_of(rows, heads, g, j);
            var raw_1 = raw;
            if (SETS > 1u) {
                raw_1 = blocks_of(rows_1, heads_1, g, j);
            }
            for (var q = 0u; q < 8u; q++) {
                let w = weights_of(raw, q);
                let x = load_quads(lanes, token * stride + 8u * g + q, stride);
                sums = add(sums, w, x);
                if (SETS > 1u) {
                    sums_1 = add(sums_1, weights_of(raw_1, q), x);
                }
            }
        }
    }

    store_rows(rows, token, tokens, sums);
    if (SETS > 1u) {
        store_rows(rows_1, token, tokens, sums_1);
    }
}
