// What low-rank adaptors make of a row before it is stored: scale * A y, for LORA_PARTS matrices A of LORA_RANK rows
// each, behind all rows of y. WORKGROUP_SIZE / LORA_RANK invocations share a row of A.

// [LORA_PARTS][LORA_RANK][k] in BF16
@group(0) @binding(BINDING) var<storage, read> lora_a: array<vec2<u32>>;

const LORA_SHARE: u32 = WORKGROUP_SIZE / LORA_RANK;

var<workgroup> low_sums: array<f32, WORKGROUP_SIZE>;

fn store_low(row: u32, local_id: u32, at: Origin) {
    let own_row = local_id / LORA_SHARE;
    for (var part = 0u; part < LORA_PARTS; part++) {
        let first = (part * LORA_RANK + own_row) * params.vec4s;
        var sum = 0.0;
        for (var q = local_id % LORA_SHARE; q < params.vec4s; q += LORA_SHARE) {
            sum += dot(value(at, q), bf16_vec4(lora_a[first + q]));
        }
        low_sums[local_id] = sum;
        workgroupBarrier();
        if (local_id < LORA_RANK / 4u) {
            var low = vec4<f32>();
            for (var i = 0u; i < LORA_SHARE; i++) {
                let column = 4u * local_id * LORA_SHARE + i;
                low += vec4<f32>(
                    low_sums[column],
                    low_sums[column + LORA_SHARE],
                    low_sums[column + 2u * LORA_SHARE],
                    low_sums[column + 3u * LORA_SHARE],
                );
            }
            let to = params.low_first + (row * LORA_PARTS + part) * (LORA_RANK / 4u) + local_id;
            put_low(to, params.lora_scale * low);
        }
        workgroupBarrier();
    }
}
