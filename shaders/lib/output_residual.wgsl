// Output added to the residual stream.

// [rows][stride]
@group(0) @binding(5) var<storage, read_write> residual: array<f32>;

fn store_pair(t: u32, row_in_part: u32, a: f32, b: f32) {
    let at = t * params.stride + params.row_begin + row_in_part;
    residual[at] += a;
    residual[at + 1u] += b;
}

// The adaptor that a row belongs to.
fn lora_part(row: u32) -> u32 {
    return 0u;
}
