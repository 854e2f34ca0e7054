//! How long the device takes to answer.

use web_time::Instant;

use super::report::Latency;
use crate::backend::gpu::Gpu;
use crate::backend::{Device, Executor, Upload};
use crate::check::bench::median;
use crate::error::Result;
use crate::kernel::uniforms::RunUniforms;
use crate::kernels::generate::{Generate, GenerateParams, Pattern};
use crate::plan::{BufferOwner, Plan, ReadRange, RunOutput, Stage};

/// Measurements, of which the median counts.
const REPEAT: usize = 15;
/// Dispatches of a submit.
const DISPATCHES: usize = 128;
/// Words that a dispatch writes.
const WORDS: usize = 256;

/// Measures an empty submit, dispatches that wait for each other, and four words on their way back, by the host's clock.
///
/// # Errors
/// Where the device is lost.
pub async fn measure(gpu: &Gpu) -> Result<Latency> {
    let mut plan = Plan::new(1, 1, 2);
    let words = plan.buffer(BufferOwner::Scratch, "words", WORDS);
    for seed in 0..DISPATCHES as u32 {
        let params = GenerateParams::new(0..WORDS, seed, Pattern::ANY);
        plan.push(Stage::Body, "words", Generate, &params, &[words]);
    }
    let weights = Upload::new(&Device::Gpu(gpu.clone())).finish();
    let mut executor = Executor::new(&weights, vec![plan.into()])?;
    executor.ready().await?;
    let uniforms = RunUniforms::new(1, &[1.0; 2], 0..1);
    let run = async |dispatches: usize, words: usize| {
        let begun = Instant::now();
        let copy = (words > 0).then_some(ReadRange { name: "words", first: 0, words });
        executor.run(0, 0..dispatches, RunOutput::Body, &uniforms, copy)?.await?;
        Ok::<f64, crate::error::Error>(begun.elapsed().as_secs_f64() * 1e6)
    };
    // The first runs compile, and make what is used again.
    run(DISPATCHES, 0).await?;
    run(1, 4).await?;
    let (mut submits, mut one, mut many, mut read) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..REPEAT {
        let begun = Instant::now();
        gpu.flush().await?;
        submits.push(begun.elapsed().as_secs_f64() * 1e6);
        one.push(run(1, 0).await?);
        many.push(run(DISPATCHES, 0).await?);
        read.push(run(1, 4).await?);
    }
    let per_dispatch = (median(&mut many) - median(&mut one)) / (DISPATCHES - 1) as f64;
    Ok(Latency { submit_us: median(&mut submits), dispatch_us: per_dispatch.max(0.0), readback_us: median(&mut read) })
}
