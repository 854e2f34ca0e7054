// A step of the online softmax over a tile of KEYS scores of each query: a subgroup takes a query, its invocations
// share the keys.

fn update_softmax(invocation: Invocation) {
    // Invocations of a subgroup that there are.
    let width = min(invocation.size, WORKGROUP_SIZE);
    for (var first = 0u; first < QUERIES; first += WORKGROUP_SIZE / width) {
        // All subgroups go as often through the loop; one that has no query left looks at no key, and stores nothing.
        let i = first + invocation.subgroup;
        let keys = select(0u, KEYS, i < QUERIES);
        // One invocation alone uses what it will store: subgroups order no memory.
        let stores = i < QUERIES && invocation.within == 0u;
        var before = MASKED;
        if (stores) {
            before = largest[i];
        }
        var top = before;
        for (var j = invocation.within; j < keys; j += width) {
            top = max(top, weight[i * KEYS + j]);
        }
        top = subgroupMax(top);
        var sum = 0.0;
        for (var j = invocation.within; j < keys; j += width) {
            let s = weight[i * KEYS + j];
            let p = select(exp(s - top), 0.0, s <= MASKED);
            weight[i * KEYS + j] = p;
            sum += p;
        }
        sum = subgroupAdd(sum);
        if (stores) {
            rescale[i] = exp(before - top);
            total[i] = total[i] * rescale[i] + sum;
            largest[i] = top;
        }
    }
}
