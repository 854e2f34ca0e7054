//! `cargo xtask model`: what the counts of a phone's compiler and the figures of its chip make of prefill and decode.
//!
//! Nothing is fitted. docs/shaders.md has the formulas and where each constant is from.

mod devices;
mod published;

use std::{collections::BTreeMap, fs, path::PathBuf, process::Command};

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use crate::{
    shaders::{
        self, Entry,
        counts::Count,
        gpus::{self, Family, Gpu},
        manifest::{Manifest, Run, Step},
        mesa,
    },
    shell,
};
use devices::Device;

/// The share of its peak at which a core issues instructions: half of it goes to dependences and conflicts.
const ISSUE: f64 = 0.5;
/// The share of nominal bandwidth that a copy reaches: 30 of 34.1 GB/s on an Adreno 640 (chipsandcheese.com).
const COPY: f64 = 0.88;
/// Seconds from a request to its data, from memory of a phone: assumed.
const LATENCY: f64 = 640e-9;
/// Seconds between two dispatches that depend on each other: assumed, of 5 to 20 microseconds.
const BUBBLE: f64 = 10e-6;
/// The phones whose predictions are kept.
const KEPT: [&str; 5] = ["adreno-640", "adreno-740", "adreno-840", "apple-a17-pro", "mali-g720"];
/// The GPU whose listing is read where that of another is not.
const LISTED: &str = "a740";

#[derive(Args)]
pub struct Options {
    /// The phone, by its GPU; a name that is none lists them
    #[arg(long, value_name = "NAME", required_unless_present = "write")]
    device: Option<String>,
    /// Formats that products read
    #[arg(long, value_enum, default_value_t = Activations::F32)]
    activations: Activations,
    /// Keys that decode attends to
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..=8192))]
    context: u32,
    /// llama.cpp's Vulkan shaders through the same compiler and the same model, beside the speed that is published of them:
    /// the source package llama_cpp_python-….tar.gz, the folder it was unpacked to, or llama.cpp's own folder
    #[arg(long, value_name = "PATH")]
    rival: Option<PathBuf>,
    /// Prints one JSON object
    #[arg(long)]
    json: bool,
    /// Writes the predictions of five phones, with the date, to docs/devices/predictions.json
    #[arg(long, conflicts_with_all = ["device", "rival", "json"])]
    write: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Activations {
    F32,
    Int8,
}

/// What a dispatch waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bound {
    /// Instructions to be issued.
    Issue,
    /// Bytes of memory at its bandwidth.
    Bandwidth,
    /// Bytes of memory, of which too few are asked for at once.
    Latency,
    /// The dispatch before it.
    Bubble,
}

impl Bound {
    const fn name(self) -> &'static str {
        match self {
            Self::Issue => "issue",
            Self::Bandwidth => "bandwidth",
            Self::Latency => "latency",
            Self::Bubble => "bubble",
        }
    }
}

/// The time of a dispatch, in seconds.
#[derive(Clone, Copy, Debug)]
struct Time {
    seconds: f64,
    bound: Bound,
}

/// What a dispatch is to the model.
#[derive(Clone, Copy, Debug)]
struct Work {
    /// Workgroups.
    groups: f64,
    /// Invocations that issue, with those of a wave that have nothing to do, in a workgroup.
    lanes: f64,
    /// Instructions that each issues.
    issued: f64,
    /// Invocations that a core holds at most.
    resident: f64,
    /// Bytes of memory that are read.
    bytes: f64,
    /// Bytes that an invocation asks for before it waits; 0 where nothing is streamed.
    asked: f64,
}

impl Device {
    fn time(&self, work: &Work) -> Time {
        let cores = f64::from(self.cores);
        // A core works on its workgroups one after the other, or interleaved: the time is the same.
        let busiest = (work.groups / cores).ceil();
        let rate = self.tflops * 1e12 / 2.0 / cores;
        let issue = busiest * work.lanes * work.issued / (rate * ISSUE);
        let (mut memory, mut bound) = (work.bytes / (self.bandwidth * 1e9 * COPY), Bound::Bandwidth);
        if work.asked > 0.0 {
            // Little's law: bytes on their way are bandwidth times latency.
            let busy = work.groups.min(cores);
            let on_the_way = work.asked * work.resident.min(busiest * work.lanes) * busy;
            let covered = work.bytes * LATENCY / on_the_way;
            if covered > memory {
                (memory, bound) = (covered, Bound::Latency);
            }
        }
        let (longest, bound) = if issue > memory { (issue, Bound::Issue) } else { (memory, bound) };
        Time { seconds: longest + BUBBLE, bound: if BUBBLE > longest { Bound::Bubble } else { bound } }
    }
}

/// Invocations that a core holds at most.
fn resident(family: Family, count: &Count) -> f64 {
    match family {
        Family::Adreno => count.resident as f64 * f64::from(count.lanes.max(1)),
        // Half or all of 2048 invocations.
        Family::Mali => count.resident.max(1) as f64 * 1024.0,
        Family::Apple | Family::PowerVr => count.resident.max(1) as f64,
    }
}

/// Instructions that an invocation issues. Where the compiler's listing is not read, it issues as many times the shader's
/// instructions as on the GPU whose listing is, for as much work.
fn issued(count: &Count, listed: &Count) -> f64 {
    let work = if count.macs > 0.0 && listed.macs > 0.0 { count.macs / listed.macs } else { 1.0 };
    let turns = listed.issued.map_or(1.0, |issued| issued as f64 / listed.instructions.max(1) as f64);
    count.issued.map_or(count.instructions as f64 * turns * work, |issued| issued as f64)
}

/// The dispatch as the model sees it.
fn work(device: &Device, gpu: &Gpu, run: &Run, step: &Step, count: &Count, listed: &Count) -> Work {
    let lanes = count.lanes.max(1);
    let waves = count.invocations.div_ceil(lanes);
    let [x, y] = step.grid.map(f64::from);
    Work {
        groups: x * y,
        lanes: f64::from(waves * lanes),
        issued: issued(count, listed),
        resident: resident(gpu.family, count),
        bytes: bytes(device, run, step),
        asked: count.asked.or(listed.asked).unwrap_or(0) as f64,
    }
}

/// Bytes that a dispatch reads from memory, coalesced: packed weights, again for every tile of tokens where they do not
/// fit the last cache; keys and values of all positions. Activations stay in caches.
fn bytes(device: &Device, run: &Run, step: &Step) -> f64 {
    let attended = run.attended();
    let read = |binding: &shaders::manifest::Binding| {
        let bytes = binding.bytes as f64;
        match &*binding.owner {
            _ if !binding.streamed() => 0.0,
            "weight" if bytes > device.cache_mb * 1e6 => bytes * f64::from(step.grid[1]),
            "weight" => bytes,
            _ => bytes * attended,
        }
    };
    step.bindings.iter().map(read).sum()
}

/// A line of the report: dispatches that do the same.
struct Line {
    role: String,
    label: String,
    count: u32,
    time: Time,
}

/// Prefill or decode of a model.
struct Prediction {
    model: String,
    rows: u32,
    lines: Vec<Line>,
}

impl Prediction {
    fn seconds(&self) -> f64 {
        self.lines.iter().map(|line| f64::from(line.count) * line.time.seconds).sum()
    }

    fn tokens_per_second(&self) -> f64 {
        f64::from(self.rows) / self.seconds()
    }

    fn name(&self) -> String {
        if self.rows == 1 { "decode".into() } else { format!("prefill {}", self.rows) }
    }

    fn text(&self) -> String {
        let width = self.lines.iter().map(|line| line.role.len()).max().unwrap_or(0);
        let total = |line: &Line| f64::from(line.count) * line.time.seconds;
        let rank = |line: &Line| 1 + self.lines.iter().filter(|other| total(other) > total(line)).count();
        let mut text = format!(
            "{} {}: {:.1} tokens/s, {:.2} ms\n",
            self.model,
            self.name(),
            self.tokens_per_second(),
            self.seconds() * 1e3
        );
        for line in &self.lines {
            let Line { role, label, count, time } = line;
            let (ms, rank) = (total(line) * 1e3, rank(line));
            text += &format!(
                "  {rank:>2}. {role:<width$}  {count:>3} x  {ms:>8.3} ms  {:<9}  {label}\n",
                time.bound.name()
            );
        }
        text
    }

    /// Milliseconds by what bounds them.
    fn bounds(&self) -> BTreeMap<&'static str, f64> {
        let mut sums = BTreeMap::new();
        for line in &self.lines {
            *sums.entry(line.time.bound.name()).or_default() += f64::from(line.count) * line.time.seconds * 1e3;
        }
        sums
    }
}

/// The predictions for a device: of Llama 3.2 1B and 3B in Q4_0, prefill and decode.
fn predict(device: &Device, activations: Activations, context: u32) -> Result<(String, Vec<Prediction>)> {
    let gpu = gpus::of(device.compiler)?;
    let mut gpus = vec![gpu];
    if gpu.family != Family::Adreno {
        gpus.push(gpus::of(LISTED)?);
    }
    let compilers = mesa::for_gpus(&gpus)?;
    let manifest = Manifest::here(Some(context))?;
    let name = match activations {
        Activations::F32 => "f32",
        Activations::Int8 => "int8",
    };
    let mut predictions = Vec::new();
    let wanted = |run: &&Run| run.model.ends_with("q4_0") && run.activations == name && run.tier == "base";
    for run in manifest.runs.iter().filter(wanted) {
        // One of the two samplers runs; the greedy one is counted.
        let steps = run.steps.iter().filter(|step| step.stage != "draw");
        let kernel = |step: &Step| manifest.kernel(&step.kernel).context("a step without its kernel");
        let entries = steps.map(|step| Ok(Entry { kernel: kernel(step)?, run, step })).collect::<Result<Vec<_>>>()?;
        let counts = shaders::count(&manifest, &entries, &gpus, &compilers)?;
        let lines = entries.iter().enumerate().map(|(i, entry)| {
            let (count, listed) = (&counts[0][i], &counts[counts.len() - 1][i]);
            let work = work(device, gpu, run, entry.step, count, listed);
            let time = device.time(&work);
            Line { role: entry.step.role.clone(), label: entry.kernel.label.clone(), count: entry.step.count, time }
        });
        predictions.push(Prediction { model: run.model.clone(), rows: run.rows, lines: lines.collect() });
    }
    let version = compilers.iter().flatten().next().context("no compiler")?.version.clone();
    Ok((version, predictions))
}

/// Prints the predictions for a device, or writes those of five.
pub fn run(options: &Options) -> Result<()> {
    let Some(name) = &options.device else { return write(options) };
    let device = devices::of(name)?;
    let (mesa, predictions) = predict(device, options.activations, options.context)?;
    if options.json {
        println!("{}", report(device, options, &mesa, &predictions));
        return Ok(());
    }
    println!("{}: {}", device.name, device.title);
    let stand_in = device.stand_in.map_or(String::new(), |why| format!(", which stands in: {why}"));
    println!("counts of Mesa {mesa} for {}{stand_in}", gpus::of(device.compiler)?.title);
    let Device { cores, tflops, bandwidth, cache_mb, source, .. } = device;
    println!("{cores} cores, {tflops} TFLOPS, {bandwidth} GB/s, last cache {cache_mb} MB: {source}\n");
    predictions.iter().for_each(|prediction| println!("{}", prediction.text()));
    println!("{}", published::errors(device, options.rival.as_deref())?);
    Ok(())
}

fn write(options: &Options) -> Result<()> {
    let date = shell::output(Command::new("date").args(["-u", "+%F"]))?;
    let of = |name| {
        let device = devices::of(name)?;
        let (mesa, predictions) = predict(device, options.activations, options.context)?;
        Ok(report(device, options, &mesa, &predictions))
    };
    let phones = KEPT.into_iter().map(of).collect::<Result<Vec<_>>>()?;
    let all = json!({ "date": date.trim(), "version": env!("CARGO_PKG_VERSION"), "phones": phones });
    let file = shell::root().join("docs/devices/predictions.json");
    fs::create_dir_all(file.parent().expect("a folder"))?;
    fs::write(&file, serde_json::to_string_pretty(&all)? + "\n").with_context(|| file.display().to_string())?;
    println!("{}", file.display());
    Ok(())
}

fn report(device: &Device, options: &Options, mesa: &str, predictions: &[Prediction]) -> Value {
    let of = |prediction: &Prediction| {
        json!({
            "model": prediction.model, "run": prediction.name(),
            "tokens_per_second": (prediction.tokens_per_second() * 10.0).round() / 10.0,
            "ms_by_bound": prediction.bounds().into_iter().map(|(name, ms)| (name, (ms * 100.0).round() / 100.0)).collect::<BTreeMap<_, _>>(),
        })
    };
    json!({
        "device": device.name, "title": device.title, "compiler": device.compiler, "mesa": mesa,
        "activations": format!("{:?}", options.activations).to_lowercase(), "context": options.context,
        "predictions": predictions.iter().map(of).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Four cores of 100 G instructions a second at half their peak, and 88 GB/s.
    const DEVICE: Device = Device {
        name: "test",
        title: "",
        compiler: "a740",
        stand_in: None,
        cores: 4,
        tflops: 1.6,
        bandwidth: 100.0,
        cache_mb: 1.0,
        source: "",
    };
    const WORK: Work = Work { groups: 400.0, lanes: 64.0, issued: 1000.0, resident: 512.0, bytes: 0.0, asked: 0.0 };

    fn time(work: Work) -> (f64, Bound) {
        let time = DEVICE.time(&work);
        (((time.seconds - BUBBLE) * 1e9).round(), time.bound)
    }

    #[test]
    fn the_larger_of_issue_and_memory_counts() {
        // 100 workgroups of 64,000 instructions on each core.
        assert_eq!(time(WORK), (64_000.0, Bound::Issue));
        assert_eq!(time(Work { bytes: 8.8e6, ..WORK }), (100_000.0, Bound::Bandwidth));
        // 32 bytes of 512 invocations on 4 cores are on their way at a time: 65,536 in 640 ns.
        assert_eq!(time(Work { bytes: 8.8e6, asked: 16.0, ..WORK }).1, Bound::Latency);
        assert_eq!(time(Work { bytes: 8.8e6, asked: 16.0, ..WORK }).0, (8.8e6f64 * 640.0 / 32_768.0).round());
        assert_eq!(time(Work { bytes: 8.8e6, asked: 64.0, ..WORK }), (100_000.0, Bound::Bandwidth));
    }

    #[test]
    fn few_workgroups_leave_cores_idle() {
        let one = time(Work { groups: 1.0, ..WORK });
        assert_eq!(one, time(Work { groups: 4.0, ..WORK }));
        assert_eq!(one, (640.0, Bound::Bubble));
        let few = time(Work { groups: 1.0, bytes: 1e6, asked: 16.0, ..WORK });
        assert_eq!(few, (1e6f64 * 640.0 / (16.0 * 64.0), Bound::Latency));
    }
}
