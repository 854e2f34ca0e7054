//! Memory transactions of the plans of Llama 3.2 1B, on a sample of the workgroups of each kernel. Addresses do not depend
//! on the weights, so these are zeros.

use std::collections::BTreeSet;
use std::process::ExitCode;

use llamita::Tier;
use llamita::internals::arch::family::LLAMA;
use llamita::internals::arch::shape::{RopePairing, RopeScaling, Scheme, Shape, rope_frequencies};
use llamita::internals::kernel::uniforms::RunUniforms;
use llamita::internals::plan::gpu::GPU;
use llamita::internals::plan::llama::session_plans;
use llamita::internals::plan::{Plan, Step};
use llamita::internals::weights::{Matrices, Packing, Packings};
use simulator::{LINE_BYTES, Moved, Schedule, Setup, Shader};

use super::Dispatch;
use super::request::Request;

/// Lanes of the waves of phones.
const LANES: [u32; 3] = [16, 32, 64];
/// Workgroups that stand for all of a dispatch.
const SAMPLE: u32 = 4;
/// Positions of the KV cache, all of which the last row sees.
const CAPACITY: usize = 1024;

fn llama_3_2_1b() -> Shape {
    let frequencies = rope_frequencies(64, 500_000.0);
    Shape {
        arch: &LLAMA,
        dim: 2048,
        ffn: 8192,
        layers: 1,
        heads: 32,
        kv_heads: 8,
        head_dim: 64,
        vocabulary: 128_256,
        context: 131_072,
        norm_eps: 1e-5,
        rope_pairing: RopePairing::Interleaved,
        rope_frequencies: frequencies.iter().map(|f| f / RopeScaling::LLAMA_3_2.divisor(*f)).collect(),
        scheme: Scheme::default(),
    }
}

/// What the sampled workgroups of a dispatch moved with waves of each size.
struct Row {
    label: String,
    grid: [u32; 3],
    sampled: u64,
    moved: [Moved; 3],
}

fn row(plan: &Plan, step: &Step, uniforms: &RunUniforms) -> Result<Row, String> {
    let label = format!("{} {}", if plan.rows == 1 { "decode" } else { "prefill" }, step.kernel.label());
    let shader = Shader::new(&step.kernel.source().compose()).map_err(|error| format!("{label}: {error}"))?;
    let buffers = || step.kernel.args(&step.params).iter().map(|arg| vec![0; arg.words]).collect();
    let mut moved = [Moved::default(); 3];
    let (mut grid, mut sampled) = ([0; 3], 0);
    for (lanes, moved) in LANES.into_iter().zip(&mut moved) {
        let mut dispatch = Dispatch::new(&step.kernel, &step.params, uniforms, buffers());
        grid = dispatch.grid;
        let all: u32 = grid.iter().product();
        let sample: BTreeSet<u32> = (0..SAMPLE).map(|i| (all - 1) * i / (SAMPLE - 1)).collect();
        let sample: Vec<u32> = sample.into_iter().collect();
        sampled = sample.len() as u64;
        let setup = Setup { lanes, schedule: Schedule::InOrder, grid, workgroups: Some(&sample), traffic: true };
        let outcome = shader.run(&mut dispatch.buffers, &setup).map_err(|error| format!("{label}: {error}"))?;
        if let Some(fault) = outcome.faults.first() {
            return Err(format!("{label}, {lanes} lanes: {fault}"));
        }
        *moved = outcome.traffic.iter().fold(Moved::default(), |sum, (_, buffer)| sum.and(buffer));
    }
    Ok(Row { label, grid, sampled, moved })
}

/// The distinct kernels of decode and prefill, in the order of the plans.
fn rows(request: &Request) -> Result<Vec<Row>, String> {
    let shape = llama_3_2_1b();
    let tuning = (GPU.tuning)(Tier::Base);
    let packings = Packings::uniform(&shape, Packing::Q4_0, Packing::Q6_K);
    let plans = session_plans(&shape, &Matrices::new(&shape, &packings, tuning.cut()), &tuning, CAPACITY);
    let mut seen = BTreeSet::new();
    let mut rows = Vec::new();
    for plan in &plans {
        let mut uniforms = RunUniforms::new(plan.rows, &shape.rope_frequencies, CAPACITY - plan.rows..CAPACITY);
        uniforms.settings.capacity = CAPACITY as u32;
        uniforms.settings.head_first = plan.rows as u32 - 1;
        uniforms.settings.head_rows = 1;
        for step in &plan.steps {
            let label = step.kernel.label();
            // Dispatches that differ in their reduction only, or in a shard.
            if request.wants(&label) && seen.insert((plan.rows, label, step.stage.name(), step.params.get(7).copied()))
            {
                rows.push(row(plan, step, &uniforms)?);
            }
        }
    }
    Ok(rows)
}

/// Prints the table; a fault fails.
pub fn print(request: &Request) -> ExitCode {
    let rows = match rows(request) {
        Ok(rows) if rows.is_empty() => {
            eprintln!("error: no kernel of Llama 3.2 1B's plans has {:?} in its name", request.kernel);
            return ExitCode::from(2);
        }
        Ok(rows) => rows,
        Err(message) => {
            eprintln!("error: {message}");
            return ExitCode::FAILURE;
        }
    };
    println!(
        "Llama 3.2 1B in Q4_0, head in Q6_K, plan gpu, tier base; decode at position {}, prefill of the last rows.\n\
         Storage buffers alone, in lines of {LINE_BYTES} bytes; coalescing is useful over moved bytes of each access of a \
         wave.\n",
        CAPACITY - 1
    );
    let columns = |name: &str| LANES.map(|lanes| format!("{name} {lanes}")).join(" | ");
    println!(
        "| kernel | grid | distinct lines per workgroup | {} | {} |",
        columns("lines at"),
        columns("coalescing at")
    );
    println!("|---|---|---|{}", "---|".repeat(6));
    for Row { label, grid: [x, y, _], sampled, moved } in rows {
        let per_workgroup = |count: u64| count / sampled;
        let lines = moved.map(|moved| per_workgroup(moved.lines).to_string()).join(" | ");
        let coalescing = moved.map(|moved| format!("{:.0} %", 100.0 * moved.coalescing())).join(" | ");
        println!("| {label} | {x}×{y} | {} | {lines} | {coalescing} |", per_workgroup(moved[0].workgroup_lines));
    }
    ExitCode::SUCCESS
}
