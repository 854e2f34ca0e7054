//! Teacher-forced logits: those of every position of given ids.

use std::sync::Arc;

use crate::backend::Executor;
use crate::error::{Error, Result};
use crate::model::Model;
use crate::plan::llama::{self, PlanShape, names};
use crate::plan::{Plan, ReadRange, RunOutput};
use crate::session::run::{Run, chunks, write_tokens};

/// Tokens that a scorer computes per run. The device keeps the logits of all of them, so the number is small.
pub const SCORER_ROWS: usize = 32;

/// Gives the logits of every position of given ids.
pub struct Scorer {
    model: Model,
    plan: Arc<Plan>,
    executor: Executor,
    /// Most ids that it takes.
    capacity: usize,
}

impl Model {
    /// A scorer for up to `positions` ids. It has a KV cache of its own.
    ///
    /// # Errors
    /// [`Error::DeviceLost`], and [`Error::OutOfMemory`] where the device has no room for the cache.
    pub fn scorer(&self, positions: usize) -> Result<Scorer> {
        self.scorer_of_rows(SCORER_ROWS, positions)
    }

    /// A scorer that computes `rows` tokens per run, or [`Self::prefill_rows`] where that is less. With 1 it runs the
    /// kernels of decode.
    ///
    /// # Errors
    /// Those of [`Self::scorer`].
    pub fn scorer_of_rows(&self, rows: usize, positions: usize) -> Result<Scorer> {
        let rows = rows.clamp(1, self.prefill_rows());
        let capacity = positions.max(1);
        let rows = PlanShape { rows, head_rows: rows, capacity };
        let plan = Arc::new(llama::forward(self.shape(), self.matrices(), self.tuning(), rows));
        let executor = self.executor(vec![plan.clone()])?;
        Ok(Scorer { model: self.clone(), plan, executor, capacity })
    }
}

impl Scorer {
    /// Calls `each` with every position in order, and with the logits there, `[vocabulary]`: those of the id that would
    /// come next. No beginning-of-text token is added to the ids.
    ///
    /// # Errors
    /// [`Error::TokenId`] where an id is outside the vocabulary, [`Error::ContextFull`] where there are more ids than
    /// the scorer has positions, [`Error::DeviceLost`].
    pub async fn logits(&self, ids: &[u32], mut each: impl FnMut(usize, &[f32])) -> Result<()> {
        let vocabulary = self.model.shape().vocabulary;
        if let Some(id) = ids.iter().find(|id| **id as usize >= vocabulary) {
            return Err(Error::TokenId { id: *id, vocabulary });
        }
        if ids.len() > self.capacity {
            return Err(Error::ContextFull { prompt: ids.len(), context: self.capacity });
        }
        for positions in chunks(ids.len(), self.plan.rows) {
            write_tokens(&self.model, &self.executor, positions.start, &ids[positions.clone()]).await?;
            let run = Run::at(positions.clone(), self.capacity).every_logit();
            let uniforms = run.uniforms(&self.plan, self.model.shape());
            let copy = ReadRange { name: names::LOGITS, first: 0, words: positions.len() * vocabulary };
            let words =
                self.executor.run(0, 0..self.plan.steps.len(), RunOutput::Logits, &uniforms, Some(copy))?.await?;
            let logits: &[f32] = bytemuck::cast_slice(&words[..copy.words]);
            for (position, row) in positions.zip(logits.chunks_exact(vocabulary)) {
                each(position, row);
            }
        }
        Ok(())
    }
}

/// The negative log-likelihood of an id, `-ln softmax(logits)[id]`, in nats, computed in f64.
pub fn negative_log_likelihood(logits: &[f32], id: u32) -> f64 {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let total: f64 = logits.iter().map(|v| f64::from(v - largest).exp()).sum();
    total.ln() - f64::from(logits[id as usize] - largest)
}
