//! The settings of the package, in JSON, and the library's options that they become.

use std::collections::BTreeMap;

use serde::Deserialize;
use wasm_bindgen::JsValue;

use crate::backend::DeviceChoice;
use crate::drivers::PlanChoice;
use crate::error::Error;
use crate::kernels::{KvType, Tier};
use crate::model::LoadOptions;
use crate::plan::tuning::Activations;
use crate::session::sampling::Sampling;
use crate::text::chat::Message;
use crate::weights::{PackingChoice, Quantize, ScaleType};

use super::failure::invalid;

/// Reads a value from JSON. Unknown fields are errors.
pub fn parse<'t, T: Deserialize<'t>>(json: &'t str) -> Result<T, JsValue> {
    serde_json::from_str(json).map_err(|error| invalid(&error))
}

/// The settings that a model is loaded or inspected with.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Loading {
    device: Option<String>,
    tier: Option<String>,
    plan: Option<String>,
    context: Option<usize>,
    kv: Option<String>,
    activations: Option<String>,
    scales: Option<String>,
    quantize: Option<String>,
    spinquant: Option<bool>,
    memory: Option<u64>,
    mask_limits: Option<String>,
    /// The local date and time, for templates that write it.
    date: Option<String>,
}

/// The value that a name stands for.
fn named<T: Copy>(setting: &'static str, expected: &'static str, name: &str, all: &[(&str, T)]) -> Result<T, Error> {
    let found = all.iter().find(|(known, _)| *known == name);
    let wrong = || Error::Setting { name: setting, value: format!("{name:?}"), expected };
    found.map(|(_, value)| *value).ok_or_else(wrong)
}

/// The tier of a name. The limits of a phone allow the tier `base` alone.
pub fn tier(name: Option<&str>, mask: Option<&str>) -> Result<Option<Tier>, Error> {
    let masked = mask.map(|mask| named("maskLimits", "'phone'", mask, &[("phone", Tier::Base)])).transpose()?;
    let tiers = [("base", Tier::Base), ("f16", Tier::F16)];
    let asked = name.map(|name| named("tier", "'base' or 'f16'", name, &tiers)).transpose()?;
    Ok(masked.or(asked))
}

/// The plan of a name, else the one of the driver.
pub fn plan(name: Option<&str>) -> Result<PlanChoice, Error> {
    let expected = "'auto', 'gpu', 'lavapipe', 'swiftshader' or 'software'";
    let plans = PlanChoice::ALL.map(|plan| (plan.name(), plan));
    name.map_or(Ok(PlanChoice::Auto), |name| named("plan", expected, name, &plans))
}

impl Loading {
    /// The type of the numbers in the KV cache.
    pub fn kv(&self) -> Result<KvType, Error> {
        let types = KvType::ALL.map(|kv| (kv.name(), kv));
        self.kv.as_deref().map_or(Ok(KvType::default()), |kv| named("kv", "'f16' or 'f32'", kv, &types))
    }

    /// The activations that products read.
    pub fn activations(&self) -> Result<Activations, Error> {
        let choices = Activations::ALL.map(|choice| (choice.name(), choice));
        let expected = "'auto', 'f32', 'int8' or 'fixed'";
        self.activations.as_deref().map_or(Ok(Activations::Auto), |name| named("activations", expected, name, &choices))
    }

    /// How weights are packed.
    pub fn packing(&self) -> Result<PackingChoice, Error> {
        let types = Quantize::ALL.map(|to| (to.name(), to));
        let quantize = self.quantize.as_deref().map(|to| named("quantize", "'q4_0' or 'q8_0'", to, &types));
        let scales = ScaleType::ALL.map(|scales| (scales.name(), scales));
        let chosen = self.scales.as_deref().map(|name| named("scales", "'f32' or 'f16'", name, &scales));
        Ok(PackingChoice { quantize: quantize.transpose()?, scales: chosen.transpose()?.unwrap_or_default() })
    }

    /// Whether SpinQuant's rotation is turned on or off.
    pub fn spinquant(&self) -> Option<bool> {
        self.spinquant
    }

    /// The tier, where the settings name one.
    pub fn tier(&self) -> Result<Option<Tier>, Error> {
        tier(self.tier.as_deref(), self.mask_limits.as_deref())
    }

    /// The plan that the settings name, else the one of the driver.
    pub fn plan(&self) -> Result<PlanChoice, Error> {
        plan(self.plan.as_deref())
    }

    /// The tokens that a session holds, where the settings name a number.
    pub fn context(&self) -> Option<usize> {
        self.context
    }

    /// The library's options of these settings.
    pub fn options(&self) -> Result<LoadOptions<'_>, Error> {
        let device = match self.device.as_deref() {
            None => Ok("gpu"),
            Some(name) => named("device", "'gpu' or 'cpu'", name, &[("gpu", "gpu"), ("cpu", "cpu")]),
        };
        Ok(LoadOptions {
            device: if device? == "cpu" { DeviceChoice::Cpu } else { DeviceChoice::Gpu },
            tier: self.tier()?,
            plan: self.plan()?,
            context: self.context,
            kv: self.kv()?,
            activations: self.activations()?,
            packing: self.packing()?,
            spinquant: self.spinquant,
            memory: self.memory,
            date: self.date.as_deref().map(str::parse).transpose()?,
            ..LoadOptions::default()
        })
    }
}

/// The input of a reply.
#[derive(Deserialize)]
#[serde(untagged)]
pub enum Prompt {
    /// A text that is continued.
    Text(String),
    /// A whole conversation.
    Messages(Vec<Message>),
}

impl<'a> From<&'a Prompt> for crate::Prompt<'a> {
    fn from(prompt: &'a Prompt) -> Self {
        match prompt {
            Prompt::Text(text) => Self::Text(text),
            Prompt::Messages(messages) => Self::Messages(messages),
        }
    }
}

/// The settings of a reply. Missing ones are the model's.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Replying {
    temperature: Option<f32>,
    top_k: Option<u32>,
    top_p: Option<f32>,
    min_p: Option<f32>,
    repetition_penalty: Option<f32>,
    presence_penalty: Option<f32>,
    frequency_penalty: Option<f32>,
    penalty_last_n: Option<usize>,
    seed: Option<u64>,
    max_tokens: Option<usize>,
    ignore_eos: Option<bool>,
    #[serde(default)]
    stop: Vec<String>,
    /// Biases by token id. JSON has no infinity, so `null` bans an id.
    #[serde(default)]
    logit_bias: BTreeMap<u32, Option<f32>>,
}

impl Replying {
    /// The library's settings: these, over those of the model.
    pub fn sampling(self, model: Sampling) -> Sampling {
        let bias = self.logit_bias.into_iter().map(|(id, bias)| (id, bias.unwrap_or(f32::NEG_INFINITY)));
        Sampling {
            temperature: self.temperature.unwrap_or(model.temperature),
            top_k: self.top_k.unwrap_or(model.top_k),
            top_p: self.top_p.unwrap_or(model.top_p),
            min_p: self.min_p.unwrap_or(model.min_p),
            repetition_penalty: self.repetition_penalty.unwrap_or(model.repetition_penalty),
            presence_penalty: self.presence_penalty.unwrap_or(model.presence_penalty),
            frequency_penalty: self.frequency_penalty.unwrap_or(model.frequency_penalty),
            penalty_last_n: self.penalty_last_n.unwrap_or(model.penalty_last_n),
            seed: self.seed.unwrap_or(model.seed),
            max_tokens: self.max_tokens.unwrap_or(model.max_tokens),
            ignore_eos: self.ignore_eos.unwrap_or(model.ignore_eos),
            stop: self.stop,
            bias: bias.collect(),
            allowed: None,
        }
    }
}
