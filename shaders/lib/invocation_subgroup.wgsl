// The invocations of a workgroup where there are subgroups. Invocations are numbered subgroup by subgroup, whatever
// their size, so that invocations of a subgroup follow each other.

struct Invocation {
    @builtin(subgroup_id) subgroup: u32,
    @builtin(num_subgroups) subgroups: u32,
    @builtin(subgroup_size) size: u32,
    @builtin(subgroup_invocation_id) within: u32,
}

fn local_id_of(invocation: Invocation) -> u32 {
    return invocation.subgroup * invocation.size + invocation.within;
}
