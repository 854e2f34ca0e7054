//! Runs small shaders whose only buffers are `x`, binding 0, and `y`, binding 1.
#![allow(dead_code, reason = "each test program takes some of it")]

use std::collections::BTreeMap;

use simulator::{Kind, Outcome, Schedule, Setup, Shader};

/// Declarations of both buffers, in front of a shader.
pub const BUFFERS: &str = "@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;
";

/// A shader over these buffers.
pub fn shader(text: &str) -> Shader {
    Shader::new(&format!("{BUFFERS}{text}")).unwrap_or_else(|error| panic!("{error}"))
}

/// Runs it on `x` over so many workgroups; gives `len` words of `y`.
pub fn run_as(
    shader: &Shader,
    x: &[u32],
    len: usize,
    groups: u32,
    lanes: u32,
    schedule: Schedule,
) -> (Vec<u32>, Outcome) {
    let mut buffers = BTreeMap::from([(0, x.to_vec()), (1, vec![0; len])]);
    let setup = Setup { lanes, schedule, grid: [groups, 1, 1], workgroups: None, traffic: false };
    let outcome = shader.run(&mut buffers, &setup).unwrap_or_else(|error| panic!("{error}"));
    (buffers.remove(&1).expect("it was bound"), outcome)
}

/// The same in order.
pub fn run(shader: &Shader, x: &[u32], len: usize, lanes: u32) -> (Vec<u32>, Outcome) {
    run_as(shader, x, len, 1, lanes, Schedule::InOrder)
}

/// The kinds of what was found.
pub fn kinds(outcome: &Outcome) -> Vec<Kind> {
    outcome.faults.iter().map(|fault| fault.kind).collect()
}

/// Every order that is tried.
pub const SCHEDULES: [Schedule; 4] = [Schedule::InOrder, Schedule::Reverse, Schedule::Random(1), Schedule::Random(2)];
