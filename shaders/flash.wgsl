// o = softmax(q k^T) v, causal, grouped queries, online softmax (arXiv 1805.02867), keys cut into splits.
//
// A lane does it alone: up to four query heads of a key/value head, one token, one split. There is no workgroup memory and
// no barrier, which drivers on CPUs pay dearly for. Keys come in tiles of KEYS, so that a query, and a sum, is read once per
// tile. Loops over quads go by a number that compilers do not know: unrolled, each access becomes code of its own for
// every lane on such drivers, and compiling takes seconds. Queries are already divided by sqrt(d).

struct Params {
    token_begin: u32,
    token_end: u32,
    kv_heads: u32,
    heads: u32,
    out_quads: u32,
    head_quads: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
// [rows][heads][d]
@group(0) @binding(2) var<storage, read> queries: array<vec4<f32>>;
// [rows][SPLITS][out_quads], normalised within the split
@group(0) @binding(5) var<storage, read_write> out: array<vec4<f32>>;
// [rows][SPLITS][heads] of (max score, sum of exponentials)
@group(0) @binding(6) var<storage, read_write> score: array<vec2<f32>>;

const MASKED: f32 = -1e30;
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
    let quads = params.head_quads;
    let kv_head = part / PARTS;
    let first = kv_head * GROUP + (part % PARTS) * 4u;
    let last = kv_head * GROUP + GROUP - 1u;
    let heads = min(vec4<u32>(first, first + 1u, first + 2u, first + 3u), vec4<u32>(last));
    let from_head = (token * params.heads + heads) * quads;
    let from_out = (token * SPLITS + split) * params.out_quads + heads * quads;

    var largest = vec4<f32>(MASKED);
    var total = vec4<f32>(0.0);
    for (var base = begin; base < end; base += KEYS) {
        // The last tile reads its last key again where it has fewer, and gives it no weight.
        let from_kv = kv_head * slot.capacity;
        var weight = array<vec4<f32>, KEYS>();
        for (var c = 0u; c < quads; c++) {
            // Columns are heads.
            let query = mat4x4<f32>(
                queries[from_head.x + c],
                queries[from_head.y + c],
                queries[from_head.z + c],
                queries[from_head.w + c],
            );
            for (var j = 0u; j < KEYS; j++) {
                // v * M is the dot product of v with each column of M: one per head.
                weight[j] += kv_quad(keys[(from_kv + min(base + j, end - 1u)) * quads + c]) * query;
            }
        }
        var top = largest;
        for (var j = 0u; j < KEYS; j++) {
            weight[j] = select(vec4<f32>(MASKED), weight[j], base + j < end);
            top = max(top, weight[j]);
        }
        let rescale = exp(largest - top);
        var sum = vec4<f32>(0.0);
        for (var j = 0u; j < KEYS; j++) {
            weight[j] = exp(weight[j] - top);
            sum += weight[j];
        }
        largest = top;
        total = total * rescale + sum;
        for (var c = 0u; c < quads; c++) {
            var a = vec4<f32>(0.0);
            var b = a;
            var d = a;
            var e = a;
            if (base > begin) {
                a = out[from_out.x + c] * rescale.x;
                b = out[from_out.y + c] * rescale.y;
                d = out[from_out.z + c] * rescale.z;
                e = out[from_out.w + c] * rescale.w;
            }
            for (var j = 0u; j < KEYS; j++) {
                let value = kv_quad(values[(from_kv + min(base + j, end - 1u)) * quads + c]);
                a += weight[j].x * value;
                b += weight[j].y * value;
                d += weight[j].z * value;
                e += weight[j].w * value;
            }
            out[from_out.x + c] = a;
            out[from_out.y + c] = b;
            out[from_out.z + c] = d;
            out[from_out.w + c] = e;
        }
    }

    let scale = 1.0 / max(total, vec4<f32>(1e-20));
    for (var u = 0u; u < min(4u, last + 1u - first); u++) {
        for (var c = 0u; c < quads; c++) {
            out[from_out[u] + c] *= scale[u];
        }
        score[(token * SPLITS + split) * params.heads + first + u] = vec2<f32>(largest[u], total[u]);
    }
}
