//! Sampling flags, for every command that writes text.

use std::hash::{BuildHasher, Hasher};

use clap::Args;
use llamita::internals::session::sampling::MAX_PENALTY_LAST_N;
use llamita::{Error, Sampling};

use super::failure::Failure;

/// How the next token is chosen.
#[derive(Args)]
#[command(next_help_heading = "Sampling")]
pub struct SamplingArgs {
    /// Randomness; 0 takes the likeliest token every time [default: the model's own setting, else 0.6]
    #[arg(short, long, value_name = "T", allow_negative_numbers = true)]
    temperature: Option<f32>,
    /// Chooses among the K likeliest tokens; 0 is off [default: the model's own setting, else 0]
    #[arg(long, value_name = "K", allow_negative_numbers = true)]
    top_k: Option<i64>,
    /// Chooses among the likeliest tokens up to this probability; 1 is off [default: the model's own setting, else 0.9]
    #[arg(long, value_name = "P", allow_negative_numbers = true)]
    top_p: Option<f32>,
    /// Chooses among tokens at least P times as likely as the likeliest; 0 is off [default: the model's own setting,
    /// else 0]
    #[arg(long, value_name = "P", allow_negative_numbers = true)]
    min_p: Option<f32>,
    /// Divides the positive logits of tokens in the context by R and multiplies the others; 1 is off [default: the
    /// model's own setting, else 1]
    #[arg(long, visible_alias = "repeat-penalty", value_name = "R", allow_negative_numbers = true)]
    repetition_penalty: Option<f32>,
    /// Takes A off the logits of tokens in the context; 0 is off [default: 0]
    #[arg(long, value_name = "A", allow_negative_numbers = true)]
    presence_penalty: Option<f32>,
    /// Takes A off the logits of tokens in the context, once for each time; 0 is off [default: 0]
    #[arg(long, value_name = "A", allow_negative_numbers = true)]
    frequency_penalty: Option<f32>,
    /// Penalises the last N tokens of prompt and answer, at most 1024; -1 is 1024 [default: the model's own setting,
    /// else 64]
    #[arg(long, visible_alias = "repeat-last-n", value_name = "N", allow_negative_numbers = true)]
    penalty_last_n: Option<i64>,
    /// Adds VALUE to the logit of a token, before anything else; -inf or `ban` bans it; may be repeated. `llamita
    /// tokenize` tells the ids
    #[arg(long, value_name = "ID=VALUE", value_parser = bias, allow_hyphen_values = true)]
    logit_bias: Vec<(u32, f32)>,
    /// Number that makes the text repeatable [default: a random one, which is printed]
    #[arg(short, long, value_name = "S", allow_negative_numbers = true)]
    seed: Option<u64>,
}

impl SamplingArgs {
    /// The settings of the flags, over those of a model. Without `--seed` every call makes a new random seed.
    pub fn over(&self, model: Sampling) -> Result<Sampling, Failure> {
        let tokens = |name, value: i64, expected| {
            u32::try_from(value).map_err(|_| Error::Setting { name, value: value.to_string(), expected })
        };
        let top_k = self.top_k.map(|k| tokens("top-k", k, "a number of tokens up to 4294967295, or 0 (off)"));
        let last_n = self.penalty_last_n.map(|n| match n {
            -1 => Ok(MAX_PENALTY_LAST_N),
            n => tokens("penalty-last-n", n, "a number of tokens up to 1024, or -1 (1024)").map(|n| n as usize),
        });
        Ok(Sampling {
            temperature: self.temperature.unwrap_or(model.temperature),
            top_k: top_k.transpose()?.unwrap_or(model.top_k),
            top_p: self.top_p.unwrap_or(model.top_p),
            min_p: self.min_p.unwrap_or(model.min_p),
            repetition_penalty: self.repetition_penalty.unwrap_or(model.repetition_penalty),
            presence_penalty: self.presence_penalty.unwrap_or(model.presence_penalty),
            frequency_penalty: self.frequency_penalty.unwrap_or(model.frequency_penalty),
            penalty_last_n: last_n.transpose()?.unwrap_or(model.penalty_last_n),
            bias: [model.bias.as_slice(), &self.logit_bias].concat(),
            seed: self.seed.unwrap_or_else(random_seed),
            ..model
        })
    }
}

/// Parses `15043=-2.5`, `15043=-inf` and `15043=ban`.
fn bias(text: &str) -> Result<(u32, f32), String> {
    let wrong = || "expected a token id and what is added to its logit, as in 15043=-2.5 or 15043=ban".to_owned();
    let (id, value) = text.split_once('=').ok_or_else(wrong)?;
    let value = if value == "ban" { f32::NEG_INFINITY } else { value.parse().map_err(|_| wrong())? };
    Ok((id.parse().map_err(|_| wrong())?, value))
}

/// A random seed of the system, short enough to type again.
fn random_seed() -> u64 {
    std::collections::hash_map::RandomState::new().build_hasher().finish() >> 32
}

#[cfg(test)]
mod tests {
    use super::bias;

    #[test]
    fn biases() {
        assert_eq!(bias("15043=-2.5"), Ok((15043, -2.5)));
        for banned in ["7=ban", "7=-inf"] {
            assert_eq!(bias(banned), Ok((7, f32::NEG_INFINITY)));
        }
        for wrong in ["", "7", "7=", "=1", "-1=1", "7=much", "7=1=2", "4294967296=1"] {
            assert!(bias(wrong).is_err(), "{wrong:?}");
        }
    }
}
