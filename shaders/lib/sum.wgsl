// A sum over the lanes of a workgroup, through workgroup memory.

var<workgroup> lane_sums: array<f32, LANES>;

fn sum_lanes(lanes: Lanes, value: f32) -> f32 {
    lane_sums[lanes.index] = value;
    workgroupBarrier();
    var sum = 0.0;
    for (var i = 0u; i < LANES; i++) {
        sum += lane_sums[i];
    }
    return sum;
}
