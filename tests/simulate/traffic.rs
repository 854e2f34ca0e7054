//! Memory transactions of the plans of Llama 3.2 1B, on a sample of the workgroups of each kernel. Addresses do not depend
//! on the weights, so these are zeros.

use std::collections::BTreeSet;
use std::process::ExitCode;

use libtest_mimic::Failed;
use llamita::Tier;
use llamita::internals::arch::shape::{Scheme, Shape};
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

/// What a workgroup of a dispatch moves with waves of each size, on average over a sample.
struct Row {
    label: String,
    grid: [u32; 3],
    workgroups: u64,
    moved: [Moved; 3],
    /// The same of each buffer.
    buffers: Vec<(String, [Moved; 3])>,
}

/// What the sampled workgroups of a dispatch moved, by buffer, and how many they were.
struct Sampled {
    grid: [u32; 3],
    workgroups: u64,
    moved: Vec<(String, Moved)>,
}

fn sample(plan: &Plan, step: &Step, uniforms: &RunUniforms, lanes: u32) -> Result<Sampled, String> {
    let told = |error: &dyn std::fmt::Display| format!("{}, {lanes} lanes: {error}", step.kernel.label());
    let shader = Shader::new(&step.kernel.source().compose()).map_err(|error| told(&error))?;
    let buffers = step.buffers.iter().map(|id| vec![0; plan.buffers[id.0].words]).collect();
    let mut dispatch = Dispatch::new(&step.kernel, &step.params, uniforms, buffers);
    let grid = dispatch.grid;
    let all: u32 = grid.iter().product();
    let sample: BTreeSet<u32> = (0..SAMPLE).map(|i| (all - 1) * i / (SAMPLE - 1)).collect();
    let sample: Vec<u32> = sample.into_iter().collect();
    let setup = Setup { lanes, schedule: Schedule::InOrder, grid, workgroups: Some(&sample), traffic: true };
    let outcome = shader.run(&mut dispatch.buffers, &setup).map_err(|error| told(&error))?;
    match outcome.faults.first() {
        Some(fault) => Err(told(fault)),
        None => Ok(Sampled { grid, workgroups: sample.len() as u64, moved: outcome.traffic }),
    }
}

fn row(plan: &Plan, step: &Step, uniforms: &RunUniforms) -> Result<Row, String> {
    let label = format!("{} {}", if plan.rows == 1 { "decode" } else { "prefill" }, step.kernel.label());
    let mut row = Row { label, grid: [0; 3], workgroups: 0, moved: [Moved::default(); 3], buffers: Vec::new() };
    for (i, lanes) in LANES.into_iter().enumerate() {
        let sampled = sample(plan, step, uniforms, lanes)?;
        (row.grid, row.workgroups) = (sampled.grid, sampled.workgroups);
        row.buffers.resize(sampled.moved.len(), Default::default());
        for (own, (name, moved)) in row.buffers.iter_mut().zip(sampled.moved) {
            row.moved[i] = row.moved[i].and(&moved);
            own.0 = name;
            own.1[i] = moved;
        }
    }
    Ok(row)
}

impl Row {
    /// A line of the table.
    fn line(&self, name: &str, moved: [Moved; 3]) -> String {
        let per_workgroup = |count: u64| count / self.workgroups;
        let lines = moved.map(|moved| per_workgroup(moved.lines).to_string()).join(" | ");
        let percent = |moved: Moved| match moved.lines {
            0 => "–".to_owned(),
            _ => format!("{:.0} %", 100.0 * moved.coalescing()),
        };
        let coalescing = moved.map(percent).join(" | ");
        let [x, y, _] = self.grid;
        format!("| {name} | {x}×{y} | {} | {lines} | {coalescing} |", per_workgroup(moved[0].workgroup_lines))
    }
}

/// The plans of decode and prefill.
fn plans() -> [(Plan, RunUniforms); 2] {
    let shape = Shape { layers: 1, ..Shape::llama_3_2_1b(Scheme::default()) };
    let tuning = (GPU.tuning)(Tier::Base);
    let packings = Packings::uniform(&shape, Packing::Q4_0, Packing::Q6_K);
    let plans = session_plans(&shape, &Matrices::new(&shape, &packings, tuning.cut()), &tuning, CAPACITY);
    plans.map(|plan| {
        let mut uniforms = RunUniforms::new(plan.rows, &shape.rope_frequencies, CAPACITY - plan.rows..CAPACITY);
        uniforms.settings.capacity = CAPACITY as u32;
        uniforms.settings.head_first = plan.rows as u32 - 1;
        uniforms.settings.head_rows = 1;
        (plan, uniforms)
    })
}

/// The distinct kernels of decode and prefill, in the order of the plans.
fn rows(request: &Request) -> Result<Vec<Row>, String> {
    let mut seen = BTreeSet::new();
    let mut rows = Vec::new();
    for (plan, uniforms) in &plans() {
        for step in &plan.steps {
            let label = step.kernel.label();
            let words: Vec<usize> = step.buffers.iter().map(|id| plan.buffers[id.0].words).collect();
            if request.wants(&label) && seen.insert((plan.rows, label, words)) {
                rows.push(row(plan, step, uniforms)?);
            }
        }
    }
    Ok(rows)
}

/// What prefill's norm moves per workgroup, worked out by hand. A workgroup of 64 invocations takes a row of 2048 numbers:
/// 512 vec4s, in 8 rounds of 64, which are 16 whole lines. It loads `x` twice for a square and again to store, and loads
/// `gamma` and stores `y` once.
pub fn counts_by_hand() -> Result<(), Failed> {
    let (rounds, lines) = (8, 16);
    let [_, (plan, uniforms)] = &plans();
    let step = plan.steps.iter().find(|step| step.kernel.name() == "rmsnorm").ok_or("prefill has no norm any more")?;
    for lanes in LANES {
        let sampled = sample(plan, step, uniforms, lanes)?;
        // Waves of fewer lanes make more accesses of fewer lines.
        let waves = 64 / u64::from(lanes);
        for (name, times) in [("x", 3), ("gamma", 1), ("y", 1)] {
            let found = sampled.moved.iter().find(|(own, _)| own == name).ok_or_else(|| format!("no buffer {name}"))?.1;
            let expected = Moved {
                accesses: sampled.workgroups * times * rounds * waves,
                lines: sampled.workgroups * times * rounds * lines,
                useful_bytes: sampled.workgroups * times * 2048 * 4,
                workgroup_lines: sampled.workgroups * rounds * lines,
            };
            if found != expected {
                return Err(format!("{lanes} lanes, {name}: {found:?}, and not {expected:?}").into());
            }
        }
    }
    Ok(())
}

/// Prints the table; a fault fails.
pub fn print(request: &Request) -> ExitCode {
    let rows = match rows(request) {
        Ok(rows) if rows.is_empty() => {
            eprintln!("error: {}", request.nothing());
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
    for row in &rows {
        println!("{}", row.line(&row.label, row.moved));
        // Of a kernel that is asked for, each buffer too.
        for (name, moved) in row.buffers.iter().filter(|_| request.kernel.is_some()) {
            println!("{}", row.line(&format!("· {name}"), *moved));
        }
    }
    ExitCode::SUCCESS
}
