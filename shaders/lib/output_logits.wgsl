// Output of the head: logits.

// [head rows][v]
@group(0) @binding(5) var<storage, read_write> logits: array<f32>;

fn store_pair(t: u32, row_in_part: u32, a: f32, b: f32) {
    let at = t * params.stride + params.row_begin + row_in_part;
    logits[at] = a;
    if (row_in_part + 1u < params.rows) {
        logits[at + 1u] = b;
    }
}
