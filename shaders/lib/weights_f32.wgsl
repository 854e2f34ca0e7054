// Weights of a row block as f32, for products with several tokens.

// vec4 q of a row.
fn weights_of_row(raw: Raw_w, q: u32) -> vec4<f32> {
    let scales = scale_w(raw);
    let scale = select(scales.x, scales.y, q >= 4u);
    var least = 0.0;
    if (ZERO_POINT_w != 0.0) {
        least = -ZERO_POINT_w * scale;
    }
    if (HAS_MINIMUM_w) {
        let minimums = minimum_w(raw);
        least += select(minimums.x, minimums.y, q >= 4u);
    }
    return (scale * UNIT_w) * vec4_w(raw, q) + least;
}

// vec4 q of the rows of a row block.
fn weights_of(raw: Blocks, q: u32) -> mat4x4<f32> {
    return mat4x4<f32>(
        weights_of_row(raw.a, q),
        weights_of_row(raw.b, q),
        weights_of_row(raw.c, q),
        weights_of_row(raw.d, q),
    );
}
