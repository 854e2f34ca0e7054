// The ordered keys of logits; 0 for what is not allowed, too.

fn keys_at(first: u32, i: vec4<u32>) -> vec4<u32> {
    let at = vec4<u32>(first) + i;
    let key = order_keys(bitcast<vec4<u32>>(vec4<f32>(logits[at.x], logits[at.y], logits[at.z], logits[at.w])));
    if (run.masked == 0u) {
        return key;
    }
    let word = i / vec4<u32>(32u);
    let bits = vec4<u32>(allowed[word.x], allowed[word.y], allowed[word.z], allowed[word.w]);
    return key * ((bits >> (i & vec4<u32>(31u))) & vec4<u32>(1u));
}

fn key_at(first: u32, i: u32) -> u32 {
    let key = order_keys(vec4<u32>(bitcast<u32>(logits[first + i]))).x;
    if (run.masked == 0u) {
        return key;
    }
    return key * ((allowed[i / 32u] >> (i & 31u)) & 1u);
}
