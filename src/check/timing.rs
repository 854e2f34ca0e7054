//! How long kernel cases take on a device, and the steps of a model by their place in it.

use crate::backend::gpu::Gpu;
use crate::backend::{Device, Upload};
use crate::cases::Case;
use crate::check::bench::{StepTime, median};
use crate::error::Result;
use crate::kernel::Cost;
use crate::plan::RunOutput;

/// Dispatches of a submit, each of which the device's own clock times.
const TIMED_AT_ONCE: usize = 16;

/// How long a dispatch takes.
#[derive(Clone, Copy, Debug)]
pub struct CaseTime {
    /// The least, in milliseconds.
    pub ms_min: f64,
    /// The median, in milliseconds.
    pub ms_median: f64,
    /// What a dispatch takes at least.
    pub cost: Cost,
}

impl CaseTime {
    /// Bytes per nanosecond of the median, which are GB/s; `None` where the clock saw no time pass.
    pub fn gb_per_second(&self) -> Option<f64> {
        per_second(self.cost.bytes, self.ms_median)
    }

    /// Multiply-accumulates per nanosecond of the median.
    pub fn gmac_per_second(&self) -> Option<f64> {
        per_second(self.cost.work, self.ms_median)
    }
}

/// Thousands of millions per second; `None` where no time passed.
pub fn per_second(count: u64, ms: f64) -> Option<f64> {
    (ms > 0.0).then(|| count as f64 / ms / 1e6)
}

impl Case {
    /// Times the case on a device, after a first dispatch that compiles: `repeat` times, or `repeat` times some
    /// dispatches where the device's own clock tells. What the case writes is written again each time.
    ///
    /// # Errors
    /// Where the device refuses the kernel, has no room, or is lost.
    pub async fn time(&self, gpu: &Gpu, repeat: u32) -> Result<CaseTime> {
        let times = if gpu.has_clock() { TIMED_AT_ONCE } else { 1 };
        let executor = self.executor(Upload::new(&Device::Gpu(gpu.clone())), times).await?;
        executor.step_times(0, RunOutput::Body, &self.uniforms).await?;
        let mut ms = Vec::new();
        for _ in 0..repeat.max(1) {
            let steps = executor.step_times(0, RunOutput::Body, &self.uniforms).await?;
            ms.extend(steps.iter().map(|(_, ms)| *ms));
        }
        let ms_median = median(&mut ms);
        Ok(CaseTime { ms_min: ms[0], ms_median, cost: self.kernel.cost(&self.params, &self.uniforms) })
    }
}

/// The steps of one place in the layers, or of one beside them, together.
#[derive(Clone, Debug)]
pub struct StepKind {
    /// The place: the label of the steps without their layer, such as `attn_qkv`.
    pub label: String,
    /// The kernel's label.
    pub kernel: String,
    /// Steps of a run.
    pub count: usize,
    /// All of them together, in milliseconds.
    pub ms: f64,
    /// What all of them take at least.
    pub cost: Cost,
}

impl StepKind {
    /// Steps by place and kernel, in the order of the run.
    pub fn of(steps: &[StepTime]) -> Vec<Self> {
        let mut kinds: Vec<Self> = Vec::new();
        for step in steps {
            let label = place(&step.label);
            let at = kinds.iter().position(|kind| kind.label == label && kind.kernel == step.kernel);
            let at = at.unwrap_or_else(|| {
                let (label, kernel) = (label.to_owned(), step.kernel.clone());
                kinds.push(Self { label, kernel, count: 0, ms: 0.0, cost: Cost::default() });
                kinds.len() - 1
            });
            let kind = &mut kinds[at];
            (kind.count, kind.ms) = (kind.count + 1, kind.ms + step.ms);
            kind.cost.bytes += step.bytes;
            kind.cost.work += step.work;
        }
        kinds
    }

    /// All of them together.
    pub fn total(kinds: &[Self]) -> Self {
        let sum = |of: fn(&Self) -> u64| kinds.iter().map(of).sum();
        Self {
            label: "all".to_owned(),
            kernel: String::new(),
            count: kinds.iter().map(|kind| kind.count).sum(),
            ms: kinds.iter().map(|kind| kind.ms).sum(),
            cost: Cost { bytes: sum(|kind| kind.cost.bytes), work: sum(|kind| kind.cost.work) },
        }
    }
}

/// A step's label without its layer.
fn place(label: &str) -> &str {
    let of_layer = label.strip_prefix("blk.").and_then(|rest| rest.split_once('.'));
    of_layer.map_or(label, |(_, place)| place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Stage;

    #[test]
    fn steps_are_counted_by_place_and_kernel() {
        let step = |label: &str, kernel: &str, ms| StepTime {
            step: 0,
            label: label.to_owned(),
            stage: Stage::Body,
            kernel: kernel.to_owned(),
            ms,
            bytes: 100,
            work: 7,
        };
        let steps = [
            step("embed", "embed", 1.0),
            step("blk.0.attn_qkv", "matvec/Q4_0", 2.0),
            step("blk.1.attn_qkv", "matvec/Q6_K", 3.0),
            step("blk.12.attn_qkv", "matvec/Q4_0", 4.0),
        ];
        let kinds = StepKind::of(&steps);
        let found: Vec<_> = kinds.iter().map(|kind| (kind.label.as_str(), kind.count, kind.ms, kind.cost)).collect();
        let cost = |n: u64| Cost { bytes: 100 * n, work: 7 * n };
        assert_eq!(found, [("embed", 1, 1.0, cost(1)), ("attn_qkv", 2, 6.0, cost(2)), ("attn_qkv", 1, 3.0, cost(1))]);
        assert_eq!(per_second(5_000_000, 2.0), Some(2.5));
        assert_eq!(per_second(1, 0.0), None);
    }
}
