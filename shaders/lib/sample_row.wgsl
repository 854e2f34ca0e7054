// One workgroup finds the ids that the cuts look at among all of a row.

// [head rows][v]; bias and penalties are added in place
@group(0) @binding(2) var<storage, read_write> logits: array<f32>;
// [biases] of (id, value)
@group(0) @binding(4) var<storage, read> bias: array<vec2<u32>>;

// The i-th of `count` ids that the cuts look at: those of the list, or all.
fn item(i: u32, count: u32) -> u32 {
    if (count == params.vocabulary) {
        return i;
    }
    return list[i];
}

// The largest key of all maxima, of which `own` are an invocation's; and the floor of the list.
fn find_floor(local_id: u32, own: vec4<u32>) -> u32 {
    for (var j = 0u; j < 4u; j++) {
        list[4u * local_id + j] = own[j];
    }
    workgroupBarrier();
    var largest = 0u;
    var smaller = vec4<u32>();
    let index = vec4<u32>(4u * local_id) + vec4<u32>(0u, 1u, 2u, 3u);
    for (var i = 0u; i < MAXIMA; i++) {
        let other = vec4<u32>(list[i]);
        largest = max(largest, other.x);
        let less = (other < own) | ((other == own) & (vec4<u32>(i) < index));
        smaller += select(vec4<u32>(), vec4<u32>(1u), less);
    }
    for (var j = 0u; j < 4u; j++) {
        if (smaller[j] == floor_rank()) {
            floor_key = max(own[j], 1u);
        }
    }
    workgroupBarrier();
    return largest;
}

fn find_candidates(row: u32, position: u32, local_id: u32) -> Candidates {
    let first = row * params.vocabulary;
    adjust_logits(first, position, 0u, local_id);
    var maxima = vec4<u32>();
    for (var base = local_id; base < params.vocabulary; base += MAXIMA) {
        maxima = max(maxima, keys_at(first, four_ids(base)));
    }
    let top = float_of(find_floor(local_id, maxima));
    let own = share(local_id, params.vocabulary);
    let part = part_of(first, own, top);
    if (local_id == 0u) {
        items = params.vocabulary;
    }
    if (cuts_k() || cuts_p()) {
        let begin = add_parts(local_id, part);
        if (local_id == 0u && list_is_enough()) {
            items = whole.count;
        }
        workgroupBarrier();
        if (items < params.vocabulary) {
            var at = begin;
            for (var i = own.x; i < own.y; i++) {
                if (key_at(first, i) >= floor_key) {
                    list[at] = i;
                    at += 1u;
                }
            }
        }
    }
    workgroupBarrier();
    return Candidates(top, part.all);
}

// Where in the mass of the ids that are left a random number in [0, 1) falls.
fn goal_of(draw: f32, mass: f32) -> f32 {
    return draw * mass;
}
