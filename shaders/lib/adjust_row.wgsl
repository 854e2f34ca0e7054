// One workgroup adds the bias, and after it the penalties of ids among the last n of the context, in place. Ids of other
// rows of the run are taken as they are before it.

fn adjust_logits(first: u32, position: u32, slice: u32, local_id: u32) {
    for (var i = local_id; i < run.biases; i += WORKGROUP_SIZE) {
        logits[first + bias[i].x] += bitcast<f32>(bias[i].y);
    }
    storageBarrier();
    workgroupBarrier();
    let window = min(run.penalty_last_n, position + 1u);
    let begin = position + 1u - window;
    // Four positions per invocation at a time; the first occurrence of an id stands for all of them.
    for (var base = 0u; base < window; base += 4u * WORKGROUP_SIZE) {
        let own = vec4<u32>(base + local_id) + vec4<u32>(0u, WORKGROUP_SIZE, 2u * WORKGROUP_SIZE, 3u * WORKGROUP_SIZE);
        let at = begin + min(own, vec4<u32>(window - 1u));
        let id = vec4<u32>(ids[at.x], ids[at.y], ids[at.z], ids[at.w]);
        var count = vec4<u32>();
        var earlier = vec4<bool>();
        for (var i = 0u; i < window; i++) {
            let same = id == vec4<u32>(ids[begin + i]);
            count += select(vec4<u32>(), vec4<u32>(1u), same);
            earlier |= same & (vec4<u32>(i) < own);
        }
        for (var j = 0u; j < 4u; j++) {
            if (own[j] < window && !earlier[j]) {
                logits[first + id[j]] = penalised(logits[first + id[j]], count[j]);
            }
        }
    }
    storageBarrier();
    workgroupBarrier();
}
