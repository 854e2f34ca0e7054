//! Every kernel, in every variant, on hard data, against its f64 oracle on the device at hand.

#[path = "common/engine.rs"]
mod engine;

use std::collections::BTreeSet;

use llamita::Tier;
use llamita::internals::backend::gpu::Gpu;
use llamita::internals::check::kernels as cases;
use llamita::internals::kernels::NAMES;

fn run(tier: Tier, names: &[&str]) {
    let Some(gpu) = engine::gpu(&names.join(", "), tier) else { return };
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

const PRODUCTS: [&str; 2] = ["matvec", "matmul"];
const ATTENTION: [&str; 2] = ["attention", "flash"];
const SMALL: [&str; 5] = ["rmsnorm", "embed", "argmax", "combine", "quantize"];
const SAMPLER: [&str; 1] = ["sample"];

/// Kernels with other code where there are subgroups.
const WITH_SUBGROUPS: [&str; 5] = ["matvec", "matmul", "rmsnorm", "attention", "argmax"];

#[test]
fn every_kernel_is_run() {
    let mut run = [&PRODUCTS[..], &ATTENTION, &SMALL, &SAMPLER].concat();
    run.sort_unstable();
    assert_eq!(run, NAMES);
}

#[test]
fn products_base() {
    run(Tier::Base, &PRODUCTS);
}

#[test]
fn attention_base() {
    run(Tier::Base, &ATTENTION);
}

#[test]
fn attention_f16() {
    run(Tier::F16, &["attention"]);
}

#[test]
fn small_kernels() {
    run(Tier::Base, &SMALL);
}

/// `cargo xtask test` runs it with subgroups of 4, 8 and 16 invocations.
#[test]
fn subgroups() {
    run(Tier::Sub, &WITH_SUBGROUPS);
}

/// Attention alone reads f16 together with subgroups.
#[test]
fn subgroups_f16() {
    run(Tier::F16Sub, &["attention"]);
}

#[test]
fn sampler() {
    run(Tier::Base, &SAMPLER);
}

/// What the two lists above leave out is the same WGSL in every tier.
#[test]
fn other_kernels_are_the_same_in_every_tier() {
    let texts = |tier: Tier, name: &str| -> BTreeSet<String> {
        let cases = cases::all(tier);
        cases.iter().filter(|case| case.kernel.name() == name).map(|case| case.kernel.source().compose()).collect()
    };
    for name in NAMES {
        let base = texts(Tier::Base, name);
        assert_eq!(base == texts(Tier::F16, name), name != "attention", "{name} in f16");
        assert_eq!(base == texts(Tier::Sub, name), !WITH_SUBGROUPS.contains(&name), "{name} with subgroups");
        assert_eq!(texts(Tier::Sub, name) == texts(Tier::F16Sub, name), name != "attention", "{name} with both");
    }
}

/// Two devices give the same bits for the same case: nothing depends on the order of invocations.
#[test]
fn runs_repeat() {
    let open = || engine::gpu("runs_repeat", Tier::Base).expect("every adapter has the base tier");
    let devices: [Gpu; 2] = [open(), open()];
    for case in cases::all(Tier::Base).iter().step_by(29) {
        let [first, second] = devices.each_ref().map(|gpu| pollster::block_on(case.measured(gpu)).expect("it runs"));
        assert_eq!(first, second, "{}", case.name);
    }
}
