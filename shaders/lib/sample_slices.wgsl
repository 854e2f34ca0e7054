// The ids that the cuts look at, from what sample_list wrote of the slices of a row. Where nothing is cut, they are those
// of the slice that the random number falls into.

// [head rows][v], with bias and penalties
@group(0) @binding(2) var<storage, read> logits: array<f32>;
// [head rows][SLICES][3]: of each slice the largest logit of the row, the amount of its ids, and that of its listed ids
@group(0) @binding(4) var<storage, read> amounts: array<f32>;
// [head rows][SLICES] of a number of ids, and room for them
@group(0) @binding(6) var<storage, read> lists: array<u32>;

const LIST: u32 = 0xffffffffu;

// Where the ids of a slice begin in the list.
var<workgroup> list_begin: array<u32, SLICES>;
var<workgroup> slice_count: array<u32, SLICES>;
var<workgroup> slice_all: array<f32, SLICES>;
var<workgroup> slice_listed: array<f32, SLICES>;
// The first of the ids that the cuts look at, or LIST.
var<workgroup> first_item: u32;
// Where in the mass of the slice the random number falls, where nothing is cut.
var<workgroup> slice_goal: f32;

fn item(i: u32, count: u32) -> u32 {
    let begin = first_item;
    if (begin == LIST) {
        return list[i];
    }
    return begin + i;
}

// Adds up what is known of the slices, and chooses the ids that are looked at.
fn choose_items(draw: f32) {
    var sum = Part();
    for (var s = 0u; s < SLICES; s++) {
        list_begin[s] = sum.count;
        sum.count += slice_count[s];
        sum.all += slice_all[s];
        sum.listed += slice_listed[s];
    }
    whole = sum;
    first_item = 0u;
    items = params.vocabulary;
    if (cuts_k() || cuts_p()) {
        if (list_is_enough()) {
            first_item = LIST;
            items = sum.count;
        }
        return;
    }
    var chosen = 0u;
    var goal = draw * sum.all;
    var found = false;
    for (var s = 0u; s < SLICES; s++) {
        if (!found && slice_all[s] > 0.0) {
            chosen = s;
            if (goal < slice_all[s]) {
                found = true;
            } else {
                goal -= slice_all[s];
            }
        }
    }
    let span = slice_span(chosen);
    first_item = span.x;
    items = span.y - span.x;
    // Rounding may leave the goal past the last slice: then its last id is taken.
    slice_goal = select(sum.all, goal, found);
}

fn find_candidates(row: u32, position: u32, local_id: u32) -> Candidates {
    for (var s = local_id; s < SLICES; s += WORKGROUP_SIZE) {
        let at = row * SLICES + s;
        slice_count[s] = lists[at * (1u + most_listed())];
        slice_all[s] = amounts[3u * at + 1u];
        slice_listed[s] = amounts[3u * at + 2u];
    }
    workgroupBarrier();
    if (local_id == 0u) {
        choose_items(uniform_draw(position));
    }
    workgroupBarrier();
    let top = amounts[3u * row * SLICES];
    if (first_item == LIST) {
        for (var i = local_id; i < items; i += WORKGROUP_SIZE) {
            var s = 0u;
            for (var other = 1u; other < SLICES; other++) {
                s += select(0u, 1u, list_begin[other] <= i);
            }
            list[i] = lists[(row * SLICES + s) * (1u + most_listed()) + 1u + i - list_begin[s]];
        }
    }
    workgroupBarrier();
    var sum = 0.0;
    if (!cuts_k() && !cuts_p()) {
        sum = own_mass(row * params.vocabulary, local_id, top);
    }
    return Candidates(top, sum);
}

fn goal_of(draw: f32, mass: f32) -> f32 {
    if (cuts_k() || cuts_p()) {
        return draw * mass;
    }
    return slice_goal;
}
