//! A long run takes no more memory than a short one. Alone in its process, whose memory it counts.

use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};

use llamita::source::Bytes;
use llamita::{Device, LoadOptions, Model, Sampling};
use pollster::block_on;

#[path = "common/context.rs"]
mod context;
#[path = "common/engine.rs"]
mod engine;

use engine::{Engine, both_plans, ids};

fn load(source: &Bytes, engine: &Engine, first_capacity: usize) -> Model {
    engine.load(source, LoadOptions { first_capacity: Some(first_capacity), ..Default::default() })
}

fn sampling(max_tokens: usize) -> Sampling {
    Sampling { temperature: 0.8, top_p: 1.0, seed: 3, max_tokens, ignore_eos: true, ..Sampling::default() }
}

/// Anonymous bytes of this process, which on a software driver are the device's too.
#[cfg(target_os = "linux")]
fn anonymous_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux has it");
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).expect("it counts anonymous pages");
    line.split_whitespace().nth(1).and_then(|kilobytes| kilobytes.parse::<u64>().ok()).expect("a number") * 1024
}

#[cfg(not(target_os = "linux"))]
fn anonymous_bytes() -> u64 {
    0
}

/// Held by the test that runs: memory is the process's.
static ALONE: Mutex<()> = Mutex::new(());

/// 2,000 tokens take no memory beyond that of the first hundred, and make nothing on the device.
#[test]
fn two_thousand_tokens_at_constant_memory() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    both_plans().iter().for_each(two_thousand_tokens_on);
}

fn two_thousand_tokens_on(engine: &Engine) {
    let source = context::with_context("random-q4_0-h64.gguf", 2200);
    let model = load(&source, engine, 2200);
    let Device::Gpu(gpu) = model.device() else { panic!("a GPU was asked for") };
    let counters = gpu.counters();
    let count = || {
        [&counters.allocated, &counters.buffers, &counters.bind_groups].map(|counter| counter.load(Ordering::Relaxed))
    };
    let mut session = model.session().expect("there is memory");
    let mut reply = session.reply_ids(&ids(5), sampling(2100)).expect("it fits");
    let mut take = |tokens: usize| {
        for _ in 0..tokens {
            block_on(reply.next()).expect("more").unwrap_or_else(|e| panic!("{e}"));
        }
    };
    take(100);
    let ([bytes, buffers, groups], resident) = (count(), anonymous_bytes());
    take(2000);
    let ([bytes_after, buffers_after, groups_after], resident_after) = (count(), anonymous_bytes());
    println!("{bytes} to {bytes_after} bytes, {resident} to {resident_after} anonymous");
    // Tokens that become short have two more under way, and each its readback of 16 bytes.
    assert!(buffers_after - buffers <= 2 && bytes_after - bytes <= 32, "{buffers} to {buffers_after} buffers");
    assert_eq!(groups, groups_after);
    assert!(resident_after < resident + (2 << 20), "{resident} to {resident_after} anonymous bytes");

    // A cache that grows shows in every one of these.
    let growing = load(&source, engine, 64);
    let Device::Gpu(gpu) = growing.device() else { panic!("a GPU was asked for") };
    let counters = gpu.counters();
    let mut session = growing.session().expect("there is memory");
    let before = counters.bind_groups.load(Ordering::Relaxed);
    let grown = engine::continued(&mut session, &ids(5), sampling(100));
    assert_eq!(grown, reply.token_ids()[..100]);
    assert!(counters.bind_groups.load(Ordering::Relaxed) > before);
}

/// Prefill takes no memory beyond that of the first ones, with adaptors either: lavapipe may compile a kernel at every
/// dispatch, and keep what it compiled (`shaders/software/lib/loop_end.wgsl`).
#[test]
fn prompts_at_constant_memory() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let source = llamita::source::open("models/meta/qlora").expect("the fixture");
    for engine in both_plans() {
        let model = engine.load(source.as_ref(), LoadOptions::default());
        let mut session = model.session().expect("there is memory");
        let mut prompts = |count: usize| {
            for _ in 0..count {
                session.truncate(0);
                engine::continued(&mut session, &ids(120), sampling(1));
            }
            anonymous_bytes()
        };
        let resident = prompts(2);
        let after = prompts(6);
        println!("{engine}: {resident} to {after} anonymous");
        assert!(after < resident + (32 << 20), "{engine}: {resident} to {after} anonymous bytes");
    }
}
