// id ~ softmax(l / T) over the allowed ids, l being the logits with bias and penalties; cut to the top k, then to the
// likeliest ids of mass p of those, then to ids at least min_p times as likely as the likeliest.
//
// One workgroup per head row. Cuts look at a list of the likeliest ids wherever it is sure to hold all that is kept:
// most vocabularies are long tails. Its floor is taken from the largest logits of 4 * WORKGROUP_SIZE interleaved
// streams, so that about a thousand ids are above it, or little more than k. Thresholds are found exactly by radix
// selection on the ordered bits of the logits, eight bits at a time; masses are summed in fixed point (14 + 14 bits),
// so that the result does not depend on the order of the invocations. Ties are kept from the lowest id up. The random
// number is Philox4x32-10 (Salmon et al., SC 2011), counted by position. NO_ID where no logit is a finite number.

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
@group(0) @binding(5) var<storage, read_write> ids: array<u32>;

const HIGH_UNIT: f32 = 1.0 / 16384.0;
const LOW_UNIT: f32 = 1.0 / 268435456.0;

const MAXIMA: u32 = 4u * WORKGROUP_SIZE;
// Most ids of the list: the maxima fit too.
const LISTED: u32 = 2048u;

var<workgroup> bin_count: array<atomic<u32>, 256>;
var<workgroup> bin_high: array<atomic<u32>, 256>;
var<workgroup> bin_low: array<atomic<u32>, 256>;
var<workgroup> own_sum: array<f32, WORKGROUP_SIZE>;
var<workgroup> own_listed: array<f32, WORKGROUP_SIZE>;
var<workgroup> own_key: array<u32, WORKGROUP_SIZE>;
// The streams' maxima, and after that the listed ids in order.
var<workgroup> list: array<u32, LISTED>;
var<workgroup> floor_key: u32;
// How many ids the cuts look at: those of the list, or all.
var<workgroup> items: u32;
// Mass of all ids.
var<workgroup> total: f32;
// Kept: keys above cut_key, and those equal to it up to cut_id.
var<workgroup> cut_key: u32;
var<workgroup> cut_id: u32;
// Of the running selection.
var<workgroup> prefix: u32;
var<workgroup> ties: u32;
var<workgroup> goal: f32;
var<workgroup> chosen_invocation: u32;

fn float_of(key: u32) -> f32 {
    return bitcast<f32>(select(~key, key & 0x7fffffffu, (key >> 31u) == 1u));
}

fn kept(key: u32, id: u32) -> bool {
    return key > 0u && (key > cut_key || (key == cut_key && id <= cut_id));
}

fn weight_of(key: u32, top: f32) -> f32 {
    return exp((float_of(key) - top) * run.inv_temperature);
}

// p >= min_p * p_max, in logarithms.
fn likely(key: u32, top: f32) -> bool {
    return (float_of(key) - top) * run.inv_temperature >= run.ln_min_p;
}

fn bin_mass(bin: u32) -> f32 {
    return f32(atomicLoad(&bin_high[bin])) * HIGH_UNIT + f32(atomicLoad(&bin_low[bin])) * LOW_UNIT;
}

// The i-th of the ids that the cuts look at.
fn item(i: u32, count: u32) -> u32 {
    if (count == params.vocabulary) {
        return i;
    }
    return list[i];
}

// An invocation's part of `count` neighbours.
fn share(local_id: u32, count: u32) -> vec2<u32> {
    let most = (count + WORKGROUP_SIZE - 1u) / WORKGROUP_SIZE;
    return min(vec2<u32>(local_id * most, (local_id + 1u) * most), vec2<u32>(count));
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
    return run.top_p * select(total, mass, after_k);
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
    own_key[local_id] = count;
    workgroupBarrier();
    if (local_id == 0u) {
        chosen_invocation = WORKGROUP_SIZE;
        for (var l = 0u; l < WORKGROUP_SIZE; l++) {
            if (chosen_invocation == WORKGROUP_SIZE) {
                if (own_key[l] >= ties) {
                    chosen_invocation = l;
                } else {
                    ties -= own_key[l];
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

// The largest key; and the floor of the list, which leaves `below` of the streams' maxima below it.
fn find_floor(first: u32, local_id: u32, below: u32) -> u32 {
    var own = vec4<u32>();
    for (var base = local_id; base < params.vocabulary; base += MAXIMA) {
        own = max(own, keys_at(first, min(vec4<u32>(base) + STREAMS, vec4<u32>(params.vocabulary - 1u))));
    }
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
        if (smaller[j] == below) {
            floor_key = max(own[j], 1u);
        }
    }
    workgroupBarrier();
    return largest;
}

// Lists the ids above the floor in order, unless they are too many, or may not hold all that the first cut keeps.
fn make_list(first: u32, local_id: u32, cuts_k: bool, count: u32, sum: f32, listed_sum: f32) {
    own_key[local_id] = count;
    own_sum[local_id] = sum;
    own_listed[local_id] = listed_sum;
    workgroupBarrier();
    if (local_id == 0u) {
        var length = 0u;
        var mass = 0.0;
        total = 0.0;
        for (var l = 0u; l < WORKGROUP_SIZE; l++) {
            let next = length + own_key[l];
            own_key[l] = length;
            length = next;
            total += own_sum[l];
            mass += own_listed[l];
        }
        let enough = select(mass >= run.top_p * total, length >= run.top_k, cuts_k) || floor_key == 1u;
        items = select(params.vocabulary, length, enough && length <= LISTED);
    }
    workgroupBarrier();
    if (items < params.vocabulary) {
        let own = share(local_id, params.vocabulary);
        var at = own_key[local_id];
        for (var i = own.x; i < own.y; i++) {
            if (key_at(first, i) >= floor_key) {
                list[at] = i;
                at += 1u;
            }
        }
    }
    workgroupBarrier();
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
    adjust_logits(first, position, local_id);
    if (local_id == 0u) {
        cut_key = 0u;
        cut_id = 0u;
        items = params.vocabulary;
    }
    workgroupBarrier();

    let cuts_k = run.top_k > 0u && run.top_k < params.vocabulary;
    let cuts_p = run.top_p < 1.0;
    let above_k = MAXIMA - min(run.top_k, MAXIMA);
    let top = float_of(find_floor(first, local_id, select(FLOOR_RANK, max(FLOOR_RANK, above_k), cuts_k)));

    var own = share(local_id, params.vocabulary);
    var count = 0u;
    var sum = 0.0;
    var listed_sum = 0.0;
    let listed_from = floor_key;
    for (var i = own.x; i < own.y; i++) {
        let key = key_at(first, i);
        let listed = key >= listed_from;
        count += select(0u, 1u, listed);
        // The mass of all where it is cut, else the mass that is sampled from.
        if (!cuts_k && key > 0u && (cuts_p || likely(key, top))) {
            let weight = weight_of(key, top);
            sum += weight;
            listed_sum += select(0.0, weight, listed);
        }
    }
    if (cuts_k || cuts_p) {
        make_list(first, local_id, cuts_k, count, sum, listed_sum);
    }

    // One loop for both cuts: what it calls is much code, and is compiled once.
    for (var cut = 0u; cut < 2u; cut++) {
        let by_mass = cut == 1u;
        if (select(cuts_k, cuts_p, by_mass)) {
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
                        goal = first_goal(by_mass, cuts_k);
                    }
                    choose_bin(by_mass);
                }
                workgroupBarrier();
            }
            cut_at_ties(first, local_id);
        }
    }

    let considered = items;
    own = share(local_id, considered);
    if (cuts_k || cuts_p) {
        sum = 0.0;
        for (var i = own.x; i < own.y; i++) {
            let id = item(i, considered);
            let key = key_at(first, id);
            if (kept(key, id) && likely(key, top)) {
                sum += weight_of(key, top);
            }
        }
    }
    own_sum[local_id] = sum;
    workgroupBarrier();
    if (local_id == 0u) {
        var mass = 0.0;
        for (var l = 0u; l < WORKGROUP_SIZE; l++) {
            mass += own_sum[l];
        }
        goal = uniform_draw(position) * mass;
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
