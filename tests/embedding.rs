//! The embedding on the host: the numbers of the device's, without its bytes on the device.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use llamita::internals::arch::tensors::Role;
use llamita::internals::format::{Encoding, ReadScope, read};
use llamita::internals::kernel::uniforms::RunUniforms;
use llamita::internals::plan::llama::{PlanShape, forward, names};
use llamita::internals::plan::{ReadRange, RunInput, RunOutput};
use llamita::internals::weights::Shard;
use llamita::source::{self, Bytes, File, Parts, Source};
use llamita::{
    Activations, Device, DeviceChoice, EmbeddingPlace, Error, KvType, LoadOptions, Message, Model, PackingChoice,
    Quantize, Sampling, ScaleType, StopReason,
};
use pollster::block_on;
use safetensors::SafeTensors;

#[allow(dead_code, reason = "other tests use the rest")]
#[path = "common/gguf.rs"]
mod builder;
#[path = "common/engine.rs"]
mod engine;

use builder::{Gguf, Shape};
use engine::{Engine, both_plans, everywhere, greedy, ids};

/// Checkpoints whose head is a matrix of its own.
const UNTIED: [&str; 3] = ["models/meta/spinquant", "models/meta/qlora", "tests/fixtures/random-q4_0-untied-h64.gguf"];

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn open(name: &str) -> Box<dyn Source> {
    source::open(path(name)).expect("it is there")
}

/// A new file or folder in a place that only tests write to.
fn scratch(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("embedding");
    std::fs::create_dir_all(&folder).expect("a writable folder");
    let path = folder.join(name);
    std::fs::remove_dir_all(&path).ok();
    std::fs::remove_file(&path).ok();
    path
}

/// A copy of the SpinQuant fixture.
fn copied(name: &str) -> PathBuf {
    let folder = scratch(name);
    std::fs::create_dir(&folder).expect("a writable folder");
    for file in ["consolidated.00.pth", "params.json", "tokenizer.json"] {
        std::fs::copy(path(UNTIED[0]).join(file), folder.join(file)).expect("a file");
    }
    folder
}

const PLACES: [EmbeddingPlace; 2] = EmbeddingPlace::ALL;

fn on_host<'a>() -> LoadOptions<'a> {
    LoadOptions { embedding: EmbeddingPlace::Host, ..LoadOptions::default() }
}

/// The bits of the logits of every position of `count`, computed `rows` at a time.
fn logits(model: &Model, count: usize, rows: usize) -> Vec<u32> {
    let ids = ids(count);
    let scorer = model.scorer_of_rows(rows, ids.len()).expect("there is memory");
    let mut all = Vec::new();
    let scored = scorer.logits(&ids, |_, row| all.extend(row.iter().map(|logit| logit.to_bits())));
    block_on(scored).expect("the ids can be scored");
    all
}

/// Every logit is the same to the bit, in chunks and in decode, whatever products read.
#[test]
fn logits_are_those_of_the_device() {
    let rounded = PackingChoice { scales: ScaleType::F16, ..PackingChoice::default() };
    let plain = PackingChoice::default();
    for (name, packing, activations) in [
        (UNTIED[0], plain, Activations::Int8),
        (UNTIED[0], rounded, Activations::F32),
        (UNTIED[1], plain, Activations::Int8),
        (UNTIED[2], plain, Activations::Auto),
    ] {
        let source = open(name);
        for engine in everywhere() {
            let [device, host] = PLACES.map(|embedding| {
                let options = LoadOptions { embedding, packing, activations, ..LoadOptions::default() };
                let model = engine.load(source.as_ref(), options);
                assert_eq!(model.embedding(), embedding);
                // The CPU takes its time.
                let (count, most) = if engine.device == DeviceChoice::Cpu { (7, 4) } else { (36, 32) };
                [1, most].map(|rows| logits(&model, count, rows))
            });
            assert!(device == host, "{name}, {engine}: the logits differ");
            assert!(device[0].iter().any(|bits| f32::from_bits(*bits).abs() > 0.1), "{name}, {engine}: no logits");
        }
    }
}

/// Greedy and sampled ids of prompts of one token, of several, and of several chunks, one reply after the other.
#[test]
fn replies_are_those_of_the_device() {
    for name in [UNTIED[0], UNTIED[2]] {
        let source = open(name);
        for engine in everywhere() {
            let [device, host] = PLACES.map(|embedding| {
                let options = LoadOptions { embedding, first_capacity: Some(16), ..LoadOptions::default() };
                let model = engine.load(source.as_ref(), options);
                let mut session = model.session().expect("there is memory");
                let sampled = Sampling { temperature: 1.3, top_k: 0, top_p: 1.0, seed: 5, ..greedy(12) };
                let settings = [(1, greedy(8)), (5, sampled.clone()), (50, greedy(1)), (1, greedy(3)), (0, sampled)];
                settings.map(|(prompt, sampling)| engine::continued(&mut session, &ids(prompt), sampling))
            });
            assert_eq!(device, host, "{name}, {engine}");
        }
    }
}

/// What the dispatch makes of a table, and what the host makes of the same file, for every type of a GGUF and those that
/// are quantized while they are loaded.
#[test]
fn rows_are_those_of_the_kernel() {
    let file = std::fs::read(path("tests/fixtures/blocks.safetensors")).expect("the fixture is there");
    let tensors = SafeTensors::deserialize(&file).expect("the fixture is valid");
    let shape =
        Shape { layers: 1, dim: 512, ffn: 32, heads: 8, kv_heads: 1, vocabulary: 6, context: 64, base: 10_000.0 };
    let file = |kind: u32, rows: &str| {
        let mut gguf = Gguf::llama(&shape, 8, true);
        gguf.tensor("output.weight", &[512, 6], 8, true);
        let embedding = gguf.get("token_embd.weight");
        embedding.kind = kind;
        embedding.data = tensors.tensor(rows).expect("every type is there").data().to_vec();
        let path = scratch(&format!("{rows}.gguf"));
        std::fs::write(&path, gguf.bytes()).expect("a writable folder");
        File::open(&path).expect("it is there")
    };
    for (encoding, kind) in Encoding::GGUF.iter().zip([0, 1, 30, 2, 3, 6, 7, 8, 10, 11, 12, 13, 14, 20, 23]) {
        let source = file(kind, &format!("{}.file", encoding.name()));
        for engine in both_plans() {
            rows_are_those_of_the_kernel_in(&source, &engine, None, encoding.name());
        }
    }
    let quantized = file(0, "numbers");
    for engine in both_plans() {
        rows_are_those_of_the_kernel_in(&quantized, &engine, Some(Quantize::Q8_0), "numbers");
    }
    // Meta's INT8, of rows with a scale each.
    for engine in both_plans() {
        rows_are_those_of_the_kernel_in(open(UNTIED[0]).as_ref(), &engine, None, "INT8");
    }
}

fn rows_are_those_of_the_kernel_in(source: &dyn Source, engine: &Engine, quantize: Option<Quantize>, name: &str) {
    let packing = PackingChoice { quantize, ..PackingChoice::default() };
    let options = |embedding| LoadOptions { embedding, packing, ids_only: true, ..LoadOptions::default() };
    let device = engine.load(source, options(EmbeddingPlace::Device));
    let host = Engine::cpu(engine.plan).load(source, options(EmbeddingPlace::Host));
    let ids = [3u32, 0, 5, 5, 1, 2, 4];
    let found = block_on(host.embedding_rows(&ids)).expect("the file is there").expect("the host has it");
    assert_eq!(block_on(device.embedding_rows(&ids)).expect("the file is there"), None);
    let plan = Arc::new(forward(
        device.shape(),
        device.matrices(),
        device.tuning(),
        PlanShape { rows: ids.len(), head_rows: 1, capacity: 64 },
    ));
    let steps = plan.steps.iter().take_while(|step| step.label == "embed").count();
    assert_eq!((steps, plan.input), (1, RunInput::Ids));
    let executor = device.executor(vec![plan]).expect("there is memory");
    executor.write(names::IDS, 0, &ids).expect("the ids have a buffer");
    let uniforms = RunUniforms::new(ids.len(), &device.shape().rope_frequencies, 0..ids.len());
    let copy = ReadRange { name: names::RESIDUAL, first: 0, words: found.len() };
    let run = executor.run(0, 0..steps, RunOutput::Body, &uniforms, Some(copy)).expect("the device is there");
    let expected = block_on(run).expect("the device is there");
    let differs = found.iter().zip(&expected).position(|(found, expected)| found.to_bits() != *expected);
    let pair = differs.map(|at| (at, found[at], f32::from_bits(expected[at])));
    assert_eq!(pair, None, "{name}, quantized to {quantize:?}, {engine}: column, on the host, on the device");
    assert!(found.iter().any(|number| *number != 0.0), "{name}: nothing but zeros");
}

/// The device takes the bytes of the table less, and what it takes is what the budget says.
#[test]
fn memory_is_the_tables_less() {
    for name in UNTIED {
        let source = open(name);
        for engine in both_plans() {
            let [device, host] = PLACES.map(|embedding| {
                let options =
                    LoadOptions { embedding, context: Some(64), first_capacity: Some(16), ..LoadOptions::default() };
                engine.load(source.as_ref(), options)
            });
            let allocated = |model: &Model| {
                let Device::Gpu(gpu) = model.device() else { panic!("a GPU was asked for") };
                [&gpu.counters().allocated, &gpu.counters().peak].map(|bytes| bytes.load(Ordering::Relaxed))
            };
            let embedding = device.matrices().embedding.as_ref().expect("it is on the device");
            let words = |shard: &Shard| device.tuning().storage.words(shard.layout.words()) as u64;
            let table = embedding.shards.iter().map(words).sum::<u64>() * 4;
            assert!(table > 10_000 && host.matrices().embedding.is_none(), "{name}: {table} bytes");
            assert_eq!(device.budget().weights - host.budget().weights, table, "{name}, {engine}");
            assert_eq!(allocated(&device)[0] - allocated(&host)[0], table, "{name}, {engine}");
            let mut session = host.session().expect("there is memory");
            engine::continued(&mut session, &ids(3), greedy(usize::MAX));
            assert_eq!(session.capacity(), 64);
            let ([_, peak], budget) = (allocated(&host), host.budget().total());
            assert!(peak <= budget && budget - peak < 16, "{name}, {engine}: budget {budget}, peak {peak}");
        }
    }
}

/// One token is in flight, so none is computed in vain, and a reply that is cut off goes on as on the device.
#[test]
fn one_token_is_in_flight() {
    let source = open(UNTIED[0]);
    for engine in both_plans() {
        let [device, host] = PLACES.map(|embedding| {
            let model = engine.load(source.as_ref(), LoadOptions { embedding, ..LoadOptions::default() });
            let mut session = model.session().expect("there is memory");
            let first = engine::finish(session.reply_ids(&ids(5), greedy(1)).expect("it fits")).stats.submits;
            session.truncate(0);
            let mut reply = session.reply_ids(&ids(5), greedy(100)).expect("it fits");
            for _ in 0..7 {
                block_on(reply.next()).expect("more").expect("the device is there");
            }
            let stats = reply.finish();
            assert_eq!((stats.stop_reason, stats.generated_tokens), (StopReason::Cancelled, 7));
            let more = stats.submits - first;
            (more, stats.waits, engine::continued(&mut session, &[], greedy(9)), session.tokens().to_vec())
        });
        assert_eq!((host.0, host.1), (6, 7), "{engine}: submits after the first token, and waits");
        assert!(device.0 > 6 && device.1 < 7, "{engine}: {} submits, {} waits", device.0, device.1);
        assert_eq!((host.2, host.3), (device.2, device.3), "{engine}");
    }
}

/// Replies of two sessions in turn, each with rows of its own.
#[test]
fn sessions_do_not_share_rows() {
    let source = open(UNTIED[0]);
    for engine in everywhere() {
        let model = engine.load(source.as_ref(), on_host());
        let prompts = [ids(6), ids(31)];
        let mut sessions = prompts.each_ref().map(|_| model.session().expect("there is memory"));
        let expected = prompts.each_ref().map(|prompt| {
            let mut session = model.session().expect("there is memory");
            engine::continued(&mut session, prompt, greedy(10))
        });
        let [a, b] = &mut sessions;
        let mut replies = [a.reply_ids(&prompts[0], greedy(10)), b.reply_ids(&prompts[1], greedy(10))]
            .map(|reply| reply.expect("it fits"));
        for _ in 0..10 {
            for reply in &mut replies {
                block_on(reply.next()).expect("more").expect("the device is there");
            }
        }
        assert_eq!(replies.each_ref().map(|reply| reply.token_ids().to_vec()), expected, "{engine}");
    }
}

/// A conversation that is computed while its model loads, in one run and in several.
#[test]
fn priming_is_that_of_the_device() {
    let source = open(UNTIED[1]);
    for engine in everywhere() {
        // The CPU takes its time.
        let lengths = if engine.device == DeviceChoice::Cpu { 1 } else { 2 };
        for (words, [least, most]) in [(1, [8, 128]), (16, [129, 512])].into_iter().take(lengths) {
            let [device, host] = PLACES.map(|embedding| {
                let options = LoadOptions {
                    embedding,
                    kv: KvType::F32,
                    context: Some(1024),
                    first_capacity: Some(16),
                    ..LoadOptions::default()
                };
                let system = [Message::system("A cat and a dog went to the market. ".repeat(words))];
                let primed = block_on(Model::load_primed(source.as_ref(), engine.options(options), &system));
                let (_, mut session) = primed.unwrap_or_else(|e| panic!("{e}"));
                let primed = session.tokens().len();
                assert!((least..=most).contains(&primed), "{primed} tokens were computed");
                let reply = engine::finish(session.reply_ids(&ids(2), greedy(6)).expect("it fits"));
                assert!(reply.stats.prompt_tokens <= 3, "{} tokens are computed again", reply.stats.prompt_tokens);
                (primed, reply.ids)
            });
            assert_eq!(device, host, "{engine}");
        }
    }
}

/// A device that is lost takes no embedding with it, whichever file the weights are read from again.
#[test]
fn a_lost_device_is_replaced() {
    let source = open(UNTIED[0]);
    for engine in both_plans() {
        let model = engine.load(source.as_ref(), on_host());
        let mut session = model.session().expect("there is memory");
        let expected = engine::continued(&mut session, &ids(40), greedy(12));
        let mut session = model.session().expect("there is memory");
        let mut reply = session.reply_ids(&ids(40), greedy(12)).expect("it fits");
        for lost in [0, 4, 5] {
            while reply.token_ids().len() < lost {
                block_on(reply.next()).expect("more").expect("the device is there");
            }
            let Device::Gpu(gpu) = model.device() else { panic!("a GPU was asked for") };
            gpu.destroy();
            let failed = block_on(reply.next()).expect("an answer");
            assert!(matches!(failed, Err(Error::DeviceLost(_))), "{failed:?}");
            block_on(reply.resume(open(UNTIED[0]).as_ref())).unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(model.embedding(), EmbeddingPlace::Host);
        }
        assert_eq!(engine::finish(reply).ids, expected, "{engine}");
    }
}

/// The model has the map: the source may go, and the file's name too.
#[cfg(unix)]
#[test]
fn the_model_owns_its_map() {
    for engine in [Engine::gpu(engine::GPU_PLAN, None), Engine::cpu(engine::GPU_PLAN)] {
        let folder = copied("gone");
        let source = source::open(&folder).expect("it is there");
        let model = engine.load(source.as_ref(), on_host());
        let expected = logits(&model, 7, 4);
        drop(source);
        std::fs::remove_dir_all(folder).expect("it was there");
        assert!(logits(&model, 7, 4) == expected, "{engine}");
    }
}

#[track_caller]
fn refused(source: &dyn Source, words: &str) {
    let options = LoadOptions { ids_only: true, ..on_host() };
    let options = Engine::cpu(engine::GPU_PLAN).options(options);
    match block_on(Model::load(source, options)) {
        Ok(_) => panic!("it is loaded, and not refused with {words:?}"),
        Err(error) => assert!(error.to_string().contains(words), "{error}"),
    }
}

#[test]
fn what_saves_nothing_or_is_not_mapped_is_refused() {
    for tied in [engine::BUNDLED, "models/meta/bf16", "tests/fixtures/meta-bf16"] {
        refused(open(tied).as_ref(), "its embedding is the head too, which every token reads on the device");
    }
    let bytes = |file: &str| Bytes::new(file, std::fs::read(path(file)).expect("it is there"));
    refused(&bytes(UNTIED[2]), "random-q4_0-untied-h64.gguf is not supported: it is no mapped file");
    let parts = ["consolidated.00.pth", "params.json"].map(|file| -> Box<dyn Source> {
        let file = path(UNTIED[0]).join(file);
        if file.ends_with("params.json") {
            return Box::new(Bytes::new("params.json", std::fs::read(file).expect("it is there")));
        }
        Box::new(File::open(file).expect("it is there"))
    });
    refused(&Parts::new(parts.into()).expect("files"), "it is no mapped file");
}

/// A row that is broken is refused when the model is loaded, as on the device, and not when a token needs it.
#[test]
fn broken_rows_are_found() {
    let folder = copied("broken");
    let weights = folder.join("consolidated.00.pth");
    let source = source::open(&folder).expect("it is there");
    let (_, tensors) =
        block_on(read(source.as_ref(), ReadScope::ModelOnly)).expect("it is valid").model.expect("weights");
    let scales = tensors[Role::TokenEmbd.of_model()].scales.clone().expect("INT8 has scales").bytes.start as usize;
    drop(source);
    let mut bytes = std::fs::read(&weights).expect("it is there");
    bytes[scales + 4 * 1700..][..4].copy_from_slice(&f32::NAN.to_le_bytes());
    std::fs::write(weights, bytes).expect("a writable folder");
    refused(
        source::open(&folder).expect("it is there").as_ref(),
        "tensor tok_embeddings.scales, row 1700: scale 0 is NaN; scales are finite",
    );
}
