//! `--plan` and `--wgsl`: the dispatches of a run, and the shaders behind them.

use std::collections::BTreeMap;

use llamita::internals::kernel::Active;
use llamita::internals::plan::{Plan, Stage};
use serde::Serialize;

use super::Sized;
use crate::cli::failure::Failure;
use crate::cli::output;

/// The dispatches of a run over `rows` tokens.
#[derive(Serialize)]
pub struct Report {
    rows: usize,
    steps: Vec<StepReport>,
    bytes: u64,
    work: u64,
}

#[derive(Serialize)]
struct StepReport {
    step: usize,
    label: String,
    /// The stage: body, head, greedy or draw.
    stage: &'static str,
    kernel: String,
    grid: [u32; 2],
    #[serde(rename = "lanes")]
    invocations: u32,
    /// Bytes that the kernel's binding table counts; of a KV cache, one position.
    bytes: u64,
    /// Multiply-accumulates.
    work: u64,
}

impl Report {
    pub fn new(sized: &Sized, rows: usize) -> Result<Self, Failure> {
        let [decode, prefill] = sized.plans();
        let most = prefill.rows;
        if rows == 0 || rows > most {
            return Err(Failure::new(format!("--rows {rows} is invalid: a run takes 1 to {most} tokens")));
        }
        let plan = if rows == 1 { decode } else { prefill };
        let steps: Vec<StepReport> = (0..plan.steps.len()).filter_map(|i| StepReport::new(&plan, i, rows)).collect();
        Ok(Self {
            rows,
            bytes: steps.iter().map(|step| step.bytes).sum(),
            work: steps.iter().map(|step| step.work).sum(),
            steps,
        })
    }

    pub fn text(&self) -> String {
        let width = |of: fn(&StepReport) -> usize| self.steps.iter().map(of).max().unwrap_or(0);
        let (label, kernel) = (width(|step| step.label.len()), width(|step| step.kernel.len()));
        let mut lines: Vec<String> = self.steps.iter().map(|step| step.text(label, kernel)).collect();
        let (count, bytes) = (self.steps.len(), output::bytes(self.bytes));
        let greedy = self.steps.iter().filter(|step| step.stage != Stage::Sample.name()).count();
        lines.push(format!(
            "{} rows, {count} dispatches, {greedy} in a run, which takes one of the two samplers; {bytes} bound, {} \
             multiply-accumulates",
            self.rows, self.work
        ));
        lines.join("\n")
    }
}

impl StepReport {
    /// The report of a step, or `None` where a run over `rows` tokens does nothing in it.
    fn new(plan: &Plan, index: usize, rows: usize) -> Option<Self> {
        let step = &plan.steps[index];
        let active = Active { rows, head_rows: 1 };
        let grid = step.kernel.grid(&step.params, active);
        (!grid.contains(&0)).then(|| Self {
            step: index,
            label: step.label.clone(),
            stage: step.stage.name(),
            kernel: step.kernel.label(),
            grid,
            invocations: step.kernel.invocations(),
            bytes: step.kernel.args(&step.params).iter().map(|arg| arg.words as u64 * 4).sum(),
            work: step.kernel.work(&step.params, active),
        })
    }

    fn text(&self, label: usize, kernel: usize) -> String {
        let Self { step, stage, grid: [x, y], invocations, bytes, work, .. } = self;
        let grid = format!("{x} x {y} x {invocations}");
        let (name, variant) = (&self.label, &self.kernel);
        format!("{step:>4}  {name:<label$}  {stage:<6}  {variant:<kernel$}  {grid:>16}  {bytes:>11}  {work:>12}")
    }
}

/// The composed WGSL of the one kernel that a name or a part of a name fits.
pub fn wgsl(sized: &Sized, name: &str) -> Result<String, Failure> {
    let plans = sized.plans();
    let kernels = plans.iter().flat_map(|plan| &plan.steps).map(|step| &step.kernel);
    let all: BTreeMap<String, String> = kernels.map(|kernel| (kernel.label(), kernel.source().compose())).collect();
    if let Some(text) = all.get(name) {
        return Ok(text.trim_end().to_owned());
    }
    let found: Vec<(&String, &String)> = all.iter().filter(|(label, _)| label.contains(name)).collect();
    let listed = |labels: Vec<&String>| labels.into_iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    match found[..] {
        [(_, text)] => Ok(text.trim_end().to_owned()),
        [] => {
            let labels = listed(all.keys().collect());
            Err(Failure::new(format!("--wgsl {name:?} is no kernel of these plans; there are {labels}")))
        }
        _ => {
            let labels = listed(found.into_iter().map(|(label, _)| label).collect());
            Err(Failure::new(format!("--wgsl {name:?} fits several kernels: {labels}")))
        }
    }
}
