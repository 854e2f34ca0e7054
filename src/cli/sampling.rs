//! Flags that say how tokens are chosen, for every command that writes text.

use std::hash::{BuildHasher, Hasher};

use clap::Args;
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
    /// Number that makes the text repeatable [default: a random one, which is printed]
    #[arg(short, long, value_name = "S", allow_negative_numbers = true)]
    seed: Option<u64>,
}

impl SamplingArgs {
    /// These settings, over those of a model. Without `--seed` every call draws another one.
    pub fn over(&self, model: Sampling) -> Result<Sampling, Failure> {
        let top_k = self.top_k.map(|k| {
            u32::try_from(k).map_err(|_| Error::Setting {
                name: "top-k",
                value: k.to_string(),
                expected: "a number of tokens, or 0 (off)",
            })
        });
        Ok(Sampling {
            temperature: self.temperature.unwrap_or(model.temperature),
            top_k: top_k.transpose()?.unwrap_or(model.top_k),
            top_p: self.top_p.unwrap_or(model.top_p),
            seed: self.seed.unwrap_or_else(random_seed),
            ..model
        })
    }
}

/// A seed that the system draws, short enough to type again.
fn random_seed() -> u64 {
    std::collections::hash_map::RandomState::new().build_hasher().finish() >> 32
}
