// A sum over the lanes of a workgroup: within subgroups first, then over the subgroups through workgroup memory.

var<workgroup> lane_sums: array<f32, LANES>;

fn sum_lanes(lanes: Lanes, value: f32) -> f32 {
    let own = subgroupAdd(value);
    if (lanes.within == 0u) {
        lane_sums[lanes.subgroup] = own;
    }
    workgroupBarrier();
    var sum = 0.0;
    for (var i = 0u; i < lanes.subgroups; i++) {
        sum += lane_sums[i];
    }
    return sum;
}
