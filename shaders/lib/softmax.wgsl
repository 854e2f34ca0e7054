// A step of the online softmax over a tile of KEYS scores of each query: SOFTMAX_LANES invocations share the keys of a
// query, and add up through workgroup memory.

// Of each invocation, over its keys: the largest score, and the sum of weights.
var<workgroup> own_largest: array<f32, WORKGROUP_SIZE>;
var<workgroup> own_total: array<f32, WORKGROUP_SIZE>;

fn update_softmax(local_id: u32) {
    let lane = local_id % SOFTMAX_LANES;
    // As many queries at once as there are groups of lanes; all invocations reach the barriers.
    for (var first = 0u; first < QUERIES; first += WORKGROUP_SIZE / SOFTMAX_LANES) {
        let query = first + local_id / SOFTMAX_LANES;
        let lanes = local_id - lane;
        var top = MASKED;
        if (query < QUERIES) {
            for (var j = lane; j < KEYS; j += SOFTMAX_LANES) {
                top = max(top, weight[query * KEYS + j]);
            }
        }
        own_largest[local_id] = top;
        workgroupBarrier();

        var before = MASKED;
        if (query < QUERIES) {
            before = largest[query];
            top = before;
            for (var i = 0u; i < SOFTMAX_LANES; i++) {
                top = max(top, own_largest[lanes + i]);
            }
            var sum = 0.0;
            for (var j = lane; j < KEYS; j += SOFTMAX_LANES) {
                let s = weight[query * KEYS + j];
                let p = select(exp(s - top), 0.0, s <= MASKED);
                weight[query * KEYS + j] = p;
                sum += p;
            }
            own_total[local_id] = sum;
        }
        workgroupBarrier();

        if (query < QUERIES && lane == 0u) {
            var sum = 0.0;
            for (var i = 0u; i < SOFTMAX_LANES; i++) {
                sum += own_total[lanes + i];
            }
            rescale[query] = exp(before - top);
            total[query] = total[query] * rescale[query] + sum;
            largest[query] = top;
        }
    }
}
