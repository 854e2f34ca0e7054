//! Every kernel and every packing's reader, on hard data, against its f64 oracle on the device at hand.
//!
//! The tests are made from the cases, one per tier, kernel and packing: `cargo test --test oracle base/matvec/Q4_0`
//! runs some of them, and `-- --smallest` the smallest case of each, for devices that are slow. A kernel that has no case
//! fails, and a shader is run in the plainest tier that has it.

#[path = "common/by_tier.rs"]
mod by_tier;
#[path = "common/engine.rs"]
mod engine;

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::sync::Mutex;

use libtest_mimic::{Arguments, Failed, Trial};
use llamita::Tier;
use llamita::internals::backend::gpu::Gpu;
use llamita::internals::cases::{Case, llama};
use llamita::internals::plan::gpu::GPU;
use llamita::internals::{check, kernels, software};
use pollster::block_on;

/// Devices that no test uses at the moment: one thread at a time submits to a device.
static DEVICES: Mutex<BTreeMap<Tier, Vec<Gpu>>> = Mutex::new(BTreeMap::new());

fn free_devices<T>(tier: Tier, with: impl FnOnce(&mut Vec<Gpu>) -> T) -> T {
    with(DEVICES.lock().expect("no test panics while it holds this").entry(tier).or_default())
}

fn run(cases: &[Case], tier: Tier) -> Result<(), Failed> {
    let free = free_devices(tier, Vec::pop);
    let gpu = free.unwrap_or_else(|| engine::gpu("the kernel cases", tier).expect("it was there before"));
    let mut failures = Vec::new();
    for case in cases {
        let report = block_on(case.check(&gpu)).map_err(|error| format!("{}: {error}", case.name))?;
        if !report.passed {
            failures.push(format!("{}: {}", report.name, report.fault));
        }
    }
    free_devices(tier, |free| free.push(gpu));
    match failures.len() {
        0 => Ok(()),
        count => Err(format!("{count} of {} failed:\n{}", cases.len(), failures.join("\n")).into()),
    }
}

/// Every registered kernel has cases in the plainest tier, which every device has.
fn every_kernel_has_cases() -> Result<(), Failed> {
    let cases = check::kernels::all(Tier::Base);
    let found: BTreeSet<&str> = cases.iter().map(|case| case.kernel.name()).collect();
    let registered: BTreeSet<&str> = kernels::NAMES.into_iter().chain(software::kernels::NAMES).collect();
    if found == registered { Ok(()) } else { Err(format!("cases of {found:?}, and kernels {registered:?}").into()) }
}

/// Two devices give the same bits for the same case: nothing depends on the order of invocations.
fn runs_repeat() -> Result<(), Failed> {
    let devices = [(); 2].map(|()| engine::gpu("runs_repeat", Tier::Base).expect("every adapter has the base tier"));
    for case in check::kernels::all(Tier::Base).iter().step_by(29) {
        let results = devices.each_ref().map(|gpu| block_on(case.measured(gpu)).expect("it runs"));
        if results[0] != results[1] {
            return Err(case.name.clone().into());
        }
    }
    Ok(())
}

/// The cases that are timed compute what the oracle does: decode of Q4_0, of the plan of real GPUs and of this driver's.
fn timed_cases_hold() -> Result<(), Failed> {
    let gpu = engine::gpu("timed_cases_hold", Tier::Base).expect("every adapter has the base tier");
    let mut checked = BTreeSet::new();
    for tuning in [(GPU.tuning)(Tier::Base), gpu.tuning()] {
        // Heads are large, products in other types are made alike, and inputs in whole numbers are zeros.
        let some =
            |name: &str| !name.contains("logits") && ["/Q", "INT4", "F16", "int8"].iter().all(|t| !name.contains(t));
        let all = llama::all(&tuning).into_iter().filter(|case| case.name.contains("decode behind 1023"));
        let cases = all.filter(|case| case.name.starts_with("matvec/Q4_0/") || some(&case.name));
        for case in cases.map(|case| case.case()) {
            checked.insert(case.kernel.name());
            run(&[case], Tier::Base)?;
        }
    }
    let kernels = [
        "argmax",
        "argmax_reduce",
        "attention",
        "combine",
        "flash",
        "matvec",
        "sample",
        "sample_list",
        "sample_maxima",
    ];
    let missing: Vec<_> = kernels.iter().filter(|name| !checked.contains(*name)).collect();
    if missing.is_empty() { Ok(()) } else { Err(format!("no case of {missing:?}").into()) }
}

/// The flag that leaves one case to each test.
const SMALLEST: &str = "--smallest";

/// The case with the fewest words of buffers.
fn smallest(cases: Vec<Case>) -> Vec<Case> {
    cases.into_iter().min_by_key(|case| case.buffers.iter().map(Vec::len).sum::<usize>()).into_iter().collect()
}

fn main() -> ExitCode {
    let (flags, others): (Vec<_>, Vec<_>) = std::env::args().partition(|argument| argument == SMALLEST);
    let (few, arguments) = (!flags.is_empty(), Arguments::from_iter(others));
    let mut trials = vec![Trial::test("every_kernel_has_cases", every_kernel_has_cases)];
    if !few {
        trials.push(Trial::test("runs_repeat", runs_repeat));
        trials.push(Trial::test("timed_cases_hold", timed_cases_hold));
    }
    for (tier, cases) in by_tier::own_cases(check::kernels::all) {
        if engine::gpu("the kernel cases", tier).is_none() {
            continue;
        }
        for (name, cases) in by_tier::groups(tier, cases) {
            let cases = if few { smallest(cases) } else { cases };
            trials.push(Trial::test(name, move || run(&cases, tier)));
        }
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}
