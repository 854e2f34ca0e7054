// id = the best of the slices' ids by their adjusted logits; the lowest id wins a tie, and NO_ID where no slice has one.
// One workgroup per head row.

struct Params {
    vocabulary: u32,
    step: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
// [head rows][v], with bias and penalties
@group(0) @binding(2) var<storage, read> logits: array<f32>;
// [head rows][SLICES]
@group(0) @binding(3) var<storage, read> bests: array<u32>;
// [capacity + 1], the id at each position
@group(0) @binding(4) var<storage, read_write> ids: array<u32>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) group: vec3<u32>, invocation: Invocation) {
    let local_id = local_id_of(invocation);
    let position = run.row[0].x + (run.head_first + group.x) * params.step;
    var key = 0u;
    var id = NO_ID;
    for (var slice = local_id; slice < SLICES; slice += WORKGROUP_SIZE) {
        let candidate = bests[group.x * SLICES + slice];
        if (candidate != NO_ID) {
            let logit = logits[group.x * params.vocabulary + candidate];
            let other = order_keys(vec4<u32>(bitcast<u32>(logit))).x;
            if (other > key || (other == key && candidate < id)) {
                key = other;
                id = candidate;
            }
        }
    }
    let best = best_of_workgroup(invocation, key, id);
    if (local_id == 0u) {
        ids[position + 1u] = best;
    }
}
