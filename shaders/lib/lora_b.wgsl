// The adaptor's part of a row of a product: B (scale * A x), whose second factor stands behind the rows of x
// (lib/lora_a.wgsl). A row belongs to the adaptor of its tensor: lora_part(row).

// [rows][LORA_RANK] in BF16
@group(0) @binding(4) var<storage, read> lora_b: array<vec4<u32>>;

// The sum of row `row_in_part` at token t, with the adaptor's part.
fn adapted(t: u32, row_in_part: u32, sum: f32) -> f32 {
    let row = params.row_begin + row_in_part;
    let first = params.low_first + t * params.low_vec4s + lora_part(row) * (LORA_RANK / 4u);
    var added = sum;
    for (var i = 0u; i < LORA_RANK / 8u; i++) {
        let b = lora_b[row * (LORA_RANK / 8u) + i];
        added += dot(bf16_vec4(b.xy), low_vec4(first + 2u * i));
        added += dot(bf16_vec4(b.zw), low_vec4(first + 2u * i + 1u));
    }
    return added;
}
