// Input of a matvec: blocks in fixed point. All lanes of a subgroup need the same: each loads a texel, or two where lanes
// are few, and they exchange them.

fn load_block(lanes: Lanes, at: u32, square: ptr<function, f32>) -> Quads {
    let few = min(lanes.size, LANES) < 8u;
    let first = at / 8u * 5u;
    let mine = fixed_texel(first + min(lanes.within & 7u, 4u));
    var last = mine;
    if (few) {
        last = fixed_texel(first + 4u);
    }
    return block_of(
        subgroupBroadcast(mine, 0u),
        subgroupBroadcast(mine, 1u),
        subgroupBroadcast(mine, 2u),
        subgroupBroadcast(mine, 3u),
        select(subgroupBroadcast(mine, 4u), last, few),
    );
}
