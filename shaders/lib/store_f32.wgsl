// Rows of y as they are. A kernel that stores so has vec4s in its params, and says what a vec4 is: value(at, vec4),
// where at is what the row needs for that (Origin).

// [rows][k]
@group(0) @binding(BINDING) var<storage, read_write> ROLE: array<vec4<f32>>;

fn put_low(at: u32, low: vec4<f32>) {
    ROLE[at] = low;
}

fn store_row(row: u32, local_id: u32, at: Origin) {
    for (var vec4_index = local_id; vec4_index < params.vec4s; vec4_index += WORKGROUP_SIZE) {
        ROLE[row * params.vec4s + vec4_index] = value(at, vec4_index);
    }
}
