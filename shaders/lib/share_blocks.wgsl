// An invocation stores a block of a row of y.

fn store_share(share: u32, row: u32, local_id: u32, at: Origin) {
    let block = share * WORKGROUP_SIZE + local_id;
    if (block < params.vec4s / 8u) {
        store_block(row, block, at);
    }
}
