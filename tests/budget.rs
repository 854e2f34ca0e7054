//! The bytes that a budget names are those that the device allocates; what does not fit is refused before.

#[path = "common/engine.rs"]
mod engine;
#[path = "common/heap.rs"]
mod heap;
#[path = "common/shared.rs"]
mod shared;

use std::path::Path;
use std::sync::atomic::Ordering;

use llamita::internals::format::{self, ModelTensors, PRE_TOKENIZERS, ReadScope, Tensor, VocabularyKind};
use llamita::internals::model::budget::{HostBudget, MAX_TOKENS_IN_FLIGHT, MemoryClass};
use llamita::internals::plan::limits::WEBGPU_BINDING_BYTES;
use llamita::internals::weights::{Cut, Matrices, PackingChoice, Packings};
use llamita::source::{Bytes, File, Parts, Source};
use llamita::tokenizer::Tokenizer;
use llamita::{
    Activations, Device, DeviceChoice, EmbeddingPlace, Error, KvType, LoadOptions, Message, Model, PlanChoice, Quantize,
};
use pollster::block_on;

use PlanChoice::Software;
use engine::GPU_PLAN;

/// Of any plan: how matrices are cut changes little of what the host takes.
const CUT: Cut = Cut { tile: 8, shard_bytes: WEBGPU_BINDING_BYTES };

fn load(name: &str, plan: PlanChoice, options: LoadOptions) -> llamita::Result<Model> {
    let source = engine::open(engine::fixture(name));
    block_on(Model::load(&source, engine::Engine::gpu(plan, None).options(options)))
}

/// Fills the context of a session; the answer is the most bytes that were allocated at once.
fn peak(model: &Model, prompt: usize) -> u64 {
    let mut session = model.session().expect("there is memory");
    engine::continued(&mut session, &engine::ids(prompt), engine::greedy(usize::MAX));
    assert_eq!(session.capacity(), model.context());
    let Device::Gpu(gpu) = model.device() else { panic!("a GPU was asked for") };
    gpu.counters().peak.load(Ordering::Relaxed)
}

/// A readback of one word takes 16 bytes, and how many are made depends on how fast tokens come.
const READBACK: u64 = 16 * MAX_TOKENS_IN_FLIGHT as u64;

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
        for (plan, activations) in
            [(GPU_PLAN, Activations::Auto), (Software, Activations::Auto), (Software, Activations::Fixed)]
        {
            let options = LoadOptions { context: Some(context), first_capacity, kv, activations, ..Default::default() };
            let model = load(name, plan, options).unwrap_or_else(|e| panic!("{e}"));
            let (budget, peak) = (model.budget().total(), peak(&model, 3));
            println!("{name}, context {context}, plan {}, {activations:?}: budget {budget}, peak {peak}", plan.name());
            assert!(peak <= budget && budget - peak < READBACK, "{name}: budget {budget}, peak {peak}");
        }
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    engine::PLANS.into_iter().for_each(what_does_not_fit_is_refused_in);
}

fn what_does_not_fit_is_refused_in(plan: PlanChoice) {
    let name = "random-q4_0-h64.gguf";
    let options = |context, memory| LoadOptions {
        context: Some(context),
        first_capacity: Some(16),
        memory: Some(memory),
        ..Default::default()
    };
    let needed = load(name, plan, options(200, u64::MAX)).expect("there is memory").budget();
    load(name, plan, options(200, needed.total())).expect("that is just enough");
    let memory = needed.total() - 1;
    let Err(Error::Memory { advice, weights, kv, budget, .. }) = load(name, plan, options(200, memory)) else {
        panic!("one byte less is not enough")
    };
    assert_eq!((weights, kv, budget), (needed.weights, needed.kv, memory));
    let fits: usize = advice.split(' ').find_map(|word| word.parse().ok()).unwrap_or_else(|| panic!("{advice}"));
    assert!((100..200).contains(&fits), "{advice}");
    let model = load(name, plan, options(fits, memory)).expect("what fits can be loaded");
    assert!(peak(&model, 3) <= memory);
    assert!(load(name, plan, options(fits + 1, memory)).is_err(), "{advice}: one more fits too");
    let Err(Error::Memory { advice, .. }) = load(name, plan, options(200, needed.weights)) else {
        panic!("no room at all")
    };
    assert!(advice.contains("smaller model"), "{advice}");
    // A scorer and a second session are refused where they do not fit beside the first.
    let session = model.session().expect("there is room for one");
    for refused in [model.scorer(4000).map(|_| ()), model.session().and_then(|_| model.session()).map(|_| ())] {
        let Err(Error::OutOfMemory { bytes, in_use, .. }) = refused else { panic!("{refused:?}") };
        assert!(in_use > needed.weights && in_use + bytes > memory);
    }
    drop(session);
}

/// What a prompt is between layers, while it is primed, stands where the cache has not grown to.
#[test]
fn priming_takes_no_more_than_the_budget() {
    let source = Bytes::new("bundled", include_bytes!("../models/llamita-stories.gguf").as_slice());
    let mut held = Vec::new();
    for (plan, context, first_capacity) in [
        (Software, 1024, 512),
        (GPU_PLAN, 1024, 16),
        (GPU_PLAN, 1000, 16),
        (Software, 600, 600),
        (GPU_PLAN, 512, 256),
        (Software, 300, 16),
    ] {
        let options = LoadOptions {
            device: DeviceChoice::Gpu,
            plan,
            context: Some(context),
            first_capacity: Some(first_capacity),
            ..Default::default()
        };
        let system = Message::system("A cat and a dog went to the market. ".repeat(200));
        let primed = block_on(Model::load_primed(&source, options, &[system]));
        let (model, session) = primed.unwrap_or_else(|e| panic!("{e}"));
        let Device::Gpu(gpu) = model.device() else { panic!("a GPU was asked for") };
        let (budget, counters) = (model.budget(), gpu.counters());
        let (peak, after) = (counters.peak.load(Ordering::Relaxed), counters.allocated.load(Ordering::Relaxed));
        let tokens = session.tokens().len();
        println!("context {context}: {tokens} tokens primed, budget {}, peak {peak}, then {after}", budget.total());
        assert!(peak <= budget.total(), "context {context}: budget {}, peak {peak}", budget.total());
        // More than one run waits in a buffer, which is given up again.
        assert!(tokens <= 128 || after < peak, "context {context}: {after} bytes");
        held.push(tokens);
    }
    // Half a context where the cache grows that far, and one run where little or nothing is free.
    assert_eq!(held, [512, 512, 512, 128, 256, 128]);
}

/// The host's bytes are upper bounds, and not far above what is taken.
#[test]
fn the_host_takes_no_more_than_its_budget() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (path, mapped) in [("models/llamita-stories.gguf", true), ("tests/fixtures/random-q4_0-untied-h64.gguf", false)]
    {
        let file = File::open(folder.join(path)).expect("it is there");
        // A source that cannot lend its bytes, as a download.
        let source = Copied(Bytes::new(path, std::fs::read(folder.join(path)).expect("it is there")));
        let options = || LoadOptions { device: DeviceChoice::Cpu, ..Default::default() };
        let (model, peak) = heap::peak(|| match mapped {
            true => block_on(Model::load(&file, options())),
            false => block_on(Model::load(&source, options())),
        });
        let model = model.unwrap_or_else(|e| panic!("{e}"));
        // On the CPU the weights are in the same memory.
        let (weights, host) = (model.budget().weights, model.host().total());
        println!("{path}: {peak} bytes, of {weights} for weights and {host} for the host");
        assert!(peak as u64 <= weights + host, "{path}: {peak} bytes, {weights} and {host} were announced");
        let staging = model.host().entries().iter().filter(|entry| entry.kind == MemoryClass::Staging).count();
        assert_eq!(staging, 1);
    }
    // Meta's files, whose tensors are put together or quantized, and files that cannot be lent.
    for (kind, quantize) in [("bf16", None), ("bf16", Some(Quantize::Q4_0)), ("spinquant", None), ("qlora", None)] {
        let path = folder.join("models/meta").join(kind);
        let part = |name: &str| -> Box<dyn Source> {
            Box::new(Copied(Bytes::new(name, std::fs::read(path.join(name)).expect("it is there"))))
        };
        let source =
            Parts::new(["consolidated.00.pth", "params.json", "tokenizer.json"].map(part).into()).expect("files");
        let packing = PackingChoice { quantize, ..Default::default() };
        let options = LoadOptions { device: DeviceChoice::Cpu, packing, ..Default::default() };
        let (model, peak) = heap::peak(|| block_on(Model::load(&source, options)));
        let model = model.unwrap_or_else(|e| panic!("{e}"));
        let (weights, host) = (model.budget().weights, model.host().total());
        println!("{kind}: {peak} bytes, of {weights} for weights and {host} for the host");
        assert!(peak as u64 <= weights + host, "{kind}: {peak} bytes, {weights} and {host} were announced");
    }
}

/// An embedding in its file is not among the host's bytes, and its rows are, in prefill and decode.
#[test]
fn an_embedding_on_the_host_takes_its_rows() {
    let source = llamita::source::open(Path::new(env!("CARGO_MANIFEST_DIR")).join("models/meta/spinquant"));
    let source = source.expect("it is there");
    let [device, host] = EmbeddingPlace::ALL.map(|embedding| {
        let options = LoadOptions { device: DeviceChoice::Cpu, embedding, context: Some(64), ..Default::default() };
        let ((model, bytes), peak) = heap::peak(|| {
            let model = block_on(Model::load(source.as_ref(), options)).unwrap_or_else(|e| panic!("{e}"));
            let mut session = model.session().expect("there is memory");
            engine::continued(&mut session, &engine::ids(40), engine::greedy(2));
            // On the CPU the device's bytes are in the same memory.
            let bytes = model.budget().total() + model.host().total();
            (model, bytes)
        });
        println!("{embedding:?}: {peak} bytes, of {bytes}");
        assert!(peak as u64 <= bytes, "{embedding:?}: {peak} bytes, {bytes} were announced");
        (model, peak)
    });
    let table = device.0.budget().weights - host.0.budget().weights;
    assert!(host.1 as u64 + table / 2 < device.1 as u64, "{} and {} bytes, of {table}", host.1, device.1);
}

#[test]
fn llama_3s_tokenizer_takes_no_more_than_its_budget() {
    let Some(folder) = shared::shared("llama_3s_tokenizer_takes_no_more_than_its_budget") else { return };
    let file = File::open(folder.join("tokenizers/llama3/ggml-vocab-llama3.gguf")).expect("it is there");
    let (checkpoint, read) = heap::peak(|| block_on(format::read(&file, ReadScope::Everything)).expect("it parses"));
    let vocabulary = checkpoint.vocabulary.expect("a vocabulary");
    let (tokenizer, built) = heap::peak(|| Tokenizer::from_vocabulary(&vocabulary).expect("it builds"));
    // The tensors of any model; the header is that of this file, which holds nothing else.
    let other = File::open(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/random-q4_0-h64.gguf"));
    let (shape, tensors) = block_on(format::read(&other.expect("it is there"), ReadScope::Everything))
        .expect("it parses")
        .model
        .expect("a model");
    let len = file.len();
    let behind = |tensor: &Tensor| Tensor { bytes: len..len, ..tensor.clone() };
    let tensors: ModelTensors = tensors.iter().map(|(id, tensor)| (id, behind(tensor))).collect();
    let matrices =
        Matrices::new(&shape, &Packings::of(&tensors, PackingChoice::default(), EmbeddingPlace::Device), CUT);
    let host = HostBudget::new(&tensors, &matrices, Some(&vocabulary));
    let of = |name: &str| {
        host.entries()
            .iter()
            .filter(|entry| entry.name.starts_with(name))
            .map(|entry| entry.bytes as usize)
            .sum::<usize>()
    };
    let (header, texts, bound) = (of("header"), of("vocabulary"), of("tokenizer"));
    println!("read {read} of {header} and {texts}, built {built} of {bound}");
    assert!(read <= header + texts && 3 * read > header + texts, "{read} bytes, {header} and {texts} announced");
    assert!(built <= bound && 3 * built > bound, "{built} bytes, {bound} announced");
    drop(tokenizer);
}

#[test]
fn every_rule_for_words_keeps_to_the_budget() {
    let file = File::open(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/random-q4_0-h64.gguf"));
    let checkpoint = block_on(format::read(&file.expect("it is there"), ReadScope::Everything)).expect("it parses");
    let (shape, tensors) = checkpoint.model.expect("a model");
    let matrices =
        Matrices::new(&shape, &Packings::of(&tensors, PackingChoice::default(), EmbeddingPlace::Device), CUT);
    let mut vocabulary = checkpoint.vocabulary.expect("a vocabulary");
    for row in &PRE_TOKENIZERS {
        let VocabularyKind::ByteLevelBpe { split, .. } = &mut vocabulary.kind else { panic!("it is byte-level") };
        *split = row.split;
        let host = HostBudget::new(&tensors, &matrices, Some(&vocabulary));
        let bound = host.entries().iter().find(|entry| entry.name == "tokenizer").expect("it takes some").bytes;
        let text = "It'S 12345 words, é你 ᏣᎳᎩ\n\n  x!".repeat(3);
        let (ids, taken) = heap::peak(|| {
            let tokenizer = Tokenizer::from_vocabulary(&vocabulary).expect("it builds");
            tokenizer.words(&text).expect("words").len()
        });
        let name = row.names().next().expect("a name");
        println!("{name}: {taken} of {bound}");
        assert!(taken as u64 <= bound, "{name}: {taken} bytes for {ids} words, {bound} were announced");
    }
}

/// Bytes that are copied to whoever reads them.
struct Copied(Bytes<'static>);

impl Source for Copied {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn len(&self) -> u64 {
        self.0.len()
    }

    fn read_at(
        &self,
        offset: u64,
        len: usize,
    ) -> futures::future::LocalBoxFuture<'_, llamita::Result<std::borrow::Cow<'_, [u8]>>> {
        Box::pin(async move { Ok(std::borrow::Cow::Owned(self.0.read_at(offset, len).await?.into_owned())) })
    }
}
