// Input of a matvec that its workgroup makes once, in workgroup memory.

// [k] times the unit of the weights, padded with zeros
var<workgroup> held: array<vec4<f32>, INPUT_VEC4S>;
// [k / 32], sums of x over both halves of each block
var<workgroup> held_sum: array<vec2<f32>, INPUT_BLOCKS>;

const HOLDS_SUMS: bool = true;
// Whether weights have a zero point or minimums, which are multiplied with sums of x.
const USES_SUMS: bool = ZERO_POINT_w != 0.0 || HAS_MINIMUM_w;

fn x_vec4(at: u32) -> vec4<f32> {
    return held[at];
}

fn held_sums(at: u32) -> vec2<f32> {
    return held_sum[at / 8u];
}

fn half_sum(at: u32) -> f32 {
    return dot(held[at] + held[at + 1u] + held[at + 2u] + held[at + 3u], 1.0 / UNIT_w);
}

// Between barriers: after x is held, and before its sums are read.
fn hold_sums(local_id: u32) {
    if (USES_SUMS) {
        for (var block = local_id; block < INPUT_BLOCKS; block += WORKGROUP_SIZE) {
            held_sum[block] = vec2<f32>(half_sum(8u * block), half_sum(8u * block + 4u));
        }
    }
}
