//! The plans of a session, and what is told to one run of them: its positions and how its next token is chosen.

use std::ops::Range;
use std::sync::Arc;

use crate::arch::shape::Shape;
use crate::kernel::run::Slot;
use crate::model::Model;
use crate::plan::Plan;
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
    /// Index of the decode plan in a machine that was made with [`Self::list`].
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
    /// A run that computes these positions of a KV cache with room for `capacity` positions. Logits are computed for the
    /// last of them.
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

    /// What the shaders of `plan` read about this run. The plan has at least as many rows as the run has positions.
    pub fn uniforms(self, plan: &Plan, shape: &Shape) -> Slot {
        let mut uniforms = Slot::new(plan.rows, &shape.rope_frequencies, self.positions);
        let head = &mut uniforms.head;
        head.capacity = self.capacity as u32;
        (head.head_first, head.head_rows) = if self.every_logit { (0, head.rows) } else { (head.rows - 1, 1) };
        if let Some((sampling, biases)) = self.sampling {
            sampling.write_to(head, biases);
        }
        uniforms
    }
}

/// Cuts the first `tokens` positions into runs of `rows`; the last one may be shorter.
pub(crate) fn chunks(tokens: usize, rows: usize) -> impl Iterator<Item = Range<usize>> {
    (0..tokens).step_by(rows).map(move |first| first..(first + rows).min(tokens))
}
