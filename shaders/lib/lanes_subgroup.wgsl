// The lanes of a workgroup where there are subgroups. Lanes are numbered subgroup by subgroup, whatever their size, so
// that lanes of a subgroup follow each other.

struct Lanes {
    @builtin(subgroup_id) subgroup: u32,
    @builtin(num_subgroups) subgroups: u32,
    @builtin(subgroup_size) size: u32,
    @builtin(subgroup_invocation_id) within: u32,
}

fn lane_index(lanes: Lanes) -> u32 {
    return lanes.subgroup * lanes.size + lanes.within;
}
