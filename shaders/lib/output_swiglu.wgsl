// Output of the gate and up projections, whose rows alternate: silu(gate) * up (SwiGLU, arXiv 2002.05202).

// [rows][stride]
@group(0) @binding(5) var<storage, read_write> activation: array<f32>;

fn store_pair(t: u32, row_in_part: u32, gate: f32, up: f32) {
    let at = t * params.stride + (params.row_begin + row_in_part) / 2u;
    activation[at] = silu(gate) * up;
}

// The adaptor that a row belongs to.
fn lora_part(row: u32) -> u32 {
    return row & 1u;
}
