//! Speed, measured alike on every platform.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde::Serialize;

use crate::backend::Device;
use crate::error::Result;
use crate::kernel::run::Slot;
use crate::model::Model;
use crate::plan::llama::names;
use crate::plan::{Stage, Wanted};
use crate::session::sampling::Sampling;
use crate::session::{DECODE, PREFILL, Reply, Session, Stats};

/// What the random ids come from: every run works on the same.
const SEED: u64 = 1;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A prompt, up to its first token.
    Prefill,
    /// Tokens after the first.
    Decode,
}

impl Kind {
    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Prefill => "prefill",
            Self::Decode => "decode",
        }
    }
}

/// One run.
pub struct Run {
    /// What it took.
    pub stats: Stats,
    /// Dispatches; unknown on the CPU.
    pub dispatches: Option<u64>,
}

/// Runs a configuration once, after the first `depth` ids, which are in the session.
///
/// # Errors
/// As a reply.
pub async fn run(session: &mut Session, kind: Kind, tokens: usize, depth: usize, ids: &[u32]) -> Result<Run> {
    session.truncate(depth);
    let (given, max_tokens) = match kind {
        Kind::Prefill => (tokens, 1),
        Kind::Decode => (1, tokens + 1),
    };
    let dispatches = |session: &Session| match session.model().device() {
        Device::Gpu(gpu) => Some(gpu.counters().dispatches.load(Ordering::Relaxed)),
        Device::Cpu(_) => None,
    };
    let before = dispatches(session);
    let sampling = Sampling { max_tokens, ignore_eos: true, ..Sampling::greedy() };
    let stats = finish(session.reply_ids(&ids[depth..depth + given], sampling)?).await?;
    let dispatches = dispatches(session).zip(before).map(|(after, before)| after - before);
    Ok(Run { stats, dispatches })
}

/// Takes a reply to its end.
///
/// # Errors
/// As a reply.
pub async fn finish(mut reply: Reply<'_>) -> Result<Stats> {
    while let Some(piece) = reply.next().await {
        piece?;
    }
    Ok(reply.finish())
}

/// How long a dispatch takes.
#[derive(Clone, Debug, Serialize)]
pub struct StepTime {
    /// Index in its plan.
    pub step: usize,
    /// `blk.3.attention` …
    pub label: String,
    /// When it runs.
    #[serde(serialize_with = "stage_name")]
    pub stage: Stage,
    /// The kernel's variant.
    pub kernel: String,
    /// The median, in milliseconds.
    pub ms: f64,
}

fn stage_name<S: serde::Serializer>(stage: &Stage, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.serialize_str(&format!("{stage:?}").to_lowercase())
}

/// The steps of a run over so many tokens behind `depth` others, greedily sampled, each alone: the median of `repeat`
/// times after a first one that compiles. What the cache holds does not change what they take.
///
/// # Errors
/// Where the device is lost or has no room for another session.
pub async fn step_times(model: &Model, rows: usize, depth: usize, repeat: u32) -> Result<Vec<StepTime>> {
    let capacity = model.capacity_for(depth + rows);
    let plans = model.session_plans(capacity).map(Arc::new);
    let index = if rows == 1 { DECODE } else { PREFILL };
    let plan = plans[index].clone();
    let mut machine = model.machine(plans.to_vec())?;
    machine.ready().await?;
    machine.write(names::IDS, 0, &vec![0; depth + rows])?;
    let mut slot = Slot::new(plan.rows, &model.shape().rope_frequencies, depth..depth + rows);
    slot.head.capacity = capacity as u32;
    slot.head.head_first = slot.head.rows - 1;
    slot.head.head_rows = 1;
    Sampling::greedy().write_to(&mut slot.head, 0);
    machine.step_times(index, Wanted::Greedy, &slot).await?;
    let mut runs: Vec<Vec<(usize, f64)>> = Vec::new();
    for _ in 0..repeat.max(1) {
        runs.push(machine.step_times(index, Wanted::Greedy, &slot).await?);
    }
    let step_time = |(at, (step, _)): (usize, &(usize, f64))| {
        let mut times: Vec<f64> = runs.iter().map(|run| run[at].1).collect();
        let of = &plan.steps[*step];
        let (label, kernel, stage) = (of.label.clone(), of.kernel.label(), of.stage);
        StepTime { step: *step, label, stage, kernel, ms: median(&mut times) }
    };
    Ok(runs[0].iter().enumerate().map(step_time).collect())
}

/// The middle value; sorts.
pub fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let (below, above) = (values[(values.len() - 1) / 2], values[values.len() / 2]);
    (below + above) / 2.0
}

/// Ids of plain text, drawn with splitmix64.
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
    use crate::backend::{DeviceChoice, Machine};
    use crate::model::LoadOptions;
    use crate::source::Bytes;

    /// Drivers that run on the CPU are not asked for their time, and yet they must answer as GPUs do.
    #[test]
    fn the_devices_clock_tells_of_the_same_steps() {
        let file: &[u8] = include_bytes!("../../tests/fixtures/random-q4_0-h64.gguf");
        let options = LoadOptions { device: DeviceChoice::Gpu, ..Default::default() };
        let model = pollster::block_on(Model::load(&Bytes::new("random", file), options)).expect("a GPU");
        let plans = model.session_plans(64).map(Arc::new);
        let machine = model.machine(plans.to_vec()).expect("memory");
        let mut slot = Slot::new(plans[DECODE].rows, &model.shape().rope_frequencies, 40..41);
        (slot.head.capacity, slot.head.head_rows) = (64, 1);
        Sampling::greedy().write_to(&mut slot.head, 0);
        let by_host = pollster::block_on(machine.step_times(DECODE, Wanted::Greedy, &slot)).expect("times");
        let Machine::Gpu(machine) = &machine else { panic!("a GPU was asked for") };
        let by_device = pollster::block_on(machine.by_device(DECODE, Wanted::Greedy, &slot)).expect("times");
        let steps = |times: &[(usize, f64)]| times.iter().map(|(step, _)| *step).collect::<Vec<_>>();
        assert_eq!(steps(&by_device), steps(&by_host));
        assert!(by_device.iter().all(|(_, ms)| (0.0..1e4).contains(ms)), "{by_device:?}");
        println!("{by_device:?} {by_host:?}");
    }
}
