// y[r] = sum_k W[r,k] x[k], with x prepared by an input file and y used by an output file.
//
// LANES = ROW_LANES * KSPLIT lanes, each with its rows (lib/linear.wgsl) and every KSPLIT-th superblock of them; only lanes
// that share no row own two sets. What could be a loop is written out: drivers that do not unroll put arrays into memory.

fn products(w: Blocks, x: Quads) -> vec4<f32> {
    return vec4<f32>(product(w.a, x), product(w.b, x), product(w.c, x), product(w.d, x));
}

fn store_rows(rows: Rows, sums: vec4<f32>) {
    if (rows.first.x < params.rows) {
        store_pair(0u, rows.first.x, sums.x, sums.y);
    }
    if (rows.first.y < params.rows) {
        store_pair(0u, rows.first.y, sums.z, sums.w);
    }
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, lanes: Lanes) {
    let lane = lane_index(lanes);
    prepare_input(lane);
    let row_lane = lane % ROW_LANES;
    let split = lane / ROW_LANES;
    let first = group.x * SETS * ROWS_PER_SET + 2u * row_lane;
    let rows = rows_from(first);
    let rows_1 = rows_from(first + ROWS_PER_SET);

    var acc = vec4<f32>(0.0);
    var acc_1 = acc;
    var square = 0.0;
    for (var s = split; s < params.supers; s += KSPLIT) {
        let blocks = min(8u, params.blocks - 8u * s);
        let heads = heads_of(rows, s);
        var heads_1 = heads;
        if (SETS > 1u) {
            heads_1 = heads_of(rows_1, s);
        }
        for (var j = 0u; j < blocks; j++) {
            let g = 8u * s + j;
            let w = blocks_of(rows, heads, g, j);
            var w_1 = w;
            if (SETS > 1u) {
                w_1 = blocks_of(rows_1, heads_1, g, j);
            }
            let x = load_block(lanes, 8u * g, &square);
            acc += products(w, x);
            if (SETS > 1u) {
                acc_1 += products(w_1, x);
            }
        }
    }

    acc = sum_splits(lanes, acc, &square);
    if (split == 0u) {
        let scale = input_scale(square);
        store_rows(rows, acc * scale);
        if (SETS > 1u) {
            store_rows(rows_1, acc_1 * scale);
        }
    }
}
