// Product of a block of one row with x in f32.

fn product(raw: Raw_w, x: XBlock) -> f32 {
    // vec4s of x are times the unit, and what is taken from every weight is taken from the sum.
    var sums = vec2<f32>();
    if (ZERO_POINT_w != 0.0) {
        sums = -ZERO_POINT_w * x.sums;
    }
    sums.x += dot(x.vec4s[0], vec4_w(raw, 0u));
    sums.x += dot(x.vec4s[1], vec4_w(raw, 1u));
    sums.x += dot(x.vec4s[2], vec4_w(raw, 2u));
    sums.x += dot(x.vec4s[3], vec4_w(raw, 3u));
    sums.y += dot(x.vec4s[4], vec4_w(raw, 4u));
    sums.y += dot(x.vec4s[5], vec4_w(raw, 5u));
    sums.y += dot(x.vec4s[6], vec4_w(raw, 6u));
    sums.y += dot(x.vec4s[7], vec4_w(raw, 7u));
    if (HALVES_w) {
        let scaled = dot(sums, scale_w(raw));
        if (HAS_MINIMUM_w) {
            return scaled + dot(x.sums, minimum_w(raw));
        }
        return scaled;
    }
    let scaled = (sums.x + sums.y) * scale_w(raw).x;
    if (HAS_MINIMUM_w) {
        return scaled + (x.sums.x + x.sums.y) * minimum_w(raw).x;
    }
    return scaled;
}
