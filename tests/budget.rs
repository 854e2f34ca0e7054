//! The bytes that a budget names are those that the device allocates; what does not fit is refused before.

use std::path::Path;
use std::sync::atomic::Ordering;

use llamita::pace::MOST_LOOK_AHEAD;
use llamita::source::File;
use llamita::{Device, DeviceChoice, Error, KvType, LoadOptions, Model, Sampling};
use pollster::block_on;

fn load(name: &str, options: LoadOptions) -> llamita::Result<Model> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    let source = File::open(path).expect("the fixture is there");
    block_on(Model::load(&source, LoadOptions { device: DeviceChoice::Gpu, ..options }))
}

/// Fills the context of a session; the answer is the most bytes that were allocated at once.
fn peak(model: &Model, prompt: usize) -> u64 {
    let ids: Vec<u32> = (0..prompt as u32).map(|i| (i * 37 + 11) % 250).collect();
    let mut session = model.session().expect("there is memory");
    let sampling = Sampling { max_tokens: usize::MAX, ignore_eos: true, ..Sampling::greedy() };
    let mut reply = session.reply_ids(&ids, sampling).expect("the prompt is fine");
    while let Some(piece) = block_on(reply.next()) {
        piece.unwrap_or_else(|e| panic!("{e}"));
    }
    drop(reply);
    assert_eq!(session.capacity(), model.context());
    let Device::Gpu(gpu) = model.device() else { panic!("a GPU was asked for") };
    gpu.counters().peak.load(Ordering::Relaxed)
}

/// A readback of one word takes 16 bytes, and how many are made depends on how fast tokens come.
const READBACK: u64 = 16 * MOST_LOOK_AHEAD as u64;

#[test]
fn the_budget_is_what_is_allocated() {
    for (name, context, first_capacity, kv) in [
        ("random-q4_0-h64.gguf", 200, Some(16), KvType::F16),
        ("random-q4_0-h64.gguf", 200, Some(16), KvType::F32),
        ("random-q4_0-h64.gguf", 40, None, KvType::F16),
        ("random-q4_0-q6_k-h128.gguf", 100, Some(99), KvType::F16),
        ("random-q4_0-untied-h64.gguf", 64, Some(32), KvType::F16),
        ("random-f32-h64.gguf", 256, Some(1), KvType::F32),
    ] {
        let options = LoadOptions { context: Some(context), first_capacity, kv, ..Default::default() };
        let model = load(name, options).unwrap_or_else(|e| panic!("{e}"));
        let (budget, peak) = (model.budget().total(), peak(&model, 3));
        println!("{name}, context {context}: budget {budget}, peak {peak}");
        assert!(peak <= budget && budget - peak < READBACK, "{name}: budget {budget}, peak {peak}");
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let name = "random-q4_0-h64.gguf";
    let options = |context, memory| LoadOptions {
        context: Some(context),
        first_capacity: Some(16),
        memory: Some(memory),
        ..Default::default()
    };
    let needed = load(name, options(200, u64::MAX)).expect("there is memory").budget();
    load(name, options(200, needed.total())).expect("that is just enough");
    let memory = needed.total() - 1;
    let Err(Error::Memory { advice, weights, kv, budget, .. }) = load(name, options(200, memory)) else {
        panic!("one byte less is not enough")
    };
    assert_eq!((weights, kv, budget), (needed.weights, needed.kv, memory));
    let fits: usize = advice.split(' ').find_map(|word| word.parse().ok()).unwrap_or_else(|| panic!("{advice}"));
    assert!((100..200).contains(&fits), "{advice}");
    let model = load(name, options(fits, memory)).expect("what fits can be loaded");
    assert!(peak(&model, 3) <= memory);
    assert!(load(name, options(fits + 1, memory)).is_err(), "{advice}: one more fits too");
    let Err(Error::Memory { advice, .. }) = load(name, options(200, needed.weights)) else { panic!("no room at all") };
    assert!(advice.contains("smaller model"), "{advice}");
    // A scorer and a second session are refused where they do not fit beside the first.
    let session = model.session().expect("there is room for one");
    for refused in [model.scorer(4000).map(|_| ()), model.session().and_then(|_| model.session()).map(|_| ())] {
        let Err(Error::OutOfMemory { bytes, in_use, .. }) = refused else { panic!("{refused:?}") };
        assert!(in_use > needed.weights && in_use + bytes > memory);
    }
    drop(session);
}
