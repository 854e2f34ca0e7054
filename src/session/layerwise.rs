//! Prefill while loading: the beginning of a conversation is computed layer by layer, behind the weights as they
//! arrive.

use std::collections::VecDeque;
use std::ops::Range;

use futures::FutureExt;
use futures::future::LocalBoxFuture;

use crate::error::{Error, Result};
use crate::kernel::uniforms::RunUniforms;
use crate::model::budget::{MAX_RUNNING, cache_bytes};
use crate::model::{LoadOptions, Model, Opened, WeightsArrive};
use crate::plan::llama::names;
use crate::plan::{ReadRange, RunOutput, Stage};
use crate::source::Source;
use crate::text::chat::Message;
use crate::weights::pack::BLOCK;

use super::Session;
use super::run::{Plans, Run, chunks, write_tokens};

type Running = LocalBoxFuture<'static, Result<Vec<u32>>>;

/// The buffer that holds the residual stream of every token between two layers, `[tokens][width]` in f32. It is made
/// only where one run does not compute all tokens.
const WAITING: &str = "waiting";

/// A prefill of an empty session under way. Every chunk of tokens goes through a layer before the first chunk goes
/// through the next layer.
struct LayerwisePrefill<'s> {
    session: &'s mut Session,
    ids: Vec<u32>,
    /// The uniforms of each chunk.
    chunks: Vec<RunUniforms>,
    /// Steps of the prefill plan whose weights are on the device.
    arrived: usize,
    /// Steps, and the chunk that they compute, in the order in which they are to be submitted.
    due: VecDeque<(Range<usize>, usize)>,
    /// Runs that were submitted, oldest first.
    running: VecDeque<Running>,
}

impl Model {
    /// As [`Model::load`], with a session whose conversation will begin with `messages`. Each layer computes these
    /// messages as soon as its weights are there, so that little is left to compute once the last weights have come.
    /// The session stays empty where the model has no chat template, or its template refuses these messages on their
    /// own.
    ///
    /// # Errors
    /// Those of [`Model::load`] and [`Model::session`].
    pub async fn load_primed(
        source: &dyn Source,
        options: LoadOptions<'_>,
        messages: &[Message],
    ) -> Result<(Self, Session)> {
        Self::open_and(source, options, async |Opened { model, tensors, compiling }, progress| {
            // A session compiles every kernel that is not compiled yet, so it would compile these a second time.
            compiling.finish().await?;
            let mut session = model.session()?;
            session.ready().await?;
            match model.chat_template().and_then(|template| template.encode(messages, model.tokenizer())) {
                Ok(ids) => {
                    let mut prefill = LayerwisePrefill::begin(&mut session, &ids).await?;
                    model.load_weights(source, &tensors, progress, Some(&mut prefill)).await?;
                    prefill.finish().await?;
                }
                Err(error) => {
                    log::debug!("nothing is computed while the model loads: {error}");
                    model.load_weights(source, &tensors, progress, None).await?;
                }
            }
            Ok((model, session))
        })
        .await
    }
}

/// Words of one token between two layers.
fn width(model: &Model) -> usize {
    (model.shape().dim).next_multiple_of(BLOCK)
}

/// How many of a prompt's tokens are computed while the model loads. The buffer between the layers may take the bytes
/// that the KV cache has not grown to yet, so that loading takes no more than the model's budget. The tokens of a
/// single run need no buffer.
fn tokens_with_room(model: &Model, rows: usize, prompt: usize) -> usize {
    let tokens = prompt.min(model.context());
    let mut most = tokens.min(rows);
    let mut capacity = 0;
    while capacity < tokens {
        capacity = model.capacity_for(capacity + 1);
        let free = model.budget().kv.saturating_sub(cache_bytes(&model.session_plans(capacity)));
        most = most.max(tokens.min(capacity).min(free as usize / (4 * width(model))));
    }
    most
}

impl<'s> LayerwisePrefill<'s> {
    /// Begins to compute `ids` in an empty session. The model has room for its weights; the weights come later. Ids
    /// that there is no room for are left to the first reply.
    ///
    /// # Errors
    /// Where the device is lost.
    async fn begin(session: &'s mut Session, ids: &[u32]) -> Result<Self> {
        let (model, rows) = (session.model.clone(), session.plans.prefill.rows);
        let mut ids = ids[..tokens_with_room(&model, rows, ids.len())].to_vec();
        // A device without room for a longer cache still loads the model.
        match session.make_room(ids.len()).await {
            Err(Error::OutOfMemory { .. }) => ids.clear(),
            other => other?,
        }
        if ids.len() > rows {
            match session.executor.alloc_temp(WAITING, ids.len() * width(&model)).await {
                Err(Error::OutOfMemory { .. }) => ids.truncate(rows),
                other => other?,
            }
        }
        let uniforms = |chunk| Run::at(chunk, session.capacity).uniforms(&session.plans.prefill, model.shape());
        let chunks = chunks(ids.len(), rows).map(uniforms).collect();
        Ok(Self { session, ids, chunks, arrived: 0, due: VecDeque::new(), running: VecDeque::new() })
    }

    /// Submits the steps that are due, as far as the device is done with earlier ones. It never waits for the device:
    /// the loader has more weights to read.
    ///
    /// # Errors
    /// Where the device is lost.
    async fn advance(&mut self) -> Result<()> {
        while let Some((steps, chunk)) = self.due.front() {
            if self.running.len() >= MAX_RUNNING {
                let Some(oldest) = self.running.front_mut().and_then(FutureExt::now_or_never) else { return Ok(()) };
                oldest?;
                self.running.pop_front();
            }
            self.running.push_back(self.submit(steps.clone(), *chunk).await?);
            self.due.pop_front();
        }
        Ok(())
    }

    /// Runs steps of a chunk: the first ones begin with its tokens. Where there are several chunks, the chunk's residual
    /// stream is fetched from the waiting buffer before later steps, and put back there behind the run.
    async fn submit(&self, steps: Range<usize>, chunk: usize) -> Result<Running> {
        let (session, uniforms) = (&self.session, &self.chunks[chunk]);
        let (executor, width) = (&session.executor, width(&session.model));
        let words = uniforms.settings.rows as usize * width;
        let current = ReadRange { name: names::RESIDUAL, first: 0, words };
        let waiting = ReadRange { name: WAITING, first: chunk * session.plans.prefill.rows * width, words };
        let several = self.chunks.len() > 1;
        if steps.start == 0 {
            let first = chunk * session.plans.prefill.rows;
            let ids = &self.ids[first..first + uniforms.settings.rows as usize];
            write_tokens(&session.model, executor, first, ids).await?;
        } else if several {
            executor.transfer(waiting, current)?;
        }
        let run = executor.run(Plans::PREFILL, steps, RunOutput::Body, uniforms, None)?;
        if several {
            executor.transfer(current, waiting)?;
        }
        Ok(run)
    }

    /// Waits for the rest of the runs. After that the session holds the ids.
    ///
    /// # Errors
    /// Where the device is lost.
    async fn finish(mut self) -> Result<()> {
        self.advance().await?;
        while let Some(oldest) = self.running.pop_front() {
            oldest.await?;
            self.advance().await?;
        }
        self.session.executor.free_temp(WAITING);
        self.session.computed = self.ids.len();
        self.session.tokens = self.ids;
        Ok(())
    }
}

impl WeightsArrive for LayerwisePrefill<'_> {
    fn matrix_arrived(&mut self) -> LocalBoxFuture<'_, Result<()>> {
        Box::pin(self.advance())
    }

    /// Every step up to the first one of the next layer is due, for every chunk.
    fn layer_arrived(&mut self, layer: usize) -> LocalBoxFuture<'_, Result<()>> {
        let plan = &self.session.plans.prefill;
        let prefix = format!("blk.{}.", layer + 1);
        let later = |i: &usize| plan.steps[*i].stage != Stage::Body || plan.steps[*i].label.starts_with(&prefix);
        let end = (self.arrived..plan.steps.len()).find(later).unwrap_or(plan.steps.len());
        self.due.extend((0..self.chunks.len()).map(|chunk| (self.arrived..end, chunk)));
        self.arrived = end;
        Box::pin(self.advance())
    }
}
