//! How the next token is chosen.

use crate::error::{Error, Result};
use crate::llama::MAX_BIASES;
use crate::plan::Wanted;
use crate::slot::SlotHead;

/// Settings of one reply. Temperature comes first, then top-k, then top-p.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampling {
    /// Divides the logits; 0 takes the likeliest token.
    pub temperature: f32,
    /// Keeps this many of the likeliest tokens; 0 keeps all.
    pub top_k: u32,
    /// Keeps the likeliest tokens up to this mass, in (0, 1]; 1 keeps all.
    pub top_p: f32,
    /// The same seed, prompt and device give the same text.
    pub seed: u64,
    /// Most tokens to generate.
    pub max_tokens: usize,
    /// Whether end-of-generation tokens are generated like any other.
    pub ignore_eos: bool,
    /// Texts that end the reply, and are not part of it. What was generated from the first of them on is taken out of
    /// the session too: tokens remain that print nothing of it.
    pub stop: Vec<String>,
    /// Added to the logits of single ids; a later entry of an id replaces an earlier one.
    pub bias: Vec<(u32, f32)>,
    /// Ids that may be generated, one bit each from the lowest bit of the first word; `None` allows all.
    pub allowed: Option<Vec<u32>>,
}

impl Default for Sampling {
    /// Llama's own settings: temperature 0.6, top-p 0.9; seed 0.
    fn default() -> Self {
        Self {
            temperature: 0.6,
            top_k: 0,
            top_p: 0.9,
            seed: 0,
            max_tokens: 256,
            ignore_eos: false,
            stop: Vec::new(),
            bias: Vec::new(),
            allowed: None,
        }
    }
}

impl Sampling {
    /// The likeliest token every time.
    pub fn greedy() -> Self {
        Self { temperature: 0.0, ..Self::default() }
    }

    /// Checks every setting.
    ///
    /// # Errors
    /// Where one is outside its range.
    pub fn check(&self, vocabulary: usize) -> Result<()> {
        let setting = |name, value: String, expected| Err(Error::Setting { name, value, expected });
        if !(self.temperature.is_finite() && self.temperature >= 0.0) {
            return setting("temperature", self.temperature.to_string(), "a number from 0 (greedy) upwards");
        }
        if !(self.top_p > 0.0 && self.top_p <= 1.0) {
            return setting("top-p", self.top_p.to_string(), "a number above 0 and up to 1");
        }
        if self.stop.iter().any(String::is_empty) {
            return setting("stop", "\"\"".to_owned(), "a text of at least one character");
        }
        if let Some((id, _)) = self.bias.iter().find(|(id, _)| *id as usize >= vocabulary) {
            return Err(Error::TokenId { id: *id, vocabulary });
        }
        if let Some((_, bias)) = self.bias.iter().find(|(_, bias)| !bias.is_finite()) {
            return setting("bias", bias.to_string(), "a finite number");
        }
        if self.bias.len() > MAX_BIASES {
            return setting("bias", self.bias.len().to_string(), "at most 1024 entries");
        }
        if let Some(allowed) = &self.allowed {
            let last_mask = u32::MAX >> (vocabulary.next_multiple_of(32) - vocabulary);
            let words = vocabulary.div_ceil(32);
            let some =
                allowed.iter().enumerate().any(|(i, w)| w & if i + 1 == words { last_mask } else { u32::MAX } != 0);
            if allowed.len() != words || !some {
                let found = format!("{} words", allowed.len());
                return setting("allowed", found, "one bit per id of the vocabulary, at least one of them set");
            }
        }
        Ok(())
    }

    /// The sampler that a run ends with.
    pub(crate) fn wanted(&self) -> Wanted {
        if self.temperature == 0.0 { Wanted::Greedy } else { Wanted::Draw }
    }

    /// Pairs of id and bias, one per id.
    pub(crate) fn bias_words(&self) -> Vec<u32> {
        let unique: std::collections::BTreeMap<u32, f32> = self.bias.iter().copied().collect();
        unique.into_iter().flat_map(|(id, bias)| [id, bias.to_bits()]).collect()
    }

    /// The sampler's fields of a slot.
    pub(crate) fn write_to(&self, head: &mut SlotHead, biases: usize) {
        head.seed_lo = self.seed as u32;
        head.seed_hi = (self.seed >> 32) as u32;
        head.top_k = self.top_k;
        head.inv_temperature = if self.temperature == 0.0 { 1.0 } else { self.temperature.recip().min(f32::MAX) };
        head.top_p = self.top_p;
        head.biases = biases as u32;
    }
}
