// A step of the online softmax over a tile of KEYS scores of each query: an invocation takes a query.

fn update_softmax(invocation: Invocation) {
    for (var i = invocation.index; i < QUERIES; i += WORKGROUP_SIZE) {
        var top = largest[i];
        for (var j = 0u; j < KEYS; j++) {
            top = max(top, weight[i * KEYS + j]);
        }
        var sum = 0.0;
        for (var j = 0u; j < KEYS; j++) {
            let s = weight[i * KEYS + j];
            let p = select(exp(s - top), 0.0, s <= MASKED);
            weight[i * KEYS + j] = p;
            sum += p;
        }
        rescale[i] = exp(largest[i] - top);
        total[i] = total[i] * rescale[i] + sum;
        largest[i] = top;
    }
}
