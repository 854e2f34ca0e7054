// y[t,r] = sum_k W[r,k] x[t,k] for a tile of tokens: a weight is decoded once and used for TOKENS_PER_LANE tokens.
//
// A lane owns ROWS_PER_LANE rows in adjacent pairs and TOKENS_PER_LANE tokens; no workgroup memory, no barrier.

struct Params {
    row_begin: u32,
    rows: u32,
    blocks: u32,
    supers: u32,
    plane_1: u32,
    plane_2: u32,
    plane_3: u32,
    quads: u32,
    at_head: u32,
    q_dim: u32,
    kv_dim: u32,
    head_dim: u32,
    norm_dim: f32,
    eps: f32,
    q_scale: f32,
    token_begin: u32,
    token_end: u32,
    stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
// [part rows][k], packed
@group(0) @binding(2) var<storage, read> weights_w: array<vec4<u32>>;
// [tokens][k], padded with zeros to a multiple of 32; quads is the stride
@group(0) @binding(3) var<storage, read> x: array<vec4<f32>>;

const ROWS_PER_GROUP: u32 = LANES * ROWS_PER_LANE;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let first = group.x * ROWS_PER_GROUP + 2u * lane;
    let token = params.token_begin + group.y * TOKENS_PER_LANE;
    let tokens = select(slot.rows, slot.head_rows, params.at_head == 1u);
    if (token >= tokens) {
        return;
    }

    var acc: array<f32, TILE_SUMS>;
    for (var s = 0u; s < params.supers; s++) {
        let blocks = min(8u, params.blocks - 8u * s);
        for (var j = 0u; j < blocks; j++) {
            let g = 8u * s + j;
            var raw: array<Raw_w, ROWS_PER_LANE>;
            for (var i = 0u; i < ROWS_PER_LANE; i++) {
                let row = first + (i / 2u) * 2u * LANES + (i & 1u);
                let tile = row / TILE;
                raw[i] = fetch_w(
                    vec3<u32>(params.plane_1, params.plane_2, params.plane_3),
                    (tile * params.blocks + g) * TILE + row % TILE,
                    (tile * params.supers + s) * TILE + row % TILE,
                    j,
                );
            }
            for (var q = 0u; q < 8u; q++) {
                var w: array<vec4<f32>, ROWS_PER_LANE>;
                for (var i = 0u; i < ROWS_PER_LANE; i++) {
                    let scale = scale_w(raw[i]);
                    w[i] = select(scale.x, scale.y, q >= 4u) * quad_w(raw[i], q);
                }
                for (var t = 0u; t < TOKENS_PER_LANE; t++) {
                    let v = x[(token + t) * params.quads + 8u * g + q];
                    for (var i = 0u; i < ROWS_PER_LANE; i++) {
                        acc[t * ROWS_PER_LANE + i] += dot(w[i], v);
                    }
                }
            }
        }
    }

    for (var t = 0u; t < TOKENS_PER_LANE; t++) {
        for (var i = 0u; i < ROWS_PER_LANE; i += 2u) {
            let row = first + i * LANES;
            if (row < params.rows && token + t < tokens) {
                store_pair(token + t, row, acc[t * ROWS_PER_LANE + i], acc[t * ROWS_PER_LANE + i + 1u]);
            }
        }
    }
}
