// id = argmax(logits + bias) over the allowed ids; the lowest id wins a tie. One workgroup per head row.

struct Params {
    vocabulary: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
// [head rows][v]; the bias is added in place
@group(0) @binding(2) var<storage, read_write> logits: array<f32>;
// [ceil(v / 32)], one bit per id
@group(0) @binding(3) var<storage, read> allowed: array<u32>;
// [biases] of (id, value)
@group(0) @binding(4) var<storage, read> bias: array<vec2<u32>>;
// [capacity + 1], the id at each position
@group(0) @binding(5) var<storage, read_write> ids: array<u32>;

var<workgroup> best_key: array<u32, LANES>;
var<workgroup> best_id: array<u32, LANES>;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let first = group.x * params.vocabulary;
    for (var i = lane; i < slot.biases; i += LANES) {
        logits[first + bias[i].x] += bitcast<f32>(bias[i].y);
    }
    storageBarrier();
    workgroupBarrier();
    var key = 0u;
    var id = 0u;
    for (var i = lane; i < params.vocabulary; i += LANES) {
        let candidate = order_key(bitcast<u32>(logits[first + i]), (allowed[i / 32u] >> (i & 31u)) & 1u);
        if (candidate > key) {
            key = candidate;
            id = i;
        }
    }
    best_key[lane] = key;
    best_id[lane] = id;
    workgroupBarrier();
    if (lane == 0u) {
        for (var i = 1u; i < LANES; i++) {
            if (best_key[i] > key || (best_key[i] == key && best_id[i] < id)) {
                key = best_key[i];
                id = best_id[i];
            }
        }
        ids[slot.row[slot.head_first + group.x].x + 1u] = id;
    }
}
