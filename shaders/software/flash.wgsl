// o = softmax(q k^T) v, causal, grouped queries, online softmax (arXiv 1805.02867), with split-KV.
//
// An invocation does it alone: up to four query heads of a key/value head, one token, one split. There is no workgroup
// memory and no barrier, which drivers on CPUs pay dearly for, and what it reads lies in textures. Keys come in tiles
// of KEYS, so that a sum is read and stored once per tile. Loops over texels and vec4s go by numbers that compilers do
// not know: unrolled, each access becomes code of its own for every invocation on such drivers, and compiling takes
// seconds; so does a tile of more keys. Queries are already divided by sqrt(d).

struct Params {
    token_begin: u32,
    token_end: u32,
    kv_heads: u32,
    heads: u32,
    out_vec4s: u32,
    head_vec4s: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
// In textures: queries [rows][heads][d], keys and values [kv_heads][capacity][d].
// [rows][SPLITS][out_vec4s], normalised within the split
@group(0) @binding(5) var<storage, read_write> out: array<vec4<f32>>;
// [rows][SPLITS][heads] of (max score, sum of exponentials)
@group(0) @binding(6) var<storage, read_write> score: array<vec2<f32>>;

const MASKED: f32 = -1e30;
// Invocations that share a key/value head's group.
const HEAD_GROUPS: u32 = (GROUP + 3u) / 4u;

fn query(at: u32) -> vec4<f32> {
    return bitcast<vec4<f32>>(texel_queries(at));
}

// vec4 c of four heads: columns are heads.
fn query_columns(from_head: vec4<u32>, c: u32) -> mat4x4<f32> {
    return mat4x4<f32>(
        query(from_head.x + c),
        query(from_head.y + c),
        query(from_head.z + c),
        query(from_head.w + c),
    );
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local_id: u32) {
    let tokens = min(run.rows, params.token_end) - params.token_begin;
    let item = group.x * WORKGROUP_SIZE + local_id;
    let token = params.token_begin + item % tokens;
    let part = (item / tokens) % (params.kv_heads * HEAD_GROUPS);
    let split = item / (tokens * params.kv_heads * HEAD_GROUPS);
    let longest = run.row[min(token, ROWS - 1u)].y;
    let count = split_count(longest);
    if (split >= count) {
        return;
    }
    let span = (longest + count - 1u) / count;
    let begin = split * span;
    let end = min(begin + span, longest);

    // Four heads; where the group has fewer left, its last one again, which is not stored.
    let vec4s = params.head_vec4s;
    let texels = vec4s / TEXEL_VEC4S;
    let texel_vec4s = vec4s / texels;
    let kv_head = part / HEAD_GROUPS;
    let first = kv_head * GROUP + (part % HEAD_GROUPS) * 4u;
    let last = kv_head * GROUP + GROUP - 1u;
    let heads = min(vec4<u32>(first, first + 1u, first + 2u, first + 3u), vec4<u32>(last));
    let from_head = (token * params.heads + heads) * vec4s;
    let from_out = (token * SPLITS + split) * params.out_vec4s + heads * vec4s;

    var largest = vec4<f32>(MASKED);
    var total = vec4<f32>(0.0);
    // Of a tile: four keys each, whose weights for the heads are columns.
    var tile = array<mat4x4<f32>, FOURS>();
    for (var base = begin; base < end; base += KEYS) {
        // Four keys at a time; where fewer are left, the last one again, which gets no weight.
        let from_kv = kv_head * run.capacity + base;
        let left = min(KEYS, end - base);
        var top = largest;
        for (var j = 0u; j < left; j += 4u) {
            let at = (from_kv + min(vec4<u32>(j, j + 1u, j + 2u, j + 3u), vec4<u32>(left - 1u))) * texels;
            var a = vec4<f32>(0.0);
            var b = a;
            var c = a;
            var d = a;
            for (var t = 0u; t < texels; t++) {
                let key_a = texel_keys(at.x + t);
                let key_b = texel_keys(at.y + t);
                let key_c = texel_keys(at.z + t);
                let key_d = texel_keys(at.w + t);
                for (var q = 0u; q < texel_vec4s; q++) {
                    // v * M is the dot product of v with each column of M: one per head.
                    let columns = query_columns(from_head, t * texel_vec4s + q);
                    a += vec4_of(key_a, q) * columns;
                    b += vec4_of(key_b, q) * columns;
                    c += vec4_of(key_c, q) * columns;
                    d += vec4_of(key_d, q) * columns;
                }
            }
            b = select(vec4<f32>(MASKED), b, j + 1u < left);
            c = select(vec4<f32>(MASKED), c, j + 2u < left);
            d = select(vec4<f32>(MASKED), d, j + 3u < left);
            top = max(top, max(max(a, b), max(c, d)));
            tile[j / 4u] = mat4x4<f32>(a, b, c, d);
        }
        let rescale = exp(largest - top);
        var sum = vec4<f32>(0.0);
        for (var j = 0u; j < left; j += 4u) {
            var weights = tile[j / 4u];
            weights = mat4x4<f32>(
                exp(weights[0] - top),
                exp(weights[1] - top),
                exp(weights[2] - top),
                exp(weights[3] - top),
            );
            sum += weights[0] + weights[1] + weights[2] + weights[3];
            // From here on columns are heads, rows keys.
            tile[j / 4u] = transpose(weights);
        }
        largest = top;
        total = total * rescale + sum;
        for (var t = 0u; t < texels; t++) {
            // Columns are heads.
            var front = mat4x4<f32>();
            var back = front;
            for (var j = 0u; j < left; j += 4u) {
                let at = (from_kv + min(vec4<u32>(j, j + 1u, j + 2u, j + 3u), vec4<u32>(left - 1u))) * texels + t;
                let a = texel_values(at.x);
                let b = texel_values(at.y);
                let c = texel_values(at.z);
                let d = texel_values(at.w);
                let weights = tile[j / 4u];
                front += mat4x4<f32>(vec4_of(a, 0u), vec4_of(b, 0u), vec4_of(c, 0u), vec4_of(d, 0u)) * weights;
                if (TEXEL_VEC4S == 2u) {
                    back += mat4x4<f32>(vec4_of(a, 1u), vec4_of(b, 1u), vec4_of(c, 1u), vec4_of(d, 1u)) * weights;
                }
            }
            for (var q = 0u; q < texel_vec4s; q++) {
                let at = from_out + t * texel_vec4s + q;
                var sums = front;
                if (q == 1u) {
                    sums = back;
                }
                if (base > begin) {
                    sums += mat4x4<f32>(
                        out[at.x] * rescale.x,
                        out[at.y] * rescale.y,
                        out[at.z] * rescale.z,
                        out[at.w] * rescale.w,
                    );
                }
                out[at.x] = sums[0];
                out[at.y] = sums[1];
                out[at.z] = sums[2];
                out[at.w] = sums[3];
            }
        }
    }

    let scale = 1.0 / max(total, vec4<f32>(1e-20));
    for (var u = 0u; u < min(4u, last + 1u - first); u++) {
        for (var c = 0u; c < vec4s; c++) {
            out[from_out[u] + c] *= scale[u];
        }
        score[(token * SPLITS + split) * params.heads + first + u] = vec2<f32>(largest[u], total[u]);
    }
}
