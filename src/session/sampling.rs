//! How the next token is chosen.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::kernel::run::SlotHead;
use crate::model::Model;
use crate::plan::Wanted;
use crate::plan::llama::MAX_BIASES;

/// Most tokens that penalties look back.
pub const MAX_PENALTY_LAST_N: usize = 1024;

/// Largest bias either way: products with penalties stay finite.
const MAX_BIAS: f32 = 1e30;

/// Settings of one reply.
///
/// The logits take these in order: the bias, the penalties, the temperature, top-k, top-p, min-p. (llama.cpp divides by the
/// temperature last, so there top-p and min-p cut the same tokens at every temperature; here, as in Hugging Face's
/// transformers, they see the probabilities that the temperature makes.) What is left is drawn from in proportion to its
/// probability. With a temperature of 0 the likeliest token is taken after bias and penalties.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampling {
    /// Divides the logits; 0 takes the likeliest token.
    pub temperature: f32,
    /// Keeps this many of the likeliest tokens; 0 keeps all.
    pub top_k: u32,
    /// Keeps the likeliest tokens up to this mass of what top-k left, in (0, 1]; 1 keeps all.
    pub top_p: f32,
    /// Keeps tokens at least this many times as likely as the likeliest, in [0, 1]; 0 keeps all (min-p, arXiv 2407.01082).
    pub min_p: f32,
    /// Divides positive logits of tokens in the context, and multiplies the others; 1 is off (CTRL, arXiv 1909.05858).
    pub repetition_penalty: f32,
    /// Is taken off the logits of tokens in the context; 0 is off (as OpenAI's API has it).
    pub presence_penalty: f32,
    /// Is taken off the logits of tokens in the context, once for each time; 0 is off (as OpenAI's API has it).
    pub frequency_penalty: f32,
    /// The context that the penalties look at: the last so many tokens of the conversation, prompt included, as in
    /// llama.cpp; at most [`MAX_PENALTY_LAST_N`].
    pub penalty_last_n: usize,
    /// The same seed, prompt and device give the same text.
    pub seed: u64,
    /// Most tokens to generate.
    pub max_tokens: usize,
    /// Whether end-of-generation tokens are generated like any other.
    pub ignore_eos: bool,
    /// Texts that end the reply, and are not part of it. What was generated from the first of them on is taken out of
    /// the session too: tokens remain that print nothing of it.
    pub stop: Vec<String>,
    /// Added to the logits of single ids, before anything else; negative infinity bans an id. A later entry of an id
    /// replaces an earlier one.
    pub bias: Vec<(u32, f32)>,
    /// Ids that may be generated, one bit each from the lowest bit of the first word; `None` allows all.
    pub allowed: Option<Vec<u32>>,
}

impl Default for Sampling {
    /// Llama's own settings: temperature 0.6, top-p 0.9; seed 0. Penalties are off, and would look at 64 tokens.
    fn default() -> Self {
        Self {
            temperature: 0.6,
            top_k: 0,
            top_p: 0.9,
            min_p: 0.0,
            repetition_penalty: 1.0,
            presence_penalty: 0.0,
            frequency_penalty: 0.0,
            penalty_last_n: 64,
            seed: 0,
            max_tokens: 256,
            ignore_eos: false,
            stop: Vec::new(),
            bias: Vec::new(),
            allowed: None,
        }
    }
}

impl Model {
    /// The file's recommended settings, or Llama's.
    pub fn sampling(&self) -> Sampling {
        let (file, llama) = (self.recommended_sampling(), Sampling::default());
        Sampling {
            temperature: file.temperature.unwrap_or(llama.temperature),
            top_k: file.top_k.unwrap_or(llama.top_k),
            top_p: file.top_p.unwrap_or(llama.top_p),
            min_p: file.min_p.unwrap_or(llama.min_p),
            repetition_penalty: file.repetition_penalty.unwrap_or(llama.repetition_penalty),
            penalty_last_n: file.penalty_last_n.map_or(llama.penalty_last_n, |n| MAX_PENALTY_LAST_N.min(n as usize)),
            ..llama
        }
    }
}

impl Sampling {
    /// The likeliest token every time.
    pub fn greedy() -> Self {
        Self { temperature: 0.0, ..Self::default() }
    }

    /// Checks every setting that needs no vocabulary.
    ///
    /// # Errors
    /// Where one is outside its range.
    pub fn check_numbers(&self) -> Result<()> {
        let within = |name, value: f32, holds: bool, expected| {
            let value = value.to_string();
            if holds { Ok(()) } else { Err(Error::Setting { name, value, expected }) }
        };
        let t = self.temperature;
        within("temperature", t, t.is_finite() && t >= 0.0, "a finite number from 0 (greedy) upwards")?;
        within("top-p", self.top_p, self.top_p > 0.0 && self.top_p <= 1.0, "a number above 0 and up to 1")?;
        within("min-p", self.min_p, (0.0..=1.0).contains(&self.min_p), "a number from 0 (off) to 1")?;
        let repetition = self.repetition_penalty;
        let expected = "a number from 0.01 to 100; 1 is off";
        within("repetition-penalty", repetition, (0.01..=100.0).contains(&repetition), expected)?;
        for (name, value) in
            [("presence-penalty", self.presence_penalty), ("frequency-penalty", self.frequency_penalty)]
        {
            within(name, value, (-100.0..=100.0).contains(&value), "a number from -100 to 100; 0 is off")?;
        }
        let setting = |name, value: String, expected| Err(Error::Setting { name, value, expected });
        if self.penalty_last_n > MAX_PENALTY_LAST_N {
            return setting("penalty-last-n", self.penalty_last_n.to_string(), "a number of tokens up to 1024");
        }
        let bias = |value: f32| value == f32::NEG_INFINITY || value.abs() <= MAX_BIAS;
        if let Some((id, value)) = self.bias.iter().find(|(_, value)| !bias(*value)) {
            let expected = "a number from -1e30 to 1e30, or -inf, which bans the token";
            return setting("logit-bias", format!("{id}={value}"), expected);
        }
        if self.bias.len() > MAX_BIASES {
            return setting("logit-bias", format!("{} entries", self.bias.len()), "at most 1024 entries");
        }
        if self.stop.iter().any(String::is_empty) {
            return setting("stop", "\"\"".to_owned(), "a text of at least one character");
        }
        Ok(())
    }

    /// Checks every setting.
    ///
    /// # Errors
    /// Where one is outside its range, or an id outside the vocabulary, or no id may be generated.
    pub fn check(&self, vocabulary: usize) -> Result<()> {
        self.check_numbers()?;
        if let Some((id, _)) = self.bias.iter().find(|(id, _)| *id as usize >= vocabulary) {
            return Err(Error::TokenId { id: *id, vocabulary });
        }
        let setting = |name, value: String, expected| Err(Error::Setting { name, value, expected });
        let words = vocabulary.div_ceil(32);
        if let Some(allowed) = self.allowed.as_ref().filter(|allowed| allowed.len() != words) {
            return setting("allowed", format!("{} words", allowed.len()), "one bit per id of the vocabulary");
        }
        let allowed = self.allowed_words(vocabulary);
        if (0..vocabulary).all(|id| allowed[id / 32] >> (id % 32) & 1 == 0) {
            return setting("allowed", "no token".to_owned(), "at least one that neither a mask nor a bias bans");
        }
        Ok(())
    }

    /// The sampler that a run ends with.
    pub(crate) fn wanted(&self) -> Wanted {
        if self.temperature == 0.0 { Wanted::Greedy } else { Wanted::Draw }
    }

    /// The bias of each id that has one.
    fn biases(&self) -> BTreeMap<u32, f32> {
        self.bias.iter().copied().collect()
    }

    /// What the buffer of the bias holds: pairs of id and bias, one per id that is not banned.
    pub fn bias_words(&self) -> Vec<u32> {
        let finite = self.biases().into_iter().filter(|(_, bias)| bias.is_finite());
        finite.flat_map(|(id, bias)| [id, bias.to_bits()]).collect()
    }

    /// Whether any id is masked or banned.
    pub fn masks(&self) -> bool {
        self.allowed.is_some() || self.biases().values().any(|bias| !bias.is_finite())
    }

    /// What the buffer of the mask holds: a bit per id, set where it is allowed and not banned.
    pub fn allowed_words(&self, vocabulary: usize) -> Vec<u32> {
        let mut words = self.allowed.clone().unwrap_or_else(|| vec![u32::MAX; vocabulary.div_ceil(32)]);
        for (id, _) in self.biases().into_iter().filter(|(_, bias)| !bias.is_finite()) {
            words[id as usize / 32] &= !(1 << (id % 32));
        }
        words
    }

    /// Writes the sampler's fields of a slot; `biases` are the entries of [`Self::bias_words`].
    pub fn write_to(&self, head: &mut SlotHead, biases: usize) {
        head.seed_lo = self.seed as u32;
        head.seed_hi = (self.seed >> 32) as u32;
        head.top_k = self.top_k;
        head.inv_temperature = if self.temperature == 0.0 { 1.0 } else { self.temperature.recip().min(f32::MAX) };
        head.top_p = self.top_p;
        head.biases = biases as u32;
        head.ln_min_p = f64::from(self.min_p).ln().max(f64::from(f32::MIN)) as f32;
        head.repetition_penalty = self.repetition_penalty;
        head.presence_penalty = self.presence_penalty;
        head.frequency_penalty = self.frequency_penalty;
        let penalised = self.repetition_penalty != 1.0 || self.presence_penalty != 0.0 || self.frequency_penalty != 0.0;
        head.penalty_last_n = if penalised { self.penalty_last_n as u32 } else { 0 };
        head.masked = u32::from(self.masks());
    }
}
