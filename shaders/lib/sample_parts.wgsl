// The list of the likeliest ids, and the parts of the invocations of a workgroup in it.
//
// Cuts look at the list wherever it is sure to hold all that is kept: most vocabularies are long tails. Its floor is
// taken from the largest logits of MAXIMA interleaved streams, so that about a thousand ids are above it, or little more
// than k.

// Most ids of the list: the maxima fit too.
const LISTED: u32 = 2048u;

// Some of the ids: how many of them are listed; and the amounts that the first cut looks at, of all of them and of those
// that are listed. An amount is the number of ids for top-k, else a mass.
struct Part {
    count: u32,
    all: f32,
    listed: f32,
}

var<workgroup> own_count: array<u32, WORKGROUP_SIZE>;
var<workgroup> own_sum: array<f32, WORKGROUP_SIZE>;
var<workgroup> own_listed: array<f32, WORKGROUP_SIZE>;
// The streams' maxima, and after that the listed ids in order.
var<workgroup> list: array<u32, LISTED>;
var<workgroup> floor_key: u32;
// All parts together.
var<workgroup> whole: Part;

fn cuts_k() -> bool {
    return run.top_k > 0u && run.top_k < params.vocabulary;
}

fn cuts_p() -> bool {
    return run.top_p < 1.0;
}

// An invocation's part of `count` neighbours.
fn share(local_id: u32, count: u32) -> vec2<u32> {
    let most = (count + WORKGROUP_SIZE - 1u) / WORKGROUP_SIZE;
    return min(vec2<u32>(local_id * most, (local_id + 1u) * most), vec2<u32>(count));
}

// How many of the maxima are to be below the floor: as many as the first cut allows.
fn floor_rank() -> u32 {
    let above_k = MAXIMA - min(run.top_k, MAXIMA);
    return select(FLOOR_RANK, max(FLOOR_RANK, above_k), cuts_k());
}

// The part that ids of a row make.
fn part_of(first: u32, ids_from_to: vec2<u32>, top: f32) -> Part {
    var part = Part();
    let by_count = cuts_k();
    let by_mass = cuts_p();
    let listed_from = floor_key;
    for (var i = ids_from_to.x; i < ids_from_to.y; i++) {
        let key = key_at(first, i);
        let listed = key >= listed_from;
        part.count += select(0u, 1u, listed);
        // The mass of all where it is cut, else the mass that is sampled from.
        if (key > 0u && (by_count || by_mass || likely(key, top))) {
            var amount = 1.0;
            if (!by_count) {
                amount = weight_of(key, top);
            }
            part.all += amount;
            part.listed += select(0.0, amount, listed);
        }
    }
    return part;
}

// Adds the invocations' parts up, and gives where an invocation's ids begin in the list.
fn add_parts(local_id: u32, part: Part) -> u32 {
    own_count[local_id] = part.count;
    own_sum[local_id] = part.all;
    own_listed[local_id] = part.listed;
    workgroupBarrier();
    if (local_id == 0u) {
        var sum = Part();
        for (var l = 0u; l < WORKGROUP_SIZE; l++) {
            let count = own_count[l];
            own_count[l] = sum.count;
            sum.count += count;
            sum.all += own_sum[l];
            sum.listed += own_listed[l];
        }
        whole = sum;
    }
    workgroupBarrier();
    return own_count[local_id];
}
