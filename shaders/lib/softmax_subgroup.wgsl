// A step of the online softmax over a tile of KEYS scores of each query: a subgroup takes a query, its invocations
// share the keys.

fn update_softmax(invocation: Invocation) {
    // Invocations of a subgroup that there are.
    let width = min(invocation.size, WORKGROUP_SIZE);
    for (var first = 0u; first < QUERIES; first += WORKGROUP_SIZE / width) {
        // All subgroups go as often through the loop; what has no query left looks at the last one, and stores nothing.
        let has_query = first + invocation.subgroup < QUERIES;
        let i = min(first + invocation.subgroup, QUERIES - 1u);
        let before = largest[i];
        var top = before;
        for (var j = invocation.within; j < KEYS; j += width) {
            top = max(top, weight[i * KEYS + j]);
        }
        top = subgroupMax(top);
        var sum = 0.0;
        for (var j = invocation.within; j < KEYS; j += width) {
            let s = weight[i * KEYS + j];
            let p = select(exp(s - top), 0.0, s <= MASKED);
            if (has_query) {
                weight[i * KEYS + j] = p;
            }
            sum += p;
        }
        sum = subgroupAdd(sum);
        if (has_query && invocation.within == 0u) {
            rescale[i] = exp(before - top);
            total[i] = total[i] * rescale[i] + sum;
            largest[i] = top;
        }
    }
}
