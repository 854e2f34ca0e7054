// The id with the largest key over the invocations of a workgroup, the lowest among equals, through workgroup memory.
// Only invocation 0 needs the answer.

var<workgroup> best_key: array<u32, WORKGROUP_SIZE>;
var<workgroup> best_id: array<u32, WORKGROUP_SIZE>;

fn best_of_workgroup(invocation: Invocation, key: u32, id: u32) -> u32 {
    best_key[invocation.index] = key;
    best_id[invocation.index] = id;
    workgroupBarrier();
    var top = key;
    var at = id;
    if (invocation.index == 0u) {
        for (var i = 1u; i < WORKGROUP_SIZE; i++) {
            if (best_key[i] > top || (best_key[i] == top && best_id[i] < at)) {
                top = best_key[i];
                at = best_id[i];
            }
        }
    }
    return at;
}
