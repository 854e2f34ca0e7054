//! Negative controls: kernels of ours with a fault, which the simulator has to find.

use libtest_mimic::{Failed, Trial};
use llamita::Tier;
use llamita::internals::cases::{self, Case};
use llamita::internals::plan::gpu::GPU;
use pollster::block_on;
use simulator::{Kind, LANES, Schedule, Shader};

use super::{request, run};

/// A change of a kernel's text, and what it has to be found by.
struct Fault {
    name: &'static str,
    tier: Tier,
    /// The beginning of the name of its case.
    case: &'static str,
    from: &'static str,
    to: &'static str,
    /// What is found, or that the result is wrong.
    found: Option<Kind>,
    /// Lanes that show it; others have to hide it.
    shown: &'static [u32],
}

const FAULTS: [Fault; 8] = [
    Fault {
        name: "a race in workgroup memory",
        tier: Tier::Base,
        case: "rmsnorm/64-rows7: 7 of 172",
        from: "own_sums[invocation.index] = value;",
        to: "own_sums[invocation.index / 2u * 2u] = value; own_sums[invocation.index / 2u * 2u + 1u] = 0.0;",
        found: Some(Kind::Race),
        shown: &LANES,
    },
    Fault {
        name: "a race between workgroups in storage",
        tier: Tier::Base,
        case: "rmsnorm/64-rows7: 7 of 172",
        from: "store_row(group.x, ",
        to: "store_row(group.x / 2u, ",
        found: Some(Kind::Race),
        shown: &LANES,
    },
    Fault {
        name: "a missing barrier that 64 and 128 lanes hide",
        tier: Tier::Sub,
        case: "matvec/Q4_0/norm/logits",
        from: "            workgroupBarrier();\n            total = vec4<f32>(0.0);",
        to: "            total = vec4<f32>(0.0);",
        found: Some(Kind::Race),
        shown: &[4, 8, 16, 32],
    },
    Fault {
        name: "a read of workgroup memory that nobody wrote",
        tier: Tier::Base,
        case: "attention",
        from: "        total[i] = 0.0;\n",
        to: "",
        found: Some(Kind::Uninitialised),
        shown: &LANES,
    },
    Fault {
        name: "a variable without an initial value",
        tier: Tier::Base,
        case: "attention",
        from: "var acc = array<vec4<f32>, ITEMS>();",
        to: "var acc: array<vec4<f32>, ITEMS>;",
        found: Some(Kind::Uninitialised),
        shown: &LANES,
    },
    Fault {
        name: "a store out of bounds",
        tier: Tier::Base,
        case: "matvec/Q4_0/norm/logits",
        from: "if (row_in_part + 1u < params.rows) {",
        to: "if (row_in_part < params.rows) {",
        found: Some(Kind::OutOfBounds),
        shown: &LANES,
    },
    Fault {
        name: "a subgroup size that is assumed",
        tier: Tier::Sub,
        case: "matvec/Q4_0/norm/logits",
        from: "let width = max(min(invocation.size, WORKGROUP_SIZE), ROW_INVOCATIONS);",
        to: "let width = 32u;",
        found: None,
        shown: &[4, 8, 16],
    },
    Fault {
        name: "a barrier in control flow that is not uniform",
        tier: Tier::Base,
        case: "argmax",
        from: "    let best = best_of_workgroup(invocation, key, id);",
        to: "    if (local_id == 5u) { return; }\n    let best = best_of_workgroup(invocation, key, id);",
        found: Some(Kind::Divergence),
        shown: &LANES,
    },
];

/// Most cases of a kernel that are run with a fault.
const MOST_CASES: usize = 4;

/// A test for each of them.
pub fn trials() -> Vec<Trial> {
    let trial = |fault: &'static Fault| Trial::test(format!("seeded/{}", fault.name), || check(fault));
    FAULTS.iter().map(trial).collect()
}

fn check(fault: &Fault) -> Result<(), Failed> {
    let mut cases: Vec<Case> = Vec::new();
    cases::common(&(GPU.tuning)(fault.tier), &mut cases);
    // Several cases, since not every one has enough invocations or rows.
    let cases = cases.iter().filter(|case| case.name.starts_with(fault.case)).take(MOST_CASES);
    for lanes in LANES {
        let mut shown = Vec::new();
        let mut count = 0;
        for case in cases.clone() {
            let text = case.kernel.source().compose();
            if !text.contains(fault.from) {
                return Err(format!("{} has no {:?} any more", case.name, fault.from).into());
            }
            let shader = Shader::new(&text.replace(fault.from, fault.to))?;
            let (measured, outcome) = run(case, &shader, request::Run { lanes, schedule: Schedule::InOrder })?;
            let report = case.compare(&block_on(case.expected())?, &measured);
            let found = outcome.faults.iter().map(|fault| fault.kind).collect::<Vec<_>>();
            count += 1;
            match fault.found {
                Some(kind) if found.contains(&kind) => shown.push(format!("{found:?}")),
                None if !report.passed => shown.push(report.fault),
                _ if !found.is_empty() || !report.passed => {
                    return Err(format!("{}, {lanes} lanes: {found:?}, {}", case.name, report.fault).into());
                }
                _ => {}
            }
        }
        if count == 0 || shown.is_empty() == fault.shown.contains(&lanes) {
            return Err(format!("{lanes} lanes: shown by {} of {count} cases: {shown:?}", shown.len()).into());
        }
    }
    Ok(())
}
