//! `llamita probe`: what this device can do for Llama 3.2, without a model.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use indicatif::ProgressBar;
use llamita::chat::Date;
use llamita::internals::backend::gpu::Gpu;
use llamita::internals::check::journal::{FileJournal, Forgetful, Journal};
use llamita::internals::check::probe::memory::keep_ended;
use llamita::internals::check::probe::report::Report;
use llamita::internals::check::probe::{self, Phase, Settings};
use llamita::internals::drivers::DeviceOptions;
use llamita::internals::drivers::fault::MadeFault;
use llamita::{DeviceChoice, PlanChoice, Tier};

use super::args::{plan_parser, size, tier_parser};
use super::failure::Failure;
use super::quarantine::Kept;
use super::{cache, interrupt, memory, output};

/// Steps of a progress bar.
const STEPS: u64 = 100;

/// Probe what this device can do for Llama 3.2, without a model
///
/// Weights of Llama 3.2 1B's shape are made on the device. Every kernel of its plans is compared with its oracle and 20 runs
/// of it with each other; prompts and tokens are timed behind 0, 1024 and 4096 others; and memory is taken in steps until
/// there is as much as 3B takes. Nothing is downloaded, and nothing is sent.
#[derive(Args)]
#[command(after_help = "Examples:
  llamita probe
  llamita probe --output phone.json
  llamita probe --sustained
  llamita probe --json --device llvmpipe --plan gpu --memory 2G

It takes about a minute on a GPU. Where a driver runs shaders on the CPU, a note says how long it takes.

Where memory or time do not allow all 16 layers, fewer run, and the rates are those of 16: from the time of a layer and that of \
the rest. The GB/s of weights are the bytes that a decoded token reads of them, times its rate.

A refusal of memory is a result. Before each step of memory a marker is written to the folder for caches: a step that ends this \
program, or the system, is told of by the next probe, which stops before it. Exit code 1 if a kernel computes wrongly.")]
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
    /// Most layers to run [default: 16, or as many as memory and time allow]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=16), allow_negative_numbers = true)]
    layers: Option<u32>,
    /// Most bytes to take on the device, as 800000000, 512M or 2G; without it, what 3B with a context of 8192 tokens
    /// takes, and never what the system does not have
    #[arg(long, value_name = "SIZE", value_parser = size, allow_negative_numbers = true)]
    memory: Option<u64>,
    /// Watches the speed of decode for so many minutes too [default: 5]
    #[arg(
        long,
        value_name = "MINUTES",
        num_args = 0..=1,
        default_missing_value = "5",
        value_parser = clap::value_parser!(u32).range(1..=120),
        allow_negative_numbers = true
    )]
    sustained: Option<u32>,
    /// Prints one JSON object and nothing else
    #[arg(long)]
    json: bool,
    /// Saves the JSON object as it grows
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Runs a model of a few megabytes instead: for tests of this command
    #[arg(long, hide = true)]
    small: bool,
    /// Makes a kernel fail, to see what becomes of it: wrong, broken, lost or killed, =LABEL or =LABEL@TIER
    #[arg(long, value_name = "KIND=LABEL", hide = true)]
    fault: Option<MadeFault>,
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
        let options = DeviceOptions { tier: self.tier, plan: self.plan, fault: self.fault, ..DeviceOptions::default() };
        let gpu = Gpu::open(name, options).await?;
        let settings = Settings {
            date: Some(Date::now().day()),
            system: Some(format!("{} {}", std::env::consts::OS, std::env::consts::ARCH)),
            layers: self.layers.map(|layers| layers as usize),
            memory: self.memory,
            free: Some(memory::available),
            sustained: self.sustained.map(|minutes| Duration::from_secs(60 * u64::from(minutes))),
            small: self.small,
            quarantine: Kept::open().quarantine,
            ..Settings::default()
        };
        if let Some(minutes) = probe::expected_minutes(&gpu).filter(|_| !self.small) {
            let name = gpu.name();
            output::note(&format!("note: {name} runs shaders on the CPU: the probe takes about {minutes} minutes"));
        }
        let journal: Box<dyn Journal> = match cache::file("probe.json") {
            Some(path) => Box::new(FileJournal::open(&path)),
            None => Box::new(Forgetful),
        };
        let mut shown = Shown::new(self.output.clone());
        shown.write("")?;
        let mut progress = |phase: Phase, share: f64, report: &Report| shown.progress(phase, share, report);
        interrupt::keep();
        let report = interrupt::or_asked(probe::run(&gpu, &settings, journal.as_ref(), &mut progress)).await;
        interrupt::rest();
        if report.is_none() {
            keep_ended(journal.as_ref());
        }
        shown.bar.finish_and_clear();
        let report = report.ok_or(Failure::Cancelled)??;
        shown.save(&report);
        if let Some(failure) = shown.failed {
            return Err(failure);
        }
        if self.json { output::print_json(&report) } else { output::print(&text(&report)) }?;
        let wrong = report.kernels.iter().filter(|check| !check.passed).count();
        match wrong {
            0 => Ok(()),
            _ => {
                let all = report.kernels.len();
                Err(Failure::new(format!("{wrong} of {all} kernels compute wrongly on {}", report.device.name)))
            }
        }
    }
}

/// The bar of a probe, and the file that grows with it.
struct Shown {
    bar: ProgressBar,
    phase: Option<Phase>,
    output: Option<PathBuf>,
    /// What the file holds.
    saved: String,
    /// Why the file could not be written.
    failed: Option<Failure>,
}

impl Shown {
    fn new(output: Option<PathBuf>) -> Self {
        Self { bar: ProgressBar::hidden(), phase: None, output, saved: String::new(), failed: None }
    }

    /// Shows how far a phase is, each with a bar of its own.
    fn progress(&mut self, phase: Phase, share: f64, report: &Report) {
        if self.phase != Some(phase) {
            self.bar.finish_and_clear();
            self.bar = output::progress(phase.name(), STEPS, "%");
            self.phase = Some(phase);
        }
        self.bar.set_position((share * STEPS as f64) as u64);
        self.save(report);
    }

    /// Writes the file, where there is one and the report has grown.
    fn save(&mut self, report: &Report) {
        if self.output.is_none() || self.failed.is_some() {
            return;
        }
        let json = serde_json::to_string_pretty(report).expect("numbers and strings are JSON") + "\n";
        if json != self.saved {
            self.failed = self.write(&json).err();
            self.saved = json;
        }
    }

    /// Writes the file, where there is one.
    fn write(&self, text: &str) -> Result<(), Failure> {
        let Some(file) = &self.output else { return Ok(()) };
        std::fs::write(file, text).map_err(|error| Failure::new(format!("cannot write {}: {error}", file.display())))
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
    lines.extend(results(report));
    lines.join("\n")
}

/// What was measured beside the device itself, and the verdict.
fn results(report: &Report) -> Vec<String> {
    let mut lines = Vec::new();
    let passed = report.kernels.iter().filter(|check| check.passed).count();
    if !report.kernels.is_empty() {
        lines.push(format!(
            "kernels    {passed} of {} as their oracles, and the same in every run",
            report.kernels.len()
        ));
    }
    for check in report.kernels.iter().filter(|check| !check.passed) {
        let fault = check.fault.as_deref().unwrap_or_default();
        lines.push(format!("           wrong: {} ({}): {fault}", check.kernel, check.place));
    }
    if let Some(speed) = &report.speed {
        if speed.layers < speed.of_layers {
            lines.push(format!("speed      of {} layers, by runs of {}", speed.of_layers, speed.layers));
        }
        lines.extend(speed.runs.iter().map(|run| {
            let share = run.share_of_copy.map_or(String::new(), |share| format!(", {:.0} % of copies", 100.0 * share));
            format!(
                "depth {:<4} prefill {:.1} tokens/s, decode {:.1} tokens/s; weights {} GB/s{share}",
                run.depth,
                run.prefill_tokens_per_second,
                run.decode_tokens_per_second,
                output::per_second(Some(run.weight_gb_per_second)),
            )
        }));
    }
    if let Some(memory) = &report.memory {
        let last = memory.steps.last().and_then(|step| step.reason.as_deref());
        let why = last.map_or(String::new(), |reason| format!(": {reason}"));
        lines.push(format!("memory     {} granted{why}", output::bytes(memory.most_bytes)));
    }
    if let Some(sustained) = &report.sustained {
        let rates = sustained.tokens_per_second.iter().map(|rate| format!("{rate:.1}")).collect::<Vec<_>>();
        lines.push(format!("sustained  {} tokens/s, of 10 s each", rates.join(" ")));
    }
    lines.extend(report.verdict.as_ref().map(|verdict| verdict.text.clone()));
    lines
}
