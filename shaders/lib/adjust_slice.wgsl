// A workgroup adds the bias, and after it the penalties of ids among the last n of the context, in place, to the ids of its
// slice. Ids of other rows of the run are taken as they are before it.

// The ids of the slice among the last n: in any order, since equal ones are counted.
var<workgroup> of_window: array<u32, MOST_PENALISED>;
var<workgroup> window_count: atomic<u32>;

fn adjust_logits(first: u32, position: u32, slice: u32, local_id: u32) {
    for (var i = local_id; i < run.biases; i += WORKGROUP_SIZE) {
        if (in_slice(bias[i].x, slice)) {
            logits[first + bias[i].x] += bitcast<f32>(bias[i].y);
        }
    }
    if (local_id == 0u) {
        atomicStore(&window_count, 0u);
    }
    storageBarrier();
    workgroupBarrier();
    let window = min(run.penalty_last_n, position + 1u);
    for (var i = local_id; i < window; i += WORKGROUP_SIZE) {
        let id = ids[position - i];
        if (in_slice(id, slice)) {
            of_window[atomicAdd(&window_count, 1u)] = id;
        }
    }
    workgroupBarrier();
    let count = atomicLoad(&window_count);
    for (var i = local_id; i < count; i += WORKGROUP_SIZE) {
        let id = of_window[i];
        var equal = 0u;
        var earlier = false;
        for (var j = 0u; j < count; j++) {
            let same = of_window[j] == id;
            equal += select(0u, 1u, same);
            earlier |= same && j < i;
        }
        if (!earlier) {
            logits[first + id] = penalised(logits[first + id], equal);
        }
    }
    storageBarrier();
    workgroupBarrier();
}
