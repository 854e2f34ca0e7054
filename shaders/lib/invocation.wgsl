// The invocations of a workgroup: what they share goes through workgroup memory.

struct Invocation {
    @builtin(local_invocation_index) index: u32,
}

fn local_id_of(invocation: Invocation) -> u32 {
    return invocation.index;
}
