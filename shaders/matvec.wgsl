// y[r] = sum_k W[r,k] x[k], with x prepared by an input file and y used by an output file.
//
// WORKGROUP_SIZE = ROW_INVOCATIONS * KSPLIT invocations, each with its rows (lib/linear.wgsl) and every KSPLIT-th part
// of them, a superblock or half of one; only invocations that share no row own two row blocks. What could be a loop is written out:
// drivers that do not unroll put arrays into memory.

fn store_rows(rows: Rows, sums: vec4<f32>) {
    if (rows.first.x < params.rows) {
        store_adapted(0u, rows.first.x, sums.xy);
    }
    if (rows.first.y < params.rows) {
        store_adapted(0u, rows.first.y, sums.zw);
    }
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) group: vec3<u32>, invocation: Invocation) {
    let local_id = local_id_of(invocation);
    prepare_input(local_id);
    let row_id = local_id % ROW_INVOCATIONS;
    let split = local_id / ROW_INVOCATIONS;
    let first = group.x * ROW_BLOCKS * ROW_BLOCK_STRIDE + 2u * row_id;
    let rows = rows_from(first);
    let rows_1 = rows_from(first + ROW_BLOCK_STRIDE);

    var acc = vec4<f32>(0.0);
    var acc_1 = acc;
    for (var begin = split * params.part_blocks; begin < params.blocks; begin += KSPLIT * params.part_blocks) {
        let s = begin / 8u;
        let blocks = min(params.part_blocks, params.blocks - begin);
        let superblocks = superblocks_of(rows, s);
        var superblocks_1 = superblocks;
        if (ROW_BLOCKS > 1u) {
            superblocks_1 = superblocks_of(rows_1, s);
        }
        for (var j = 0u; j < blocks; j++) {
            let g = begin + j;
            let w = blocks_of(rows, superblocks, g, g % 8u);
            var w_1 = w;
            if (ROW_BLOCKS > 1u) {
                w_1 = blocks_of(rows_1, superblocks_1, g, g % 8u);
            }
            let x = load_block(invocation, 8u * g);
            acc += products(w, x);
            if (ROW_BLOCKS > 1u) {
                acc_1 += products(w_1, x);
            }
        }
    }

    acc = sum_splits(invocation, acc);
    if (split == 0u) {
        let scale = input_scale();
        store_rows(rows, acc * scale);
        if (ROW_BLOCKS > 1u) {
            store_rows(rows_1, acc_1 * scale);
        }
    }
}
