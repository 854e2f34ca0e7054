//! Sessions: the ids and the KV cache of one conversation, the replies in it, and teacher-forced logits.

mod conversation;
mod layerwise;
pub mod pace;
mod reply;
pub mod run;
pub mod sampling;
pub mod scorer;
mod stop;

use std::ops::Range;

pub use reply::{Reply, Stats, StopReason};

use crate::backend::{Device, Executor};
use crate::error::{Error, Result};
use crate::kernel::uniforms::RunUniforms;
use crate::kernels::generate::{Pattern, seed};
use crate::model::Model;
use crate::model::budget::most_in_flight;
use crate::plan::Plan;
use crate::plan::llama::names;
use crate::session::pace::Pace;
use crate::session::run::{Plans, Run};
use crate::session::sampling::Sampling;
use crate::source::Source;
use crate::text::chat::{ChatTemplate, Prompt};
use crate::text::tokenizer::{Decoder, Encode};

/// One conversation: its ids, and its KV cache on the device.
///
/// A session stays on the thread of its model ([`Model`] says why); `examples/threads.rs` serves other threads from
/// there.
pub struct Session {
    model: Model,
    executor: Executor,
    plans: Plans,
    /// Positions that the KV cache has room for; 0 where the cache is lost.
    capacity: usize,
    /// The plans of a larger cache, where the future that makes room for it was dropped before it was done.
    growth: Option<Plans>,
    /// The ids of the conversation.
    tokens: Vec<u32>,
    /// How many of them have their keys and values in the cache.
    computed: usize,
    pace: Pace,
    /// The chat template, from the first reply to messages on.
    template: Option<ChatTemplate>,
}

impl Model {
    /// A new, empty session. A model may have several sessions at once; each has a KV cache of its own.
    ///
    /// # Errors
    /// [`Error::DeviceLost`], and [`Error::OutOfMemory`] where the device has no room for the cache.
    pub fn session(&self) -> Result<Session> {
        Session::new(self.clone())
    }

    /// How many dispatches one decoded token takes with these settings.
    pub fn dispatches_per_token(&self, sampling: &Sampling) -> usize {
        Plans::new(self, self.capacity_for(0)).decode.dispatches(sampling.wanted())
    }
}

impl Session {
    fn new(model: Model) -> Result<Self> {
        let capacity = model.capacity_for(0);
        let plans = Plans::new(&model, capacity);
        let pace = Pace::new(model.device().driver(), plans.prefill.rows);
        let executor = model.executor(plans.list())?;
        let tokens = Vec::new();
        Ok(Self { model, executor, plans, capacity, growth: None, tokens, computed: 0, pace, template: None })
    }

    /// The model that the session computes with.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The ids of the conversation so far, prompts and answers.
    pub fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// How many positions the KV cache has room for now. The cache doubles as the conversation grows, up to the model's
    /// context. It is 0 after the device was lost or had no room, until the next reply makes the cache anew.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Forgets the ids from position `len` on. Later tokens overwrite their keys and values.
    pub fn truncate(&mut self, len: usize) {
        self.tokens.truncate(len);
        self.computed = self.computed.min(len);
    }

    /// Waits until the device has confirmed that it has room for the KV cache. A browser confirms that some time after
    /// it was asked; the first reply waits for it too.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] where there is no room, [`Error::DeviceLost`]. The next reply asks for room again.
    pub async fn ready(&mut self) -> Result<()> {
        let answer = self.executor.ready().await;
        if answer.is_err() {
            self.lose_cache();
            self.executor.release();
        }
        answer
    }

    /// Brings the session to a fresh device, after its device was lost or ran out of memory. [`Model::resume`] opens
    /// that device, unless another session of the model has done so already. `source` is the file that the model was
    /// loaded from. The ids stay, and the next reply computes their keys and values again. A reply that was under way
    /// goes on with [`Reply::resume`].
    ///
    /// # Errors
    /// Those of [`Model::resume`] and [`Model::session`]. It may be called again.
    pub async fn resume(&mut self, source: &dyn Source) -> Result<()> {
        self.model.resume(source).await?;
        self.lose_cache();
        self.executor.release();
        let capacity = self.model.capacity_for(self.tokens.len());
        self.plans = Plans::new(&self.model, capacity);
        self.executor = self.model.executor(self.plans.list())?;
        self.capacity = capacity;
        Ok(())
    }

    /// Replies to a text or to messages.
    ///
    /// A text (`&str`) is continued as it is. Its ids are appended to those that the session holds. An empty session
    /// puts the beginning-of-text token in front, where the vocabulary asks for one. Control tokens spelled in the text
    /// are plain text.
    ///
    /// Messages (`&[Message]`) are the whole conversation, and their ids replace those that the session holds. Only the
    /// ids behind the longest common beginning of both are computed: a further turn costs its new tokens, and an edited
    /// message costs the tokens from there on. Where the context is too short, the oldest turns are left out
    /// ([`Reply::dropped`]); the system messages and the newest turn stay. The answer is not added to the messages:
    /// push it, and the next turn finds it in the cache.
    ///
    /// # Errors
    /// [`Error::Setting`] where a setting is outside its range or the prompt is empty, [`Error::ContextFull`] or
    /// [`Error::TurnTooLong`] where the prompt does not fit the context. For messages also [`Error::NoChatTemplate`],
    /// [`Error::Template`] and [`Error::TemplateTooCostly`]. The session is then as it was.
    pub fn reply<'p>(&mut self, prompt: impl Into<Prompt<'p>>, sampling: Sampling) -> Result<Reply<'_>> {
        match prompt.into() {
            Prompt::Text(text) => {
                let bos = self.tokens.is_empty();
                let ids = self.model.tokenizer().encode(text, Encode { bos, special: false })?;
                self.reply_ids(&ids, sampling)
            }
            Prompt::Messages(messages) => self.answer(messages, sampling),
        }
    }

    /// Appends `ids` to those that the session holds, and continues them. No beginning-of-text token is added.
    ///
    /// # Errors
    /// Those of [`Self::reply`] for a text, and [`Error::TokenId`] where an id is outside the vocabulary.
    pub fn reply_ids(&mut self, ids: &[u32], sampling: Sampling) -> Result<Reply<'_>> {
        let tokenizer = self.model.tokenizer();
        // With at most beginning-of-text tokens in front, the reply is a text from its beginning.
        let at_start = self.tokens.iter().chain(ids).all(|id| Some(*id) == tokenizer.bos());
        let decoder = if at_start { tokenizer.decoder_at_start() } else { tokenizer.decoder() };
        self.begin(ids, sampling, decoder, 0)
    }

    /// Appends ids, and begins the reply to all ids; `dropped` messages were left out of them.
    fn begin(&mut self, ids: &[u32], sampling: Sampling, decoder: Decoder, dropped: usize) -> Result<Reply<'_>> {
        let vocabulary = self.model.shape().vocabulary;
        sampling.check(vocabulary)?;
        if let Some(id) = ids.iter().find(|id| **id as usize >= vocabulary) {
            return Err(Error::TokenId { id: *id, vocabulary });
        }
        let prompt = self.tokens.len() + ids.len();
        if prompt > self.model.context() {
            return Err(Error::ContextFull { prompt, context: self.model.context() });
        }
        if prompt == 0 {
            return Err(Error::Setting {
                name: "prompt",
                value: "\"\"".to_owned(),
                expected: "at least one token, since this tokenizer puts none in front",
            });
        }
        self.tokens.extend_from_slice(ids);
        // The last token is always run, so that there are logits to sample from.
        self.computed = self.computed.min(self.tokens.len() - 1);
        let biases = self.write_settings(&sampling)?;
        let prompt_tokens = self.tokens.len() - self.computed;
        Ok(Reply::new(self, sampling, decoder, prompt_tokens, dropped, biases))
    }

    /// Writes the bias and the mask of allowed ids to the device; the uniforms have no room for them. Gives the number
    /// of entries of the bias.
    fn write_settings(&self, sampling: &Sampling) -> Result<usize> {
        let bias = sampling.bias_words();
        if !bias.is_empty() {
            self.executor.write(names::BIAS, 0, &bias)?;
        }
        if sampling.masks() {
            let allowed = sampling.allowed_words(self.model.shape().vocabulary);
            self.executor.write(names::ALLOWED, 0, &allowed)?;
        }
        Ok(bias.len() / 2)
    }

    /// Makes room in the KV cache for this many positions. It does not wait for runs under way: the device copies the
    /// cache behind them. Where the future is dropped, the next call goes on from there.
    ///
    /// # Errors
    /// [`Error::DeviceLost`], [`Error::OutOfMemory`]. The cache is then lost.
    async fn make_room(&mut self, positions: usize) -> Result<()> {
        if positions <= self.capacity && self.growth.is_none() {
            return Ok(());
        }
        let under_way = self.growth.take().filter(|plans| positions <= plans.capacity);
        let plans = under_way.unwrap_or_else(|| Plans::new(&self.model, self.model.capacity_for(positions)));
        self.growth = Some(plans.clone());
        let keep = self.capacity > 0 && self.computed > 0;
        if let Err(error) = self.executor.resize(plans.list(), keep).await {
            self.lose_cache();
            return Err(error);
        }
        self.capacity = plans.capacity;
        (self.growth, self.plans) = (None, plans);
        Ok(())
    }

    /// How many decoded tokens to keep in flight.
    fn tokens_in_flight(&self) -> usize {
        let most = if self.executor.overlaps() { most_in_flight(self.plans.decode.input) } else { 1 };
        self.pace.tokens_in_flight().min(most)
    }

    /// Takes ids as computed, with keys and values that are none of theirs: numbers of a plain size from a counter. There
    /// is then room for `more` tokens. What follows takes the same time as behind real ones.
    ///
    /// # Errors
    /// As a reply, where there is no room.
    pub(crate) async fn generate_cache(&mut self, ids: &[u32], more: usize) -> Result<()> {
        const SLICE: usize = 1 << 20;
        self.make_room(ids.len() + more).await?;
        let kv = self.model.tuning().kv;
        let words = kv.words(self.capacity * self.model.shape().kv_dim());
        for name in (0..self.model.shape().layers).flat_map(|layer| [names::keys(layer), names::values(layer)]) {
            for first in (0..words).step_by(SLICE) {
                let made = Pattern::cache(kv).words(seed(&name), first..words.min(first + SLICE));
                self.executor.write(&name, first, &made)?;
            }
            if let Device::Gpu(gpu) = self.model.device() {
                gpu.flush().await?;
            }
        }
        self.executor.write(names::IDS, 0, ids)?;
        self.tokens = ids.to_vec();
        self.computed = ids.len();
        Ok(())
    }

    /// Notes that the cache is lost: the next reply makes it anew, and computes every id again.
    fn lose_cache(&mut self) {
        (self.growth, self.capacity, self.computed) = (None, 0, 0);
    }

    /// The uniforms of a run of one of the plans over these positions.
    fn uniforms(&self, plan: &Plan, positions: Range<usize>, sampling: &Sampling, biases: usize) -> RunUniforms {
        Run::at(positions, self.capacity).sampling(sampling, biases).uniforms(plan, self.model.shape())
    }
}
