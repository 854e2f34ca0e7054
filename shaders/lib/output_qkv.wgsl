// Output of the QKV projection: rotated queries (RoPE, arXiv 2104.09864), rotated keys and values appended to the KV
// cache.

// [rows][q_dim], times q_scale
@group(0) @binding(5) var<storage, read_write> queries: array<vec2<f32>>;

fn rotate(t: u32, pair: u32, v: vec2<f32>) -> vec2<f32> {
    let both = run.rope[t * (params.head_dim / 4u) + pair / 2u];
    let turn = select(both.xy, both.zw, (pair & 1u) == 1u);
    return vec2<f32>(v.x * turn.x - v.y * turn.y, v.x * turn.y + v.y * turn.x);
}

// Rows row and row + 1 of [q; k; v] at token t.
fn store_pair(t: u32, row_in_part: u32, a: f32, b: f32) {
    let row = params.row_begin + row_in_part;
    let pair = (row % params.head_dim) / 2u;
    if (row < params.q_dim) {
        queries[(t * params.q_dim + row) / 2u] = params.q_scale * rotate(t, pair, vec2<f32>(a, b));
        return;
    }
    let is_key = row < params.q_dim + params.kv_dim;
    let kv_row = row - params.q_dim - select(params.kv_dim, 0u, is_key);
    let at = ((kv_row / params.head_dim) * run.capacity + run.row[t].x) * (params.head_dim / 2u) + pair;
    if (is_key) {
        keys[at] = kv_pair(rotate(t, pair, vec2<f32>(a, b)));
    } else {
        values[at] = kv_pair(vec2<f32>(a, b));
    }
}

// The adaptor that a row belongs to.
fn lora_part(row: u32) -> u32 {
    return select(2u, select(1u, 0u, row < params.q_dim), row < params.q_dim + params.kv_dim);
}
