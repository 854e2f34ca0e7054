// Products of a block of weights with eight tokens in f32.

// vec4 q of the rows of a row block, times 1 / UNIT.
fn weights_of(raw: Blocks, q: u32) -> mat4x4<f32> {
    let pick = select(vec2<f32>(1.0, 0.0), vec2<f32>(0.0, 1.0), q >= 4u);
    let scale = pick * mat4x2<f32>(scale_w(raw.a), scale_w(raw.b), scale_w(raw.c), scale_w(raw.d));
    var w = mat4x4<f32>(
        scale.x * (vec4_w(raw.a, q) - ZERO_POINT_w / UNIT_w),
        scale.y * (vec4_w(raw.b, q) - ZERO_POINT_w / UNIT_w),
        scale.z * (vec4_w(raw.c, q) - ZERO_POINT_w / UNIT_w),
        scale.w * (vec4_w(raw.d, q) - ZERO_POINT_w / UNIT_w),
    );
    if (HAS_MINIMUM_w) {
        let minimum = pick * mat4x2<f32>(minimum_w(raw.a), minimum_w(raw.b), minimum_w(raw.c), minimum_w(raw.d));
        w += mat4x4<f32>(
            minimum.x / UNIT_w,
            minimum.y / UNIT_w,
            minimum.z / UNIT_w,
            minimum.w / UNIT_w,
        );
    }
    return w;
}

// v * M is the dot product of v with each column of M: one per row. vec4s of x are times the unit.
fn add(sums: Sums, w: mat4x4<f32>, x: XBlock) -> Sums {
    return Sums(
        sums.t0 + x.vec4s[0] * w,
        sums.t1 + x.vec4s[1] * w,
        sums.t2 + x.vec4s[2] * w,
        sums.t3 + x.vec4s[3] * w,
        sums.t4 + x.vec4s[4] * w,
        sums.t5 + x.vec4s[5] * w,
        sums.t6 + x.vec4s[6] * w,
        sums.t7 + x.vec4s[7] * w,
    );
}

// Adds block g, whose vec4s of the first token begin at `at`, to the sums of one row block, or of two.
fn add_block(
    invocation: Invocation,
    at: u32,
    stride: u32,
    raw: Blocks,
    raw_1: Blocks,
    sums: ptr<function, Sums>,
    sums_1: ptr<function, Sums>,
) {
    for (var q = 0u; q < 8u; q++) {
        let w = weights_of(raw, q);
        let x = load_vec4s(invocation, at + q, stride);
        *sums = add(*sums, w, x);
        if (ROW_BLOCKS > 1u) {
            *sums_1 = add(*sums_1, weights_of(raw_1, q), x);
        }
    }
}
