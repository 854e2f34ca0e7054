// y = the reduction of split-KV: one token, one workgroup. lib/combine_splits.wgsl has the formula, the output file stores.

struct Params {
    vec4s: u32,
    bound: f32,
    pairwise: u32,
    low_first: u32,
    lora_scale: f32,
}

@group(0) @binding(0) var<uniform> params: Params;

struct Origin { nothing: u32 }

fn value(at: Origin, vec4_index: u32) -> vec4<f32> {
    return combined_vec4(vec4_index);
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(invocation: Invocation) {
    let local_id = local_id_of(invocation);
    weigh_splits(local_id);
    store_row(0u, local_id, Origin(0u));
    store_low(0u, local_id, Origin(0u));
}
