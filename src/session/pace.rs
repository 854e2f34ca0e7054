//! Pacing: how much work one submit takes, how many tokens a chunk of a prompt has, and how many tokens are in flight.

use std::ops::Range;
use std::time::Duration;

use crate::kernel::Active;
use crate::model::budget::MAX_TOKENS_IN_FLIGHT;
use crate::plan::driver::Driver;
use crate::plan::{Plan, RunOutput};

/// Milliseconds that a submit should take. A phone draws its screen between submits, and should not wait more than 60
/// ms.
const SUBMIT_MS: f64 = 40.0;
/// Milliseconds that the longest dispatch of a chunk may take.
const DISPATCH_MS: f64 = 10.0;
/// Tokens of the first chunk of a prompt.
const FIRST_ROWS: usize = 32;

/// The measured speed of a session's device, and the sizes that follow from it.
#[derive(Clone, Debug)]
pub struct Pace {
    /// Multiply-accumulates per millisecond. It begins as a low guess.
    work_per_ms: f64,
    /// Tokens of the next chunk.
    rows: usize,
    most_rows: usize,
    /// Milliseconds per decoded token, once there was one.
    token_ms: Option<f64>,
}

impl Pace {
    /// The pace of a device that has computed nothing yet, by its driver. A chunk has at most `most_rows` tokens.
    pub fn new(driver: &Driver, most_rows: usize) -> Self {
        Self { work_per_ms: driver.work_per_ms, rows: FIRST_ROWS.min(most_rows), most_rows, token_ms: None }
    }

    /// Tokens of the next chunk.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Cuts the steps of a plan into submits, for a chunk of `rows` tokens. Gives the range of steps of each submit,
    /// and its work in multiply-accumulates. The next chunk becomes twice as long where its longest dispatch stays
    /// short enough.
    pub fn segments(&mut self, plan: &Plan, wanted: RunOutput, rows: usize) -> Vec<(Range<usize>, u64)> {
        let active = Active { rows, head_rows: 1 };
        let most = (self.work_per_ms * SUBMIT_MS) as u64;
        let (mut segments, mut first, mut sum, mut longest) = (Vec::new(), 0, 0, 0);
        for (i, step) in plan.steps.iter().enumerate() {
            let work = if wanted.runs(step.stage) { step.kernel.work(&step.params, active) } else { 0 };
            longest = longest.max(work);
            if sum > 0 && sum + work > most {
                segments.push((first..i, sum));
                (first, sum) = (i, 0);
            }
            sum += work;
        }
        segments.push((first..plan.steps.len(), sum));
        let doubled_ms = 2.0 * longest as f64 / self.work_per_ms;
        if rows == self.rows && doubled_ms <= DISPATCH_MS {
            self.rows = (2 * self.rows).min(self.most_rows);
        }
        segments
    }

    /// Notes how long a submit took: the speed becomes the mean of the old and the measured one.
    pub fn measured(&mut self, work: u64, time: Duration) {
        let ms = time.as_secs_f64() * 1e3;
        if work > 0 && ms > 0.01 {
            self.work_per_ms = (self.work_per_ms + work as f64 / ms) / 2.0;
        }
    }

    /// Notes how long a decoded token took: it counts a tenth.
    pub fn decoded(&mut self, time: Duration) {
        let ms = time.as_secs_f64() * 1e3;
        self.token_ms = Some(self.token_ms.map_or(ms, |before| 0.9 * before + 0.1 * ms));
    }

    /// Tokens to keep in flight. Two are enough to hide the host's own work; tokens of less than 10 ms need more.
    /// Tokens in flight when a reply ends are computed in vain.
    pub fn tokens_in_flight(&self) -> usize {
        if self.token_ms.is_some_and(|ms| ms < 10.0) { MAX_TOKENS_IN_FLIGHT } else { 2 }
    }
}
