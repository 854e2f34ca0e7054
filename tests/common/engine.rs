//! What whole-model tests share: the engines that they run on, the models and ids that they run, and replies taken to
//! their end. The engines are the plan of real GPUs and that of the driver at hand, in tiers, and the CPU in both.
#![allow(dead_code, reason = "each test program takes some of it")]

use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};

use llamita::internals::backend::gpu::Gpu;
use llamita::internals::drivers::DeviceOptions;
use llamita::source::{File, Source};
use llamita::{DeviceChoice, LoadOptions, Model, PlanChoice, Prompt, Reply, Result, Sampling, Session, Stats, Tier};
use pollster::block_on;

/// The package's folder: the one that Cargo or `cargo xtask device` names, where the program was built in another.
pub fn root() -> PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from)
}

/// The plan that real GPUs run.
pub const GPU_PLAN: PlanChoice = PlanChoice::Gpu;
/// Both plans of an adapter: that of real GPUs, and that of drivers that run shaders on the CPU.
pub const PLANS: [PlanChoice; 2] = [GPU_PLAN, PlanChoice::Software];

/// A device, a plan and a tier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Engine {
    pub device: DeviceChoice,
    pub plan: PlanChoice,
    /// `None` is the one that the plan takes by itself.
    pub tier: Option<Tier>,
}

impl Engine {
    /// The adapter in one of its plans.
    pub fn gpu(plan: PlanChoice, tier: Option<Tier>) -> Self {
        Self { device: DeviceChoice::Gpu, plan, tier }
    }

    /// The CPU in the same plan.
    pub fn cpu(plan: PlanChoice) -> Self {
        Self { device: DeviceChoice::Cpu, plan, tier: None }
    }

    /// How a model is loaded for it, with other options.
    pub fn options<'a>(&self, others: LoadOptions<'a>) -> LoadOptions<'a> {
        LoadOptions { device: self.device.clone(), plan: self.plan, tier: self.tier, ..others }
    }

    /// A model on it.
    pub fn load(&self, source: &dyn Source, others: LoadOptions) -> Model {
        block_on(Model::load(source, self.options(others))).unwrap_or_else(|e| panic!("{}, {self}: {e}", source.name()))
    }

    /// The model of a file on it.
    pub fn load_file(&self, path: impl AsRef<Path>, others: LoadOptions) -> Model {
        self.load(&open(path), others)
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tier = self.tier.map_or("its own tier".to_owned(), |tier| format!("tier {tier}"));
        write!(f, "{:?}, plan {}, {tier}", self.device, self.plan.name())
    }
}

/// The adapter in both plans, each in the tier that it takes by itself.
pub fn both_plans() -> [Engine; 2] {
    PLANS.map(|plan| Engine::gpu(plan, None))
}

/// The adapter and the CPU in both plans.
pub fn everywhere() -> [Engine; 4] {
    let [gpu, software] = PLANS;
    [Engine::gpu(gpu, None), Engine::gpu(software, None), Engine::cpu(gpu), Engine::cpu(software)]
}

/// The adapter in both plans and in every tier that it has.
pub fn every_tier(test: &str) -> Vec<Engine> {
    let tiers: Vec<Tier> = Tier::ALL.into_iter().filter(|tier| has_tier(test, *tier)).collect();
    PLANS.into_iter().flat_map(|plan| tiers.iter().map(move |tier| Engine::gpu(plan, Some(*tier)))).collect()
}

/// The device, in a tier. Where the adapter lacks the tier, it is named and counted, and the answer is `None`; no
/// adapter at all fails.
pub fn gpu(test: &str, tier: Tier) -> Option<Gpu> {
    has_tier(test, tier).then(|| open_gpu(Some(tier)))
}

/// A model's file; a relative path begins in the package's folder.
pub fn open(path: impl AsRef<Path>) -> File {
    File::open(root().join(path)).unwrap_or_else(|e| panic!("{e}"))
}

/// A file of `tests/fixtures`.
pub fn fixture(name: &str) -> PathBuf {
    Path::new("tests/fixtures").join(name)
}

/// The bundled model's file.
pub const BUNDLED: &str = "models/llamita-stories.gguf";

/// So many ids, always the same, in the vocabulary of every model here and none of them a control token of the random
/// ones.
pub fn ids(count: usize) -> Vec<u32> {
    (0..count as u32).map(|i| (i * 37 + 11) % 250).collect()
}

/// The likeliest tokens, whatever they are: a reply ends with `max_tokens` of them, or with the context.
pub fn greedy(max_tokens: usize) -> Sampling {
    Sampling { max_tokens, ignore_eos: true, ..Sampling::greedy() }
}

/// A reply that was taken to its end.
pub struct Finished {
    /// The pieces of its text, as they came.
    pub pieces: Vec<String>,
    pub text: String,
    pub ids: Vec<u32>,
    /// Messages that were left out of the prompt.
    pub dropped: usize,
    pub stats: Stats,
}

/// Takes a reply to its end.
///
/// # Errors
/// The first error of the reply.
pub fn try_finish(mut reply: Reply) -> Result<Finished> {
    let mut pieces = Vec::new();
    while let Some(piece) = block_on(reply.next()) {
        pieces.push(piece?);
    }
    let (ids, dropped) = (reply.token_ids().to_vec(), reply.dropped());
    Ok(Finished { text: pieces.concat(), pieces, ids, dropped, stats: reply.finish() })
}

/// Takes a reply to its end, without an error on the way.
pub fn finish(reply: Reply) -> Finished {
    try_finish(reply).unwrap_or_else(|e| panic!("{e}"))
}

/// Replies to a text or to messages.
pub fn say<'p>(session: &mut Session, prompt: impl Into<Prompt<'p>>, sampling: Sampling) -> Finished {
    finish(session.reply(prompt, sampling).unwrap_or_else(|e| panic!("{e}")))
}

/// The ids that continue others.
pub fn continued(session: &mut Session, ids: &[u32], sampling: Sampling) -> Vec<u32> {
    finish(session.reply_ids(ids, sampling).unwrap_or_else(|e| panic!("{e}"))).ids
}

/// `sum((a - b)^2) / sum(b^2)`
pub fn nmse(found: &[f32], expected: &[f32]) -> f64 {
    let error: f64 = found.iter().zip(expected).map(|(a, b)| f64::from(a - b).powi(2)).sum();
    error / expected.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>()
}

fn open_gpu(tier: Option<Tier>) -> Gpu {
    let opened = block_on(Gpu::open(None, DeviceOptions { tier, ..DeviceOptions::default() }));
    opened.unwrap_or_else(|e| panic!("{e}; `cargo xtask setup` installs one"))
}

fn has_tier(test: &str, tier: Tier) -> bool {
    let gpu = open_gpu(Some(Tier::Base));
    if tier.within(gpu.best_tier()) {
        return true;
    }
    assert!(std::env::var_os("CI").is_none(), "{test}: {} has no tier {tier}, and CI may skip nothing", gpu.name());
    // Past the capture of the test harness, which would hide it in a test that passes.
    let line = format!("SKIPPED: {test} in tier {tier} (1 test): {} does not have it\n", gpu.name());
    std::io::stderr().write_all(line.as_bytes()).expect("standard error is open");
    false
}
