//! The KV cache as it grows: the same bits as one that was made at full size, whatever happens meanwhile.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures::FutureExt;
use llamita::internals::plan::llama::{names, session_plans};
use llamita::internals::plan::{ReadRange, RunOutput};
use llamita::internals::session::run::Run;
use llamita::{Device, Error, LoadOptions, Model, Sampling, StopReason, Tier};
use pollster::block_on;

#[path = "common/engine.rs"]
mod engine;

use engine::{Engine, PLANS, both_plans, continued, fixture, ids};

const CONTEXT: usize = 200;

/// Both plans in their plainest tier and in the one that they take by themselves, and on the CPU.
fn engines() -> Vec<Engine> {
    let of = |plan| [Engine::gpu(plan, Some(Tier::Base)), Engine::gpu(plan, None), Engine::cpu(plan)];
    PLANS.into_iter().flat_map(of).collect()
}

/// A model whose sessions begin with room for so many positions.
fn starting_with(first: usize, engine: &Engine) -> Model {
    let options = LoadOptions { context: Some(CONTEXT), first_capacity: Some(first), ..Default::default() };
    engine.load_file(fixture("random-q4_0-h64.gguf"), options)
}

/// Drawn, so that a difference in the last bit of the logits shows sooner or later.
fn drawn(max_tokens: usize) -> Sampling {
    Sampling { temperature: 1.5, top_k: 0, top_p: 1.0, seed: 7, max_tokens, ignore_eos: true, ..Sampling::default() }
}

#[test]
fn growth_changes_nothing() {
    for device in &engines() {
        let full = starting_with(CONTEXT, device);
        let mut session = full.session().expect("there is memory");
        assert_eq!(session.capacity(), CONTEXT);
        let expected = continued(&mut session, &ids(5), drawn(180));
        assert_eq!(expected.len(), 180);

        let model = starting_with(8, device);
        let mut session = model.session().expect("there is memory");
        let mut found = Vec::new();
        // 8, 16, 32, 64, 128, 200, in the middle of replies and at their ends.
        for (prompt, count) in [(5, 90), (0, 33), (0, 1), (0, 56)] {
            found.extend(continued(&mut session, &ids(prompt), drawn(count)));
        }
        assert_eq!(found, expected, "{device}");
        assert_eq!(session.capacity(), CONTEXT);

        // A prompt that needs more than there is, and one that needs no more.
        let mut session = model.session().expect("there is memory");
        assert_eq!(continued(&mut session, &ids(5), drawn(3)), expected[..3]);
        assert_eq!(session.capacity(), 8);
        session.truncate(0);
        let long = [&ids(5)[..], &expected[..100]].concat();
        assert_eq!(continued(&mut session, &long, drawn(80)), expected[100..]);
    }
}

/// All logits after the ids at positions `0 .. ids.len()`, run one by one; the capacity is the `i`th where `i` ids were
/// run.
fn logits(model: &Model, ids: &[u32], capacities: &[(usize, usize)], keep: bool) -> Vec<u32> {
    let plans = |capacity| session_plans(model.shape(), model.matrices(), model.tuning(), capacity).map(Arc::new);
    let mut capacity = capacities[0].1;
    let mut executor = model.executor(plans(capacity).to_vec()).expect("there is memory");
    let mut all = Vec::new();
    for (position, id) in ids.iter().enumerate() {
        if let Some((_, larger)) = capacities.iter().find(|(at, _)| *at == position && position > 0) {
            capacity = *larger;
            block_on(executor.resize(plans(capacity).to_vec(), keep)).expect("there is memory");
        }
        executor.write(names::IDS, position, &[*id]).expect("there are ids");
        let [decode, _] = plans(capacity);
        let uniforms = Run::at(position..position + 1, capacity).uniforms(&decode, model.shape());
        let copy = ReadRange { name: names::LOGITS, first: 0, words: model.shape().vocabulary };
        let run = executor.run(0, 0..decode.steps.len(), RunOutput::Logits, &uniforms, Some(copy)).expect("it runs");
        all.extend_from_slice(&block_on(run).expect("it ends")[..copy.words]);
    }
    all
}

#[test]
fn logits_are_the_same_bits() {
    for device in &engines() {
        let model = starting_with(CONTEXT, device);
        let expected = logits(&model, &ids(40), &[(0, CONTEXT)], true);
        assert_eq!(logits(&model, &ids(40), &[(0, 3), (3, 6), (6, 20), (20, 40)], true), expected);
        // A cache that was not copied shows.
        assert_ne!(logits(&model, &ids(40), &[(0, 20), (20, 40)], false), expected);
    }
}

#[test]
fn sessions_grow_side_by_side() {
    for device in &engines() {
        let full = starting_with(CONTEXT, device);
        let prompts = [ids(9), ids(40)[20..].to_vec()];
        let expected = prompts.each_ref().map(|ids| continued(&mut full.session().expect("memory"), ids, drawn(100)));
        let model = starting_with(8, device);
        let mut sessions = [model.session().expect("memory"), model.session().expect("memory")];
        let mut found = [Vec::new(), Vec::new()];
        for turn in 0..10 {
            for i in 0..2 {
                let next = if turn == 0 { &prompts[i][..] } else { &[] };
                found[i].extend(continued(&mut sessions[i], next, drawn(10)));
            }
        }
        assert_eq!(found, expected);
    }
}

/// A caller may drop the future of a piece at any point, and ask again: what was begun goes on, growth too.
#[test]
fn futures_may_be_dropped() {
    for device in &both_plans() {
        let model = starting_with(8, device);
        let Device::Gpu(gpu) = model.device().clone() else { panic!("a GPU was asked for") };
        let dispatches = || gpu.counters().dispatches.load(Ordering::Relaxed);
        let before = dispatches();
        let expected = continued(&mut model.session().expect("memory"), &ids(9), drawn(60));
        let undisturbed = dispatches() - before;

        let mut session = model.session().expect("memory");
        let mut reply = session.reply_ids(&ids(9), drawn(60)).expect("the prompt is fine");
        let (before, mut dropped) = (dispatches(), 0);
        loop {
            match reply.next().now_or_never() {
                Some(Some(piece)) => drop(piece.expect("the device works")),
                Some(None) => break,
                None => {
                    dropped += 1;
                    std::thread::sleep(std::time::Duration::from_micros(20));
                }
            }
        }
        assert_eq!(reply.token_ids(), expected);
        assert!(dropped > 4, "{dropped} futures were dropped");
        // The prompt's last token may be run once more, where the future was dropped behind its submit.
        let again = (dispatches() - before).saturating_sub(undisturbed);
        assert!(again <= undisturbed / 60, "{again} dispatches more than {undisturbed}");
        drop(reply);
        assert_eq!(session.capacity(), 128);
    }
}

/// What has no room is refused with the numbers, and what there was goes on.
#[test]
fn no_room_to_grow() {
    both_plans().iter().for_each(no_room_to_grow_on);
}

fn no_room_to_grow_on(engine: &Engine) {
    let model = starting_with(32, engine);
    let Device::Gpu(gpu) = model.device().clone() else { panic!("a GPU was asked for") };
    let allocated = || gpu.counters().allocated.load(Ordering::Relaxed);
    let expected = continued(&mut model.session().expect("there is memory"), &ids(9), drawn(60));
    let mut session = model.session().expect("there is memory");
    assert_eq!(continued(&mut session, &ids(9), drawn(10)), expected[..10]);

    gpu.limit_memory(allocated() + 1000);
    let error = model.session().map(|_| ()).expect_err("there is no room for another session");
    assert!(matches!(error, Error::OutOfMemory { .. }), "{error}");
    let mut reply = session.reply_ids(&[], drawn(50)).expect("the prompt is fine");
    let mut error = None;
    while let Some(piece) = block_on(reply.next()) {
        error = piece.err().or(error);
    }
    let Some(Error::OutOfMemory { bytes, in_use, reason, .. }) = &error else { panic!("{error:?}") };
    assert!(*bytes > 1000 && *in_use > 1000 && reason.contains("limit"), "{error:?}");
    assert_eq!(reply.token_ids(), &expected[10..10 + reply.token_ids().len()]);
    assert_eq!(reply.finish().stop_reason, StopReason::Error);

    // At the size it had, and at full size once there is room.
    session.truncate(9);
    assert_eq!(continued(&mut session, &[], drawn(23)), expected[..23]);
    assert_eq!(session.capacity(), 32);
    gpu.limit_memory(u64::MAX);
    session.truncate(9);
    assert_eq!(continued(&mut session, &[], drawn(60)), expected);
}
