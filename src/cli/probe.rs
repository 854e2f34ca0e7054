//! `llamita probe`: what this device can do for Llama 3.2, without a model.

use std::path::PathBuf;

use clap::Args;
use indicatif::ProgressBar;
use llamita::chat::Date;
use llamita::internals::backend::gpu::Gpu;
use llamita::internals::check::probe::report::Report;
use llamita::internals::check::probe::{self, Phase, Settings};
use llamita::internals::drivers::DeviceOptions;
use llamita::{DeviceChoice, PlanChoice, Tier};

use super::args::{plan_parser, tier_parser};
use super::failure::Failure;
use super::output;

/// Steps of the progress bar.
const STEPS: u64 = 1000;

/// Probe what this device can do for Llama 3.2, without a model
///
/// Weights of Llama 3.2 1B's shape are made on the device. Nothing is downloaded, and nothing is sent.
#[derive(Args)]
#[command(after_help = "Examples:
  llamita probe
  llamita probe --output phone.json
  llamita probe --json --device llvmpipe --plan gpu")]
pub struct Probe {
    /// Device to probe: the best GPU (auto, gpu), or the one whose name contains NAME; `llamita devices` lists them
    #[arg(long, value_name = "auto|gpu|NAME", default_value = "auto", hide_default_value = true)]
    device: DeviceChoice,
    /// Shader features to use, instead of the best that the device has
    #[arg(long, value_parser = tier_parser())]
    tier: Option<Tier>,
    /// Plan to run: that of the driver at hand (auto), that of real GPUs, that of a driver that runs shaders on the CPU,
    /// or this driver's own of that kind (software)
    #[arg(long, value_parser = plan_parser(), default_value = "auto")]
    plan: PlanChoice,
    /// Prints one JSON object and nothing else
    #[arg(long)]
    json: bool,
    /// Saves the JSON object as it grows
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Probe {
    pub async fn run(self) -> Result<(), Failure> {
        let name = match &self.device {
            DeviceChoice::Cpu => {
                return Err(Failure::new(
                    "a probe measures a GPU, or a driver that stands for one: leave out --device cpu",
                ));
            }
            DeviceChoice::Named(name) => Some(name.as_str()),
            DeviceChoice::Auto | DeviceChoice::Gpu => None,
        };
        let options = DeviceOptions { tier: self.tier, plan: self.plan, limits: None };
        let gpu = Gpu::open(name, options).await?;
        let settings = Settings {
            date: Some(Date::now().day()),
            system: Some(format!("{} {}", std::env::consts::OS, std::env::consts::ARCH)),
            ..Settings::default()
        };
        let mut shown = Shown {
            bar: output::progress("probing", STEPS, "‰"),
            output: self.output.clone(),
            saved: String::new(),
            failed: None,
        };
        let mut progress = |phase: Phase, share: f64, report: &Report| shown.progress(phase, share, report);
        let report = probe::run(&gpu, &settings, &mut progress).await;
        shown.bar.finish_and_clear();
        if let Some(failure) = shown.failed {
            return Err(failure);
        }
        let report = report?;
        if self.json { output::print_json(&report) } else { output::print(&text(&report)) }
    }
}

/// The bar of a probe, and the file that grows with it.
struct Shown {
    bar: ProgressBar,
    output: Option<PathBuf>,
    /// What the file holds.
    saved: String,
    /// Why the file could not be written.
    failed: Option<Failure>,
}

impl Shown {
    fn progress(&mut self, phase: Phase, share: f64, report: &Report) {
        self.bar.set_message(phase.name());
        self.bar.set_position((share * STEPS as f64) as u64);
        let Some(file) = self.output.as_ref().filter(|_| self.failed.is_none()) else { return };
        let json = serde_json::to_string_pretty(report).expect("numbers and strings are JSON");
        if json != self.saved {
            if let Err(error) = std::fs::write(file, format!("{json}\n")) {
                self.failed = Some(Failure::new(format!("cannot write {}: {error}", file.display())));
            }
            self.saved = json;
        }
    }
}

/// The report for people.
fn text(report: &Report) -> String {
    let device = &report.device;
    let mut lines = vec![format!(
        "{}, {}, {}; plan {}, tier {}",
        device.name,
        device.backend,
        device.driver.as_deref().unwrap_or("driver unknown"),
        device.plan,
        device.tier
    )];
    let yes = |has: bool| if has { "yes" } else { "no" };
    let features = &report.features;
    let subgroups = match features.subgroup_sizes {
        None => "no".to_owned(),
        Some([low, high]) if low == high => format!("of {low}"),
        Some([low, high]) => format!("of {low} to {high}"),
    };
    lines.push(format!(
        "features   f16 {}, subgroups {subgroups}, dot products of bytes {}, timestamps {}",
        yes(features.shader_f16),
        yes(features.packed_dot),
        yes(features.timestamps)
    ));
    let limits = &report.limits;
    lines.push(format!(
        "limits     binding {}, buffer {}, workgroups of {} invocations with {}, {} storage buffers",
        output::bytes(limits.binding_bytes),
        output::bytes(limits.buffer_bytes),
        limits.workgroup_invocations,
        output::bytes(limits.workgroup_bytes.into()),
        limits.storage_buffers
    ));
    if let Some(latency) = &report.latency {
        lines.push(format!(
            "latency    submit {:.0} µs, dispatch {:.1} µs, readback {:.0} µs",
            latency.submit_us, latency.dispatch_us, latency.readback_us
        ));
    }
    if let Some(copy) = &report.copy {
        lines.push(format!(
            "copies     {} GB/s between buffers of {}",
            output::per_second(Some(copy.gb_per_second)),
            output::bytes(copy.buffer_bytes)
        ));
    }
    lines.join("\n")
}
