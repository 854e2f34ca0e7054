// id ~ softmax((logits + bias) / T) over the allowed ids, cut to the top k and then to the likeliest ids of mass p.
//
// One workgroup per head row. Thresholds are found exactly by radix selection on the ordered bits of the logits, eight
// bits at a time; masses are summed in fixed point (14 + 14 bits), so that the result does not depend on the order of
// the lanes. Ties are kept from the lowest id up. The draw is Philox4x32-10 (Salmon et al., SC 2011), counted by position.

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

const HIGH_UNIT: f32 = 1.0 / 16384.0;
const LOW_UNIT: f32 = 1.0 / 268435456.0;

var<workgroup> bin_count: array<atomic<u32>, 256>;
var<workgroup> bin_high: array<atomic<u32>, 256>;
var<workgroup> bin_low: array<atomic<u32>, 256>;
var<workgroup> lane_sum: array<f32, LANES>;
var<workgroup> lane_key: array<u32, LANES>;
// Kept: keys above cut_key, and those equal to it up to cut_id.
var<workgroup> cut_key: u32;
var<workgroup> cut_id: u32;
// Of the running selection.
var<workgroup> prefix: u32;
var<workgroup> ties: u32;
var<workgroup> goal: f32;
var<workgroup> chosen_lane: u32;

fn key_at(first: u32, i: u32) -> u32 {
    return order_key(bitcast<u32>(logits[first + i]), (allowed[i / 32u] >> (i & 31u)) & 1u);
}

fn float_of(key: u32) -> f32 {
    return bitcast<f32>(select(~key, key & 0x7fffffffu, (key >> 31u) == 1u));
}

fn kept(key: u32, id: u32) -> bool {
    return key > 0u && (key > cut_key || (key == cut_key && id <= cut_id));
}

fn weight_of(key: u32, top: f32) -> f32 {
    return exp((float_of(key) - top) * slot.inv_temperature);
}

fn bin_mass(bin: u32) -> f32 {
    return f32(atomicLoad(&bin_high[bin])) * HIGH_UNIT + f32(atomicLoad(&bin_low[bin])) * LOW_UNIT;
}

// Counts and masses of the kept keys that begin with the prefix, by their next eight bits.
fn histogram(first: u32, lane: u32, shift: u32, top: f32) {
    for (var bin = lane; bin < 256u; bin += LANES) {
        atomicStore(&bin_count[bin], 0u);
        atomicStore(&bin_high[bin], 0u);
        atomicStore(&bin_low[bin], 0u);
    }
    workgroupBarrier();
    for (var i = lane; i < params.vocabulary; i += LANES) {
        let key = key_at(first, i);
        if (kept(key, i) && (shift == 24u || (key >> ((shift + 8u) & 31u)) == prefix)) {
            let bin = (key >> shift) & 255u;
            let fixed = u32(round(weight_of(key, top) * 268435456.0));
            atomicAdd(&bin_count[bin], 1u);
            atomicAdd(&bin_high[bin], fixed >> 14u);
            atomicAdd(&bin_low[bin], fixed & 16383u);
        }
    }
    workgroupBarrier();
}

// Cuts after the ties-th id whose key is the prefix.
fn cut_at_ties(first: u32, lane: u32, begin: u32, end: u32) {
    var count = 0u;
    for (var i = begin; i < end; i++) {
        let key = key_at(first, i);
        count += select(0u, 1u, key == prefix && kept(key, i));
    }
    lane_key[lane] = count;
    workgroupBarrier();
    if (lane == 0u) {
        chosen_lane = LANES;
        for (var l = 0u; l < LANES; l++) {
            if (chosen_lane == LANES) {
                if (lane_key[l] >= ties) {
                    chosen_lane = l;
                } else {
                    ties -= lane_key[l];
                }
            }
        }
    }
    workgroupBarrier();
    if (lane == chosen_lane) {
        var left = ties;
        var id = begin;
        for (var i = begin; i < end; i++) {
            let key = key_at(first, i);
            if (left > 0u && key == prefix && kept(key, i)) {
                left -= 1u;
                id = i;
            }
        }
        cut_key = prefix;
        cut_id = id;
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
    var key = vec2<u32>(slot.seed_lo, slot.seed_hi);
    for (var round = 0u; round < 10u; round++) {
        let high_0 = multiply_high(0xd2511f53u, c.x);
        let high_1 = multiply_high(0xcd9e8d57u, c.z);
        c = vec4<u32>(high_1 ^ c.y ^ key.x, 0xcd9e8d57u * c.z, high_0 ^ c.w ^ key.y, 0xd2511f53u * c.x);
        key += vec2<u32>(0x9e3779b9u, 0xbb67ae85u);
    }
    return f32(c.x >> 8u) / 16777216.0;
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let first = group.x * params.vocabulary;
    let position = slot.row[slot.head_first + group.x].x;
    for (var i = lane; i < slot.biases; i += LANES) {
        logits[first + bias[i].x] += bitcast<f32>(bias[i].y);
    }
    if (lane == 0u) {
        cut_key = 0u;
        cut_id = 0u;
    }
    storageBarrier();
    workgroupBarrier();

    var largest = 0u;
    for (var i = lane; i < params.vocabulary; i += LANES) {
        largest = max(largest, key_at(first, i));
    }
    lane_key[lane] = largest;
    workgroupBarrier();
    for (var l = 0u; l < LANES; l++) {
        largest = max(largest, lane_key[l]);
    }
    let top = float_of(largest);
    workgroupBarrier();

    let share = (params.vocabulary + LANES - 1u) / LANES;
    let begin = min(lane * share, params.vocabulary);
    let end = min(begin + share, params.vocabulary);

    if (slot.top_k > 0u && slot.top_k < params.vocabulary) {
        if (lane == 0u) {
            prefix = 0u;
            ties = slot.top_k;
        }
        workgroupBarrier();
        for (var digit = 0u; digit < 4u; digit++) {
            histogram(first, lane, 24u - 8u * digit, top);
            if (lane == 0u) {
                var found = false;
                var lowest = 0u;
                for (var b = 256u; b > 0u; b--) {
                    let count = atomicLoad(&bin_count[b - 1u]);
                    if (!found && count > 0u) {
                        lowest = b - 1u;
                        if (count >= ties) {
                            found = true;
                        } else {
                            ties -= count;
                        }
                    }
                }
                // With fewer allowed ids than k, everything down to the last one stays.
                ties = select(0xffffffffu, ties, found);
                prefix = (prefix << 8u) | lowest;
            }
            workgroupBarrier();
        }
        cut_at_ties(first, lane, begin, end);
    }

    if (slot.top_p < 1.0) {
        if (lane == 0u) {
            prefix = 0u;
            ties = 1u;
        }
        workgroupBarrier();
        for (var digit = 0u; digit < 4u; digit++) {
            histogram(first, lane, 24u - 8u * digit, top);
            if (lane == 0u) {
                if (digit == 0u) {
                    var mass = 0.0;
                    for (var bin = 0u; bin < 256u; bin++) {
                        mass += bin_mass(bin);
                    }
                    goal = slot.top_p * mass;
                }
                var found = false;
                var lowest = 0u;
                for (var b = 256u; b > 0u; b--) {
                    let count = atomicLoad(&bin_count[b - 1u]);
                    if (!found && count > 0u) {
                        let mass = bin_mass(b - 1u);
                        lowest = b - 1u;
                        if (mass >= goal) {
                            found = true;
                            let each = max(mass / f32(count), LOW_UNIT);
                            ties = clamp(u32(ceil(min(goal / each, 16777216.0))), 1u, count);
                        } else {
                            goal -= mass;
                            ties = count;
                        }
                    }
                }
                prefix = (prefix << 8u) | lowest;
            }
            workgroupBarrier();
        }
        cut_at_ties(first, lane, begin, end);
    }

    var sum = 0.0;
    for (var i = begin; i < end; i++) {
        let key = key_at(first, i);
        if (kept(key, i)) {
            sum += weight_of(key, top);
        }
    }
    lane_sum[lane] = sum;
    workgroupBarrier();
    if (lane == 0u) {
        var mass = 0.0;
        for (var l = 0u; l < LANES; l++) {
            mass += lane_sum[l];
        }
        goal = uniform_draw(position) * mass;
        chosen_lane = 0u;
        var found = false;
        for (var l = 0u; l < LANES; l++) {
            if (!found && lane_sum[l] > 0.0) {
                chosen_lane = l;
                if (goal < lane_sum[l]) {
                    found = true;
                } else {
                    goal -= lane_sum[l];
                }
            }
        }
        // Rounding may leave the goal past the last lane: then its last id is drawn.
        goal = select(mass, goal, found);
    }
    workgroupBarrier();
    if (lane == chosen_lane) {
        var left = goal;
        var id = 0u;
        for (var i = begin; i < end; i++) {
            let key = key_at(first, i);
            if (kept(key, i) && left >= 0.0) {
                id = i;
                left -= weight_of(key, top);
            }
        }
        ids[position + 1u] = id;
    }
}
