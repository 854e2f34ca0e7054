//! The kernels of the plans of Llama 3.2 1B: against their oracles, and each run against the others.

use std::sync::Arc;

use super::report::KernelCheck;
use crate::backend::gpu::Gpu;
use crate::backend::{Device, Executor, Upload};
use crate::cases::llama::{LlamaCase, Product};
use crate::cases::{Case, GUARD, GUARD_WORDS};
use crate::error::{Error, Result};
use crate::kernel::{Access, Call, Uniform, Words};
use crate::kernels::generate::{Pattern, seed};
use crate::kernels::linear::LinearParams;
use crate::model::Model;
use crate::plan::{BufferOwner, Plan, ReadRange, RunOutput, Stage};
use crate::weights::pack::{Layout, ROW_ALIGN};

/// Runs of each kernel that are compared with each other.
pub const RUNS: usize = 20;

/// Checks a kernel at its place. A product reads the weights of the model, and 64 of its rows are compared.
///
/// # Errors
/// Where the device is lost.
pub async fn check(model: &Model, gpu: &Gpu, llama: &LlamaCase) -> Result<KernelCheck> {
    let (kernel, place) = llama.name.split_once(": ").unwrap_or((&llama.name, ""));
    let mut check = KernelCheck {
        kernel: kernel.to_owned(),
        place: place.split_once(", ").map_or(place, |(_, place)| place).to_owned(),
        rows_checked: None,
        nmse: None,
        tolerance: llama.tolerance(),
        runs: 0,
        identical: None,
        passed: false,
        fault: None,
    };
    let checked = match llama.product() {
        Some(product) => {
            check.rows_checked = Some(ROW_ALIGN.min(product.layout.rows));
            of_product(model, &product, &mut check).await
        }
        None => of_case(gpu, &llama.case(), &mut check).await,
    };
    match checked {
        Ok(()) => {}
        Err(Error::DeviceLost(text)) => return Err(Error::DeviceLost(text)),
        Err(error) => check.fault = Some(error.to_string()),
    }
    check.passed = check.fault.is_none();
    Ok(check)
}

/// A kernel whose whole result the oracle makes.
async fn of_case(gpu: &Gpu, case: &Case, check: &mut KernelCheck) -> Result<()> {
    let executor = case.executor(Upload::new(&Device::Gpu(gpu.clone())), 1).await?;
    let written = runs(&executor, case, check).await?;
    let expected = case.expected().await?;
    let measured = case.buffers.iter().enumerate().map(|(i, words)| match &written[i] {
        Some(written) => written.clone(),
        None => guarded(words),
    });
    compare(case, &expected, &measured.collect::<Vec<_>>(), check)
}

/// A product with a matrix of the model's.
async fn of_product(model: &Model, product: &Product, check: &mut KernelCheck) -> Result<()> {
    let Product { case, shard, layout } = product;
    let executor = {
        let rows = case.uniforms.rows.len();
        let mut plan = Plan::new(rows, rows, case.uniforms.rope.len() / rows);
        let mut buffers = vec![plan.buffer(BufferOwner::Weight, shard, model.tuning().storage.words(layout.words()))];
        for (i, words) in case.buffers.iter().enumerate().skip(1) {
            buffers.push(plan.buffer(BufferOwner::Scratch, format!("arg{i}"), words.len() + GUARD_WORDS));
        }
        plan.push_words(Stage::Body, case.name.clone(), case.kernel.clone(), case.params.clone(), &buffers);
        let mut executor = model.executor(vec![Arc::new(plan)])?;
        executor.ready().await?;
        for (i, words) in case.buffers.iter().enumerate().skip(1) {
            executor.write(&format!("arg{i}"), 0, &guarded(words))?;
        }
        executor
    };
    let written = runs(&executor, case, check).await?;
    // One tile of rows, of which all places differ: another one for every matrix.
    let tiles = layout.rows.div_ceil(ROW_ALIGN);
    let first = seed(&case.name) as usize % tiles * ROW_ALIGN;
    let (params, tile) = sampled(case, (shard, layout), first);
    let uniforms = &case.uniforms;
    let buffers: Vec<Words> = case.buffers.iter().map(|words| words.clone().into()).collect();
    *buffers[0].borrow_mut() = tile;
    let call = Call { params: &params, uniforms, buffers: buffers.iter().collect(), grid: [1, 1] };
    case.kernel.oracle(&call);
    // Of the results, those words that the oracle made.
    let mut few = Case { buffers: Vec::new(), ..case.clone() };
    let (mut expected, mut measured) = (Vec::new(), Vec::new());
    for (i, before) in case.buffers.iter().enumerate() {
        let of = |words: &[u32], at: &[usize]| at.iter().map(|at| words[*at]).collect::<Vec<_>>();
        let Some(written) = &written[i] else {
            few.buffers.push(Vec::new());
            expected.push(Vec::new());
            measured.push(Vec::new());
            continue;
        };
        let after = buffers[i].borrow();
        let at: Vec<usize> = (0..before.len()).filter(|at| before[*at] != after[*at]).collect();
        few.buffers.push(of(before, &at));
        expected.push(of(&after, &at));
        measured.push([of(written, &at), written[before.len()..].to_vec()].concat());
    }
    if few.buffers.iter().all(Vec::is_empty) {
        return Err(Error::Internal(format!("{}: the oracle made nothing", case.name)));
    }
    compare(&few, &expected, &measured, check)
}

/// The params of a product for a tile of its rows, and the packed words of the tile.
fn sampled(case: &Case, (shard, layout): (&str, &Layout), first: usize) -> (Vec<u32>, Vec<u32>) {
    let rows = ROW_ALIGN.min(layout.rows - first);
    let tile = Layout { rows, ..*layout };
    let patterns = Pattern::planes(layout.packing).expect("the packing of a generated model");
    let mut words = Vec::with_capacity(tile.words());
    let own = tile.plane_starts();
    for (plane, pattern) in patterns.into_iter().enumerate() {
        let len = own.get(plane + 1).copied().unwrap_or(tile.words()) - own[plane];
        let begin = layout.slab_start(plane, first);
        words.extend(pattern.words(seed(shard), begin..begin + len));
    }
    let params = LinearParams::from_words(&case.params);
    let params = LinearParams { row_begin: params.row_begin + first as u32, ..params.with_layout(&tile) };
    (params.to_words(), words)
}

/// Runs a kernel again and again from the same beginning. Gives what it wrote, by binding, with the guard words.
async fn runs(executor: &Executor, case: &Case, check: &mut KernelCheck) -> Result<Vec<Option<Vec<u32>>>> {
    let args = case.kernel.args(&case.params);
    let written: Vec<usize> = (0..args.len()).filter(|i| args[*i].access == Access::ReadWrite).collect();
    let mut results: Vec<Option<Vec<u32>>> = vec![None; args.len()];
    for run in 0..RUNS {
        for i in &written {
            executor.write(&format!("arg{i}"), 0, &guarded(&case.buffers[*i]))?;
        }
        executor.run(0, 0..1, RunOutput::Body, &case.uniforms, None)?.await?;
        for i in &written {
            let words = case.buffers[*i].len() + GUARD_WORDS;
            let mut read = executor.read(ReadRange { name: &format!("arg{i}"), first: 0, words }).await?;
            read.truncate(words);
            match &results[*i] {
                None => results[*i] = Some(read),
                Some(first) => check.identical = Some(check.identical != Some(false) && *first == read),
            }
        }
        check.runs = run + 1;
    }
    Ok(results)
}

fn guarded(words: &[u32]) -> Vec<u32> {
    let mut words = words.to_vec();
    words.resize(words.len() + GUARD_WORDS, GUARD);
    words
}

/// Notes how a result compares with the oracle's, and whether all runs gave it.
fn compare(case: &Case, expected: &[Vec<u32>], measured: &[Vec<u32>], check: &mut KernelCheck) -> Result<()> {
    if case.compare(expected, &case.spoil(expected)).passed {
        return Err(Error::Internal(format!("{}: the check does not see a fault of 1 %", case.name)));
    }
    let report = case.compare(expected, measured);
    (check.nmse, check.tolerance) = (Some(report.nmse), report.tolerance);
    check.fault = match (report.passed, check.identical) {
        (true, Some(true)) => None,
        (true, _) => Some(format!("{RUNS} runs gave different bits")),
        (false, _) => Some(report.fault),
    };
    Ok(())
}
