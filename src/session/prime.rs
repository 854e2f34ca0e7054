//! A prompt that is computed layer by layer, behind the weights as they arrive.

use std::collections::VecDeque;

use futures::future::LocalBoxFuture;

use crate::error::Result;
use crate::llama::names;
use crate::plan::{Stage, Wanted};
use crate::sampling::Sampling;
use crate::slot::Slot;

use super::{PREFILL, Session};

/// Submits that are under way at once.
const UNDER_WAY: usize = 2;

/// The beginning of a conversation, under way. What does not fit one chunk of a prompt is left to the first reply.
pub(crate) struct Prime<'s> {
    session: &'s mut Session,
    ids: Vec<u32>,
    slot: Slot,
    /// Steps of the plan that were submitted.
    submitted: usize,
    running: VecDeque<LocalBoxFuture<'static, Result<Vec<u32>>>>,
}

impl Session {
    /// Begins to compute ids in an empty session whose model has room for its weights, and not the weights yet.
    pub(crate) fn prime(&mut self, ids: &[u32]) -> Result<Prime<'_>> {
        let ids = ids[..ids.len().min(self.plans[PREFILL].rows).min(self.capacity)].to_vec();
        self.machine.write(names::IDS, 0, &ids)?;
        let slot = self.slot(PREFILL, 0..ids.len(), &Sampling::greedy(), 0);
        Ok(Prime { session: self, ids, slot, submitted: 0, running: VecDeque::new() })
    }
}

impl Prime<'_> {
    /// Computes what ends with a layer whose weights, and those before it, are on the device.
    ///
    /// # Errors
    /// Where the device is lost.
    pub async fn layer_arrived(&mut self, layer: usize) -> Result<()> {
        if self.ids.is_empty() {
            return Ok(());
        }
        let plan = &self.session.plans[PREFILL];
        let prefix = format!("blk.{}.", layer + 1);
        let later = |i: &usize| plan.steps[*i].stage != Stage::Body || plan.steps[*i].label.starts_with(&prefix);
        let end = (self.submitted..plan.steps.len()).find(later).unwrap_or(plan.steps.len());
        while self.running.len() >= UNDER_WAY {
            if let Some(oldest) = self.running.pop_front() {
                oldest.await?;
            }
        }
        self.running.push_back(self.session.machine.run(
            PREFILL,
            self.submitted..end,
            Wanted::Body,
            &self.slot,
            None,
        )?);
        self.submitted = end;
        Ok(())
    }

    /// Waits for the rest, after which the session holds the ids.
    ///
    /// # Errors
    /// Where the device is lost.
    pub async fn finish(self) -> Result<()> {
        for run in self.running {
            run.await?;
        }
        self.session.computed = self.ids.len();
        self.session.tokens = self.ids;
        Ok(())
    }
}
