//! Lost devices: the same stream goes on.

use std::sync::atomic::Ordering;

use llamita::source::{Bytes, Source};
use llamita::{
    Device, EmbeddingPlace, Error, LoadOptions, Model, PackingChoice, Quantize, Reply, Sampling, ScaleType, StopReason,
};
use pollster::block_on;

#[path = "common/context.rs"]
mod context;
#[path = "common/engine.rs"]
mod engine;

use engine::{Engine, both_plans, ids};

const FIXTURE: &str = "random-q4_0-h64.gguf";

fn load(source: &Bytes, engine: &Engine, first_capacity: usize) -> Model {
    engine.load(source, LoadOptions { first_capacity: Some(first_capacity), ..Default::default() })
}

fn sampling(temperature: f32, max_tokens: usize) -> Sampling {
    Sampling { temperature, top_k: 0, top_p: 1.0, seed: 3, max_tokens, ignore_eos: true, ..Sampling::default() }
}

fn lose(model: &Model) {
    let Device::Gpu(gpu) = model.device() else { panic!("a GPU was asked for") };
    gpu.destroy();
}

/// Text and ids of a reply. Before each piece whose number is in `lost`, the device goes.
fn run(mut reply: Reply, model: &Model, source: &dyn Source, lost: &[usize]) -> (String, Vec<u32>) {
    let (mut text, mut pieces, mut resumed) = (String::new(), 0, 0);
    loop {
        if lost.iter().filter(|at| **at == pieces).count() > 0 && resumed < lost.len() {
            lose(model);
        }
        match block_on(reply.next()) {
            Some(Ok(piece)) => {
                text += &piece;
                pieces += 1;
            }
            Some(Err(Error::DeviceLost(_))) => {
                resumed += 1;
                block_on(reply.resume(source)).unwrap_or_else(|e| panic!("{e}"));
            }
            Some(Err(error)) => panic!("{error}"),
            None => break,
        }
    }
    assert!(lost.is_empty() || resumed > 0, "nothing was lost at {lost:?}");
    let ids = reply.token_ids().to_vec();
    assert_eq!(reply.finish().stop_reason, StopReason::Length);
    (text, ids)
}

/// The same text and ids, wherever the device is lost: in the prompt, while the cache grows, with tokens under way.
#[test]
fn fifty_streams_go_on() {
    both_plans().iter().for_each(fifty_streams_go_on_with);
}

fn fifty_streams_go_on_with(engine: &Engine) {
    let source = context::with_context(FIXTURE, 256);
    let model = load(&source, engine, 16);
    // Greedy and drawn in turn, of two lengths of prompt.
    let settings = |stream: usize| sampling(if stream.is_multiple_of(2) { 0.0 } else { 1.2 }, 40);
    let prompt = |stream: usize| ids(if stream % 4 < 2 { 5 } else { 70 });
    let undisturbed = load(&source, engine, 256);
    let expected = [0, 1, 2, 3].map(|stream| {
        let mut session = undisturbed.session().expect("there is memory");
        let reply = session.reply_ids(&prompt(stream), settings(stream)).expect("it fits");
        run(reply, &undisturbed, &source, &[])
    });
    let mut random = 1u32;
    for stream in 0..50 {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        // Tokens that are under way may still come: with up to four of them, the last pieces would not miss the device.
        let at = (random >> 16) as usize % 36;
        let mut session = model.session().expect("there is memory");
        let reply = session.reply_ids(&prompt(stream), settings(stream)).expect("it fits");
        assert_eq!(run(reply, &model, &source, &[at]), expected[stream % 4], "stream {stream}, lost at {at}");
    }
}

/// Every session of a model that lost its device says so, and goes on; one fresh device serves them all.
#[test]
fn sessions_share_the_fresh_device() {
    both_plans().iter().for_each(sessions_share_the_fresh_device_with);
}

fn sessions_share_the_fresh_device_with(engine: &Engine) {
    let source = context::with_context(FIXTURE, 256);
    let model = load(&source, engine, 16);
    let mut sessions = [model.session().expect("memory"), model.session().expect("memory")];
    let prompts = [ids(6), ids(30)];
    let expected = prompts.each_ref().map(|prompt| {
        let mut session = model.session().expect("memory");
        run(session.reply_ids(prompt, sampling(0.0, 30)).expect("it fits"), &model, &source, &[]).1
    });
    for (session, prompt) in sessions.iter_mut().zip(&prompts) {
        run(session.reply_ids(prompt, sampling(0.0, 10)).expect("it fits"), &model, &source, &[]);
    }
    lose(&model);
    assert!(matches!(model.session(), Err(Error::DeviceLost(_))) && model.is_lost());
    for session in &mut sessions {
        let refused = match session.reply_ids(&[], sampling(0.0, 20)) {
            Ok(mut reply) => block_on(reply.next()).expect("an answer").map(|_| ()),
            Err(error) => Err(error),
        };
        assert!(matches!(refused, Err(Error::DeviceLost(_))), "{refused:?}");
    }
    let other = context::with_context("random-q4_0-untied-h64.gguf", 256);
    let refused = block_on(sessions[0].resume(&other));
    assert!(matches!(refused, Err(Error::Unsupported { .. })), "{refused:?}");
    let [a, b] = &mut sessions;
    let (first, second) = block_on(futures::future::join(a.resume(&source), b.resume(&source)));
    first.and(second).unwrap_or_else(|e| panic!("{e}"));
    let Device::Gpu(gpu) = model.device() else { panic!("a GPU was asked for") };
    let (weights, total) = (model.budget().weights, model.budget().total());
    let allocated = gpu.counters().allocated.load(Ordering::Relaxed);
    let most = weights + 2 * (total - weights);
    assert!((weights..=most).contains(&allocated), "{allocated} bytes, {weights} of weights, {most} with two sessions");
    for (session, expected) in sessions.iter_mut().zip(&expected) {
        let rest = run(session.reply_ids(&[], sampling(0.0, 20)).expect("it fits"), &model, &source, &[]);
        assert_eq!(rest.1, expected[10..]);
    }
    model.session().expect("the model works again");
    assert_eq!(model.device().plan(), engine.plan.of(model.device().driver()), "the fresh device runs the same plan");
}

/// Meta's files, with weights that are put together, rounded and quantized, or that stay in the file, are read again in the
/// same way.
#[test]
fn metas_files_are_read_again() {
    let open = |kind: &str| llamita::source::open(format!("models/meta/{kind}")).expect("the fixture");
    let rounded = PackingChoice { scales: ScaleType::F16, ..Default::default() };
    let quantized = PackingChoice { quantize: Some(Quantize::Q4_0), ..Default::default() };
    for (kind, packing, embedding) in [
        ("qlora", PackingChoice::default(), EmbeddingPlace::Device),
        ("qlora", PackingChoice::default(), EmbeddingPlace::Host),
        ("spinquant", rounded, EmbeddingPlace::Device),
        ("spinquant", rounded, EmbeddingPlace::Host),
        ("bf16", quantized, EmbeddingPlace::Device),
    ] {
        let source = open(kind);
        let engine = Engine::gpu(engine::GPU_PLAN, None);
        let model = engine.load(source.as_ref(), LoadOptions { packing, embedding, ..Default::default() });
        let mut session = model.session().expect("there is memory");
        let mut lost = model.session().expect("there is memory");
        let prompt = ids(5);
        let expected =
            run(session.reply_ids(&prompt, sampling(0.0, 16)).expect("it fits"), &model, source.as_ref(), &[]);
        let reply = lost.reply_ids(&prompt, sampling(0.0, 16)).expect("it fits");
        assert_eq!(run(reply, &model, source.as_ref(), &[4]), expected, "{kind}");
        lose(&model);
        assert!(matches!(model.session(), Err(Error::DeviceLost(_))), "{kind}");
        let other = open(if kind == "qlora" { "spinquant" } else { "qlora" });
        let refused = block_on(session.resume(other.as_ref()));
        assert!(matches!(refused, Err(Error::Unsupported { .. })), "{kind}: {refused:?}");
    }
}

/// Nothing is lost on the CPU, and resuming there is harmless.
#[test]
fn resuming_on_the_cpu() {
    let source = context::with_context(FIXTURE, 256);
    let model = load(&source, &Engine::cpu(engine::GPU_PLAN), 16);
    let mut session = model.session().expect("there is memory");
    let expected = run(session.reply_ids(&ids(5), sampling(0.0, 12)).expect("it fits"), &model, &source, &[]).1;
    let mut session = model.session().expect("there is memory");
    let mut reply = session.reply_ids(&ids(5), sampling(0.0, 12)).expect("it fits");
    for _ in 0..5 {
        block_on(reply.next()).expect("more").expect("the CPU works");
    }
    block_on(reply.resume(&source)).expect("nothing was lost");
    assert_eq!(run(reply, &model, &source, &[]).1, expected);
}
