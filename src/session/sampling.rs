//! Sampling: the settings by which the next token is chosen, their checks, and the words that the samplers read.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::kernel::uniforms::RunSettings;
use crate::kernels::argmax::MOST_PENALISED;
use crate::model::Model;
use crate::plan::RunOutput;
use crate::plan::lowering::MAX_BIASES;

/// Most tokens that the penalties may look back.
pub const MAX_PENALTY_LAST_N: usize = MOST_PENALISED;

/// Largest bias in either direction. A biased logit times a penalty stays finite in f32.
const MAX_BIAS: f32 = 1e30;

/// Settings of one reply.
///
/// They change the logits in this order: bias, penalties, temperature, top-k, top-p, min-p. The next token is then
/// sampled from the tokens that are left, in proportion to their probabilities. With a temperature of 0, the likeliest
/// token is taken after bias and penalties.
///
/// Top-p and min-p see the probabilities at this temperature, as in Hugging Face's transformers. llama.cpp divides by
/// the temperature last, so there they cut the same tokens at every temperature.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampling {
    /// Divides the logits, from 0 upwards; 0 takes the likeliest token.
    pub temperature: f32,
    /// Keeps this many of the likeliest tokens; 0 keeps all.
    pub top_k: u32,
    /// Keeps the likeliest tokens whose probabilities sum to this part of those that top-k left, in (0, 1]; 1 keeps
    /// all.
    pub top_p: f32,
    /// Keeps tokens at least this many times as likely as the likeliest, in [0, 1]; 0 keeps all (min-p, arXiv
    /// 2407.01082).
    pub min_p: f32,
    /// Divides the positive logits of tokens in the window, and multiplies their other logits, from 0.01 to 100; 1 is
    /// off (CTRL, arXiv 1909.05858).
    pub repetition_penalty: f32,
    /// Is subtracted from the logits of tokens in the window, from -100 to 100; 0 is off (as in OpenAI's API).
    pub presence_penalty: f32,
    /// Is subtracted from the logits of tokens in the window once for each time that they occur there, from -100 to
    /// 100; 0 is off (as in OpenAI's API).
    pub frequency_penalty: f32,
    /// The window of the penalties: this many of the last tokens of the conversation, prompt included, as in llama.cpp;
    /// at most [`MAX_PENALTY_LAST_N`].
    pub penalty_last_n: usize,
    /// Seed of the random numbers. The same seed, prompt and device give the same text.
    pub seed: u64,
    /// Most tokens to generate.
    pub max_tokens: usize,
    /// Whether the reply goes on behind an end-of-generation token, which then counts like any other token.
    pub ignore_eos: bool,
    /// Stop strings: texts that end the reply and are not part of it. Tokens that print any part of one are taken out
    /// of the session too.
    pub stop: Vec<String>,
    /// Ids, and a number that is added to their logits before all else: up to 1e30 either way, or negative infinity,
    /// which bans the id. Of two entries for an id the later one counts. At most 1024 entries.
    pub bias: Vec<(u32, f32)>,
    /// The ids that may be generated, one bit per id of the vocabulary, from the lowest bit of the first word on.
    /// `None` allows every id.
    pub allowed: Option<Vec<u32>>,
}

impl Default for Sampling {
    /// Llama's own settings: temperature 0.6 and top-p 0.9. Penalties are off, with a window of 64 tokens. The seed is
    /// 0, and a reply has at most 256 tokens.
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
    /// The settings that the model's file recommends, and [`Sampling::default`] for those that it does not name.
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
    /// Takes the likeliest token every time; otherwise as [`Sampling::default`].
    pub fn greedy() -> Self {
        Self { temperature: 0.0, ..Self::default() }
    }

    /// Checks the settings that can be checked without a vocabulary.
    ///
    /// # Errors
    /// [`Error::Setting`] where one is outside its range.
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

    /// Checks every setting, for a vocabulary of this many ids.
    ///
    /// # Errors
    /// [`Error::Setting`] where one is outside its range or no id may be generated, [`Error::TokenId`] where the bias
    /// has an id outside the vocabulary.
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

    /// The output that a run computes: the id of the sampler that these settings need.
    pub(crate) fn wanted(&self) -> RunOutput {
        if self.temperature == 0.0 { RunOutput::Greedy } else { RunOutput::Sample }
    }

    /// The bias of each id that has one; the last entry of an id counts.
    fn biases(&self) -> BTreeMap<u32, f32> {
        self.bias.iter().copied().collect()
    }

    /// The words of the device's bias buffer: pairs of an id and the bits of its bias, one per id that is not banned.
    pub fn bias_words(&self) -> Vec<u32> {
        let finite = self.biases().into_iter().filter(|(_, bias)| bias.is_finite());
        finite.flat_map(|(id, bias)| [id, bias.to_bits()]).collect()
    }

    /// Whether any id may not be generated, by the mask or by a bias.
    pub fn masks(&self) -> bool {
        self.allowed.is_some() || self.biases().values().any(|bias| !bias.is_finite())
    }

    /// The words of the device's mask: one bit per id of the vocabulary, set where the id is allowed and not banned.
    pub fn allowed_words(&self, vocabulary: usize) -> Vec<u32> {
        let mut words = self.allowed.clone().unwrap_or_else(|| vec![u32::MAX; vocabulary.div_ceil(32)]);
        for (id, _) in self.biases().into_iter().filter(|(_, bias)| !bias.is_finite()) {
            words[id as usize / 32] &= !(1 << (id % 32));
        }
        words
    }

    /// Writes the fields that the samplers read into the uniforms of a run. `biases` is the number of pairs in
    /// [`Self::bias_words`].
    pub fn write_to(&self, settings: &mut RunSettings, biases: usize) {
        settings.seed_lo = self.seed as u32;
        settings.seed_hi = (self.seed >> 32) as u32;
        settings.top_k = self.top_k;
        settings.inv_temperature = if self.temperature == 0.0 { 1.0 } else { self.temperature.recip().min(f32::MAX) };
        settings.top_p = self.top_p;
        settings.biases = biases as u32;
        settings.ln_min_p = f64::from(self.min_p).ln().max(f64::from(f32::MIN)) as f32;
        settings.repetition_penalty = self.repetition_penalty;
        settings.presence_penalty = self.presence_penalty;
        settings.frequency_penalty = self.frequency_penalty;
        let penalised = self.repetition_penalty != 1.0 || self.presence_penalty != 0.0 || self.frequency_penalty != 0.0;
        settings.penalty_last_n = if penalised { self.penalty_last_n as u32 } else { 0 };
        settings.masked = u32::from(self.masks());
    }
}
