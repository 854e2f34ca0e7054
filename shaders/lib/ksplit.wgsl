// Sums over the KSPLIT lanes that share rows, through workgroup memory. Only the lanes of split 0 need the answer.

var<workgroup> partial_sum: array<vec4<f32>, SPLIT_SUMS>;
var<workgroup> partial_square: array<f32, KSPLIT>;

fn sum_splits(lanes: Lanes, sums: vec4<f32>, square: ptr<function, f32>) -> vec4<f32> {
    var total = sums;
    if (KSPLIT > 1u) {
        let row_lane = lanes.index % ROW_LANES;
        partial_sum[lanes.index] = sums;
        if (row_lane == 0u) {
            partial_square[lanes.index / ROW_LANES] = *square;
        }
        workgroupBarrier();
        total = vec4<f32>(0.0);
        *square = 0.0;
        for (var other = 0u; other < KSPLIT; other++) {
            *square += partial_square[other];
            total += partial_sum[other * ROW_LANES + row_lane];
        }
    }
    return total;
}
