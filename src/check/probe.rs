//! The probe: what a device can do for Llama 3.2, without a model. Its weights come from a counter, on the device itself.
//!
//! The report grows phase by phase, so that a probe that is cut short still tells what it saw.

mod device;
mod latency;
pub mod report;

use crate::backend::gpu::Gpu;
use crate::error::Result;
use report::{CopySpeed, Engine, Report};

/// What the caller knows of its surroundings, and wants.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The day, as `2026-11-30`.
    pub date: Option<String>,
    /// Operating system and processor.
    pub system: Option<String>,
    /// The browser, with its version.
    pub browser: Option<String>,
    /// Who makes the device, where the platform tells the caller and not this library.
    pub vendor: Option<String>,
}

/// A part of the probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Device, features, limits, latency, copies.
    Device,
}

impl Phase {
    /// Its name in reports of progress.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Device => "device",
        }
    }
}

/// Whom the probe tells how far it is: the phase, the share of it that is done, and the report so far.
pub type Progress<'a> = dyn FnMut(Phase, f64, &Report) + 'a;

/// The report that grows, and who is told.
struct Told<'a> {
    report: Report,
    progress: &'a mut Progress<'a>,
}

impl Told<'_> {
    /// Tells that a share of a phase is done.
    fn at(&mut self, phase: Phase, share: f64) {
        (self.progress)(phase, share.clamp(0.0, 1.0), &self.report);
    }
}

/// Probes a device.
///
/// # Errors
/// Where the device is lost. What it refuses, or computes wrongly, is in the report.
pub async fn run<'a>(gpu: &Gpu, settings: &Settings, progress: &'a mut Progress<'a>) -> Result<Report> {
    let facts = device::facts(gpu, settings).await?;
    let platform = if cfg!(target_arch = "wasm32") { "web" } else { "native" };
    let report = Report {
        format: Report::FORMAT,
        version: Report::VERSION,
        engine: Engine { version: env!("CARGO_PKG_VERSION"), commit: option_env!("LLAMITA_COMMIT"), platform },
        date: settings.date.clone(),
        device: facts.device,
        features: facts.features,
        limits: facts.limits,
        latency: None,
        copy: None,
        kernels: Vec::new(),
        speed: None,
        memory: None,
        sustained: None,
        quarantined: Vec::new(),
        verdict: None,
    };
    let mut told = Told { report, progress };
    told.at(Phase::Device, 0.0);
    told.report.latency = Some(latency::measure(gpu).await?);
    told.at(Phase::Device, 0.5);
    let copies = gpu.copy_speed().await?;
    told.report.copy = Some(CopySpeed { gb_per_second: copies.gb_per_second, buffer_bytes: copies.buffer_bytes });
    told.at(Phase::Device, 1.0);
    Ok(told.report)
}
