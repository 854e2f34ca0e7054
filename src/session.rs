//! A conversation: its ids and KV cache.

mod conversation;
pub mod pace;
mod prime;
mod reply;
pub mod run;
pub mod sampling;
pub mod scorer;
mod stop;

use std::ops::Range;

pub use reply::{Reply, Stats, StopReason};

use crate::backend::Machine;
use crate::error::{Error, Result};
use crate::kernel::run::Slot;
use crate::model::Model;
use crate::plan::Plan;
use crate::plan::llama::names;
use crate::session::pace::Pace;
use crate::session::run::{Plans, Run};
use crate::session::sampling::Sampling;
use crate::source::Source;
use crate::text::chat::{ChatTemplate, Prompt};
use crate::text::tokenizer::{Decoder, Encode};

/// Ids, KV cache and position of one conversation.
pub struct Session {
    model: Model,
    machine: Machine,
    plans: Plans,
    /// Positions that the KV cache has room for; 0 where it has to be made.
    capacity: usize,
    /// The plans of a larger cache, where the future that makes room for it was dropped before it was done.
    growth: Option<Plans>,
    /// Ids of the conversation.
    tokens: Vec<u32>,
    /// How many of them have their keys and values in the cache.
    computed: usize,
    pace: Pace,
    /// How messages become text, once that was asked for.
    template: Option<ChatTemplate>,
}

impl Model {
    /// A conversation of its own: KV cache, ids and position. Sessions of one model may live at once.
    ///
    /// # Errors
    /// Where the device is lost or out of memory.
    pub fn session(&self) -> Result<Session> {
        Session::new(self.clone())
    }

    /// Dispatches of one decoded token.
    pub fn dispatches_per_token(&self, sampling: &Sampling) -> usize {
        Plans::new(self, self.capacity_for(0)).decode.dispatches(sampling.wanted())
    }
}

impl Session {
    fn new(model: Model) -> Result<Self> {
        let capacity = model.capacity_for(0);
        let plans = Plans::new(&model, capacity);
        let pace = Pace::new(model.device().class(), plans.prefill.rows);
        let machine = model.machine(plans.list())?;
        let tokens = Vec::new();
        Ok(Self { model, machine, plans, capacity, growth: None, tokens, computed: 0, pace, template: None })
    }

    /// The model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Ids of the conversation so far.
    pub fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// Positions that the KV cache has room for now; it doubles as the conversation grows, up to the model's context.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Forgets ids from position `len` on; their keys and values are overwritten later.
    pub fn truncate(&mut self, len: usize) {
        self.tokens.truncate(len);
        self.computed = self.computed.min(len);
    }

    /// Waits until the device has said that it has room, which browsers do later. The first reply does so too.
    ///
    /// # Errors
    /// Where it has none; then the next reply asks again.
    pub async fn ready(&mut self) -> Result<()> {
        let answer = self.machine.ready().await;
        if answer.is_err() {
            self.lose_cache();
            self.machine.release();
        }
        answer
    }

    /// Goes on where the device was lost, or ran out of memory: on the model's fresh device, which this opens where no
    /// other session has done so ([`Model::resume`]; `source` is the file that the model was loaded from). The ids stay,
    /// and their keys and values are computed again by the next reply. A reply that was under way goes on with
    /// [`Reply::resume`].
    ///
    /// # Errors
    /// As [`Model::resume`], and where the device has no room. It may be called again.
    pub async fn resume(&mut self, source: &dyn Source) -> Result<()> {
        self.model.resume(source).await?;
        self.lose_cache();
        self.machine.release();
        let capacity = self.model.capacity_for(self.tokens.len());
        self.plans = Plans::new(&self.model, capacity);
        self.machine = self.model.machine(self.plans.list())?;
        self.capacity = capacity;
        Ok(())
    }

    /// Replies to a text or to messages.
    ///
    /// A text (`&str`) is continued as it is: it is appended to what the session holds, with the beginning-of-text token
    /// in front where the session is new and the tokenizer has one. Control tokens written in it are plain text.
    ///
    /// Messages (`&[Message]`) are the whole conversation, and take the place of what the session holds: only what
    /// follows the longest common beginning of ids is computed, so that a further turn costs what is new in it, and an
    /// edited message costs what comes after it. The oldest turns are left out where the context is too short
    /// ([`Reply::dropped`]); the system messages and the newest turn stay. The answer is not added to the messages: push
    /// it, and the next turn finds it in the cache.
    ///
    /// # Errors
    /// Where a setting is invalid, the prompt is empty or does not fit the context; for messages also where there is no
    /// chat template or it fails. The session is as it was.
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

    /// Continues ids, which are taken as they are.
    ///
    /// # Errors
    /// As [`Self::reply`]; also where an id is outside the vocabulary.
    pub fn reply_ids(&mut self, ids: &[u32], sampling: Sampling) -> Result<Reply<'_>> {
        let tokenizer = self.model.tokenizer();
        // Where nothing but the beginning-of-text token is in front, the reply is a whole text.
        let at_start = self.tokens.iter().chain(ids).all(|id| Some(*id) == tokenizer.bos());
        let decoder = if at_start { tokenizer.decoder_at_start() } else { tokenizer.decoder() };
        self.begin(ids, sampling, decoder, 0)
    }

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

    /// Brings the settings that are too large for the slot to the device; the answer is the entries of the bias.
    fn write_settings(&self, sampling: &Sampling) -> Result<usize> {
        let bias = sampling.bias_words();
        if !bias.is_empty() {
            self.machine.write(names::BIAS, 0, &bias)?;
        }
        if sampling.masks() {
            let allowed = sampling.allowed_words(self.model.shape().vocabulary);
            self.machine.write(names::ALLOWED, 0, &allowed)?;
        }
        Ok(bias.len() / 2)
    }

    /// Makes room for so many positions. Runs that are under way are not waited for: the copies come after them. Where the
    /// future is dropped, the next call goes on where it was; an error leaves a cache that holds nothing.
    async fn make_room(&mut self, positions: usize) -> Result<()> {
        if positions <= self.capacity && self.growth.is_none() {
            return Ok(());
        }
        let begun = self.growth.take().filter(|plans| positions <= plans.capacity);
        let plans = begun.unwrap_or_else(|| Plans::new(&self.model, self.model.capacity_for(positions)));
        self.growth = Some(plans.clone());
        let keep = self.capacity > 0 && self.computed > 0;
        if let Err(error) = self.machine.resize(plans.list(), keep).await {
            self.lose_cache();
            return Err(error);
        }
        self.capacity = plans.capacity;
        (self.growth, self.plans) = (None, plans);
        Ok(())
    }

    /// The cache has to be made before the next run.
    fn lose_cache(&mut self) {
        (self.growth, self.capacity, self.computed) = (None, 0, 0);
    }

    /// What the shaders of one of the plans read about a run over these positions.
    fn uniforms(&self, plan: &Plan, positions: Range<usize>, sampling: &Sampling, biases: usize) -> Slot {
        Run::at(positions, self.capacity).sampling(sampling, biases).uniforms(plan, self.model.shape())
    }
}
