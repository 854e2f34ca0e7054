// id ~ softmax(l / T) over the allowed ids, l being the logits with bias and penalties; cut to the top k, then to the
// likeliest ids of mass p of those, then to ids at least min_p times as likely as the likeliest.
//
// One workgroup per head row. What the cuts look at is a list of the likeliest ids wherever that is sure to hold all that
// is kept, else all ids (lib/sample_parts.wgsl); the workgroup makes the list itself, or finds it made by the slices of
// sample_list. Thresholds are found exactly by radix selection on the ordered bits of the logits, eight bits at a time;
// masses are summed in fixed point (14 + 14 bits), so that the result does not depend on the order of the invocations.
// Ties are kept from the lowest id up. The random number is Philox4x32-10 (Salmon et al., SC 2011), counted by position.
// NO_ID where no logit is a finite number.

struct Params {
    vocabulary: u32,
    step: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
// [ceil(v / 32)], one bit per id, where the run is masked
@group(0) @binding(3) var<storage, read> allowed: array<u32>;
// [capacity + 1], the id at each position
@group(0) @binding(5) var<storage, read_write> ids: array<u32>;

const HIGH_UNIT: f32 = 1.0 / 16384.0;
const LOW_UNIT: f32 = 1.0 / 268435456.0;

// What is known of the ids before they are cut.
struct Candidates {
    // The largest logit.
    top: f32,
    // The mass of the invocation's share of the ids, where nothing is cut.
    own: f32,
}

var<workgroup> bin_count: array<atomic<u32>, 256>;
var<workgroup> bin_high: array<atomic<u32>, 256>;
var<workgroup> bin_low: array<atomic<u32>, 256>;
// How many ids the cuts look at.
var<workgroup> items: u32;
// Kept: keys above cut_key, and those equal to it up to cut_id.
var<workgroup> cut_key: u32;
var<workgroup> cut_id: u32;
// Of the running selection.
var<workgroup> prefix: u32;
var<workgroup> ties: u32;
var<workgroup> goal: f32;
var<workgroup> chosen_invocation: u32;

fn kept(key: u32, id: u32) -> bool {
    return key > 0u && (key > cut_key || (key == cut_key && id <= cut_id));
}

fn bin_mass(bin: u32) -> f32 {
    return f32(atomicLoad(&bin_high[bin])) * HIGH_UNIT + f32(atomicLoad(&bin_low[bin])) * LOW_UNIT;
}

// Whether the list holds all that the first cut keeps.
fn list_is_enough() -> bool {
    let wanted = select(run.top_p * whole.all, f32(run.top_k), cuts_k());
    return whole.count <= LISTED && (whole.listed >= wanted || whole.listed == whole.all);
}

// Counts and masses of the kept keys that begin with the prefix, by their next eight bits.
fn histogram(first: u32, local_id: u32, shift: u32, top: f32) {
    for (var bin = local_id; bin < 256u; bin += WORKGROUP_SIZE) {
        atomicStore(&bin_count[bin], 0u);
        atomicStore(&bin_high[bin], 0u);
        atomicStore(&bin_low[bin], 0u);
    }
    workgroupBarrier();
    let considered = items;
    for (var i = local_id; i < considered; i += WORKGROUP_SIZE) {
        let id = item(i, considered);
        let key = key_at(first, id);
        if (kept(key, id) && (shift == 24u || (key >> ((shift + 8u) & 31u)) == prefix)) {
            let bin = (key >> shift) & 255u;
            let fixed = u32(round(weight_of(key, top) * 268435456.0));
            atomicAdd(&bin_count[bin], 1u);
            atomicAdd(&bin_high[bin], fixed >> 14u);
            atomicAdd(&bin_low[bin], fixed & 16383u);
        }
    }
    workgroupBarrier();
}

// Ids, or their mass, that a cut keeps.
fn first_goal(by_mass: bool, after_k: bool) -> f32 {
    if (!by_mass) {
        return f32(run.top_k);
    }
    var mass = 0.0;
    for (var bin = 0u; bin < 256u; bin++) {
        mass += bin_mass(bin);
    }
    return run.top_p * select(whole.all, mass, after_k);
}

// Adds the highest bin with which the goal is reached to the prefix; of a key that is the whole prefix, `ties` ids are
// kept.
fn choose_bin(by_mass: bool) {
    var found = false;
    var lowest = 0u;
    for (var b = 256u; b > 0u; b--) {
        let count = atomicLoad(&bin_count[b - 1u]);
        if (!found && count > 0u) {
            let amount = select(f32(count), bin_mass(b - 1u), by_mass);
            lowest = b - 1u;
            found = amount >= goal;
            if (found) {
                // Quotients are not exact, so a number of ids is not made one.
                let each = max(amount / f32(count), LOW_UNIT);
                let wanted = select(goal, ceil(min(goal / each, 16777216.0)), by_mass);
                ties = clamp(u32(wanted), 1u, count);
            } else {
                goal -= amount;
                ties = count;
            }
        }
    }
    // Where all allowed ids are less, everything down to the last one stays.
    goal = select(3e38, goal, found);
    prefix = (prefix << 8u) | lowest;
}

// Cuts after the ties-th id whose key is the prefix.
fn cut_at_ties(first: u32, local_id: u32) {
    let considered = items;
    let own = share(local_id, considered);
    var count = 0u;
    for (var i = own.x; i < own.y; i++) {
        let id = item(i, considered);
        let key = key_at(first, id);
        count += select(0u, 1u, key == prefix && kept(key, id));
    }
    own_count[local_id] = count;
    workgroupBarrier();
    if (local_id == 0u) {
        chosen_invocation = WORKGROUP_SIZE;
        for (var l = 0u; l < WORKGROUP_SIZE; l++) {
            if (chosen_invocation == WORKGROUP_SIZE) {
                if (own_count[l] >= ties) {
                    chosen_invocation = l;
                } else {
                    ties -= own_count[l];
                }
            }
        }
    }
    workgroupBarrier();
    if (local_id == chosen_invocation) {
        var left = ties;
        var last = 0u;
        for (var i = own.x; i < own.y; i++) {
            let id = item(i, considered);
            let key = key_at(first, id);
            if (left > 0u && key == prefix && kept(key, id)) {
                left -= 1u;
                last = id;
            }
        }
        cut_key = prefix;
        cut_id = last;
    }
    workgroupBarrier();
}

// The mass of an invocation's share of the ids that are left.
fn own_mass(first: u32, local_id: u32, top: f32) -> f32 {
    let considered = items;
    let own = share(local_id, considered);
    var sum = 0.0;
    for (var i = own.x; i < own.y; i++) {
        let id = item(i, considered);
        let key = key_at(first, id);
        if (kept(key, id) && likely(key, top)) {
            sum += weight_of(key, top);
        }
    }
    return sum;
}

fn multiply_high(a: u32, b: u32) -> u32 {
    let low = (a & 0xffffu) * (b & 0xffffu);
    let cross_1 = (a >> 16u) * (b & 0xffffu) + (low >> 16u);
    let cross_2 = (a & 0xffffu) * (b >> 16u) + (cross_1 & 0xffffu);
    return (a >> 16u) * (b >> 16u) + (cross_1 >> 16u) + (cross_2 >> 16u);
}

// The first word of Philox4x32-10 of counter (position, 0, 0, 0), as a number in [0, 1) with 24 bits.
fn uniform_draw(position: u32) -> f32 {
    var c = vec4<u32>(position, 0u, 0u, 0u);
    var key = vec2<u32>(run.seed_lo, run.seed_hi);
    for (var round = 0u; round < 10u; round++) {
        let high_0 = multiply_high(0xd2511f53u, c.x);
        let high_1 = multiply_high(0xcd9e8d57u, c.z);
        c = vec4<u32>(high_1 ^ c.y ^ key.x, 0xcd9e8d57u * c.z, high_0 ^ c.w ^ key.y, 0xd2511f53u * c.x);
        key += vec2<u32>(0x9e3779b9u, 0xbb67ae85u);
    }
    return f32(c.x >> 8u) / 16777216.0;
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local_id: u32) {
    let first = group.x * params.vocabulary;
    let position = run.row[0].x + (run.head_first + group.x) * params.step;
    if (local_id == 0u) {
        cut_key = 0u;
        cut_id = 0u;
    }
    workgroupBarrier();
    let candidates = find_candidates(group.x, position, local_id);
    let top = candidates.top;

    // One loop for both cuts: what it calls is much code, and is compiled once.
    for (var cut = 0u; cut < 2u; cut++) {
        let by_mass = cut == 1u;
        if (select(cuts_k(), cuts_p(), by_mass)) {
            if (local_id == 0u) {
                prefix = 0u;
                // Where nothing is kept, no bin sets it.
                ties = 0u;
            }
            workgroupBarrier();
            for (var digit = 0u; digit < 4u; digit++) {
                histogram(first, local_id, 24u - 8u * digit, top);
                if (local_id == 0u) {
                    if (digit == 0u) {
                        goal = first_goal(by_mass, cuts_k());
                    }
                    choose_bin(by_mass);
                }
                workgroupBarrier();
            }
            cut_at_ties(first, local_id);
        }
    }

    let considered = items;
    let own = share(local_id, considered);
    var sum = candidates.own;
    if (cuts_k() || cuts_p()) {
        sum = own_mass(first, local_id, top);
    }
    own_sum[local_id] = sum;
    workgroupBarrier();
    if (local_id == 0u) {
        var mass = 0.0;
        for (var l = 0u; l < WORKGROUP_SIZE; l++) {
            mass += own_sum[l];
        }
        goal = goal_of(uniform_draw(position), mass);
        chosen_invocation = 0u;
        var found = false;
        for (var l = 0u; l < WORKGROUP_SIZE; l++) {
            if (!found && own_sum[l] > 0.0) {
                chosen_invocation = l;
                if (goal < own_sum[l]) {
                    found = true;
                } else {
                    goal -= own_sum[l];
                }
            }
        }
        // Rounding may leave the goal past the last invocation: then its last id is taken.
        goal = select(mass, goal, found);
    }
    workgroupBarrier();
    if (local_id == chosen_invocation) {
        var left = goal;
        var id = NO_ID;
        for (var i = own.x; i < own.y; i++) {
            let candidate = item(i, considered);
            let key = key_at(first, candidate);
            if (left >= 0.0 && kept(key, candidate) && likely(key, top)) {
                id = candidate;
                left -= weight_of(key, top);
            }
        }
        ids[position + 1u] = id;
    }
}
