// Output of a gate projection that stands alone: silu(gate), which waits for the up projection.

// [rows][stride]
@group(0) @binding(5) var<storage, read_write> activation: array<f32>;

fn store_pair(t: u32, row_in_part: u32, a: f32, b: f32) {
    let at = t * params.stride + params.row_begin + row_in_part;
    activation[at] = silu(a);
    if (row_in_part + 1u < params.rows) {
        activation[at + 1u] = silu(b);
    }
}
