// Rows of y as they are. A kernel that stores so has quads in its params, and says what a quad is: value(at, quad), where at
// is what the row needs for that (Origin).

// [rows][k]
@group(0) @binding(BINDING) var<storage, read_write> ROLE: array<vec4<f32>>;

fn store_row(row: u32, lane: u32, at: Origin) {
    for (var quad = lane; quad < params.quads; quad += LANES) {
        ROLE[row * params.quads + quad] = value(at, quad);
    }
}
