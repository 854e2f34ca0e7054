// The ids whose adjusted logits reach a floor, and their amounts, for the cuts of sample to look at. One workgroup per
// head row and slice of neighbouring ids. Where nothing is cut, only amounts: the masses of the slices.

struct Params {
    vocabulary: u32,
    step: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
// [head rows][v], with bias and penalties
@group(0) @binding(2) var<storage, read> logits: array<f32>;
// [ceil(v / 32)], one bit per id, where the run is masked
@group(0) @binding(3) var<storage, read> allowed: array<u32>;
// [head rows][MAXIMA], the largest logits of the streams
@group(0) @binding(4) var<storage, read> maxima: array<f32>;
// [head rows][SLICES][3]: the largest logit of the row, the amount of a slice's ids, and that of its listed ids
@group(0) @binding(5) var<storage, read_write> amounts: array<f32>;
// [head rows][SLICES] of a number of ids, and the ids in order, where there is room for them
@group(0) @binding(6) var<storage, read_write> lists: array<u32>;

// The largest key of all maxima, of which an invocation has one; and the floor of the list.
fn find_floor(local_id: u32, own: u32) -> u32 {
    list[local_id] = own;
    workgroupBarrier();
    var largest = 0u;
    var smaller = 0u;
    for (var i = 0u; i < MAXIMA; i++) {
        let other = list[i];
        largest = max(largest, other);
        smaller += select(0u, 1u, other < own || (other == own && i < local_id));
    }
    if (smaller == floor_rank()) {
        floor_key = max(own, 1u);
    }
    workgroupBarrier();
    return largest;
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local_id: u32) {
    let first = group.x * params.vocabulary;
    let logit = maxima[group.x * MAXIMA + local_id];
    let top = float_of(find_floor(local_id, order_keys(vec4<u32>(bitcast<u32>(logit))).x));
    let span = slice_span(group.y);
    let own = share(local_id, span.y - span.x) + vec2<u32>(span.x);
    let begin = add_parts(local_id, part_of(first, own, top));
    let slice = group.x * SLICES + group.y;
    let slice_list = slice * (1u + most_listed());
    if (local_id == 0u) {
        amounts[3u * slice] = top;
        amounts[3u * slice + 1u] = whole.all;
        amounts[3u * slice + 2u] = whole.listed;
        lists[slice_list] = whole.count;
    }
    if ((cuts_k() || cuts_p()) && whole.count <= most_listed()) {
        var at = slice_list + 1u + begin;
        for (var i = own.x; i < own.y; i++) {
            if (key_at(first, i) >= floor_key) {
                lists[at] = i;
                at += 1u;
            }
        }
    }
}
