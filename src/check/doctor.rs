//! The doctor: tries the kernels of a device's plans against their oracles, and puts those that fail into quarantine.

use serde::{Deserialize, Serialize};

use crate::backend::gpu::Gpu;
use crate::cases::Case;
use crate::drivers::DeviceOptions;
use crate::error::{Error, Result};
use crate::kernel::Kernel;
use crate::quarantine::{DeviceId, Entry, Fault, Quarantine, text_digest, variant_digest};

use super::journal::{self, Journal};
use super::kernels::{OfVariant, small};

/// A kernel on trial, which is the marker in the journal meanwhile.
#[derive(Serialize, Deserialize)]
pub struct Suspect {
    device: DeviceId,
    entry: Entry,
}

impl Suspect {
    /// A kernel that a device is about to run.
    pub fn new(gpu: &Gpu, kernel: &dyn Kernel, digest: String) -> Self {
        let (tier, plan) = (gpu.tier().name().to_owned(), gpu.tuning().driver.name.to_owned());
        let error = "the program or the device ended while it was checked".to_owned();
        let entry = Entry { kernel: kernel.label(), digest, tier, plan, fault: Fault::LostTheDevice, error };
        Self { device: gpu.id(), entry }
    }

    /// The same of one text of a kernel.
    pub fn text(gpu: &Gpu, kernel: &dyn Kernel) -> Self {
        Self::new(gpu, kernel, text_digest(kernel))
    }

    /// The same of all texts of a kernel that differ in sizes alone.
    pub fn variant(gpu: &Gpu, kernel: &dyn Kernel) -> Self {
        Self::new(gpu, kernel, variant_digest(kernel))
    }

    /// Runs a check of the kernel with a marker in the journal, and puts the kernel into quarantine where it fails: where
    /// the answer is a fault in words, and on errors that are the kernel's.
    ///
    /// # Errors
    /// Those of the check that are not the kernel's.
    pub async fn tried(
        self,
        journal: &dyn Journal,
        quarantine: &mut Quarantine,
        check: impl Future<Output = Result<Option<String>>>,
    ) -> Result<Trial> {
        let marked = journal::marked(journal, &serde_json::to_string(&self).expect("strings are JSON"));
        let outcome = check.await;
        drop(marked);
        let (fault, error) = match outcome {
            Ok(None) => return Ok(Trial::Passed),
            Ok(Some(error)) => (Fault::Wrong, error),
            Err(Error::Kernel { reason, .. }) => (Fault::DoesNotCompile, reason),
            Err(Error::DeviceLost(error)) => (Fault::LostTheDevice, error),
            Err(error) => return Err(error),
        };
        let entry = Entry { fault, error, ..self.entry };
        quarantine.note(&self.device, entry.clone());
        Ok(Trial::Failed(entry))
    }
}

/// How a trial came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trial {
    /// Its results are right.
    Passed,
    /// It is in quarantine now.
    Failed(Entry),
}

/// Puts the kernel of a marker that an earlier run left into quarantine, and gives its entry; none where there is no
/// marker. One that cannot be read is ignored with a line in the log. The journal is empty afterwards.
pub fn take_marker(journal: &dyn Journal, quarantine: &mut Quarantine) -> Option<Entry> {
    let marker = journal.found()?;
    let entry = note_marker(marker, quarantine);
    journal.end();
    entry
}

/// The same of a marker by itself.
pub fn note_marker(marker: &str, quarantine: &mut Quarantine) -> Option<Entry> {
    match serde_json::from_str::<Suspect>(marker) {
        Ok(Suspect { device, entry }) => {
            quarantine.note(&device, entry.clone());
            Some(entry)
        }
        Err(error) => {
            log::warn!("a marker of an earlier run is ignored: {error}");
            None
        }
    }
}

/// What the doctor found of a plan in a tier.
#[derive(Clone, Debug, Serialize)]
pub struct Checked {
    /// The plan.
    pub plan: &'static str,
    /// The tier.
    pub tier: &'static str,
    /// Whether every kernel is right, so that any model runs.
    pub works: bool,
    /// Variants of kernels that were checked now.
    pub kernels: usize,
    /// Cases that were run.
    pub cases: usize,
    /// Its kernels in quarantine, from before and from now.
    pub quarantined: Vec<Entry>,
}

/// What the doctor found of a device.
#[derive(Clone, Debug, Serialize)]
pub struct Diagnosis {
    /// The adapter and its driver.
    #[serde(flatten)]
    pub device: DeviceId,
    /// Whether a plan works.
    pub works: bool,
    /// The plans and tiers in the order in which models take them, up to the first that works.
    pub plans: Vec<Checked>,
}

/// How far the check of a plan in a tier has come.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Step {
    /// The plan.
    pub plan: &'static str,
    /// The tier.
    pub tier: &'static str,
    /// Kernels that were checked.
    pub done: usize,
    /// All that it has.
    pub kernels: usize,
}

/// Is told before each kernel, and after the last.
pub type Progress<'a> = &'a mut dyn FnMut(Step);

/// Checks what a device can run of what the options leave open, up to the first plan and tier that works: the kernels
/// whose labels contain `only`. Kernels in quarantine are not tried again. `keep` is called whenever the quarantine has a
/// new entry, and waited for.
///
/// # Errors
/// Where no such device can be opened, or it is lost and does not come back.
pub async fn examine(
    name: Option<&str>,
    (asked, only): (DeviceOptions, &str),
    journal: &dyn Journal,
    (quarantine, keep): (&mut Quarantine, &mut impl AsyncFnMut(&Quarantine)),
    progress: Progress<'_>,
) -> Result<Diagnosis> {
    let mut gpu = Gpu::open(name, asked).await?;
    let device = gpu.id();
    let mut plans: Vec<Checked> = Vec::new();
    for candidate in asked.candidates(gpu.driver(), gpu.best_tier()) {
        if candidate.tier != Some(gpu.tier()) || candidate.plan != gpu.options().plan || gpu.is_lost() {
            gpu = gpu.reopen_with(candidate).await?;
        }
        let checked = check(&mut gpu, only, journal, (&mut *quarantine, &mut *keep), &mut *progress).await?;
        let works = checked.works;
        plans.push(checked);
        if works {
            break;
        }
    }
    if plans.iter().all(|checked| checked.kernels == 0 && checked.quarantined.is_empty()) {
        let value = format!("{only:?}");
        return Err(Error::Setting { name: "only", value, expected: "a part of a kernel's name (no kernel has it)" });
    }
    Ok(Diagnosis { device, works: plans.iter().any(|checked| checked.works), plans })
}

/// Checks the plan of a device that is open.
async fn check(
    gpu: &mut Gpu,
    only: &str,
    journal: &dyn Journal,
    (quarantine, keep): (&mut Quarantine, &mut impl AsyncFnMut(&Quarantine)),
    progress: Progress<'_>,
) -> Result<Checked> {
    let (plan, tier) = (gpu.tuning().driver.name, gpu.tier().name());
    let mut variants = small(&gpu.tuning());
    variants.retain(|variant| variant.cases.iter().any(|case| case.kernel.label().contains(only)));
    let all = variants.len();
    let mut checked = Checked { plan, tier, works: true, kernels: 0, cases: 0, quarantined: Vec::new() };
    for (done, OfVariant { cases, .. }) in variants.into_iter().enumerate() {
        progress(Step { plan, tier, done, kernels: all });
        let Some(kernel) = cases.first().map(|case| case.kernel.clone()) else { continue };
        if let Some(entry) = quarantine.entry(&gpu.id(), kernel.as_ref()) {
            checked.quarantined.push(entry.clone());
            continue;
        }
        checked.kernels += 1;
        checked.cases += cases.len();
        let suspect = Suspect::variant(gpu, kernel.as_ref());
        if let Trial::Failed(entry) = suspect.tried(journal, quarantine, first_fault(&cases, gpu)).await? {
            keep(quarantine).await;
            let lost = entry.fault == Fault::LostTheDevice;
            checked.quarantined.push(entry);
            if lost {
                *gpu = gpu.reopen().await?;
            }
        }
    }
    progress(Step { plan, tier, done: all, kernels: all });
    checked.works = checked.quarantined.is_empty();
    Ok(checked)
}

/// The first case that fails, with its fault.
async fn first_fault(cases: &[Case], gpu: &Gpu) -> Result<Option<String>> {
    for case in cases {
        let report = case.check(gpu).await?;
        if !report.passed {
            return Ok(Some(format!("{}: {}", report.name, report.fault)));
        }
    }
    Ok(None)
}
