// The lanes of a workgroup: what they share goes through workgroup memory.

struct Lanes {
    @builtin(local_invocation_index) index: u32,
}

fn lane_index(lanes: Lanes) -> u32 {
    return lanes.index;
}
