// y[t,r] = sum_k W[r,k] x[t,k] for a tile of tokens: a weight is decoded once and used for eight tokens.
//
// A workgroup is ROW_INVOCATIONS x TOKEN_INVOCATIONS invocations, each with its rows (lib/linear.wgsl) and eight tokens;
// no workgroup memory, no barrier. The products of a block are in a file per format of x. Sums are vectors over the rows
// of a row block, and what could be a loop over tokens is written out: drivers that do not unroll put arrays into
// memory.

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

// One piece of code for all tokens, without an array: see above.
fn store_rows(rows: Rows, token: u32, tokens: u32, all: Sums) {
    let end = min(token + 8u, tokens);
    for (var t = token; t < end; t++) {
        let i = t - token;
        var sums = select(all.t0, all.t1, i == 1u);
        sums = select(sums, all.t2, i == 2u);
        sums = select(sums, all.t3, i == 3u);
        sums = select(sums, all.t4, i == 4u);
        sums = select(sums, all.t5, i == 5u);
        sums = select(sums, all.t6, i == 6u);
        sums = select(sums, all.t7, i == 7u);
        if (rows.first.x < params.rows) {
            store_adapted(t, rows.first.x, sums.xy);
        }
        if (rows.first.y < params.rows) {
            store_adapted(t, rows.first.y, sums.zw);
        }
    }
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) group: vec3<u32>, invocation: Invocation) {
    let local_id = local_id_of(invocation);
    let first = group.x * ROW_BLOCKS * ROW_BLOCK_STRIDE + 2u * (local_id % ROW_INVOCATIONS);
    let rows = rows_from(first);
    let rows_1 = rows_from(first + ROW_BLOCK_STRIDE);
    let token = params.token_begin + (group.y * TOKEN_INVOCATIONS + local_id / ROW_INVOCATIONS) * 8u;
    let tokens = select(run.rows, run.head_rows, params.at_head == 1u);
    if (token >= tokens) {
        return;
    }

    let stride = params.vec4s;
    var sums = Sums();
    var sums_1 = Sums();
    let end = loop_end(params.blocks, local_id);
    for (var begin = 0u; begin < end; begin += BLOCKS_AT_ONCE) {
        let superblocks = superblocks_of(rows, begin / 8u);
        var superblocks_1 = superblocks;
        if (ROW_BLOCKS > 1u) {
            superblocks_1 = superblocks_of(rows_1, begin / 8u);
        }
        var blocks = 1u;
        if (BLOCKS_AT_ONCE > 1u) {
            blocks = min(BLOCKS_AT_ONCE, params.blocks - begin);
        }
        for (var j = 0u; j < blocks; j++) {
            let g = begin + j;
            let raw = blocks_of(rows, superblocks, g, g % 8u);
            var raw_1 = raw;
            if (ROW_BLOCKS > 1u) {
                raw_1 = blocks_of(rows_1, superblocks_1, g, g % 8u);
            }
            add_block(invocation, token * stride + 8u * g, stride, raw, raw_1, &sums, &sums_1);
        }
    }

    store_rows(rows, token, tokens, sums);
    if (ROW_BLOCKS > 1u) {
        store_rows(rows_1, token, tokens, sums_1);
    }
}
