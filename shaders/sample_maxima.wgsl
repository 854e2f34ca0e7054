// max l of the allowed ids of each of SLICES * SLICE_MAXIMA streams, l being the logits with bias and penalties; NaN where
// a stream has no number. The floor of the list of likely ids is taken from these. One workgroup per head row and slice;
// id i is in stream i % SLICE_MAXIMA of its slice.

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
// [capacity + 1], the id at each position
@group(0) @binding(5) var<storage, read> ids: array<u32>;
// [head rows][SLICES][SLICE_MAXIMA]
@group(0) @binding(6) var<storage, read_write> maxima: array<f32>;

var<workgroup> own_key: array<u32, WORKGROUP_SIZE>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local_id: u32) {
    let first = group.x * params.vocabulary;
    let position = run.row[0].x + (run.head_first + group.x) * params.step;
    adjust_logits(first, position, group.y, local_id);
    var own = vec4<u32>();
    for (var base = group.y * WORKGROUP_SIZE + local_id; base < params.vocabulary; base += 4u * STREAM) {
        own = max(own, keys_at(first, four_ids(base)));
    }
    own_key[local_id] = max(max(own.x, own.y), max(own.z, own.w));
    workgroupBarrier();
    if (local_id < SLICE_MAXIMA) {
        var largest = 0u;
        for (var l = local_id; l < WORKGROUP_SIZE; l += SLICE_MAXIMA) {
            largest = max(largest, own_key[l]);
        }
        maxima[(group.x * SLICES + group.y) * SLICE_MAXIMA + local_id] = float_of(largest);
    }
}
