//! Speed, measured alike on every platform.

use std::sync::atomic::Ordering;

use serde::Serialize;

use crate::backend::Device;
use crate::error::Result;
use crate::kernel::Cost;
use crate::model::Model;
use crate::plan::llama::names;
use crate::plan::{RunOutput, Stage};
use crate::session::run::{Plans, Run};
use crate::session::sampling::Sampling;
use crate::session::{Reply, Session, Stats};

/// Seed of the random ids.
const SEED: u64 = 1;

/// The work of a measured run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Workload {
    /// A prompt, up to the first generated token.
    Prefill,
    /// Generated tokens after the first one.
    Decode,
}

impl Workload {
    /// Its name in reports: `prefill` or `decode`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Prefill => "prefill",
            Self::Decode => "decode",
        }
    }
}

/// The time and the dispatches of one run of a workload.
pub struct Measurement {
    /// Tokens and milliseconds.
    pub stats: Stats,
    /// Dispatches on the device; `None` on the CPU, which counts none.
    pub dispatches: Option<u64>,
}

/// Runs a workload of `tokens` tokens once, in a session that keeps its first `depth` ids. The prompt begins at
/// `ids[depth]`: it has `tokens` ids for a prefill, and one for a decode.
///
/// # Errors
/// Those of a reply: an id outside the vocabulary, a full context, a device that is lost or has no room.
pub async fn run(
    session: &mut Session,
    workload: Workload,
    tokens: usize,
    depth: usize,
    ids: &[u32],
) -> Result<Measurement> {
    session.truncate(depth);
    let (given, max_tokens) = match workload {
        Workload::Prefill => (tokens, 1),
        Workload::Decode => (1, tokens + 1),
    };
    let dispatches = |session: &Session| match session.model().device() {
        Device::Gpu(gpu) => Some(gpu.counters().dispatches.load(Ordering::Relaxed)),
        Device::Cpu(_) => None,
    };
    let before = dispatches(session);
    let sampling = Sampling { max_tokens, ignore_eos: true, ..Sampling::greedy() };
    let stats = finish(session.reply_ids(&ids[depth..depth + given], sampling)?).await?;
    let dispatches = dispatches(session).zip(before).map(|(after, before)| after - before);
    Ok(Measurement { stats, dispatches })
}

/// Takes a reply to its end, and gives its statistics.
///
/// # Errors
/// The first error of the reply.
pub async fn finish(mut reply: Reply<'_>) -> Result<Stats> {
    while let Some(piece) = reply.next().await {
        piece?;
    }
    Ok(reply.finish())
}

/// How long one dispatch takes.
#[derive(Clone, Debug, Serialize)]
pub struct StepTime {
    /// Index of the step in its plan.
    pub step: usize,
    /// The step's label, such as `blk.3.attention`.
    pub label: String,
    /// Which runs the step is part of.
    #[serde(serialize_with = "stage_name")]
    pub stage: Stage,
    /// The kernel's label: its name and its variant.
    pub kernel: String,
    /// The median, in milliseconds.
    pub ms: f64,
    /// Bytes that it moves at least: [`Cost`](crate::kernel::Cost).
    pub bytes: u64,
    /// Its multiply-accumulates.
    pub work: u64,
}

fn stage_name<S: serde::Serializer>(stage: &Stage, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.serialize_str(stage.name())
}

/// How long each step of one greedy run takes alone. The run computes `rows` tokens behind `depth` others, with the
/// decode plan where `rows` is 1. Each time is the median of `repeat` runs; a run before them compiles the shaders. The
/// KV cache holds zeros, which takes the same time.
///
/// # Errors
/// Where the device is lost or has no room for another session.
pub async fn step_times(model: &Model, rows: usize, depth: usize, repeat: u32) -> Result<Vec<StepTime>> {
    let capacity = model.capacity_for(depth + rows);
    let plans = Plans::new(model, capacity);
    let (index, plan) = if rows == 1 { (Plans::DECODE, &plans.decode) } else { (Plans::PREFILL, &plans.prefill) };
    let mut executor = model.executor(plans.list())?;
    executor.ready().await?;
    executor.write(names::IDS, 0, &vec![0; depth + rows])?;
    let greedy = Sampling::greedy();
    let uniforms = Run::at(depth..depth + rows, capacity).sampling(&greedy, 0).uniforms(plan, model.shape());
    executor.step_times(index, RunOutput::Greedy, &uniforms).await?;
    let mut runs: Vec<Vec<(usize, f64)>> = Vec::new();
    for _ in 0..repeat.max(1) {
        runs.push(executor.step_times(index, RunOutput::Greedy, &uniforms).await?);
    }
    let step_time = |(at, (step, _)): (usize, &(usize, f64))| {
        let mut times: Vec<f64> = runs.iter().map(|run| run[at].1).collect();
        let of = &plan.steps[*step];
        let (label, kernel, stage) = (of.label.clone(), of.kernel.label(), of.stage);
        let Cost { bytes, work } = of.kernel.cost(&of.params, &uniforms);
        StepTime { step: *step, label, stage, kernel, ms: median(&mut times), bytes, work }
    };
    Ok(runs[0].iter().enumerate().map(step_time).collect())
}

/// The median of at least one value. The values are sorted on the way.
pub fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let (below, above) = (values[(values.len() - 1) / 2], values[values.len() / 2]);
    (below + above) / 2.0
}

/// Random ids of tokens that print text, at least one. They come from splitmix64 with a fixed seed, so that every run
/// computes the same ids.
pub fn random_ids(model: &Model, count: usize) -> Vec<u32> {
    let tokenizer = model.tokenizer();
    let vocabulary = model.shape().vocabulary as u32;
    let mut plain: Vec<u32> = (0..vocabulary).filter(|id| !tokenizer.token_bytes(*id).is_empty()).collect();
    if plain.is_empty() {
        plain = (0..vocabulary).collect();
    }
    let mut state = SEED;
    let mut next = || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    };
    (0..count.max(1)).map(|_| plain[(next() % plain.len() as u64) as usize]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::{DeviceChoice, Executor};
    use crate::model::LoadOptions;
    use crate::source::Bytes;

    /// Drivers that run on the CPU are not asked for their time, and yet they must answer as GPUs do.
    #[test]
    fn the_devices_clock_tells_of_the_same_steps() {
        let file: &[u8] = include_bytes!("../../tests/fixtures/random-q4_0-h64.gguf");
        let options = LoadOptions { device: DeviceChoice::Gpu, ..Default::default() };
        let model = pollster::block_on(Model::load(&Bytes::new("random", file), options)).expect("a GPU");
        let plans = Plans::new(&model, 64);
        let executor = model.executor(plans.list()).expect("memory");
        let uniforms = Run::at(40..41, 64).uniforms(&plans.decode, model.shape());
        let by_host =
            pollster::block_on(executor.step_times(Plans::DECODE, RunOutput::Greedy, &uniforms)).expect("times");
        let Executor::Gpu(executor) = &executor else { panic!("a GPU was asked for") };
        let by_device = executor.by_device(Plans::DECODE, RunOutput::Greedy, &uniforms);
        let by_device = pollster::block_on(by_device).expect("times");
        let steps = |times: &[(usize, f64)]| times.iter().map(|(step, _)| *step).collect::<Vec<_>>();
        assert_eq!(steps(&by_device), steps(&by_host));
        assert!(by_device.iter().all(|(_, ms)| (0.0..1e4).contains(ms)), "{by_device:?}");
        println!("{by_device:?} {by_host:?}");
    }
}
