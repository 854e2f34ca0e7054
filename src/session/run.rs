//! The plans of a session; and what one run of a plan is given: its tokens, and the uniforms with its positions, its
//! logits and its sampling settings.

use std::ops::Range;
use std::sync::Arc;

use crate::arch::shape::Shape;
use crate::backend::Executor;
use crate::error::Result;
use crate::kernel::uniforms::RunUniforms;
use crate::model::Model;
use crate::plan::Plan;
use crate::plan::llama::names;
use crate::session::sampling::Sampling;

/// The two plans of a session. They work on the same KV cache.
#[derive(Clone)]
pub(crate) struct Plans {
    /// Computes one token per run.
    pub decode: Arc<Plan>,
    /// Computes up to `Plan::rows` consecutive tokens per run.
    pub prefill: Arc<Plan>,
    /// Positions that the KV cache of these plans has room for.
    pub capacity: usize,
}

impl Plans {
    /// Index of the decode plan in a executor that was made with [`Self::list`].
    pub const DECODE: usize = 0;
    /// Index of the prefill plan there.
    pub const PREFILL: usize = 1;

    /// The plans of a model for a KV cache of this capacity.
    pub fn new(model: &Model, capacity: usize) -> Self {
        let [decode, prefill] = model.session_plans(capacity).map(Arc::new);
        Self { decode, prefill, capacity }
    }

    /// Both plans, at their indices.
    pub fn list(&self) -> Vec<Arc<Plan>> {
        vec![self.decode.clone(), self.prefill.clone()]
    }
}

/// One run of a plan over consecutive tokens.
#[derive(Clone, Debug)]
pub struct Run<'a> {
    positions: Range<usize>,
    capacity: usize,
    every_logit: bool,
    sampling: Option<(&'a Sampling, usize)>,
}

impl<'a> Run<'a> {
    /// A run that computes these positions of a KV cache with room for `capacity` positions. Logits are computed for
    /// the last of them.
    pub fn at(positions: Range<usize>, capacity: usize) -> Self {
        Self { positions, capacity, every_logit: false, sampling: None }
    }

    /// Computes the logits of every position.
    #[must_use]
    pub fn every_logit(self) -> Self {
        Self { every_logit: true, ..self }
    }

    /// Chooses the next token by these settings; `biases` is the number of entries in the device's bias buffer.
    #[must_use]
    pub fn sampling(self, sampling: &'a Sampling, biases: usize) -> Self {
        Self { sampling: Some((sampling, biases)), ..self }
    }

    /// The uniforms of this run. The plan has at least as many rows as the run has positions.
    pub fn uniforms(self, plan: &Plan, shape: &Shape) -> RunUniforms {
        let mut uniforms = RunUniforms::new(plan.rows, &shape.rope_frequencies, self.positions);
        let settings = &mut uniforms.settings;
        settings.capacity = self.capacity as u32;
        (settings.head_first, settings.head_rows) =
            if self.every_logit { (0, settings.rows) } else { (settings.rows - 1, 1) };
        if let Some((sampling, biases)) = self.sampling {
            sampling.write_to(settings, biases);
        }
        uniforms
    }
}

/// Gives the device the tokens of the run that is submitted next, the first of them at position `first`: their ids, and
/// their rows of the embedding where the host has it.
///
/// # Errors
/// Where the embedding cannot be read.
pub(crate) async fn write_tokens(model: &Model, executor: &Executor, first: usize, ids: &[u32]) -> Result<()> {
    executor.write(names::IDS, first, ids)?;
    if let Some(rows) = model.embedding_rows(ids).await? {
        executor.write(names::RESIDUAL, 0, bytemuck::cast_slice(&rows))?;
    }
    Ok(())
}

/// Cuts the first `tokens` positions into runs of `rows`; the last one may be shorter.
pub(crate) fn chunks(tokens: usize, rows: usize) -> impl Iterator<Item = Range<usize>> {
    (0..tokens).step_by(rows).map(move |first| first..(first + rows).min(tokens))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::family::LLAMA;
    use crate::arch::shape::{RopePairing, Scheme, rope_frequencies};

    #[test]
    fn chunks_are_whole_but_for_the_last() {
        assert_eq!(chunks(7, 3).collect::<Vec<_>>(), [0..3, 3..6, 6..7]);
        assert_eq!(chunks(6, 3).collect::<Vec<_>>(), [0..3, 3..6]);
        assert_eq!(chunks(0, 3).count(), 0);
    }

    #[test]
    fn uniforms_name_the_rows_whose_logits_are_wanted() {
        let rope_frequencies = rope_frequencies(16, 10_000.0);
        let rope_pairing = RopePairing::Interleaved;
        let shape = Shape {
            arch: &LLAMA,
            dim: 32,
            ffn: 32,
            layers: 1,
            heads: 2,
            kv_heads: 1,
            head_dim: 16,
            vocabulary: 32,
            context: 64,
            norm_eps: 1e-5,
            rope_pairing,
            rope_frequencies,
            scheme: Scheme::default(),
        };
        let plan = Plan::new(4, 4, shape.head_dim / 2);
        let last = Run::at(5..8, 64).uniforms(&plan, &shape);
        let greedy = last.settings;
        assert_eq!((greedy.rows, greedy.capacity, greedy.head_first, greedy.head_rows), (3, 64, 2, 1));
        assert_eq!(
            last.rows.iter().map(|row| (row.position, row.attend)).take(3).collect::<Vec<_>>(),
            [(5, 6), (6, 7), (7, 8)]
        );
        let all = Run::at(5..8, 64).every_logit().uniforms(&plan, &shape).settings;
        assert_eq!((all.rows, all.head_first, all.head_rows), (3, 0, 3));
        let settings = Sampling { seed: 7, top_k: 3, ..Sampling::default() };
        let sampled = Run::at(5..6, 64).sampling(&settings, 2).uniforms(&plan, &shape).settings;
        assert_eq!((sampled.seed_lo, sampled.top_k, sampled.biases, greedy.top_k), (7, 3, 2, 0));
    }
}
