//! Teacher-forced logits: every position of given ids.

use std::sync::Arc;

use crate::backend::Machine;
use crate::error::{Error, Result};
use crate::model::Model;
use crate::plan::llama::{self, Rows, names};
use crate::plan::{Copy, Plan, Wanted};
use crate::session::run::{Run, chunks};

/// Rows of a scoring run: their logits are kept, so this stays small.
pub const SCORER_ROWS: usize = 32;

/// Gives the logits of every position.
pub struct Scorer {
    model: Model,
    plan: Arc<Plan>,
    machine: Machine,
    capacity: usize,
}

impl Model {
    /// Gives logits of every position of given ids, up to `positions` of them.
    ///
    /// # Errors
    /// Where the device is lost or out of memory.
    pub fn scorer(&self, positions: usize) -> Result<Scorer> {
        self.scorer_of_rows(SCORER_ROWS, positions)
    }

    /// The same in runs of so many tokens, or fewer where the device would not take them; 1 runs the kernels of decode.
    ///
    /// # Errors
    /// Where the device is lost or out of memory.
    pub fn scorer_of_rows(&self, rows: usize, positions: usize) -> Result<Scorer> {
        let rows = rows.clamp(1, self.prefill_rows());
        let rows = Rows { rows, head_rows: rows, capacity: positions.max(1) };
        let plan = llama::forward(self.shape(), self.matrices(), self.tuning(), rows);
        Scorer::new(self.clone(), plan)
    }
}

impl Scorer {
    fn new(model: Model, plan: Plan) -> Result<Self> {
        let plan = Arc::new(plan);
        let machine = model.machine(vec![plan.clone()])?;
        let capacity = plan.buffers.iter().find(|b| b.name == names::IDS).map_or(0, |b| b.words - 1);
        Ok(Self { model, plan, machine, capacity })
    }

    /// Calls `each` with every position in order and its logits, `[vocabulary]`. The ids are taken as they are.
    ///
    /// # Errors
    /// Where an id is outside the vocabulary, there are more ids than the scorer holds, or the device is lost.
    pub async fn logits(&self, ids: &[u32], mut each: impl FnMut(usize, &[f32])) -> Result<()> {
        let vocabulary = self.model.shape().vocabulary;
        if let Some(id) = ids.iter().find(|id| **id as usize >= vocabulary) {
            return Err(Error::TokenId { id: *id, vocabulary });
        }
        if ids.len() > self.capacity {
            return Err(Error::ContextFull { prompt: ids.len(), context: self.capacity });
        }
        for positions in chunks(ids.len(), self.plan.rows) {
            self.machine.write(names::IDS, positions.start, &ids[positions.clone()])?;
            let run = Run::at(positions.clone(), self.capacity).every_logit();
            let uniforms = run.uniforms(&self.plan, self.model.shape());
            let copy = Copy { name: names::LOGITS, first: 0, words: positions.len() * vocabulary };
            let words = self.machine.run(0, 0..self.plan.steps.len(), Wanted::Logits, &uniforms, Some(copy))?.await?;
            let logits: &[f32] = bytemuck::cast_slice(&words[..copy.words]);
            for (position, row) in positions.zip(logits.chunks_exact(vocabulary)) {
                each(position, row);
            }
        }
        Ok(())
    }
}

/// `-ln softmax(logits)[id]` in nats, in f64.
pub fn negative_log_likelihood(logits: &[f32], id: u32) -> f64 {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let total: f64 = logits.iter().map(|v| f64::from(v - largest).exp()).sum();
    total.ln() - f64::from(logits[id as usize] - largest)
}
