// o = softmax(q k^T) v, causal, grouped queries, online softmax (arXiv 1805.02867), with split-KV.
//
// A workgroup serves one key/value head, QUERY_TOKENS tokens with their GROUP query heads (QUERIES in all), and one
// split. Keys come in tiles of KEYS. Queries are already divided by sqrt(d).

struct Params {
    token_begin: u32,
    token_end: u32,
    kv_heads: u32,
    heads: u32,
    out_vec4s: u32,
    head_vec4s: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
// [rows][heads][d]
@group(0) @binding(2) var<storage, read> queries: array<vec4<f32>>;
// [rows][SPLITS][out_vec4s], normalised within the split
@group(0) @binding(5) var<storage, read_write> out: array<vec4<f32>>;
// [rows][SPLITS][heads] of (max score, sum of exponentials)
@group(0) @binding(6) var<storage, read_write> score: array<vec2<f32>>;

const HEAD_VEC4S: u32 = HEAD_DIM / 4u;

const MASKED: f32 = -1e30;

// [queries][KEYS], scores, and then their weights
var<workgroup> weight: array<f32, SCORES>;
// Of each query: its largest score so far, the sum of its weights, and what earlier sums shrink by.
var<workgroup> largest: array<f32, QUERIES>;
var<workgroup> total: array<f32, QUERIES>;
var<workgroup> rescale: array<f32, QUERIES>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) group: vec3<u32>, invocation: Invocation) {
    let local_id = local_id_of(invocation);
    let kv_head = group.x % params.kv_heads;
    let split = group.x / params.kv_heads;
    let token = params.token_begin + group.y * QUERY_TOKENS;
    if (token >= run.rows) {
        return;
    }
    let tokens = min(QUERY_TOKENS, run.rows - token);
    var longest = 0u;
    for (var t = 0u; t < tokens; t++) {
        longest = max(longest, run.row[token + t].y);
    }
    let count = split_count(longest);
    if (split >= count) {
        return;
    }
    let span = (longest + count - 1u) / count;
    let begin = split * span;
    let end = min(begin + span, longest);

    for (var i = local_id; i < QUERIES; i += WORKGROUP_SIZE) {
        largest[i] = MASKED;
        total[i] = 0.0;
    }
    var acc = array<vec4<f32>, ITEMS>();
    workgroupBarrier();

    let key_base = kv_head * run.capacity;
    for (var base = begin; base < end; base += KEYS) {
        // Scores: an invocation takes one key, and QUERIES_PER_INVOCATION queries that share its loads.
        for (var i = local_id; i < KEYS * QUERY_PARTS; i += WORKGROUP_SIZE) {
            let j = i % KEYS;
            let first = (i / KEYS) * QUERIES_PER_INVOCATION;
            let position = base + j;
            var sums = array<f32, QUERIES_PER_INVOCATION>();
            if (position < end) {
                for (var c = 0u; c < HEAD_VEC4S; c++) {
                    let key = kv_vec4(keys[(key_base + position) * HEAD_VEC4S + c]);
                    for (var u = 0u; u < QUERIES_PER_INVOCATION; u++) {
                        let query = min(first + u, QUERIES - 1u);
                        let row = min(token + query / GROUP, run.rows - 1u);
                        let head = kv_head * GROUP + query % GROUP;
                        sums[u] += dot(queries[(row * params.heads + head) * HEAD_VEC4S + c], key);
                    }
                }
            }
            for (var u = 0u; u < QUERIES_PER_INVOCATION; u++) {
                let query = first + u;
                if (query < QUERIES) {
                    let row = token + query / GROUP;
                    let seen = position < end && row < run.rows && position < run.row[min(row, ROWS - 1u)].y;
                    weight[query * KEYS + j] = select(MASKED, sums[u], seen);
                }
            }
        }
        workgroupBarrier();

        update_softmax(invocation);
        workgroupBarrier();

        // Values: an invocation takes ITEMS (query, vec4 of the head) pairs.
        let valid = min(KEYS, end - base);
        for (var item = 0u; item < ITEMS; item++) {
            let i = item * WORKGROUP_SIZE + local_id;
            if (i < QUERIES * HEAD_VEC4S) {
                let query = i / HEAD_VEC4S;
                var sum = acc[item] * rescale[query];
                for (var j = 0u; j < valid; j++) {
                    sum += weight[query * KEYS + j] * kv_vec4(values[(key_base + base + j) * HEAD_VEC4S + i % HEAD_VEC4S]);
                }
                acc[item] = sum;
            }
        }
        workgroupBarrier();
    }

    for (var item = 0u; item < ITEMS; item++) {
        let i = item * WORKGROUP_SIZE + local_id;
        let query = i / HEAD_VEC4S;
        let row = token + query / GROUP;
        if (i < QUERIES * HEAD_VEC4S && row < run.rows) {
            let head = kv_head * GROUP + query % GROUP;
            out[(row * SPLITS + split) * params.out_vec4s + head * HEAD_VEC4S + i % HEAD_VEC4S] =
                acc[item] / max(total[query], 1e-20);
        }
    }
    for (var query = local_id; query < QUERIES; query += WORKGROUP_SIZE) {
        let row = token + query / GROUP;
        if (row < run.rows) {
            let head = kv_head * GROUP + query % GROUP;
            score[(row * SPLITS + split) * params.heads + head] = vec2<f32>(largest[query], total[query]);
        }
    }
}
