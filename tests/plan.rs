//! Whole plans: the device against the CPU step by step, chunks against tokens, sessions against each other.

use std::collections::BTreeSet;
use std::sync::Arc;

use llamita::internals::arch::family::{Arch, LLAMA};
use llamita::internals::arch::shape::{RopePairing, Scheme, Shape, rope_frequencies};
use llamita::internals::arch::tensors::{Role, TensorId};
use llamita::internals::backend::Executor;
use llamita::internals::kernel::uniforms::RunUniforms;
use llamita::internals::kernels::activations::ActivationFormat;
use llamita::internals::plan::gpu::GPU;
use llamita::internals::plan::limits::WEBGPU_BINDING_BYTES;
use llamita::internals::plan::llama::{PlanShape, forward, names};
use llamita::internals::plan::tuning::Tuning;
use llamita::internals::plan::{BufferOwner, Plan, ReadRange, RunOutput};
use llamita::internals::session::run::Run;
use llamita::internals::software::int16::Int16;
use llamita::internals::weights::{Cut, Matrices, Packing, Packings};
use llamita::{Activations, KvType, LoadOptions, Model, PlanChoice, Sampling, StopReason, Tier};
use pollster::block_on;

#[path = "common/engine.rs"]
mod engine;

use engine::{Engine, Finished, both_plans, continued, finish, fixture, greedy, ids, nmse};

fn load(name: &str, engine: &Engine) -> Model {
    engine.load_file(fixture(name), LoadOptions::default())
}

const CAPACITY: usize = 64;

fn uniforms(model: &Model, plan: &Plan, positions: std::ops::Range<usize>) -> RunUniforms {
    Run::at(positions, CAPACITY).uniforms(plan, model.shape())
}

/// Runs both executors step by step; the answer is the first step whose outputs differ.
fn first_difference(model: &Model, plans: [&Executor; 2], plan: &Plan, uniforms: &RunUniforms) -> Option<String> {
    let mut most = 1e-6;
    for (i, step) in plan.steps.iter().enumerate().filter(|(_, step)| RunOutput::Greedy.runs(step.stage)) {
        for executor in plans {
            block_on(executor.run(0, i..i + 1, RunOutput::Greedy, uniforms, None).expect("it runs")).expect("it ends");
        }
        for (arg, id) in step.kernel.args(&step.params).iter().zip(&step.buffers) {
            let buffer = &plan.buffers[id.0];
            if buffer.name.ends_with(".int16") {
                // From here on what differs by little may have been rounded to different sides.
                most = 1e-5;
            }
            if buffer.owner == BufferOwner::Weight {
                continue;
            }
            let [cpu, gpu] = plans.map(|executor| {
                let copy = ReadRange { name: &buffer.name, first: 0, words: buffer.words };
                let mut words = block_on(executor.read(copy)).expect("it can be read");
                words.truncate(buffer.words);
                words
            });
            let numbers = |words: Vec<u32>| match buffer.name.ends_with(".int16") {
                true => Int16::of(8).decode(&words).into_iter().map(|v| (v as f32).to_bits()).collect(),
                false => words,
            };
            let [cpu, gpu] = [cpu, gpu].map(numbers);
            let halves = buffer.name.ends_with(".keys") || buffer.name.ends_with(".values");
            let (mut error, mut power) = (0.0, 1e-30);
            for (a, b) in cpu.iter().zip(&gpu) {
                let parts = |w: u32| -> [f64; 2] {
                    if halves {
                        [w as u16, (w >> 16) as u16].map(|bits| half::f16::from_bits(bits).to_f64())
                    } else if buffer.name == names::IDS {
                        [f64::from(w), 0.0]
                    } else {
                        [f64::from(f32::from_bits(w)), 0.0]
                    }
                };
                for (a, b) in parts(*a).into_iter().zip(parts(*b)) {
                    error += (a - b).powi(2);
                    power += a.powi(2);
                }
            }
            if error / power > most {
                return Some(format!(
                    "{} of {}: {} has NMSE {:.2e}",
                    step.label,
                    model.name(),
                    arg.name,
                    error / power
                ));
            }
        }
    }
    None
}

/// In the same plan, and in every tier.
#[test]
fn every_step_agrees_with_the_cpu() {
    for engine in engine::every_tier("every_step_agrees_with_the_cpu") {
        // The types of weights are as many as they are in the plainest tier; what the others change is the same for
        // all.
        let names: &[&str] = match engine.tier {
            Some(Tier::Base | Tier::F16Sub) => &[
                "random-q4_0-h64.gguf",
                "random-q4_0-q6_k-h128.gguf",
                "random-f32-h64.gguf",
                "random-q4_k_m-h64.gguf",
                "random-every-type-h64.gguf",
            ],
            _ => &["random-q4_0-q6_k-h128.gguf"],
        };
        names.iter().for_each(|name| every_step_agrees(name, &engine));
    }
}

fn every_step_agrees(name: &str, engine: &Engine) {
    let (gpu, cpu) = (load(name, engine), load(name, &Engine::cpu(engine.plan)));
    assert_eq!(gpu.device().plan(), cpu.device().plan());
    let activations: &[Activations] = match *gpu.device().plan() == GPU {
        true => &[Activations::F32],
        false => &[Activations::F32, Activations::Fixed],
    };
    for (rows, activations) in activations.iter().flat_map(|choice| [(1, *choice), (16, *choice)]) {
        let plan = |model: &Model| {
            let tuning = model.tuning().with(KvType::F16, activations);
            let rows = PlanShape { rows, head_rows: 1, capacity: CAPACITY };
            Arc::new(forward(model.shape(), model.matrices(), &tuning, rows))
        };
        let plans = [plan(&cpu), plan(&gpu)];
        let executors = [
            cpu.executor(vec![plans[0].clone()]).expect("there is memory"),
            gpu.executor(vec![plans[1].clone()]).expect("there is memory"),
        ];
        let both = [&executors[0], &executors[1]];
        assert_eq!(plans[0].steps.len(), plans[1].steps.len(), "both devices run the same plan");
        let mut first = 0;
        for count in if rows == 1 { [1, 1, 1] } else { [16, 5, 13] } {
            for executor in both {
                executor.write(names::IDS, 0, &ids(CAPACITY)).expect("there are ids");
                let all = vec![u32::MAX; gpu.shape().vocabulary.div_ceil(32)];
                executor.write(names::ALLOWED, 0, &all).expect("there is a mask");
            }
            let uniforms = uniforms(&gpu, &plans[1], first..first + count);
            let difference = first_difference(&gpu, both, &plans[1], &uniforms);
            assert_eq!(difference, None, "{name} on {engine}, {count} rows from {first}");
            first += count;
        }
        // A fault in one weight of the last layer is found where it is, and not before.
        let copy = ReadRange { name: "blk.0.ffn_norm", first: 3, words: 1 };
        let before = block_on(executors[1].read(copy)).expect("there is a norm");
        executors[1].write(copy.name, copy.first, &[7.0f32.to_bits()]).expect("there is a norm");
        let uniforms = uniforms(&gpu, &plans[1], first..first + 1);
        let found = first_difference(&gpu, both, &plans[1], &uniforms).expect("a fault shows");
        assert!(found.starts_with("blk.0.ffn_norm ") || found.starts_with("blk.0.ffn_gate"), "{found}");
        executors[1].write(copy.name, copy.first, &before[..1]).expect("there is a norm");
    }
}

/// Logits after a prompt that was cut into chunks in some way.
fn logits_after(model: &Model, prompt: &[u32], chunks: &[usize]) -> Vec<f32> {
    logits_of(model, model.tuning(), prompt, chunks)
}

fn logits_of(model: &Model, tuning: &Tuning, prompt: &[u32], chunks: &[usize]) -> Vec<f32> {
    let plan = |rows| {
        let rows = PlanShape { rows, head_rows: 1, capacity: CAPACITY };
        Arc::new(forward(model.shape(), model.matrices(), tuning, rows))
    };
    let plans = vec![plan(1), plan(32)];
    let executor = model.executor(plans.clone()).expect("there is memory");
    executor.write(names::IDS, 0, prompt).expect("there are ids");
    let mut first = 0;
    for count in chunks {
        let which = usize::from(*count > 1);
        let uniforms = uniforms(model, &plans[which], first..first + count);
        let steps = 0..plans[which].steps.len();
        block_on(executor.run(which, steps, RunOutput::Logits, &uniforms, None).expect("it runs")).expect("it ends");
        first += count;
    }
    assert_eq!(first, prompt.len());
    let copy = ReadRange { name: names::LOGITS, first: 0, words: model.shape().vocabulary };
    block_on(executor.read(copy)).expect("there are logits").into_iter().map(f32::from_bits).collect()
}

#[test]
fn any_chunking_equals_decode() {
    for engine in engine::every_tier("any_chunking_equals_decode") {
        let model = load("random-q4_0-h64.gguf", &engine);
        let prompt = ids(41);
        let expected = logits_after(&model, &prompt, &[1; 41]);
        for chunks in
            [vec![32, 9], vec![7, 32, 2], vec![1, 32, 8], vec![20, 20, 1], vec![3; 13].into_iter().chain([2]).collect()]
        {
            let found = logits_after(&model, &prompt, &chunks);
            let nmse = nmse(&found, &expected);
            assert!(nmse < 1e-7, "chunks {chunks:?} ({engine}): NMSE {nmse:.2e}");
        }
    }
}

/// int16 activations cost little in the logits, and change them where the weights allow it.
#[test]
fn int16_activations_are_close() {
    let engine = Engine::gpu(PlanChoice::Software, None);
    let model = load("random-q4_0-q6_k-h128.gguf", &engine);
    let prompt = ids(24);
    let of = |model: &Model| {
        let logits = [Activations::Fixed, Activations::F32]
            .map(|choice| logits_of(model, &model.tuning().with(KvType::F16, choice), &prompt, &[1; 24]));
        nmse(&logits[0], &logits[1])
    };
    let fixed = of(&model);
    println!("NMSE {fixed:.1e}");
    assert!(fixed > 1e-9 && fixed < 1e-5, "NMSE {fixed:.2e}");
    assert_eq!(of(&load("random-q8_0-h64.gguf", &engine)), 0.0, "no such weights");
}

/// Two sessions that take turns give what each gives alone; and every run gives the same ids.
#[test]
fn sessions_do_not_mix() {
    both_plans().iter().for_each(sessions_do_not_mix_on);
}

fn sessions_do_not_mix_on(engine: &Engine) {
    let model = load("random-q4_0-h64.gguf", engine);
    let alone = |ids: &[u32]| continued(&mut model.session().expect("there is memory"), ids, greedy(24));
    let prompts = [ids(9), ids(40)[20..].to_vec()];
    let expected = [alone(&prompts[0]), alone(&prompts[1])];
    assert_eq!(expected[0], alone(&prompts[0]), "a second run gives the same");
    let mut sessions = [model.session().expect("there is memory"), model.session().expect("there is memory")];
    let mut found = [Vec::new(), Vec::new()];
    for turn in 0..6 {
        for i in 0..2 {
            let next = if turn == 0 { prompts[i].clone() } else { Vec::new() };
            found[i].extend(continued(&mut sessions[i], &next, greedy(4)));
        }
    }
    assert_eq!(found, expected);
}

/// A session that is cut back gives what it gave before.
#[test]
fn truncation_and_cancelling() {
    both_plans().iter().for_each(truncation_and_cancelling_on);
}

fn truncation_and_cancelling_on(engine: &Engine) {
    let model = load("random-q4_0-h64.gguf", engine);
    let mut session = model.session().expect("there is memory");
    let expected = continued(&mut session, &ids(12), greedy(16));
    session.truncate(12);
    {
        let mut reply = session.reply_ids(&[], greedy(16)).expect("fine");
        for _ in 0..5 {
            block_on(reply.next()).expect("more").expect("the device works");
        }
        assert_eq!(reply.finish().stop_reason, StopReason::Cancelled);
    }
    assert_eq!(session.tokens().len(), 12 + 5);
    let rest = continued(&mut session, &[], greedy(11));
    assert_eq!([session.tokens()[12..17].to_vec(), rest].concat(), expected);
}

/// The context ends a reply, and says so; nothing is asked of the device past it.
#[test]
fn the_context_ends_a_reply() {
    both_plans().iter().for_each(the_context_ends_a_reply_on);
}

fn the_context_ends_a_reply_on(engine: &Engine) {
    let options = LoadOptions { context: Some(20), ..Default::default() };
    let model = engine.load_file(fixture("random-q4_0-h64.gguf"), options);
    let mut session = model.session().expect("there is memory");
    assert!(session.reply_ids(&ids(21), Sampling::greedy()).is_err());
    let endless = Sampling { ignore_eos: true, ..Sampling::greedy() };
    let stats = finish(session.reply_ids(&ids(12), endless).expect("it fits")).stats;
    assert_eq!((stats.stop_reason, stats.generated_tokens), (StopReason::Context, 9));
}

/// Seeds reproduce; a bias and a mask are obeyed; waits and submits are what the design says.
#[test]
fn sampling_settings() {
    both_plans().iter().for_each(sampling_settings_on);
}

fn sampling_settings_on(engine: &Engine) {
    let model = load("random-q4_0-h64.gguf", engine);
    let run = |sampling: Sampling| {
        let mut session = model.session().expect("there is memory");
        let Finished { ids, stats, .. } = finish(session.reply_ids(&ids(8), sampling).expect("the prompt is fine"));
        (ids, stats)
    };
    let drawn =
        |seed| Sampling { temperature: 1.0, top_p: 1.0, seed, max_tokens: 20, ignore_eos: true, ..Sampling::default() };
    assert_eq!(run(drawn(5)).0, run(drawn(5)).0);
    assert_ne!(run(drawn(5)).0, run(drawn(6)).0);
    let only = |id: u32| {
        let mut allowed = vec![0; model.shape().vocabulary.div_ceil(32)];
        allowed[id as usize / 32] |= 1 << (id % 32);
        Some(allowed)
    };
    assert_eq!(run(Sampling { allowed: only(77), ..drawn(1) }).0, [77; 20]);
    assert_eq!(run(Sampling { bias: vec![(33, 1e4)], ..drawn(1) }).0, [33; 20]);
    let (_, stats) = run(Sampling { max_tokens: 40, ignore_eos: true, ..Sampling::greedy() });
    assert_eq!(stats.waits, 0, "the token loop waited for the device");
    assert!(stats.submits <= 40 + 8, "{} submits for 40 tokens", stats.submits);
}

/// A device that fails ends the stream with an error, and what came before is kept.
#[test]
fn a_lost_device_ends_the_stream() {
    both_plans().iter().for_each(a_lost_device_ends_the_stream_on);
}

fn a_lost_device_ends_the_stream_on(engine: &Engine) {
    let model = load("random-q4_0-h64.gguf", engine);
    let llamita::Device::Gpu(gpu) = model.device().clone() else { panic!("the model is on a GPU") };
    let mut session = model.session().expect("there is memory");
    let sampling = Sampling { max_tokens: 50, ignore_eos: true, ..Sampling::greedy() };
    let mut reply = session.reply_ids(&ids(8), sampling).expect("the prompt is fine");
    for _ in 0..5 {
        block_on(reply.next()).expect("more").expect("the device works");
    }
    gpu.destroy();
    let mut error = None;
    while let Some(piece) = block_on(reply.next()) {
        error = piece.err().or(error);
    }
    assert!(matches!(error, Some(llamita::Error::DeviceLost(_))), "{error:?}");
    assert!(reply.token_ids().len() >= 5);
    assert_eq!(reply.finish().stop_reason, StopReason::Error);
    assert!(session.tokens().len() >= 13);
}

/// One layer with two query heads of 16 elements and one key/value head.
fn one_layer(arch: &'static Arch, rope_pairing: RopePairing) -> Shape {
    Shape {
        arch,
        dim: 64,
        ffn: 64,
        layers: 1,
        heads: 2,
        kv_heads: 1,
        head_dim: 16,
        vocabulary: 64,
        context: 64,
        norm_eps: 1e-5,
        rope_pairing,
        rope_frequencies: rope_frequencies(16, 10_000.0),
        scheme: Scheme::default(),
    }
}

/// A plan reads every tensor that a file of its family may have: a reader accepts none that is left out.
#[test]
fn a_plan_reads_every_tensor_of_its_family() {
    for arch in Arch::ALL {
        let shape = one_layer(arch, RopePairing::Interleaved);
        let all: BTreeSet<TensorId> = TensorId::all(arch, shape.layers).collect();
        let packings = all.iter().filter(|id| id.spec().is_matrix()).map(|id| (*id, Packing::F32)).collect();
        let tuning = (GPU.tuning)(Tier::Base);
        let matrices = Matrices::new(&shape, &packings, tuning.cut());
        let plan = forward(&shape, &matrices, &tuning, PlanShape { rows: 1, head_rows: 1, capacity: CAPACITY });
        let arguments = plan.steps.iter().flat_map(|step| &step.buffers).map(|id| plan.buffers[id.0].name.as_str());
        let arguments: BTreeSet<&str> = arguments.collect();
        let vectors = all.iter().filter(|id| arguments.contains(id.to_string().as_str())).copied();
        let shards = matrices.iter().flat_map(|matrix| matrix.shards.iter().map(move |shard| (matrix, shard)));
        let rows = shards
            .filter(|(_, shard)| arguments.contains(shard.name.as_str()))
            .flat_map(|(matrix, shard)| (0..shard.layout.rows).map(move |row| matrix.source(shard.row_begin + row).0));
        assert_eq!(vectors.chain(rows).collect::<BTreeSet<_>>(), all, "{}", arch.title);
    }
}

/// Rows of a half-split checkpoint are brought into interleaved order, row by row.
#[test]
fn half_split_rows() {
    let shape = |rope_pairing| one_layer(&LLAMA, rope_pairing);
    let [q, k, v] = [Role::AttnQ, Role::AttnK, Role::AttnV].map(|role| role.in_block(0));
    let packings = Packings::uniform(&shape(RopePairing::HalfSplit), Packing::F32, Packing::F32);
    let cut = Cut { tile: 8, shard_bytes: WEBGPU_BINDING_BYTES };
    let matrix = Matrices::new(&shape(RopePairing::HalfSplit), &packings, cut).layers[0].qkv.clone();
    // Row 2i + p of a head is row i + 8p of the file (permute, convert_llama_weights_to_hf.py).
    assert_eq!([0, 1, 2, 3, 15].map(|row| matrix.source(row)), [(q, 0), (q, 8), (q, 1), (q, 9), (q, 15)]);
    assert_eq!([16, 17, 32, 33].map(|row| matrix.source(row)), [(q, 16), (q, 24), (k, 0), (k, 8)]);
    assert_eq!([48, 49].map(|row| matrix.source(row)), [(v, 0), (v, 1)]);
    let same = Matrices::new(&shape(RopePairing::Interleaved), &packings, cut).layers[0].qkv.clone();
    assert_eq!((0..64).map(|row| same.source(row).1).collect::<Vec<_>>()[..32], (0..32).collect::<Vec<_>>());
}
