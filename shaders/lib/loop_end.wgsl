// Where the loop over the blocks of a row ends.
fn loop_end(blocks: u32, local_id: u32) -> u32 {
    return blocks;
}
