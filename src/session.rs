//! A conversation: its ids and KV cache.

mod conversation;
mod reply;
mod stop;

use std::sync::Arc;

pub use reply::{Reply, Stats, StopReason};

use crate::chat::{ChatTemplate, Prompt};
use crate::device::Machine;
use crate::error::{Error, Result};
use crate::llama::names;
use crate::model::Model;
use crate::pace::Pace;
use crate::plan::Plan;
use crate::sampling::Sampling;
use crate::slot::Slot;
use crate::tokenizer::{Decoder, Encode};

/// Rows of the prefill plan: the largest chunk.
pub const PREFILL_ROWS: usize = 128;

const DECODE: usize = 0;
const PREFILL: usize = 1;

/// Ids, KV cache and position of one conversation.
pub struct Session {
    model: Model,
    machine: Machine,
    plans: [Arc<Plan>; 2],
    /// Ids of the conversation.
    tokens: Vec<u32>,
    /// How many of them have their keys and values in the cache.
    computed: usize,
    pace: Pace,
    /// How messages become text, once that was asked for.
    template: Option<ChatTemplate>,
}

impl Session {
    pub(crate) fn new(model: Model, decode: Plan, prefill: Plan) -> Result<Self> {
        let pace = Pace::new(model.tuning(), prefill.rows);
        let plans = [Arc::new(decode), Arc::new(prefill)];
        let machine = model.machine(plans.to_vec())?;
        Ok(Self { model, machine, plans, tokens: Vec::new(), computed: 0, pace, template: None })
    }

    /// The model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Ids of the conversation so far.
    pub fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// Forgets ids from position `len` on; their keys and values are overwritten later.
    pub fn truncate(&mut self, len: usize) {
        self.tokens.truncate(len);
        self.computed = self.computed.min(len);
    }

    /// Dispatches of one decoded token.
    pub fn dispatches_per_token(&self, sampling: &Sampling) -> usize {
        self.plans[DECODE].dispatches(sampling.wanted())
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
        let bias = sampling.bias_words();
        if !bias.is_empty() {
            self.machine.write(names::BIAS, 0, &bias)?;
        }
        let all = vec![u32::MAX; vocabulary.div_ceil(32)];
        self.machine.write(names::ALLOWED, 0, sampling.allowed.as_deref().unwrap_or(&all))?;
        let prompt_tokens = self.tokens.len() - self.computed;
        Ok(Reply::new(self, sampling, decoder, prompt_tokens, dropped, bias.len() / 2))
    }

    fn slot(&self, plan: usize, positions: std::ops::Range<usize>, sampling: &Sampling, biases: usize) -> Slot {
        let mut slot = Slot::new(self.plans[plan].rows, &self.model.shape().rope_frequencies, positions);
        slot.head.capacity = self.model.context() as u32;
        slot.head.head_first = slot.head.rows - 1;
        slot.head.head_rows = 1;
        sampling.write_to(&mut slot.head, biases);
        slot
    }
}
