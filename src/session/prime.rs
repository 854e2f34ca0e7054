//! A prompt that is computed layer by layer, behind the weights as they arrive.

use std::collections::VecDeque;
use std::ops::Range;

use futures::FutureExt;
use futures::future::LocalBoxFuture;

use crate::error::{Error, Result};
use crate::kernel::round_up;
use crate::kernel::run::Slot;
use crate::model::budget::cache_bytes;
use crate::model::{Begun, LoadOptions, Model, WeightsArrive};
use crate::plan::llama::names;
use crate::plan::{Copy, Stage, Wanted};
use crate::session::sampling::Sampling;
use crate::source::Source;
use crate::text::chat::Message;
use crate::weights::pack::BLOCK;

use super::Session;
use super::run::{Plans, chunks};

type Run = LocalBoxFuture<'static, Result<Vec<u32>>>;

/// Submits that are under way at once.
const UNDER_WAY: usize = 2;
/// What every token is at the layer that comes next, where they are more than one run takes: `[tokens][dim]`.
const WAITING: &str = "waiting";

/// The beginning of a conversation, under way: every chunk of it goes through a layer before the next layer is there.
struct Prime<'s> {
    session: &'s mut Session,
    ids: Vec<u32>,
    /// Of each chunk.
    slots: Vec<Slot>,
    /// Steps of the plan whose weights are there.
    arrived: usize,
    /// Steps and chunks that were not submitted yet, in order.
    due: VecDeque<(Range<usize>, usize)>,
    running: VecDeque<Run>,
}

impl Model {
    /// As [`Model::load`], with a session whose conversation will begin with `messages`: each layer's part of them is
    /// computed as soon as its weights are there, so that little is left when the last have come. A template that refuses
    /// these messages on their own leaves the session empty, and so does a model that has none.
    ///
    /// # Errors
    /// As [`Model::load`].
    pub async fn load_primed(
        source: &dyn Source,
        mut options: LoadOptions<'_>,
        messages: &[Message],
    ) -> Result<(Self, Session)> {
        let progress = options.progress.take();
        let Begun { model, tensors, compiling } = Self::begin(source, options).await?;
        // The session would compile again what is not there.
        compiling.finish().await;
        let mut session = model.session()?;
        session.ready().await?;
        match model.chat_template().and_then(|template| template.encode(messages, model.tokenizer())) {
            Ok(ids) => {
                let mut prime = session.prime(&ids).await?;
                model.load_weights(source, &tensors, progress, Some(&mut prime)).await?;
                prime.finish().await?;
            }
            Err(error) => {
                log::debug!("not primed: {error}");
                model.load_weights(source, &tensors, progress, None).await?;
            }
        }
        Ok((model, session))
    }
}

impl Session {
    /// Begins to compute ids in an empty session whose model has room for its weights, and not the weights yet. Ids that
    /// there is no room for are left to the first reply.
    ///
    /// # Errors
    /// Where the device is lost.
    async fn prime(&mut self, ids: &[u32]) -> Result<Prime<'_>> {
        let rows = self.plans.prefill.rows;
        let mut ids = ids[..self.primed(ids.len())].to_vec();
        // That there is no room now must not keep the model from loading.
        match self.make_room(ids.len()).await {
            Err(Error::OutOfMemory { .. }) => ids.clear(),
            other => other?,
        }
        if ids.len() > rows {
            match self.machine.hold(WAITING, ids.len() * self.width()).await {
                Err(Error::OutOfMemory { .. }) => ids.truncate(rows),
                other => other?,
            }
        }
        if !ids.is_empty() {
            self.machine.write(names::IDS, 0, &ids)?;
        }
        let greedy = Sampling::greedy();
        let slots =
            chunks(ids.len(), rows).map(|chunk| self.uniforms(&self.plans.prefill, chunk, &greedy, 0)).collect();
        Ok(Prime { session: self, ids, slots, arrived: 0, due: VecDeque::new(), running: VecDeque::new() })
    }

    /// Words of a token between layers.
    fn width(&self) -> usize {
        round_up(self.model.shape().dim, BLOCK)
    }

    /// How many of so many tokens are primed. What they are between layers stands where the cache has not grown to yet,
    /// so that priming takes no more than the model's budget. What a single run takes needs no room.
    fn primed(&self, tokens: usize) -> usize {
        let (model, rows) = (&self.model, self.plans.prefill.rows);
        let tokens = tokens.min(model.context());
        let mut most = tokens.min(rows);
        let mut capacity = 0;
        while capacity < tokens {
            capacity = model.capacity_for(capacity + 1);
            let free = model.budget().kv.saturating_sub(cache_bytes(&model.session_plans(capacity)));
            most = most.max(tokens.min(capacity).min(free as usize / (4 * self.width())));
        }
        most
    }
}

impl WeightsArrive for Prime<'_> {
    fn matrix_arrived(&mut self) -> Result<()> {
        self.advance()
    }

    /// What ends with a layer can be computed now.
    fn layer_arrived(&mut self, layer: usize) -> Result<()> {
        let plan = &self.session.plans.prefill;
        let prefix = format!("blk.{}.", layer + 1);
        let later = |i: &usize| plan.steps[*i].stage != Stage::Body || plan.steps[*i].label.starts_with(&prefix);
        let end = (self.arrived..plan.steps.len()).find(later).unwrap_or(plan.steps.len());
        self.due.extend((0..self.slots.len()).map(|chunk| (self.arrived..end, chunk)));
        self.arrived = end;
        self.advance()
    }
}

impl Prime<'_> {
    /// Submits what is due, as far as the device is done with what came before. Nothing waits: a source has more to read.
    ///
    /// # Errors
    /// Where the device is lost.
    fn advance(&mut self) -> Result<()> {
        while let Some((steps, chunk)) = self.due.front() {
            if self.running.len() >= UNDER_WAY {
                let Some(oldest) = self.running.front_mut().and_then(FutureExt::now_or_never) else { return Ok(()) };
                oldest?;
                self.running.pop_front();
            }
            self.running.push_back(self.submit(steps.clone(), *chunk)?);
            self.due.pop_front();
        }
        Ok(())
    }

    /// Runs steps of a chunk. Between layers it waits, while the other chunks are run.
    fn submit(&self, steps: Range<usize>, chunk: usize) -> Result<Run> {
        let (machine, slot, width) = (&self.session.machine, &self.slots[chunk], self.session.width());
        let words = slot.head.rows as usize * width;
        let current = Copy { name: names::RESIDUAL, first: 0, words };
        let waiting = Copy { name: WAITING, first: chunk * self.session.plans.prefill.rows * width, words };
        let several = self.slots.len() > 1;
        if several && steps.start > 0 {
            machine.transfer(waiting, current)?;
        }
        let run = machine.run(Plans::PREFILL, steps, Wanted::Body, slot, None)?;
        if several {
            machine.transfer(current, waiting)?;
        }
        Ok(run)
    }

    /// Waits for the rest, after which the session holds the ids.
    ///
    /// # Errors
    /// Where the device is lost.
    async fn finish(mut self) -> Result<()> {
        self.advance()?;
        while let Some(oldest) = self.running.pop_front() {
            oldest.await?;
            self.advance()?;
        }
        self.session.machine.give_up(WAITING);
        self.session.computed = self.ids.len();
        self.session.tokens = self.ids;
        Ok(())
    }
}
