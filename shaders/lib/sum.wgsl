// A sum over the invocations of a workgroup, through workgroup memory.

var<workgroup> own_sums: array<f32, WORKGROUP_SIZE>;

fn sum_workgroup(invocation: Invocation, value: f32) -> f32 {
    own_sums[invocation.index] = value;
    workgroupBarrier();
    var sum = 0.0;
    for (var i = 0u; i < WORKGROUP_SIZE; i++) {
        sum += own_sums[i];
    }
    return sum;
}
