// Eight vec4s of x, `stride` apart, times `unit`: a block of one token, or one vec4 of eight tokens. All invocations of
// a subgroup need the same: each loads a vec4, or two where invocations are few, and they exchange them. A load costs a
// driver on the CPU far more than an exchange. There is no branch around the exchange, since such a driver keeps all that
// leaves one in memory.

fn load_vec4s(invocation: Invocation, at: u32, stride: u32, unit: vec4<f32>) -> XBlock {
    let few = min(invocation.size, WORKGROUP_SIZE) < 8u;
    let mine = load_x(at + (invocation.within & 7u) * stride) * unit;
    var other = mine;
    if (few) {
        other = load_x(at + (4u + (invocation.within & 3u)) * stride) * unit;
    }
    let vec4s = array<vec4<f32>, 8>(
        subgroupBroadcast(mine, 0u),
        subgroupBroadcast(mine, 1u),
        subgroupBroadcast(mine, 2u),
        subgroupBroadcast(mine, 3u),
        select(subgroupBroadcast(mine, 4u), subgroupBroadcast(other, 0u), few),
        select(subgroupBroadcast(mine, 5u), subgroupBroadcast(other, 1u), few),
        select(subgroupBroadcast(mine, 6u), subgroupBroadcast(other, 2u), few),
        select(subgroupBroadcast(mine, 7u), subgroupBroadcast(other, 3u), few),
    );
    let sum = vec2<f32>(sum_of(unit, mine), sum_of(unit, other));
    let first = subgroupBroadcast(sum, 0u) + subgroupBroadcast(sum, 1u) + subgroupBroadcast(sum, 2u)
        + subgroupBroadcast(sum, 3u);
    let rest = subgroupBroadcast(sum.x, 4u) + subgroupBroadcast(sum.x, 5u) + subgroupBroadcast(sum.x, 6u)
        + subgroupBroadcast(sum.x, 7u);
    return XBlock(vec4s, vec2<f32>(first.x, select(rest, first.y, few)));
}
