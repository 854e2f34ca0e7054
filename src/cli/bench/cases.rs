//! `--cases`: how fast each kernel is, without a model.

use std::collections::BTreeSet;

use llamita::internals::backend::gpu::Gpu;
use llamita::internals::cases::Case;
use llamita::internals::cases::llama::{self, LlamaCase};
use llamita::internals::check::kernels;
use llamita::internals::check::timing::CaseTime;
use llamita::internals::drivers::DeviceOptions;
use llamita::{DeviceChoice, PlanChoice};
use serde::Serialize;

use crate::cli::args::ModelArgs;
use crate::cli::failure::Failure;
use crate::cli::output;

/// What lists the names instead.
const LIST: &str = "list";

/// A case, as JSON has it.
#[derive(Serialize)]
struct Line<'a> {
    case: &'a str,
    kernel: &'a str,
    plan: &'static str,
    tier: &'static str,
    repeat: u32,
    ms_min: f64,
    ms_median: f64,
    /// Bytes that a dispatch moves at least.
    bytes: u64,
    /// Multiply-accumulates of a dispatch.
    work: u64,
    /// By the median; none where the clock saw no time pass.
    gb_per_second: Option<f64>,
    gmac_per_second: Option<f64>,
    clock: &'static str,
    adapter: &'a str,
    driver: &'a str,
}

/// A case that is made when its turn comes, or one that is there.
enum Pending {
    Llama(LlamaCase),
    Oracle(Case),
}

impl Pending {
    fn name(&self) -> &str {
        match self {
            Self::Llama(case) => &case.name,
            Self::Oracle(case) => &case.name,
        }
    }

    fn case(self) -> Case {
        match self {
            Self::Llama(case) => case.case(),
            Self::Oracle(case) => case,
        }
    }
}

/// The cases of a device.
struct OfDevice {
    gpu: Gpu,
    cases: Vec<Pending>,
}

/// Times the cases whose names contain a filter, of the plan that is asked for, or else of real GPUs' plan and of the
/// driver's own.
pub async fn run(args: &ModelArgs, filter: &str, repeat: u32, json: bool) -> Result<(), Failure> {
    let mut devices = devices(args).await?;
    let fits = |name: &str| name.to_lowercase().contains(&filter.to_lowercase());
    let list = filter == LIST;
    for (at, OfDevice { gpu, cases }) in devices.iter_mut().enumerate() {
        let tuning = gpu.tuning().with(args.kv, args.numbers.activations);
        cases.extend(llama::all(&tuning).into_iter().map(Pending::Llama));
        // The oracle's cases are those of all plans.
        if at == 0 && !filter.is_empty() {
            cases.extend(kernels::all(gpu.tier()).into_iter().map(Pending::Oracle));
        }
    }
    if list {
        let names = devices.iter().flat_map(|device| device.cases.iter().map(Pending::name));
        // A name may stand for several cases; the order is that of the measurement.
        let mut seen = BTreeSet::new();
        return output::print(&names.filter(|name| seen.insert(*name)).collect::<Vec<_>>().join("\n"));
    }
    let kernels: BTreeSet<String> = (devices.iter().flat_map(|device| &device.cases))
        .filter_map(|case| case.name().split(['/', ':']).next().map(str::to_owned))
        .collect();
    for device in &mut devices {
        device.cases.retain(|case| fits(case.name()));
    }
    if devices.iter().all(|device| device.cases.is_empty()) {
        let kernels = kernels.into_iter().collect::<Vec<_>>().join(", ");
        return Err(Failure::new(format!(
            "--cases {filter:?} is in no case's name; there are cases of {kernels}, and --cases list prints all names"
        )));
    }
    let all = devices.iter().flat_map(|device| &device.cases);
    let width = all.map(|case| case.name().len()).max().unwrap_or(0);
    for OfDevice { gpu, cases } in devices.into_iter().filter(|device| !device.cases.is_empty()) {
        if !json {
            output::print(&heading(&gpu, width))?;
        }
        for pending in cases {
            let case = pending.case();
            let time = case.time(&gpu, repeat).await?;
            print(&gpu, &case, time, (repeat, width), json)?;
        }
    }
    Ok(())
}

/// The devices to measure on: one per plan. A GPU has one plan.
async fn devices(args: &ModelArgs) -> Result<Vec<OfDevice>, Failure> {
    let name = match &args.device {
        DeviceChoice::Cpu => {
            return Err(Failure::new(
                "--cases measures a GPU: the CPU without a driver runs the oracles, which are no kernels",
            ));
        }
        DeviceChoice::Named(name) => Some(name.as_str()),
        DeviceChoice::Auto | DeviceChoice::Gpu => None,
    };
    let options = |plan| DeviceOptions {
        tier: args.tier,
        plan,
        limits: args.limits,
        fault: args.fault,
        ..DeviceOptions::default()
    };
    let first = Gpu::open(name, options(args.plan)).await?;
    let mut found = vec![first];
    if args.plan == PlanChoice::Auto && found[0].driver() != PlanChoice::Gpu.of(found[0].driver()) {
        found.insert(0, Gpu::open(name, options(PlanChoice::Gpu)).await?);
    }
    Ok(found.into_iter().map(|gpu| OfDevice { gpu, cases: Vec::new() }).collect())
}

/// Whose clock tells.
fn clock(gpu: &Gpu) -> &'static str {
    if gpu.has_clock() { "device" } else { "host" }
}

fn heading(gpu: &Gpu, width: usize) -> String {
    let (name, driver) = (gpu.name(), gpu.driver_version());
    let (plan, tier) = (gpu.tuning().driver.name, gpu.tier());
    format!(
        "{name}, {driver}, plan {plan}, tier {tier}; by the {}'s clock\n{:<width$}  {:>10}  {:>10}  {:>8}  {:>8}",
        clock(gpu),
        "case",
        "ms, least",
        "ms, median",
        "GB/s",
        "GMAC/s"
    )
}

fn print(gpu: &Gpu, case: &Case, time: CaseTime, (repeat, width): (u32, usize), json: bool) -> Result<(), Failure> {
    let CaseTime { ms_min, ms_median, cost } = time;
    let (gb_per_second, gmac_per_second) = (time.gb_per_second(), time.gmac_per_second());
    if json {
        return output::print_json(&Line {
            case: &case.name,
            kernel: &case.kernel.label(),
            plan: gpu.tuning().driver.name,
            tier: gpu.tier().name(),
            repeat,
            ms_min,
            ms_median,
            bytes: cost.bytes,
            work: cost.work,
            gb_per_second,
            gmac_per_second,
            clock: clock(gpu),
            adapter: gpu.name(),
            driver: &gpu.driver_version(),
        });
    }
    let [bandwidth, work] = [gb_per_second, gmac_per_second].map(output::per_second);
    output::print(&format!("{:<width$}  {ms_min:>10.4}  {ms_median:>10.4}  {bandwidth:>8}  {work:>8}", case.name))
}
