// Product of a block of one row with x in f32.

fn product(raw: Raw_w, x: Quads) -> f32 {
    // Quads of x are times the unit, and what is taken from every weight is taken from the sum.
    var sums = vec2<f32>();
    if (CENTER_w != 0.0) {
        sums = -CENTER_w * x.sums;
    }
    sums.x += dot(x.quads[0], quad_w(raw, 0u));
    sums.x += dot(x.quads[1], quad_w(raw, 1u));
    sums.x += dot(x.quads[2], quad_w(raw, 2u));
    sums.x += dot(x.quads[3], quad_w(raw, 3u));
    sums.y += dot(x.quads[4], quad_w(raw, 4u));
    sums.y += dot(x.quads[5], quad_w(raw, 5u));
    sums.y += dot(x.quads[6], quad_w(raw, 6u));
    sums.y += dot(x.quads[7], quad_w(raw, 7u));
    if (HALVES_w) {
        let scaled = dot(sums, scale_w(raw));
        if (OFFSET_w) {
            return scaled + dot(x.sums, offset_w(raw));
        }
        return scaled;
    }
    let scaled = (sums.x + sums.y) * scale_w(raw).x;
    if (OFFSET_w) {
        return scaled + (x.sums.x + x.sums.y) * offset_w(raw).x;
    }
    return scaled;
}
