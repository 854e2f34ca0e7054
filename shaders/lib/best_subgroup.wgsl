// The id with the largest key over the lanes of a workgroup, the lowest among equals: within subgroups first, then over the
// subgroups through workgroup memory. Only lane 0 needs the answer.

var<workgroup> best_key: array<u32, LANES>;
var<workgroup> best_id: array<u32, LANES>;

fn best_of_lanes(lanes: Lanes, key: u32, id: u32) -> u32 {
    var top = subgroupMax(key);
    var at = subgroupMin(select(0xffffffffu, id, key == top));
    if (lanes.within == 0u) {
        best_key[lanes.subgroup] = top;
        best_id[lanes.subgroup] = at;
    }
    workgroupBarrier();
    if (lane_index(lanes) == 0u) {
        for (var i = 1u; i < lanes.subgroups; i++) {
            if (best_key[i] > top || (best_key[i] == top && best_id[i] < at)) {
                top = best_key[i];
                at = best_id[i];
            }
        }
    }
    return at;
}
