// Queries of attention that workgroup memory has no room for.

fn hold_queries(local_id: u32, kv_head: u32, token: u32) {}

fn query_vec4(kv_head: u32, token: u32, query: u32, c: u32) -> vec4<f32> {
    return query_in_memory(kv_head, token, query, c);
}
