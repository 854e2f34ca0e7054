// Sums over the KSPLIT invocations that share rows: within subgroups by exchange, then over the subgroups, where there
// are several, through workgroup memory. Only the invocations of split 0 need the answer.

var<workgroup> partial_sum: array<vec4<f32>, SPLIT_SUMS>;

fn sum_splits(invocation: Invocation, sums: vec4<f32>) -> vec4<f32> {
    var total = sums;
    if (KSPLIT > 1u) {
        let local_id = local_id_of(invocation);
        let row_id = local_id % ROW_INVOCATIONS;
        // Invocations whose sums are exchanged: a subgroup's, if it holds more than one invocation of a row.
        let width = max(min(invocation.size, WORKGROUP_SIZE), ROW_INVOCATIONS);
        for (var step = ROW_INVOCATIONS; step < width; step *= 2u) {
            total += subgroupShuffleXor(total, step);
        }
        if (width < WORKGROUP_SIZE) {
            if (local_id % width < ROW_INVOCATIONS) {
                partial_sum[(local_id / width) * ROW_INVOCATIONS + row_id] = total;
            }
            workgroupBarrier();
            total = vec4<f32>(0.0);
            for (var other = 0u; other < WORKGROUP_SIZE / width; other++) {
                total += partial_sum[other * ROW_INVOCATIONS + row_id];
            }
        }
    }
    return total;
}
