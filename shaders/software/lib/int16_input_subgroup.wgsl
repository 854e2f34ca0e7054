// Input of a matvec: int16 blocks. All invocations of a subgroup need the same: each loads a texel, or two where
// invocations are few, and they exchange them.

fn load_block(invocation: Invocation, at: u32) -> XBlock {
    let few = min(invocation.size, WORKGROUP_SIZE) < 8u;
    let first = at / 8u * 5u;
    let mine = int16_texel(first + min(invocation.within & 7u, 4u));
    var last = mine;
    if (few) {
        last = int16_texel(first + 4u);
    }
    return block_of(
        subgroupBroadcast(mine, 0u),
        subgroupBroadcast(mine, 1u),
        subgroupBroadcast(mine, 2u),
        subgroupBroadcast(mine, 3u),
        select(subgroupBroadcast(mine, 4u), last, few),
    );
}
