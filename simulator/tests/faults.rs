//! Seeded faults of each kind, and the same shaders without them.

mod common;

use common::{SCHEDULES, kinds, run, run_as, shader};
use simulator::{Error, Kind, LANES, Schedule, Shader};

/// 64 numbers in reverse, through workgroup memory; `BARRIER` stands where one is needed.
const REVERSED: &str = "var<workgroup> own: array<u32, 64>;
@compute @workgroup_size(64) fn main(@builtin(local_invocation_index) i: u32) {
    own[i] = x[i];
    BARRIER
    y[i] = own[63u - i];
}";

fn numbers() -> Vec<u32> {
    (1..=64).collect()
}

fn reversed() -> Vec<u32> {
    (1..=64).rev().collect()
}

#[test]
fn a_barrier_makes_it_right_for_all_sizes_and_orders() {
    let right = shader(&REVERSED.replace("BARRIER", "workgroupBarrier();"));
    for lanes in LANES {
        for schedule in SCHEDULES {
            let (y, outcome) = run_as(&right, &numbers(), 64, 1, lanes, schedule);
            assert_eq!(outcome.faults, [], "{lanes} lanes, {schedule:?}");
            assert_eq!(y, reversed(), "{lanes} lanes, {schedule:?}");
        }
    }
}

/// Waves of 64 lanes run the whole workgroup in lock-step, and give the right numbers. The race is found all the same.
#[test]
fn a_missing_barrier_that_large_waves_hide() {
    let wrong = shader(&REVERSED.replace("BARRIER", ""));
    for lanes in LANES {
        let (y, outcome) = run(&wrong, &numbers(), 64, lanes);
        assert!(kinds(&outcome).contains(&Kind::Race), "{lanes} lanes");
        assert_eq!(y == reversed(), lanes >= 64, "{lanes} lanes");
    }
    // In the other order small waves read what was written, and the race has its other side.
    let (_, outcome) = run_as(&wrong, &numbers(), 64, 1, 16, Schedule::Reverse);
    let race = outcome.faults.iter().find(|fault| fault.kind == Kind::Race).expect("a race");
    assert_eq!(race.lines.map(|line| line > 0), [true, true], "{race}");
    assert!(race.text.contains("own"), "{race}");
}

#[test]
fn a_barrier_of_the_other_memory_orders_nothing() {
    let text = "@compute @workgroup_size(64) fn main(@builtin(local_invocation_index) i: u32) {
        y[i] = x[i];
        BARRIER
        y[64u + i] = y[63u - i];
    }";
    let of = |barrier: &str| {
        let (y, outcome) = run(&shader(&text.replace("BARRIER", barrier)), &numbers(), 128, 32);
        (y[64..].to_vec(), kinds(&outcome))
    };
    assert_eq!(of("storageBarrier();"), (reversed(), vec![]));
    assert_eq!(of("workgroupBarrier();").1, [Kind::Race]);
}

#[test]
fn a_race_between_workgroups() {
    let text = "@compute @workgroup_size(1) fn main(@builtin(workgroup_id) group: vec3<u32>) { y[INDEX] = group.x; }";
    let of = |index: &str| run_as(&shader(&text.replace("INDEX", index)), &[0], 8, 8, 4, Schedule::InOrder).1;
    assert_eq!(of("group.x").faults, []);
    let race = &of("group.x / 2u").faults[0];
    assert_eq!(race.kind, Kind::Race);
    assert!(race.text.contains("nothing orders workgroups"), "{race}");
}

#[test]
fn lanes_of_a_wave_race_too() {
    let text = "var<workgroup> last: u32;
    @compute @workgroup_size(16) fn main(@builtin(local_invocation_index) i: u32) {
        if (CONDITION) { last = i; }
        workgroupBarrier();
        y[i] = last;
    }";
    let of = |condition: &str| kinds(&run(&shader(&text.replace("CONDITION", condition)), &[0], 16, 32).1);
    assert_eq!(of("i == 3u"), []);
    assert_eq!(of("i > 3u"), [Kind::Race]);
}

#[test]
fn atomic_operations_do_not_race() {
    let text = "var<workgroup> count: atomic<u32>;
    @compute @workgroup_size(64) fn main(@builtin(local_invocation_index) i: u32) {
        if (i == 0u) { START }
        workgroupBarrier();
        atomicAdd(&count, i);
        workgroupBarrier();
        y[i] = atomicLoad(&count);
    }";
    for schedule in SCHEDULES {
        let right = shader(&text.replace("START", "atomicStore(&count, 0u);"));
        let (y, outcome) = run_as(&right, &[0], 64, 1, 16, schedule);
        assert_eq!((y, outcome.faults), (vec![2016; 64], vec![]));
    }
    assert_eq!(kinds(&run(&shader(&text.replace("START", "")), &[0], 64, 16).1)[0], Kind::Uninitialised);
}

/// A result that depends on the order of waves, without a race.
#[test]
fn orders_differ() {
    let text = "@group(0) @binding(2) var<storage, read_write> count: atomic<u32>;
    @compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3<u32>) {
        y[atomicAdd(&count, 1u)] = id.x;
    }";
    let shader = shader(text);
    let results = SCHEDULES.map(|schedule| {
        let mut buffers = std::collections::BTreeMap::from([(0, vec![0]), (1, vec![0; 128]), (2, vec![0])]);
        let setup = simulator::Setup { lanes: 16, schedule, grid: [2, 1, 1], workgroups: None, traffic: false };
        assert_eq!(shader.run(&mut buffers, &setup).expect("it runs").faults, []);
        buffers.remove(&1).expect("it was bound")
    });
    let waves = |order: [u32; 8]| order.into_iter().flat_map(|wave| 16 * wave..16 * wave + 16).collect::<Vec<u32>>();
    assert_eq!(results[0], waves([0, 1, 2, 3, 4, 5, 6, 7]));
    assert_eq!(results[1], waves([7, 6, 5, 4, 3, 2, 1, 0]));
    for (i, result) in results.iter().enumerate() {
        assert!(!results[..i].contains(result), "{:?}", SCHEDULES[i]);
        let mut all = result.clone();
        all.sort_unstable();
        assert_eq!(all, (0..128).collect::<Vec<_>>());
    }
}

#[test]
fn reads_of_what_nobody_wrote() {
    let workgroup = "var<workgroup> own: array<u32, 16>;
    @compute @workgroup_size(16) fn main(@builtin(local_invocation_index) i: u32) {
        if (i < COUNT) { own[i] = i; }
        workgroupBarrier();
        y[i] = own[15u - i];
    }";
    let of = |count: &str| kinds(&run(&shader(&workgroup.replace("COUNT", count)), &[0], 16, 8).1);
    assert_eq!(of("16u"), []);
    assert_eq!(of("15u"), [Kind::Uninitialised]);
    // What an earlier workgroup wrote is gone.
    let first = shader(
        "var<workgroup> own: u32;
        @compute @workgroup_size(1) fn main(@builtin(workgroup_id) group: vec3<u32>) {
            if (group.x == 0u) { own = 1u; }
            y[group.x] = own;
        }",
    );
    assert_eq!(kinds(&run_as(&first, &[0], 2, 2, 4, Schedule::InOrder).1), [Kind::Uninitialised]);

    let variable = "@compute @workgroup_size(16) fn main(@builtin(local_invocation_index) i: u32) {
        var own: array<u32, 4>;
        for (var j = 0u; j < COUNT; j++) { own[j] = i; }
        y[i] = own[i % 4u];
    }";
    let of = |count: &str| kinds(&run(&shader(&variable.replace("COUNT", count)), &[0], 16, 8).1);
    assert_eq!(of("4u"), []);
    assert_eq!(of("3u"), [Kind::Uninitialised]);
}

#[test]
fn indices_out_of_bounds() {
    let text = "var<workgroup> own: array<u32, 16>;
    @compute @workgroup_size(16) fn main(@builtin(local_invocation_index) i: u32) {
        var mine = array<u32, 4>();
        own[i] = 0u;
        workgroupBarrier();
        STATEMENT
    }";
    let of = |statement: &str| run(&shader(&text.replace("STATEMENT", statement)), &[1, 2, 3], 16, 32);
    for right in
        ["y[i] = 1u;", "own[i] = 1u;", "mine[i % 4u] = 1u;", "y[i] = x[i % 3u];", "y[i] = vec2<u32>(i)[i % 2u];"]
    {
        assert_eq!(of(right).1.faults, [], "{right}");
    }
    for (wrong, expected) in [
        ("y[i + 1u] = 1u;", "invocation 15 of workgroup 0 writes element 16 of y, which has 16"),
        ("own[i + 2u] = 1u;", "invocation 14 of workgroup 0 writes element 16 of own, which has 16"),
        ("mine[i] = 1u;", "invocation 4 of workgroup 0 writes element 4 of mine, which has 4"),
        ("y[i] = mine[i];", "invocation 4 of workgroup 0 reads element 4 of mine, which has 4"),
        ("y[i] = x[i];", "invocation 3 of workgroup 0 reads element 3 of x, which has 3"),
        ("y[i] = vec2<u32>(i)[i];", "invocation 2 of workgroup 0 reads component 2 of a value, which has 2"),
    ] {
        let fault = &of(wrong).1.faults[0];
        assert_eq!(fault.kind, Kind::OutOfBounds, "{wrong}");
        assert!(fault.text.starts_with(expected), "{fault}");
        assert!(fault.text.contains("line 8"), "{fault}");
    }
    // A store out of bounds is left out.
    assert_eq!(of("y[i + 1u] = 1u;").0, [&[0][..], &[1; 15]].concat());
}

/// A sum by exchange that is right for subgroups of 32 only.
#[test]
fn an_assumed_subgroup_size() {
    let assumed = shader(
        "@compute @workgroup_size(64) fn main(@builtin(local_invocation_index) i: u32) {
            var sum = x[i];
            for (var step = 1u; step < 32u; step *= 2u) { sum += subgroupShuffleXor(sum, step); }
            y[i] = sum;
        }",
    );
    let halves: Vec<u32> = (0..64).map(|i| if i < 32 { 528 } else { 1552 }).collect();
    for lanes in LANES {
        assert_eq!(run(&assumed, &numbers(), 64, lanes).0 == halves, lanes >= 32, "{lanes} lanes");
    }
    let asked = shader(
        "@compute @workgroup_size(64) fn main(
            @builtin(subgroup_size) size: u32, @builtin(subgroup_invocation_id) within: u32, @builtin(subgroup_id) own: u32,
        ) {
            y[own * size + within] = subgroupAdd(x[own * size + within]);
        }",
    );
    let sums = |lanes: usize| -> Vec<u32> {
        let numbers = numbers();
        numbers.chunks(lanes).flat_map(|part| vec![part.iter().sum(); part.len()]).collect()
    };
    for lanes in LANES {
        assert_eq!(run(&asked, &numbers(), 64, lanes).0, sums(lanes as usize), "{lanes} lanes");
    }
}

#[test]
fn barriers_and_subgroups_in_control_flow_that_is_not_uniform() {
    let text = "var<workgroup> own: u32;
    @compute @workgroup_size(64) fn main(@builtin(local_invocation_index) i: u32) {
        STATEMENT
        y[i] = 1u;
    }";
    let of = |statement: &str, lanes| kinds(&run(&shader(&text.replace("STATEMENT", statement)), &[7], 64, lanes).1);
    for lanes in LANES {
        for wrong in [
            "if (i < 16u) { workgroupBarrier(); }",
            "if (i >= 16u) { return; } workgroupBarrier();",
            "for (var j = 0u; j < i / 16u; j++) { workgroupBarrier(); }",
            "if (i < 16u) { workgroupBarrier(); } else { workgroupBarrier(); }",
            "switch (i / 16u) { case 0u: { storageBarrier(); } default: {} }",
        ] {
            assert_eq!(of(wrong, lanes), [Kind::Divergence], "{wrong}, {lanes} lanes");
        }
        for right in [
            "if (x[0] == 7u) { workgroupBarrier(); }",
            "for (var j = 0u; j < i / 16u; j++) { y[i] += 1u; } workgroupBarrier();",
            "if (x[0] < 7u) { return; } workgroupBarrier();",
        ] {
            assert_eq!(of(right, lanes), [], "{right}, {lanes} lanes");
        }
    }
    let wrong = "if (i % 2u == 0u) { y[i] = subgroupAdd(i); }";
    assert_eq!(of(wrong, 16), [Kind::Divergence]);
    // Whole subgroups may differ.
    let right = "if (i < 16u) { y[i] = subgroupAdd(i); }";
    assert_eq!((of(right, 16), of(right, 32)), (vec![], vec![Kind::Divergence]));
    let uniform = "if (i == 0u) { own = 1u; } y[i] = workgroupUniformLoad(&own);";
    assert_eq!(of(uniform, 16), []);
    assert_eq!(
        of(&uniform.replace("y[i] =", "if (i == 0u) { y[i] =").replace("own);", "own); }"), 16),
        [Kind::Divergence]
    );
}

#[test]
fn unknown_constructs_are_named_with_their_line() {
    let of = |text: &str| Shader::new(text).expect_err("it is not known");
    let main = "@compute @workgroup_size(1) fn main() {\n    STATEMENT\n}";
    let Error::Unknown { construct, line, text } = of(&main
        .replace("STATEMENT", "let a = smoothstep(0.0, 1.0, f32(b));")
        .replace("@compute", "var<private> b: u32;\n@compute"))
    else {
        panic!("another error")
    };
    assert_eq!((construct.as_str(), line), ("the function SmoothStep", 3));
    assert_eq!(text, "let a = smoothstep(0.0, 1.0, f32(b));");
    let texture = format!("@group(0) @binding(0) var t: texture_2d<u32>;\n{main}").replace("STATEMENT", "");
    assert!(matches!(of(&texture), Error::Unknown { line: 1, .. }), "{}", of(&texture));
    let size = format!("override size: u32 = 4u;\n{main}").replace("STATEMENT", "var a = size;");
    assert!(matches!(of(&size), Error::Unknown { .. }), "{}", of(&size));
    assert!(matches!(of("fn main() { return 1u; }"), Error::Wgsl(_)));
}

#[test]
fn what_is_bound_has_to_fit() {
    let shader = shader("@compute @workgroup_size(1) fn main() { y[0] = x[0]; }");
    let setup =
        simulator::Setup { lanes: 32, schedule: Schedule::InOrder, grid: [1; 3], workgroups: None, traffic: false };
    let mut buffers = std::collections::BTreeMap::from([(0, vec![1])]);
    let error = shader.run(&mut buffers, &setup).expect_err("y is missing");
    assert_eq!(error.to_string(), "nothing is bound to y, binding 1");
    let mut buffers = std::collections::BTreeMap::from([(0, vec![1]), (1, vec![0])]);
    assert!(shader.run(&mut buffers, &simulator::Setup { lanes: 24, ..setup }).is_err());
    let shader = Shader::new(
        "struct Params { a: u32, b: vec4<f32> }
        @group(0) @binding(0) var<uniform> params: Params;
        @group(0) @binding(1) var<storage, read_write> y: array<f32>;
        @compute @workgroup_size(1) fn main() { y[0] = params.b.w; }",
    )
    .expect("it is known");
    let mut buffers = std::collections::BTreeMap::from([(0, vec![0; 7]), (1, vec![0])]);
    let error = shader.run(&mut buffers, &setup).expect_err("one word is missing");
    assert_eq!(error.to_string(), "params is 32 bytes long, and 28 bytes are bound");
}
