// The id with the largest key over the invocations of a workgroup, the lowest among equals: within subgroups first,
// then over the subgroups through workgroup memory. Only invocation 0 needs the answer.

var<workgroup> best_key: array<u32, WORKGROUP_SIZE>;
var<workgroup> best_id: array<u32, WORKGROUP_SIZE>;

fn best_of_workgroup(invocation: Invocation, key: u32, id: u32) -> u32 {
    var top = subgroupMax(key);
    var at = subgroupMin(select(0xffffffffu, id, key == top));
    if (invocation.within == 0u) {
        best_key[invocation.subgroup] = top;
        best_id[invocation.subgroup] = at;
    }
    workgroupBarrier();
    if (local_id_of(invocation) == 0u) {
        for (var i = 1u; i < invocation.subgroups; i++) {
            if (best_key[i] > top || (best_key[i] == top && best_id[i] < at)) {
                top = best_key[i];
                at = best_id[i];
            }
        }
    }
    return at;
}
