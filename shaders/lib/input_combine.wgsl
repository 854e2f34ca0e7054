// The splits of attention (split-KV), reduced by lib/combine_splits.wgsl.

fn prepare_input(local_id: u32) {
    weigh_splits(local_id);
    for (var i = local_id; i < INPUT_VEC4S; i += WORKGROUP_SIZE) {
        held[i] = combined_vec4(i) * UNIT_w;
    }
    workgroupBarrier();
    hold_sums(local_id);
    workgroupBarrier();
}

fn input_scale() -> f32 {
    return 1.0;
}
