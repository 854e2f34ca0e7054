// A sum over the invocations of a workgroup: within subgroups first, then over the subgroups through workgroup memory.

var<workgroup> own_sums: array<f32, WORKGROUP_SIZE>;

fn sum_workgroup(invocation: Invocation, value: f32) -> f32 {
    let own = subgroupAdd(value);
    if (invocation.within == 0u) {
        own_sums[invocation.subgroup] = own;
    }
    workgroupBarrier();
    var sum = 0.0;
    for (var i = 0u; i < invocation.subgroups; i++) {
        sum += own_sums[i];
    }
    return sum;
}
