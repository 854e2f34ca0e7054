// RMSNorm, x * gamma / sqrt(mean(x^2) + eps) (arXiv 1910.07467). The root is taken at the end, of sums that the
// workgroup adds up while it makes x * gamma.

// [rows][k], padded with zeros to a multiple of 32
@group(0) @binding(3) var<storage, read> x: array<vec4<f32>>;
// [k], padded with zeros
@group(0) @binding(4) var<storage, read> gamma: array<vec4<f32>>;

var<workgroup> own_square: array<f32, WORKGROUP_SIZE>;
// Sums of those of every ROW_INVOCATIONS-th invocation.
var<workgroup> square: array<f32, ROW_INVOCATIONS>;

fn prepare_input(local_id: u32) {
    let first = params.at_head * run.head_first * params.vec4s;
    var own = 0.0;
    // Four at a time, as often as a param says: a compiler that unrolls all of a wide vector runs out of registers.
    for (var begin = local_id; begin < params.vec4s; begin += 4u * WORKGROUP_SIZE) {
        for (var part = 0u; part < 4u; part++) {
            let i = begin + part * WORKGROUP_SIZE;
            if (INPUT_VEC4S % (4u * WORKGROUP_SIZE) == 0u || i < INPUT_VEC4S) {
                let v = x[first + i];
                own += dot(v, v);
                held[i] = v * gamma[i] * UNIT_w;
            }
        }
    }
    own_square[local_id] = own;
    workgroupBarrier();
    hold_sums(local_id);
    if (local_id < ROW_INVOCATIONS) {
        var sum = 0.0;
        for (var i = local_id; i < WORKGROUP_SIZE; i += ROW_INVOCATIONS) {
            sum += own_square[i];
        }
        square[local_id] = sum;
    }
    workgroupBarrier();
}

fn input_scale() -> f32 {
    var sum = 0.0;
    for (var i = 0u; i < ROW_INVOCATIONS; i++) {
        sum += square[i];
    }
    return inverseSqrt(sum / params.norm_dim + params.eps);
}
