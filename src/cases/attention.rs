//! Cases of attention: the driver's kernel in decode and prefill, with rows that see nothing.

use super::random::Random;
use super::{Case, case_of, uniforms};
use crate::kernel::Uniform;
use crate::kernel::uniforms::Row;
use crate::kernels::attention::AttentionParams;
use crate::kernels::{RunShape, SplitKv};
use crate::plan::lowering::AttentionSpec;
use crate::plan::tuning::Tuning;
use crate::weights::pack::BLOCK;

pub(super) fn all(tuning: &Tuning, cases: &mut Vec<Case>) {
    // (head size, group, key/value heads, rows, first position)
    let decode = [(8, 2, 3, 1, 0), (24, 1, 2, 1, 6), (64, 4, 2, 1, 512), (128, 3, 1, 1, 1099), (16, 7, 1, 1, 300)];
    let prefill = [(8, 2, 3, 5, 0), (64, 4, 2, 19, 0), (128, 3, 1, 16, 40), (64, 1, 1, 40, 3)];
    for (d, group, kv_heads, rows, first) in decode.into_iter().chain(prefill) {
        let random = &mut Random::of(&format!("attention {d} {group} {rows} {first}"));
        let (heads, capacity) = (kv_heads * group, first + rows + 3);
        let splits = if rows == 1 { tuning.splits } else { SplitKv::ONE };
        let out_vec4s = usize::next_multiple_of(heads * d, BLOCK) / 4;
        let params = AttentionParams {
            token_begin: 0,
            token_end: rows as u32,
            kv_heads: kv_heads as u32,
            heads: heads as u32,
            out_vec4s: out_vec4s as u32,
            head_vec4s: (d / 4) as u32,
        };
        let shape = RunShape { rows, pairs: d / 2 };
        let mut uniforms = uniforms(rows, rows, d, first, capacity);
        if rows == 40 {
            // Rows need not follow each other: a fully masked one, and one that sees less than its neighbours.
            uniforms.rows[11] = Row { position: 5, attend: 0 };
            uniforms.rows[12] = Row { position: 6, attend: 2 };
        }
        let buffers = vec![
            random.floats(rows * heads * d, 3.0),
            random.cache(tuning.kv, kv_heads * capacity * d),
            random.cache(tuning.kv, kv_heads * capacity * d),
            vec![0; rows * splits.most * out_vec4s * 4],
            vec![0; rows * splits.most * heads * 2],
        ];
        let name = format!("{rows} rows from {first}");
        let spec = AttentionSpec { tuning, head_dim: d, group, rows, splits, run: shape };
        cases.push(case_of(&name, tuning.driver.lowering.attention(spec), params.to_words(), uniforms, buffers));
    }
}
