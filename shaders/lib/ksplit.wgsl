// Sums over the KSPLIT invocations that share rows, through workgroup memory. Only the invocations of split 0 need the
// answer.

var<workgroup> partial_sum: array<vec4<f32>, SPLIT_SUMS>;

fn sum_splits(invocation: Invocation, sums: vec4<f32>) -> vec4<f32> {
    var total = sums;
    if (KSPLIT > 1u) {
        let row_id = invocation.index % ROW_INVOCATIONS;
        partial_sum[invocation.index] = sums;
        workgroupBarrier();
        total = vec4<f32>(0.0);
        for (var other = 0u; other < KSPLIT; other++) {
            total += partial_sum[other * ROW_INVOCATIONS + row_id];
        }
    }
    return total;
}
