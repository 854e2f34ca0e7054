//! `--roofline`: what share of the device's own bandwidth each step of a token reaches.

use llamita::internals::backend::gpu::Copies;
use llamita::internals::check::bench::{Workload, step_times};
use llamita::internals::check::timing::{StepKind, per_second};
use llamita::{Device, Model};
use serde::Serialize;

use crate::cli::failure::Failure;
use crate::cli::output;

/// Steps of one place and kernel, as JSON has them.
#[derive(Serialize)]
struct Line<'a> {
    kind: Workload,
    rows: usize,
    depth: usize,
    label: &'a str,
    kernel: &'a str,
    /// Steps of a run.
    count: usize,
    /// All of them together.
    ms: f64,
    /// Bytes that they move at least, together.
    bytes: u64,
    /// Their multiply-accumulates.
    work: u64,
    gb_per_second: Option<f64>,
    /// Of what the device copies in a second, read and written.
    copy_share: Option<f64>,
    gmac_per_second: Option<f64>,
    copy_gb_per_second: f64,
    copy_buffer_bytes: u64,
    clock: &'static str,
    model: &'a str,
}

/// Measures what the device copies in a second, and says so.
pub async fn copies(model: &Model, json: bool) -> Result<Copies, Failure> {
    let Device::Gpu(gpu) = model.device() else {
        return Err(Failure::new(
            "--roofline compares with copies on a GPU, and this is the CPU without a driver: --steps",
        ));
    };
    let copies = gpu.copy_speed().await?;
    if !json {
        output::print(&format!(
            "copies: {:.2} GB/s read and written, from one buffer of {} to another, by the host's clock",
            copies.gb_per_second,
            output::bytes(copies.buffer_bytes)
        ))?;
    }
    Ok(copies)
}

/// Measures and prints a run over `rows` tokens.
pub async fn run(
    model: &Model,
    copies: Copies,
    (kind, rows): (Workload, usize),
    depth: usize,
    repeat: u32,
    json: bool,
) -> Result<(), Failure> {
    let kinds = StepKind::of(&step_times(model, rows, depth, repeat).await?);
    let total = StepKind::total(&kinds);
    let clock = if model.device().has_clock() { "device" } else { "host" };
    // Steps of a prefill keep their inputs in caches, and are compared by their multiply-accumulates.
    let bandwidth = |of: &StepKind| per_second(of.cost.bytes, of.ms).filter(|_| kind == Workload::Decode);
    let lines: Vec<Line> = kinds
        .iter()
        .chain([&total])
        .map(|of| Line {
            kind,
            rows,
            depth,
            label: &of.label,
            kernel: &of.kernel,
            count: of.count,
            ms: of.ms,
            bytes: of.cost.bytes,
            work: of.cost.work,
            gb_per_second: bandwidth(of),
            copy_share: bandwidth(of).map(|speed| speed / copies.gb_per_second),
            gmac_per_second: per_second(of.cost.work, of.ms),
            copy_gb_per_second: copies.gb_per_second,
            copy_buffer_bytes: copies.buffer_bytes,
            clock,
            model: model.name(),
        })
        .collect();
    if json {
        return lines.iter().try_for_each(output::print_json);
    }
    let width = |of: fn(&Line) -> usize| lines.iter().map(of).max().unwrap_or(0);
    let (label, kernel) = (width(|line| line.label.len()), width(|line| line.kernel.len()));
    output::print(&format!("{} of {rows} at depth {depth}, by the {clock}'s clock", kind.name()))?;
    output::print(&format!(
        "{:>5}  {:<label$}  {:<kernel$}  {:>10}  {:>8}  {:>9}  {:>8}",
        "steps", "", "kernel", "ms", "GB/s", "of copies", "GMAC/s"
    ))?;
    lines.iter().try_for_each(|line| {
        let Line { count, label: name, kernel: variant, ms, .. } = line;
        let share = line.copy_share.map_or_else(String::new, |share| format!("{:.1} %", 100.0 * share));
        let speed = line.gb_per_second.map_or_else(String::new, |speed| output::per_second(Some(speed)));
        let work = output::per_second(line.gmac_per_second);
        output::print(&format!(
            "{count:>5}  {name:<label$}  {variant:<kernel$}  {ms:>10.3}  {speed:>8}  {share:>9}  {work:>8}"
        ))
    })
}
