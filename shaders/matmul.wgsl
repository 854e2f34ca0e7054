// y[t,r] = sum_k W[r,k] x[t,k] for a tile of tokens: a weight is decoded once and used for eight tokens.
//
// An invocation owns its rows (lib/linear.wgsl) for eight tokens; no workgroup memory, no barrier. Sums are vectors
// over the rows of a row block, and what could be a loop over tokens is written out: drivers that do not unroll put
// arrays into memory.

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

// vec4 q of the rows of a row block, times 1 / UNIT.
fn weights_of(raw: Blocks, q: u32) -> mat4x4<f32> {
    let pick = select(vec2<f32>(1.0, 0.0), vec2<f32>(0.0, 1.0), q >= 4u);
    let scale = pick * mat4x2<f32>(scale_w(raw.a), scale_w(raw.b), scale_w(raw.c), scale_w(raw.d));
    var w = mat4x4<f32>(
        scale.x * (vec4_w(raw.a, q) - ZERO_POINT_w / UNIT_w),
        scale.y * (vec4_w(raw.b, q) - ZERO_POINT_w / UNIT_w),
        scale.z * (vec4_w(raw.c, q) - ZERO_POINT_w / UNIT_w),
        scale.w * (vec4_w(raw.d, q) - ZERO_POINT_w / UNIT_w),
    );
    if (HAS_MINIMUM_w) {
        let minimum = pick * mat4x2<f32>(minimum_w(raw.a), minimum_w(raw.b), minimum_w(raw.c), minimum_w(raw.d));
        w += mat4x4<f32>(
            minimum.x / UNIT_w,
            minimum.y / UNIT_w,
            minimum.z / UNIT_w,
            minimum.w / UNIT_w,
        );
    }
    return w;
}

// v * M is the dot product of v with each column of M: one per row. vec4s of x are times the unit.
fn add(sums: Sums, w: mat4x4<f32>, x: XBlock) -> Sums {
    return Sums(
        sums.t0 + x.vec4s[0] * w,
        sums.t1 + x.vec4s[1] * w,
        sums.t2 + x.vec4s[2] * w,
        sums.t3 + x.vec4s[3] * w,
        sums.t4 + x.vec4s[4] * w,
        sums.t5 + x.vec4s[5] * w,
        sums.t6 + x.vec4s[6] * w,
        sums.t7 + x.vec4s[7] * w,
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

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) group: vec3<u32>, invocation: Invocation) {
    let local_id = local_id_of(invocation);
    let first = group.x * ROW_BLOCKS * ROW_BLOCK_STRIDE + 2u * local_id;
    let rows = rows_from(first);
    let rows_1 = rows_from(first + ROW_BLOCK_STRIDE);
    let token = params.token_begin + group.y * 8u;
    let tokens = select(run.rows, run.head_rows, params.at_head == 1u);
    if (token >= tokens) {
        return;
    }

    let stride = params.vec4s;
    var sums = Sums();
    var sums_1 = Sums();
    for (var s = 0u; s < params.supers; s++) {
        let blocks = min(8u, params.blocks - 8u * s);
        let superblocks = superblocks_of(rows, s);
        var superblocks_1 = superblocks;
        if (ROW_BLOCKS > 1u) {
            superblocks_1 = superblocks_of(rows_1, s);
        }
        for (var j = 0u; j < blocks; j++) {
            let g = 8u * s + j;
            let raw = blocks_of(rows, superblocks, g, j);
            var raw_1 = raw;
            if (ROW_BLOCKS > 1u) {
                raw_1 = blocks_of(rows_1, superblocks_1, g, j);
            }
            for (var q = 0u; q < 8u; q++) {
                let w = weights_of(raw, q);
                let x = load_vec4s(invocation, token * stride + 8u * g + q, stride);
                sums = add(sums, w, x);
                if (ROW_BLOCKS > 1u) {
                    sums_1 = add(sums_1, weights_of(raw_1, q), x);
                }
            }
        }
    }

    store_rows(rows, token, tokens, sums);
    if (ROW_BLOCKS > 1u) {
        store_rows(rows_1, token, tokens, sums_1);
    }
}
