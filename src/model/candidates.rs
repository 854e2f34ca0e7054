//! The plan and the tier that a model runs: the first of its device's that needs no kernel in quarantine.

use std::fmt;

use crate::backend::Device;
use crate::backend::gpu::Gpu;
use crate::drivers::DeviceOptions;
use crate::error::{Error, Result};
use crate::plan::Plan;
use crate::plan::llama;
use crate::plan::tuning::Tuning;
use crate::quarantine::{Entry, Fault, Quarantine};
use crate::weights::{Matrices, Packings};

use super::budget::{Budget, BudgetInputs, HostBudget, capacity_for};
use super::opening::Described;
use super::{FIRST_CAPACITY, LoadOptions, Model, Opened};

/// A device with the plan and the tier that it was opened for, and what the checkpoint becomes there.
pub(super) struct Chosen {
    pub device: Device,
    pub tuning: Tuning,
    pub matrices: Matrices,
    pub host: HostBudget,
    pub budget: Budget,
    pub first_capacity: usize,
    /// Decode and prefill.
    pub plans: [Plan; 2],
}

impl Described {
    /// Opens the device for the first candidate that needs no kernel in quarantine. What is avoided is said in a line.
    ///
    /// # Errors
    /// Those of opening a device and of the budget, and [`Error::Quarantined`] where every candidate needs such a kernel.
    pub async fn choose(&self, options: &LoadOptions<'_>, quarantine: &Quarantine) -> Result<Chosen> {
        let LoadOptions { tier, plan, limits, id, fault, .. } = *options;
        let asked = DeviceOptions { tier, plan, limits, id, fault };
        let device = Device::open(&options.device, asked).await?;
        let first = match &device {
            Device::Gpu(gpu) if !quarantine.of(&gpu.id()).is_empty() => gpu.clone(),
            _ => return self.lay_out(device, options),
        };
        let id = first.id();
        let mut avoided = Avoided::default();
        for (index, candidate) in asked.candidates(first.driver(), first.best_tier()).into_iter().enumerate() {
            let laid = match index {
                0 => self.lay_out(device.clone(), options)?,
                _ => match first.reopen_with(candidate).await.and_then(|gpu| self.lay_out(Device::Gpu(gpu), options)) {
                    Ok(laid) => laid,
                    Err(error) => {
                        let plan = candidate.plan.of(first.driver()).name;
                        avoided.push(named(plan, candidate.tier.unwrap_or_default().name()), error.to_string());
                        continue;
                    }
                },
            };
            let (plan, tier) = (laid.device.plan().name, laid.device.tier().name());
            match quarantine.entries(&id, &laid.plans).as_slice() {
                [] => {
                    if index > 0 {
                        log::warn!("{} runs {}, without {avoided}{SAYS_MORE}", id.adapter, named(plan, tier));
                    }
                    return Ok(laid);
                }
                entries => avoided.push(named(plan, tier), failed(entries)),
            }
        }
        let asked_for: Vec<&str> = [(asked.tier.is_some(), "tier"), (asked.plan != Default::default(), "plan")]
            .into_iter()
            .filter_map(|(asked, what)| asked.then_some(what))
            .collect();
        let advice = match asked_for.as_slice() {
            [] => HELP.to_owned(),
            asked => format!("another may do where no {} is asked for, and {HELP}", asked.join(" and no ")),
        };
        Err(Error::Quarantined { device: id.adapter, reason: avoided.to_string(), advice })
    }

    /// What the checkpoint becomes on a device.
    ///
    /// # Errors
    /// Where its plan does not take the heads, or the memory does not hold it.
    pub fn lay_out(&self, device: Device, options: &LoadOptions<'_>) -> Result<Chosen> {
        let Self { shape, tensors, context, .. } = self;
        let context = *context;
        let unsupported = |reason: String| Error::Unsupported { name: self.source.clone(), reason };
        let tuning = device.tuning().with(options.kv, options.activations);
        if let Device::Gpu(_) = &device {
            tuning.check_heads(shape.heads).map_err(unsupported)?;
        }
        let packings = Packings::of(tensors, options.packing, options.embedding);
        let matrices = Matrices::new(shape, &packings, tuning.cut());
        let host = HostBudget::new(tensors, &matrices, Some(&self.vocabulary));
        let shared = options.shared_memory.filter(|_| device.shares_memory());
        let memory = options.memory.or(shared.map(|left| left.saturating_sub(host.total())));
        let memory = memory.into_iter().chain(options.limits.and_then(|profile| profile.memory.value)).min();
        if let (Device::Gpu(gpu), Some(bytes)) = (&device, memory) {
            gpu.limit_memory(bytes);
        }
        let first_capacity = options.first_capacity.unwrap_or(FIRST_CAPACITY).clamp(1, context);
        let inputs = BudgetInputs { shape, packings: &packings, tuning: &tuning, context, first_capacity };
        let budget = inputs.check(memory)?;
        let plans = llama::session_plans(shape, &matrices, &tuning, capacity_for(0, first_capacity, context));
        Ok(Chosen { device, tuning, matrices, host, budget, first_capacity, plans })
    }
}

/// Candidates that are not run, by the reason.
#[derive(Default)]
struct Avoided(Vec<(String, Vec<String>)>);

impl Avoided {
    fn push(&mut self, candidate: String, reason: String) {
        match self.0.iter_mut().find(|(other, _)| *other == reason) {
            Some((_, candidates)) => candidates.push(candidate),
            None => self.0.push((reason, vec![candidate])),
        }
    }
}

impl fmt::Display for Avoided {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reasons = self.0.iter().map(|(reason, candidates)| format!("{}: {reason}", candidates.join(", ")));
        f.write_str(&reasons.collect::<Vec<_>>().join("; "))
    }
}

/// What forgets the quarantine, or does without the device.
#[cfg(target_arch = "wasm32")]
const HELP: &str = "forgetQuarantine() has them tried again";
#[cfg(not(target_arch = "wasm32"))]
const HELP: &str = "llamita doctor --forget has them tried again; --device cpu does without, slowly";

/// Who says more.
#[cfg(target_arch = "wasm32")]
const SAYS_MORE: &str = "";
#[cfg(not(target_arch = "wasm32"))]
const SAYS_MORE: &str = " (llamita doctor says more)";

fn named(plan: &str, tier: &str) -> String {
    format!("plan {plan} in tier {tier}")
}

/// Kernels that failed: the first, and how many more.
fn failed(entries: &[&Entry]) -> String {
    match entries {
        [] => String::new(),
        [only] => only.to_string(),
        [first, more @ ..] => format!("{first}, and {} more kernels failed", more.len()),
    }
}

/// Tells of the bytes of the weights that are loaded, and of all bytes of the weights.
type Progress<'a> = &'a mut dyn FnMut(u64, u64);

impl Model {
    /// Opens a model and has `bring` bring it to its device. Where the device refuses a kernel, that kernel goes into
    /// quarantine, and the next candidate is opened and brought.
    ///
    /// # Errors
    /// Those of opening, and those of `bring`.
    pub(crate) async fn open_and<T>(
        source: &dyn crate::source::Source,
        mut options: LoadOptions<'_>,
        mut bring: impl AsyncFnMut(Opened, Option<Progress<'_>>) -> Result<T>,
    ) -> Result<T> {
        let mut progress = options.progress.take();
        let mut own = Quarantine::default();
        let quarantine = options.quarantine.take().unwrap_or(&mut own);
        loop {
            let opened = Self::open(source, &options, quarantine).await?;
            let device = opened.model.device();
            let progress = progress.as_mut().map(|progress| &mut **progress as Progress<'_>);
            match (bring(opened, progress).await, &device) {
                (Err(Error::Kernel { kernel, digest, reason }), Device::Gpu(gpu))
                    if quarantine.of(&gpu.id()).iter().all(|entry| entry.digest != digest) =>
                {
                    quarantine.note(&gpu.id(), entry_of(gpu, kernel, digest, (Fault::DoesNotCompile, reason)));
                    gpu.destroy();
                }
                (brought, _) => return brought,
            }
        }
    }
}

/// An entry of what a kernel did on a device.
fn entry_of(gpu: &Gpu, kernel: String, digest: String, (fault, error): (Fault, String)) -> Entry {
    let (tier, plan) = (gpu.tier().name().to_owned(), gpu.tuning().driver.name.to_owned());
    Entry { kernel, digest, tier, plan, fault, error }
}
