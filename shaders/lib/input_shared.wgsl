// Input of a matvec: x as it is. All lanes of a subgroup need the same block: each loads a quad or two, and they exchange
// them. A load costs a driver on the CPU far more than an exchange.

// [k], padded with zeros to a multiple of 32
@group(0) @binding(3) var<storage, read> x: array<vec4<f32>>;

fn prepare_input(lane: u32) {}

fn load_block(lanes: Lanes, at: u32, square: ptr<function, f32>) -> array<vec4<f32>, 8> {
    if (lanes.size >= 8u) {
        let mine = x[at + (lanes.within & 7u)];
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
    let low = x[at + (lanes.within & 3u)];
    let high = x[at + 4u + (lanes.within & 3u)];
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

fn input_scale(square: f32) -> f32 {
    return 1.0;
}
