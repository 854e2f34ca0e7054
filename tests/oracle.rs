//! Every kernel, in every variant, on hard data, against its f64 oracle on the device at hand.

#[path = "common/device.rs"]
mod device;

use llamita::Tier;
use llamita::cases;
use llamita::gpu::Gpu;

fn run(tier: Tier, names: &[&str]) {
    let Some(gpu) = device::gpu(tier) else { return };
    let mut failures = Vec::new();
    let mut worst = std::collections::BTreeMap::<&str, f64>::new();
    let mut count = 0;
    for case in cases::all(tier).iter().filter(|case| names.contains(&case.kernel.name())) {
        let report = pollster::block_on(case.check(&gpu)).unwrap_or_else(|e| panic!("{}: {e}", case.name));
        let seen = worst.entry(case.kernel.name()).or_default();
        *seen = seen.max(report.nmse);
        count += 1;
        if !report.passed {
            failures.push(format!("{}: {}", report.name, report.fault));
        }
    }
    let worst: Vec<String> = worst.iter().map(|(name, nmse)| format!("{name} {nmse:.1e}")).collect();
    println!("{count} cases on {} ({tier}); worst NMSE: {}", gpu.name(), worst.join(", "));
    assert!(count > 0 && failures.is_empty(), "{} of {count} failed:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn products_base() {
    run(Tier::Base, &["matvec", "matmul"]);
}

#[test]
fn attention_base() {
    run(Tier::Base, &["attention", "flash"]);
}

#[test]
fn attention_f16() {
    run(Tier::F16, &["attention"]);
}

#[test]
fn small_kernels() {
    run(Tier::Base, &["rmsnorm", "embed", "argmax", "combine", "quantize"]);
}

/// What differs with subgroups; `cargo xtask test` runs it with subgroups of 4, 8 and 16 lanes.
#[test]
fn subgroups() {
    run(Tier::Sub, &["matvec", "matmul", "rmsnorm", "attention", "argmax"]);
}

#[test]
fn sampler() {
    run(Tier::Base, &["sample"]);
}

/// Two devices give the same bits for the same case: nothing depends on the order of lanes.
#[test]
fn runs_repeat() {
    let Some(gpu) = device::gpu(Tier::Base) else { return };
    let other = Gpu::clone(&gpu);
    for case in cases::all(Tier::Base).iter().step_by(29) {
        let first = pollster::block_on(case.measured(&gpu)).expect("the case runs");
        let second = pollster::block_on(case.measured(&other)).expect("the case runs");
        assert_eq!(first, second, "{}", case.name);
    }
}
