//! What whole-model tests run on: the plan of real GPUs and that of the driver at hand, in tiers, and the CPU in both.
#![allow(dead_code, reason = "each test program takes some of it")]

use std::fmt;
use std::io::Write;

use llamita::internals::backend::gpu::Gpu;
use llamita::internals::drivers::DeviceOptions;
use llamita::source::Source;
use llamita::{DeviceChoice, LoadOptions, Model, PlanChoice, Tier};
use pollster::block_on;

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

/// The device, in a tier. Where the adapter lacks the tier, it is named and counted, and the answer is `None`; no adapter at
/// all fails.
pub fn gpu(test: &str, tier: Tier) -> Option<Gpu> {
    has_tier(test, tier).then(|| open(Some(tier)))
}

fn open(tier: Option<Tier>) -> Gpu {
    let opened = block_on(Gpu::open(None, DeviceOptions { tier, ..DeviceOptions::default() }));
    opened.unwrap_or_else(|e| panic!("{e}; `cargo xtask setup` installs one"))
}

fn has_tier(test: &str, tier: Tier) -> bool {
    let gpu = open(Some(Tier::Base));
    if tier.within(gpu.best_tier()) {
        return true;
    }
    assert!(std::env::var_os("CI").is_none(), "{test}: {} has no tier {tier}, and CI may skip nothing", gpu.name());
    // Past the capture of the test harness, which would hide it in a test that passes.
    let line = format!("SKIPPED: {test} in tier {tier} (1 test): {} does not have it\n", gpu.name());
    std::io::stderr().write_all(line.as_bytes()).expect("standard error is open");
    false
}
