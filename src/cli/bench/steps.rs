//! `--steps`: where the time of a run goes.

use std::collections::BTreeMap;

use llamita::Model;
use llamita::internals::check::bench::{StepTime, Workload, step_times};
use serde::Serialize;

use crate::cli::failure::Failure;
use crate::cli::output;

/// A step, as JSON has it.
#[derive(Serialize)]
struct Line<'a> {
    kind: Workload,
    rows: usize,
    depth: usize,
    #[serde(flatten)]
    step: &'a StepTime,
    /// Of the sum of all steps.
    share: f64,
    clock: &'static str,
    model: &'a str,
}

/// Measures and prints the steps of a run over `rows` tokens.
pub async fn run(
    model: &Model,
    (kind, rows): (Workload, usize),
    depth: usize,
    repeat: u32,
    json: bool,
) -> Result<(), Failure> {
    let steps = step_times(model, rows, depth, repeat).await?;
    let total: f64 = steps.iter().map(|step| step.ms).sum();
    let share = |ms: f64| if total > 0.0 { ms / total } else { 0.0 };
    let clock = if model.device().has_clock() { "device" } else { "host" };
    if json {
        for step in &steps {
            let line = Line { kind, rows, depth, step, share: share(step.ms), clock, model: model.name() };
            output::print_json(&line)?;
        }
        return Ok(());
    }
    let mut kernels: BTreeMap<&str, (usize, f64)> = BTreeMap::new();
    for step in &steps {
        let (count, ms) = kernels.entry(&step.kernel).or_default();
        (*count, *ms) = (*count + 1, *ms + step.ms);
    }
    let mut kernels: Vec<_> = kernels.into_iter().collect();
    kernels.sort_by(|(_, (_, a)), (_, (_, b))| b.total_cmp(a));
    let label = steps.iter().map(|step| step.label.len()).max().unwrap_or(0);
    let kernel = steps.iter().map(|step| step.kernel.len()).max().unwrap_or(0);
    let name = kind.name();
    let mut lines = vec![format!("{name} of {rows} at depth {depth}, by the {clock}'s clock, ms and share")];
    lines.extend(steps.iter().map(|StepTime { step, label: name, kernel: variant, ms, .. }| {
        format!("{step:>4}  {name:<label$}  {variant:<kernel$}  {ms:>10.3}  {:>5.1} %", 100.0 * share(*ms))
    }));
    lines.push(String::new());
    lines.extend(kernels.iter().map(|(variant, (count, ms))| {
        let times = format!("{count} times");
        format!("      {times:<label$}  {variant:<kernel$}  {ms:>10.3}  {:>5.1} %", 100.0 * share(*ms))
    }));
    lines.push(format!("      {:<label$}  {:<kernel$}  {total:>10.3}", "all", ""));
    output::print(&lines.join("\n"))
}
