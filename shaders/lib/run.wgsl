// The uniforms of a run: src/kernel/uniforms.rs. ROWS rows, ROPE = ROWS * d/4 vectors of two (cos, sin) pairs.

struct Run {
    rows: u32,
    capacity: u32,
    head_first: u32,
    head_rows: u32,
    seed_lo: u32,
    seed_hi: u32,
    top_k: u32,
    inv_temperature: f32,
    top_p: f32,
    biases: u32,
    ln_min_p: f32,
    repetition_penalty: f32,
    presence_penalty: f32,
    frequency_penalty: f32,
    penalty_last_n: u32,
    masked: u32,
    // position, attend, 0, 0
    row: array<vec4<u32>, ROWS>,
    rope: array<vec4<f32>, ROPE>,
}

@group(0) @binding(1) var<uniform> run: Run;
