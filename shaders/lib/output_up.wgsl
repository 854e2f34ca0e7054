// Output of an up projection that stands alone: it multiplies what the gate projection left.

// [rows][stride]
@group(0) @binding(5) var<storage, read_write> activation: array<f32>;

fn store_pair(t: u32, row_in_part: u32, a: f32, b: f32) {
    let at = t * params.stride + params.row_begin + row_in_part;
    activation[at] *= a;
    if (row_in_part + 1u < params.rows) {
        activation[at + 1u] *= b;
    }
}
