//! The kernels of GPU plans, invocation by invocation, as waves of any size run them: no race, no barrier that some do not
//! reach, no read of what nobody wrote, no index out of bounds, and the oracle's results.
//!
//! The tests are made from the cases, and are named as those of `oracle`. `cargo xtask simulate` passes what is asked for.

#[path = "common/by_tier.rs"]
mod by_tier;
#[path = "simulate/faults.rs"]
mod faults;
#[path = "simulate/request.rs"]
mod request;
#[path = "simulate/traffic.rs"]
mod traffic;

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Failed, Trial};
use llamita::internals::cases::{self, Case};
use llamita::internals::kernel::uniforms::RunUniforms;
use llamita::internals::kernel::{Active, Kernel};
use llamita::internals::kernels::NAMES;
use llamita::internals::plan::driver::Driver;
use llamita::internals::plan::tuning::Tuning;
use llamita::internals::{drivers, software};
use llamita::{KvType, Tier};
use pollster::block_on;
use request::Request;
use simulator::{Outcome, Setup, Shader};

/// Most faults of a test that are printed.
const SHOWN: usize = 12;

/// The drivers whose plans are simulated: those of real GPUs.
fn gpu_drivers() -> impl Iterator<Item = &'static Driver> {
    drivers::ALL.into_iter().filter(|driver| !software::DRIVERS.contains(driver))
}

/// The cases of their plans in a tier.
fn of_tier(tier: Tier) -> Vec<Case> {
    let mut cases = Vec::new();
    for tuning in gpu_drivers().map(|driver| (driver.tuning)(tier)) {
        cases::common(&tuning, &mut cases);
        cases::cache(&Tuning { kv: KvType::F32, ..tuning }, &mut cases);
    }
    cases
}

/// A dispatch of a kernel: what is bound to a shader of its bindings, and its grid.
struct Dispatch {
    buffers: BTreeMap<u32, Vec<u32>>,
    grid: [u32; 3],
}

impl Dispatch {
    fn new(kernel: &Arc<dyn Kernel>, params: &[u32], uniforms: &RunUniforms, buffers: Vec<Vec<u32>>) -> Self {
        let active = Active { rows: uniforms.settings.rows as usize, head_rows: uniforms.settings.head_rows as usize };
        let [x, y] = kernel.grid(params, active);
        let bindings = kernel.args(params).into_iter().map(|arg| arg.binding);
        let mut bound = BTreeMap::from([(0, params.to_vec()), (1, uniforms.to_words())]);
        bound.extend(bindings.zip(buffers));
        Self { buffers: bound, grid: [x, y, 1] }
    }

    /// The dispatch of a case.
    fn of(case: &Case) -> Self {
        Self::new(&case.kernel, &case.params, &case.uniforms, case.buffers.clone())
    }
}

/// Runs a case; gives its buffers and what was found.
fn run(case: &Case, shader: &Shader, run: request::Run) -> Result<(Vec<Vec<u32>>, Outcome), Failed> {
    let mut dispatch = Dispatch::of(case);
    let (lanes, schedule) = (run.lanes, run.schedule);
    let setup = Setup { lanes, schedule, grid: dispatch.grid, workgroups: None, traffic: false };
    let outcome = shader.run(&mut dispatch.buffers, &setup).map_err(|error| format!("{}: {error}", case.name))?;
    let args = case.kernel.args(&case.params);
    let buffers = args.iter().map(|arg| dispatch.buffers.remove(&arg.binding).unwrap_or_default());
    Ok((buffers.collect(), outcome))
}

/// Runs a case in every way that is asked for, and compares the results with the oracle's.
fn check(case: &Case, request: &Request) -> Result<Vec<String>, Failed> {
    let text = case.kernel.source().compose();
    let shader = Shader::new(&text).map_err(|error| format!("{}: {error}", case.name))?;
    let expected = block_on(case.expected())?;
    let mut failures = Vec::new();
    let mut first: BTreeMap<u32, Vec<Vec<u32>>> = BTreeMap::new();
    for way in request.runs(text.contains("subgroup")) {
        let (measured, outcome) = run(case, &shader, way)?;
        failures.extend(outcome.faults.iter().map(|fault| format!("{}, {way}: {fault}", case.name)));
        let report = case.compare(&expected, &measured);
        if !report.passed {
            failures.push(format!("{}, {way}: {}", case.name, report.fault));
        }
        // The order of waves is nothing that a result may depend on.
        let before = first.entry(way.lanes).or_insert_with(|| measured.clone());
        if *before != measured {
            failures.push(format!("{}, {way}: other bits than in the first order", case.name));
        }
    }
    Ok(failures)
}

fn check_all(cases: &[Case], request: &Request) -> Result<(), Failed> {
    let mut failures = Vec::new();
    for case in cases {
        failures.extend(check(case, request)?);
    }
    match failures.len() {
        0 => Ok(()),
        count => {
            failures.truncate(SHOWN);
            Err(format!("{count} faults in {} cases, of which the first:\n{}", cases.len(), failures.join("\n")).into())
        }
    }
}

/// Every registered kernel of GPU plans is simulated.
fn every_kernel_is_simulated(groups: &[(String, Vec<Case>)]) -> Result<(), Failed> {
    let found: BTreeSet<&str> = groups.iter().flat_map(|(_, cases)| cases).map(|case| case.kernel.name()).collect();
    let registered = BTreeSet::from(NAMES);
    if found == registered { Ok(()) } else { Err(format!("cases of {found:?}, and kernels {registered:?}").into()) }
}

fn main() -> ExitCode {
    let (request, arguments) = match Request::from_arguments(std::env::args()) {
        Ok(parsed) => parsed,
        Err(message) => {
            eprintln!("error: {message}");
            return ExitCode::from(2);
        }
    };
    if request.traffic {
        return traffic::print(&request);
    }
    let own = by_tier::own_cases(of_tier).into_iter();
    let all: Vec<(String, Vec<Case>)> = own.flat_map(|(tier, cases)| by_tier::groups(tier, cases)).collect();
    let complete = every_kernel_is_simulated(&all);
    let mut trials = vec![Trial::test("every_kernel_is_simulated", move || complete)];
    trials.push(Trial::test("transactions_counted_by_hand", traffic::counts_by_hand));
    trials.extend(faults::trials());
    for (name, cases) in all {
        let request = request.clone();
        trials.push(Trial::test(name, move || check_all(&cases, &request)));
    }
    trials.retain(|trial| request.wants(trial.name()));
    if trials.is_empty() {
        eprintln!("error: {}", request.nothing());
        return ExitCode::from(2);
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}
