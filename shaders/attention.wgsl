// o = softmax(q k^T) v, causal, grouped queries, online softmax (arXiv 1805.02867), with split-KV.
//
// A workgroup serves one key/value head, QUERY_TOKENS tokens with their GROUP query heads (QUERIES in all), and one
// split. Keys come in tiles of KEYS. Queries are already divided by sqrt(d); lib/queries_*.wgsl say where they are read.

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
// Queries whose results the workgroup sums at once, a vec4 an invocation.
const QUERIES_AT_ONCE: u32 = WORKGROUP_SIZE / HEAD_VEC4S;

const MASKED: f32 = -1e30;

// [queries][KEYS], scores, and then their weights
var<workgroup> weight: array<f32, SCORES>;
// Of each query: its largest score so far, the sum of its weights, and what earlier sums shrink by.
var<workgroup> largest: array<f32, QUERIES>;
var<workgroup> total: array<f32, QUERIES>;
var<workgroup> rescale: array<f32, QUERIES>;

// vec4 c of a query of the workgroup; past the last query or row, of that.
fn query_in_memory(kv_head: u32, token: u32, i: u32, c: u32) -> vec4<f32> {
    let query = min(i, QUERIES - 1u);
    let row = min(token + query / GROUP, run.rows - 1u);
    let head = kv_head * GROUP + query % GROUP;
    return queries[(row * params.heads + head) * HEAD_VEC4S + c];
}

// The query of an item of an invocation; past the last, the last.
fn query_of(first_query: u32, item: u32) -> u32 {
    let query = first_query + item * QUERIES_AT_ONCE;
    if (QUERIES % QUERIES_AT_ONCE == 0u) {
        return query;
    }
    return min(query, QUERIES - 1u);
}

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
    hold_queries(local_id, kv_head, token);
    // An invocation sums vec4 `column` of every QUERIES_AT_ONCE-th query. Some may have none.
    let column = local_id % HEAD_VEC4S;
    let first_query = local_id / HEAD_VEC4S;
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
                // In parts, as often as a param says: a compiler that unrolls a whole head runs out of registers.
                for (var part = 0u; part < params.head_vec4s; part += HEAD_PART) {
                    for (var i = 0u; i < HEAD_PART; i++) {
                        let c = part + i;
                        let key = kv_vec4(keys[(key_base + position) * HEAD_VEC4S + c]);
                        for (var u = 0u; u < QUERIES_PER_INVOCATION; u++) {
                            sums[u] += dot(query_vec4(kv_head, token, first + u, c), key);
                        }
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

        update_softmax(local_id);
        workgroupBarrier();

        // Values: one load serves all queries of the invocation.
        if (first_query < QUERIES_AT_ONCE) {
            for (var item = 0u; item < ITEMS; item++) {
                acc[item] *= rescale[query_of(first_query, item)];
            }
            let valid = min(KEYS, end - base);
            for (var j = 0u; j < valid; j++) {
                let value = kv_vec4(values[(key_base + base + j) * HEAD_VEC4S + column]);
                for (var item = 0u; item < ITEMS; item++) {
                    acc[item] += weight[query_of(first_query, item) * KEYS + j] * value;
                }
            }
        }
        workgroupBarrier();
    }

    for (var item = 0u; item < ITEMS; item++) {
        let query = first_query + item * QUERIES_AT_ONCE;
        let row = token + query / GROUP;
        if (first_query < QUERIES_AT_ONCE && query < QUERIES && row < run.rows) {
            let head = kv_head * GROUP + query % GROUP;
            out[(row * SPLITS + split) * params.out_vec4s + head * HEAD_VEC4S + column] =
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
