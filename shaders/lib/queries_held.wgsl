// Queries of attention in workgroup memory, which every key needs.

// [QUERY_PARTS * QUERIES_PER_INVOCATION][d]
var<workgroup> held_query: array<vec4<f32>, QUERY_VEC4S>;

fn hold_queries(local_id: u32, kv_head: u32, token: u32) {
    for (var i = local_id; i < QUERY_VEC4S; i += WORKGROUP_SIZE) {
        held_query[i] = query_in_memory(kv_head, token, i / HEAD_VEC4S, i % HEAD_VEC4S);
    }
}

fn query_vec4(kv_head: u32, token: u32, query: u32, c: u32) -> vec4<f32> {
    return held_query[query * HEAD_VEC4S + c];
}
