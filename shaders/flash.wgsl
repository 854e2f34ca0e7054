// o = softmax(q k^T) v, causal, grouped queries, online softmax (arXiv 1805.02867), keys cut into splits.
//
// A lane does it alone: up to four query heads of a key/value head, one token, one split. There is no workgroup memory and
// no barrier, which drivers on CPUs pay dearly for; queries and sums are private. Keys come in tiles of KEYS, so that a
// sum is read and written once per tile. Queries are already divided by sqrt(d).

struct Params {
    token_begin: u32,
    token_end: u32,
    kv_heads: u32,
    heads: u32,
    out_quads: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
// [rows][heads][d]
@group(0) @binding(2) var<storage, read> queries: array<vec4<f32>>;
// [rows][SPLITS][out_quads], normalised within the split
@group(0) @binding(5) var<storage, read_write> out: array<vec4<f32>>;
// [rows][SPLITS][heads] of (max score, sum of exponentials)
@group(0) @binding(6) var<storage, read_write> score: array<vec2<f32>>;

const MASKED: f32 = -1e30;
const QUADS: u32 = HEAD_DIM / 4u;
// Lanes that share a key/value head's group.
const PARTS: u32 = (GROUP + 3u) / 4u;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let tokens = min(slot.rows, params.token_end) - params.token_begin;
    let item = group.x * LANES + lane;
    let token = params.token_begin + item % tokens;
    let part = (item / tokens) % (params.kv_heads * PARTS);
    let split = item / (tokens * params.kv_heads * PARTS);
    let longest = slot.row[min(token, ROWS - 1u)].y;
    let count = split_count(longest);
    if (split >= count) {
        return;
    }
    let span = (longest + count - 1u) / count;
    let begin = split * span;
    let end = min(begin + span, longest);

    // Four heads; where the group has fewer left, its last one again, which is not stored.
    let kv_head = part / PARTS;
    let first = kv_head * GROUP + (part % PARTS) * 4u;
    let last = kv_head * GROUP + GROUP - 1u;
    let heads = min(vec4<u32>(first, first + 1u, first + 2u, first + 3u), vec4<u32>(last));
    let from_head = (token * params.heads + heads) * QUADS;
    // Columns are heads.
    var query: array<mat4x4<f32>, QUADS>;
    var acc: array<mat4x4<f32>, QUADS>;
    for (var c = 0u; c < QUADS; c++) {
        query[c] = mat4x4<f32>(
            queries[from_head.x + c],
            queries[from_head.y + c],
            queries[from_head.z + c],
            queries[from_head.w + c],
        );
    }

    var largest = vec4<f32>(MASKED);
    var total = vec4<f32>(0.0);
    var weight: array<vec4<f32>, KEYS>;
    for (var base = begin; base < end; base += KEYS) {
        let keys_here = min(KEYS, end - base);
        let from_key = (kv_head * slot.capacity + base) * QUADS;
        var top = largest;
        for (var j = 0u; j < keys_here; j++) {
            // v * M is the dot product of v with each column of M: one per head.
            var s = vec4<f32>(0.0);
            for (var c = 0u; c < QUADS; c++) {
                s += kv_quad(keys[from_key + j * QUADS + c]) * query[c];
            }
            weight[j] = s;
            top = max(top, s);
        }
        let rescale = exp(largest - top);
        var sum = vec4<f32>(0.0);
        for (var j = 0u; j < keys_here; j++) {
            let p = exp(weight[j] - top);
            weight[j] = p;
            sum += p;
        }
        largest = top;
        total = total * rescale + sum;
        for (var c = 0u; c < QUADS; c++) {
            var a = acc[c][0] * rescale.x;
            var b = acc[c][1] * rescale.y;
            var d = acc[c][2] * rescale.z;
            var e = acc[c][3] * rescale.w;
            for (var j = 0u; j < keys_here; j++) {
                let value = kv_quad(values[from_key + j * QUADS + c]);
                let p = weight[j];
                a += p.x * value;
                b += p.y * value;
                d += p.z * value;
                e += p.w * value;
            }
            acc[c] = mat4x4<f32>(a, b, d, e);
        }
    }

    let scale = 1.0 / max(total, vec4<f32>(1e-20));
    for (var u = 0u; u < 4u && first + u <= last; u++) {
        let at = (token * SPLITS + split) * params.out_quads + (first + u) * QUADS;
        for (var c = 0u; c < QUADS; c++) {
            out[at + c] = acc[c][u] * scale[u];
        }
        score[(token * SPLITS + split) * params.heads + first + u] = vec2<f32>(largest[u], total[u]);
    }
}
