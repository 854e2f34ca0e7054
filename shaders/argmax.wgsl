// id = argmax of the logits with bias and penalties over the allowed ids; the lowest id wins a tie, and NO_ID
// where none is a number. One workgroup per head row and slice.

struct Params {
    vocabulary: u32,
    step: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
// [head rows][v]; bias and penalties are added in place
@group(0) @binding(2) var<storage, read_write> logits: array<f32>;
// [ceil(v / 32)], one bit per id, where the run is masked
@group(0) @binding(3) var<storage, read> allowed: array<u32>;
// [biases] of (id, value)
@group(0) @binding(4) var<storage, read> bias: array<vec2<u32>>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) group: vec3<u32>, invocation: Invocation) {
    let local_id = local_id_of(invocation);
    let first = group.x * params.vocabulary;
    let position = run.row[0].x + (run.head_first + group.x) * params.step;
    adjust_logits(first, position, group.y, local_id);
    var keys = vec4<u32>();
    var at = vec4<u32>(NO_ID);
    for (var base = group.y * WORKGROUP_SIZE + local_id; base < params.vocabulary; base += 4u * STREAM) {
        let i = four_ids(base);
        let candidates = keys_at(first, i);
        let better = candidates > keys;
        keys = select(keys, candidates, better);
        at = select(at, i, better);
    }
    var key = keys.x;
    var id = at.x;
    for (var j = 1u; j < 4u; j++) {
        if (keys[j] > key || (keys[j] == key && at[j] < id)) {
            key = keys[j];
            id = at[j];
        }
    }
    let best = best_of_workgroup(invocation, key, id);
    if (local_id == 0u) {
        put_best(group.x, group.y, position, best);
    }
}
