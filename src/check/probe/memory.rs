//! A ladder of memory: more and more of it is taken and written, until something says no.

use super::report::{Memory, MemoryEnd, MemoryStep};
use crate::backend::gpu::Gpu;
use crate::backend::{Device, Executor, Upload};
use crate::check::journal::{self, Journal};
use crate::error::{Error, Result};
use crate::kernel::uniforms::RunUniforms;
use crate::kernels::generate::{Generate, GenerateParams, Pattern};
use crate::plan::{BufferOwner, Plan, RunOutput, Stage};

/// Bytes of a step.
pub const STEP_BYTES: u64 = 256 << 20;
/// Buffers of a step: each fits a binding.
const BUFFERS: usize = 2;
/// Words that a dispatch writes.
const DISPATCH_WORDS: usize = 4 << 20;
/// Bytes that the system keeps in any case.
const KEPT_BYTES: u64 = 256 << 20;
/// What markers begin with; the bytes follow.
const MARKER: &str = "probe: memory ";
/// What is said of the step that ended an earlier probe.
const ENDED: &str = "an earlier probe was ended at this step";

/// How far a ladder goes.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Bytes that are enough.
    pub enough: u64,
    /// Bytes that must not be passed.
    pub cap: Option<u64>,
    /// Tells the bytes that programs can still have, where the device takes them from the system's memory.
    pub free: Option<fn() -> Option<u64>>,
}

/// The bytes of the step that ended an earlier probe, where its marker is found.
pub fn ended(journal: &dyn Journal) -> Option<u64> {
    journal.found().and_then(|marker| marker.strip_prefix(MARKER)?.parse().ok())
}

/// Writes the marker of an earlier probe again, where a probe that somebody gave up may have written others in its place.
pub fn keep_ended(journal: &dyn Journal) {
    if let Some(earlier) = journal.found() {
        journal.begin(earlier);
    }
}

/// What is known of memory after a step that ended an earlier probe.
pub fn remembered(ended: u64) -> Memory {
    let step = MemoryStep { bytes: ended, granted: false, reason: Some(ENDED.to_owned()) };
    Memory { steps: vec![step], most_bytes: ended.saturating_sub(STEP_BYTES), end: MemoryEnd::Killed }
}

/// Takes memory step by step, each with a marker in the journal before it. A marker that is there already is that of a
/// step which ended an earlier probe: it is not tried again.
///
/// # Errors
/// Where the device is lost otherwise than by a refusal.
pub async fn ladder(gpu: &Gpu, journal: &dyn Journal, bounds: Bounds, mut told: impl FnMut(&Memory)) -> Result<Memory> {
    let killed = ended(journal);
    let mut memory = Memory { steps: Vec::new(), most_bytes: 0, end: MemoryEnd::Cap };
    let mut held = Vec::new();
    while memory.most_bytes < bounds.enough {
        let bytes = memory.most_bytes + STEP_BYTES;
        if bounds.cap.is_some_and(|cap| bytes > cap) {
            break;
        }
        let refused = |reason: String| MemoryStep { bytes, granted: false, reason: Some(reason) };
        if killed.is_some_and(|killed| bytes >= killed) {
            memory.steps.push(refused(ENDED.to_owned()));
            memory.end = MemoryEnd::Killed;
            journal.end();
            break;
        }
        let free = bounds.free.and_then(|free| free());
        if let Some(free) = free.filter(|free| *free < STEP_BYTES + KEPT_BYTES) {
            memory.steps.push(refused(format!("the system has {free} bytes left, of which {KEPT_BYTES} stay free")));
            memory.end = MemoryEnd::Budget;
            break;
        }
        let marked = journal::marked(journal, &format!("{MARKER}{bytes}"));
        let step = take(gpu).await;
        drop(marked);
        match step {
            Ok(step) => held.push(step),
            Err(error @ Error::OutOfMemory { .. }) => {
                memory.steps.push(refused(error.to_string()));
                memory.end = MemoryEnd::Refused;
                break;
            }
            Err(Error::DeviceLost(text)) => {
                memory.steps.push(refused(format!("the device was lost: {text}")));
                memory.end = MemoryEnd::Refused;
                break;
            }
            Err(error) => return Err(error),
        }
        memory.most_bytes = bytes;
        memory.steps.push(MemoryStep { bytes, granted: true, reason: None });
        told(&memory);
    }
    Ok(memory)
}

/// The memory of a step, full of numbers that no system can press together.
async fn take(gpu: &Gpu) -> Result<Executor> {
    let words = STEP_BYTES as usize / 4 / BUFFERS;
    let mut plan = Plan::new(1, 1, 2);
    for i in 0..BUFFERS {
        let buffer = plan.buffer(BufferOwner::Scratch, format!("step {i}"), words);
        for first in (0..words).step_by(DISPATCH_WORDS) {
            let params = GenerateParams::new(first..words.min(first + DISPATCH_WORDS), i as u32, Pattern::ANY);
            plan.push(Stage::Body, "step", Generate, &params, &[buffer]);
        }
    }
    let (steps, uniforms) = (plan.steps.len(), RunUniforms::new(1, &[1.0; 2], 0..1));
    let mut executor = Executor::new(&Upload::new(&Device::Gpu(gpu.clone())).finish(), vec![plan.into()])?;
    executor.ready().await?;
    for step in 0..steps {
        executor.run(0, step..step + 1, RunOutput::Body, &uniforms, None)?.await?;
    }
    Ok(executor)
}
