// Rows of y as they are.

// [rows][k]
@group(0) @binding(BINDING) var<storage, read_write> ROLE: array<vec4<f32>>;

fn store_row(row: u32, lane: u32, at: Origin) {
    for (var quad = lane; quad < params.quads; quad += LANES) {
        ROLE[row * params.quads + quad] = value(at, quad);
    }
}
