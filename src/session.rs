//! A conversation: its ids and KV cache.

mod reply;

use std::sync::Arc;

pub use reply::{Reply, Stats, StopReason};

use crate::device::Machine;
use crate::error::{Error, Result};
use crate::llama::names;
use crate::model::Model;
use crate::pace::Pace;
use crate::plan::Plan;
use crate::sampling::Sampling;
use crate::slot::Slot;
use crate::tokenizer::Encode;

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
}

impl Session {
    pub(crate) fn new(model: Model, decode: Plan, prefill: Plan) -> Result<Self> {
        let pace = Pace::new(model.tuning(), prefill.rows);
        let plans = [Arc::new(decode), Arc::new(prefill)];
        let machine = model.machine(plans.to_vec())?;
        Ok(Self { model, machine, plans, tokens: Vec::new(), computed: 0, pace })
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

    /// Continues a text: the prompt is appended to the conversation, with the beginning-of-text token in front where the
    /// conversation is new and the tokenizer has one. Control tokens written in the text are plain text.
    ///
    /// # Errors
    /// Where a setting is invalid, the prompt is empty or does not fit the context.
    pub fn reply(&mut self, prompt: &str, sampling: Sampling) -> Result<Reply<'_>> {
        let bos = self.tokens.is_empty();
        let ids = self.model.tokenizer().encode(prompt, Encode { bos, special: false })?;
        self.reply_ids(&ids, sampling)
    }

    /// Continues ids, which are taken as they are.
    ///
    /// # Errors
    /// As [`Self::reply`]; also where an id is outside the vocabulary.
    pub fn reply_ids(&mut self, ids: &[u32], sampling: Sampling) -> Result<Reply<'_>> {
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
        if sampling.masks() {
            self.machine.write(names::ALLOWED, 0, &sampling.allowed_words(vocabulary))?;
        }
        let tokenizer = self.model.tokenizer();
        // Where nothing but the beginning-of-text token is in front, the reply is a whole text.
        let at_start = self.tokens.iter().all(|id| Some(*id) == tokenizer.bos());
        let decoder = if at_start { tokenizer.decoder_at_start() } else { tokenizer.decoder() };
        let prompt_tokens = self.tokens.len() - self.computed;
        Ok(Reply::new(self, sampling, decoder, prompt_tokens, bias.len() / 2))
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
