// Eight quads of x, `stride` apart: a block of one token, or one quad of eight tokens. All lanes of a subgroup need the
// same: each loads a quad or two, and they exchange them. A load costs a driver on the CPU far more than an exchange.

fn load_quads(lanes: Lanes, at: u32, stride: u32) -> array<vec4<f32>, 8> {
    if (lanes.size >= 8u) {
        let mine = load_x(at + (lanes.within & 7u) * stride);
        return array<vec4<f32>, 8>(
            subgroupBroadcast(mine, 0u),
            subgroupBroadcast(mine, 1u),
            subgroupBroadcast(mine, 2u),
            subgroupBroadcast(mine, 3u),
            subgroupBroadcast(mine, 4u),
            subgroupBroadcast(mine, 5u),
            subgroupBroadcast(mine, 6u),
            subgroupBroadcast(mine, 7u),
        );
    }
    let low = load_x(at + (lanes.within & 3u) * stride);
    let high = load_x(at + (4u + (lanes.within & 3u)) * stride);
    return array<vec4<f32>, 8>(
        subgroupBroadcast(low, 0u),
        subgroupBroadcast(low, 1u),
        subgroupBroadcast(low, 2u),
        subgroupBroadcast(low, 3u),
        subgroupBroadcast(high, 0u),
        subgroupBroadcast(high, 1u),
        subgroupBroadcast(high, 2u),
        subgroupBroadcast(high, 3u),
    );
}
