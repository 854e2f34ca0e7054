// Sums over the KSPLIT lanes that share rows: within subgroups by exchange, then over the subgroups, where there are
// several, through workgroup memory. Only the lanes of split 0 need the answer.

var<workgroup> partial_sum: array<vec4<f32>, SPLIT_SUMS>;
var<workgroup> partial_square: array<f32, KSPLIT>;

fn sum_splits(lanes: Lanes, sums: vec4<f32>, square: ptr<function, f32>) -> vec4<f32> {
    var total = sums;
    if (KSPLIT > 1u) {
        let lane = lane_index(lanes);
        let row_lane = lane % ROW_LANES;
        // Lanes whose sums are exchanged: a subgroup's, if it holds more than one lane of a row.
        let width = max(min(lanes.size, LANES), ROW_LANES);
        for (var step = ROW_LANES; step < width; step *= 2u) {
            total += subgroupShuffleXor(total, step);
            *square += subgroupShuffleXor(*square, step);
        }
        if (width < LANES) {
            if (lane % width < ROW_LANES) {
                partial_sum[(lane / width) * ROW_LANES + row_lane] = total;
                if (row_lane == 0u) {
                    partial_square[lane / width] = *square;
                }
            }
            workgroupBarrier();
            total = vec4<f32>(0.0);
            *square = 0.0;
            for (var other = 0u; other < LANES / width; other++) {
                *square += partial_square[other];
                total += partial_sum[other * ROW_LANES + row_lane];
            }
        }
    }
    return total;
}
