// The id with the largest key over the lanes of a workgroup, the lowest among equals, through workgroup memory. Only lane 0
// needs the answer.

var<workgroup> best_key: array<u32, LANES>;
var<workgroup> best_id: array<u32, LANES>;

fn best_of_lanes(lanes: Lanes, key: u32, id: u32) -> u32 {
    best_key[lanes.index] = key;
    best_id[lanes.index] = id;
    workgroupBarrier();
    var top = key;
    var at = id;
    if (lanes.index == 0u) {
        for (var i = 1u; i < LANES; i++) {
            if (best_key[i] > top || (best_key[i] == top && best_id[i] < at)) {
                top = best_key[i];
                at = best_id[i];
            }
        }
    }
    return at;
}
