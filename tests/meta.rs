//! Meta's checkpoints against Meta's own runtime: what ExecuTorch's eager model computes from the same files
//! (`models/meta/README.md`), logits, greedy ids, and single products.

use std::path::PathBuf;

use llamita::internals::arch::shape::{Lora, Scheme, Shape};
use llamita::internals::arch::tensors::{Role, TensorId};
use llamita::internals::backend::gpu::Gpu;
use llamita::internals::cases::Case;
use llamita::internals::drivers::DeviceOptions;
use llamita::internals::format::{Encoding, Extent, ModelTensors, ReadScope, Tensor, read};
use llamita::internals::kernel::Uniform;
use llamita::internals::kernel::uniforms::RunUniforms;
use llamita::internals::kernels::activations::ActivationFormat;
use llamita::internals::kernels::int8::{PER_TOKEN, PER_TOKEN_HEAD};
use llamita::internals::kernels::linear::{LinearParams, Output};
use llamita::internals::kernels::store::{LoraA, RowParams, Store, StoreParams};
use llamita::internals::kernels::{Matmul, Quantize, RunShape};
use llamita::internals::plan::gpu::GPU;
use llamita::internals::plan::llama::session_plans;
use llamita::internals::plan::tuning::Tuning;
use llamita::internals::weights::pack::{Layout, ROW_ALIGN};
use llamita::internals::weights::{Matrices, Matrix, Packing, Packings};
use llamita::source::Source;
use llamita::{Activations, KvType, LoadOptions, Model, Sampling, Tier, source};
use pollster::block_on;
use safetensors::SafeTensors;
use serde_json::Value;

#[path = "common/engine.rs"]
mod engine;

use engine::Engine;

const KINDS: [&str; 3] = ["bf16", "spinquant", "qlora"];
/// Those with int8 activations.
const INT4: [&str; 2] = ["spinquant", "qlora"];

fn folder(kind: &str) -> PathBuf {
    engine::root().join("models/meta").join(kind)
}

fn golden() -> Value {
    let text = std::fs::read_to_string(folder("golden/golden.json")).expect("the goldens are there");
    serde_json::from_str(&text).expect("the goldens are valid")
}

/// The tensors of a kind's goldens.
struct Goldens {
    bytes: Vec<u8>,
}

impl Goldens {
    fn of(kind: &str) -> Self {
        Self { bytes: std::fs::read(folder("golden").join(format!("{kind}.safetensors"))).expect("it is there") }
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        let tensors = SafeTensors::deserialize(&self.bytes).expect("it is valid");
        tensors.tensor(name).unwrap_or_else(|error| panic!("{name}: {error}")).data().to_vec()
    }

    fn words(&self, name: &str) -> Vec<u32> {
        self.bytes(name).as_chunks().0.iter().map(|word| u32::from_le_bytes(*word)).collect()
    }

    fn floats(&self, name: &str) -> Vec<f32> {
        self.words(name).into_iter().map(f32::from_bits).collect()
    }
}

fn load(kind: &str, engine: &Engine, options: LoadOptions) -> Model {
    let source = source::open(folder(kind)).expect("the checkpoint is there");
    engine.load(source.as_ref(), options)
}

fn nmse<'a>(pairs: impl Iterator<Item = (&'a f32, &'a f32)>) -> f64 {
    let (mut error, mut power) = (0.0, 0.0);
    for (found, expected) in pairs {
        assert!(found.is_finite());
        error += f64::from(found - expected).powi(2);
        power += f64::from(*expected).powi(2);
    }
    error / power
}

/// Normalised mean squared error of the logits at the positions of the goldens.
fn logits_nmse(model: &Model, kind: &str, mode: &str) -> f64 {
    let goldens = Goldens::of(kind);
    let (ids, positions, expected) =
        (goldens.words("ids"), goldens.words("positions"), goldens.floats(&format!("logits.{mode}")));
    let scorer = model.scorer(ids.len()).expect("there is memory");
    let mut found = Vec::new();
    let scored = scorer.logits(&ids, |position, logits| {
        if positions.contains(&(position as u32)) {
            found.extend_from_slice(logits);
        }
    });
    block_on(scored).expect("the ids can be scored");
    assert_eq!(found.len(), expected.len());
    nmse(found.iter().zip(&expected))
}

fn options<'a>(mode: &str) -> LoadOptions<'a> {
    let activations = if mode == "f32" { Activations::F32 } else { Activations::Int8 };
    // An f16 cache is another computation.
    LoadOptions { activations, kv: KvType::F32, ..LoadOptions::default() }
}

/// Weight-only logits. The worst on lavapipe 22.3 is 1.2e-12, with `reference.py` at 1.2e-13: f32 rounding.
#[test]
fn weight_only_logits_are_those_of_executorch() {
    for kind in KINDS {
        let mut engines = engine::every_tier("weight_only_logits_are_those_of_executorch");
        engines.extend(engine::everywhere());
        for engine in engines {
            let found = logits_nmse(&load(kind, &engine, options("f32")), kind, "f32");
            assert!(found <= 1e-11, "{kind}, {engine}: an NMSE of {found:.2e}");
        }
    }
}

/// One code that is rounded to the other side changes all that follow, so right computations differ: `reference.py` by
/// up to 1.0e-4. Products are compared one by one below.
#[test]
fn int8_logits_are_near_those_of_executorch() {
    for kind in INT4 {
        let mut engines = engine::every_tier("int8_logits_are_near_those_of_executorch");
        engines.extend(engine::everywhere());
        for engine in engines {
            let model = load(kind, &engine, options("int8"));
            let found = logits_nmse(&model, kind, "int8");
            assert!(found <= 5e-4, "{kind}, {engine}: an NMSE of {found:.2e}");
            assert!(found > 1e-9, "{kind}, {engine}: an NMSE of {found:.2e}, as if nothing was rounded");
        }
    }
}

/// The checks see what is wrong: a rotation that is missing, and one that does not belong there.
#[test]
fn a_wrong_rotation_shows() {
    for (kind, spinquant) in [("spinquant", false), ("qlora", true)] {
        for engine in engine::both_plans() {
            let options = LoadOptions { spinquant: Some(spinquant), ..options("f32") };
            let found = logits_nmse(&load(kind, &engine, options), kind, "f32");
            assert!(found > 0.1, "{kind}, {engine}: an NMSE of {found:.2e}");
        }
        let right = LoadOptions { spinquant: Some(!spinquant), ..options("f32") };
        assert!(logits_nmse(&load(kind, &Engine::cpu(engine::GPU_PLAN), right), kind, "f32") <= 1e-11);
    }
}

/// ExecuTorch's 200 ids, on the device at hand in both plans, with the cache that chat has.
#[test]
fn greedy_ids_are_those_of_executorch() {
    let golden = golden();
    for kind in KINDS {
        for mode in if kind == "bf16" { &["f32"][..] } else { &["f32", "int8"] } {
            for engine in engine::both_plans() {
                let model = load(kind, &engine, LoadOptions { kv: KvType::F16, ..options(mode) });
                for prompt in golden[kind]["prompts"].as_array().expect("prompts") {
                    let ids = |value: &Value| -> Vec<u32> {
                        value.as_array().expect("ids").iter().map(|id| id.as_u64().expect("an id") as u32).collect()
                    };
                    let expected = ids(&prompt["greedy"][mode]);
                    assert_eq!(expected.len(), 200);
                    let sampling = Sampling { max_tokens: 200, ignore_eos: true, ..Sampling::greedy() };
                    let mut session = model.session().expect("there is memory");
                    let found = engine::continued(&mut session, &ids(&prompt["ids"]), sampling);
                    let differs = (0..200).find(|i| found[*i] != expected[*i]);
                    let margin = differs.map(|i| prompt["margins"][mode][i].clone());
                    assert_eq!(differs, None, "{kind} {mode}, {engine}: where the margin is {margin:?}");
                }
            }
        }
    }
}

/// What follows from the checkpoint: int8 for the int4 kinds, their context, and their scheme.
#[test]
fn a_checkpoint_says_how_it_is_computed() {
    for kind in KINDS {
        let engine = Engine::cpu(engine::GPU_PLAN);
        let model = load(kind, &engine, LoadOptions { kv: KvType::F32, ..LoadOptions::default() });
        let scheme = model.shape().scheme;
        let expected = (kind == "spinquant", kind == "qlora", kind != "bf16");
        assert_eq!((scheme.hadamard, scheme.lora.is_some(), scheme.int8_activations), expected, "{kind}");
        if let Some(lora) = scheme.lora {
            assert_eq!((lora.rank, lora.scale), (16, 2.0));
        }
        let auto = logits_nmse(&model, kind, if kind == "bf16" { "f32" } else { "int8" });
        assert!(auto <= if kind == "bf16" { 1e-11 } else { 5e-4 }, "{kind}: an NMSE of {auto:.2e}");
    }
}

/// Rows of a matrix in a file, `row_bytes` of numbers of `item` bytes.
fn rows_of(source: &dyn Source, extent: &Extent, rows: usize, [row_bytes, item]: [usize; 2]) -> Vec<u8> {
    let span = (extent.bytes.end - extent.bytes.start) as usize;
    let bytes = block_on(source.read_at(extent.bytes.start, span)).expect("it is there");
    let cols = row_bytes / item;
    let [row, col] = extent.strides.unwrap_or([cols as u64, 1]).map(|stride| stride as usize * item);
    let places = (0..rows).flat_map(|r| (0..cols).map(move |c| r * row + c * col));
    places.flat_map(|at| bytes[at..at + item].to_vec()).collect()
}

fn words(bytes: &[u8]) -> Vec<u32> {
    bytes.as_chunks().0.iter().map(|word| u32::from_le_bytes(*word)).collect()
}

/// The packed weights of a tensor.
fn packed(source: &dyn Source, tensor: &Tensor, layout: &Layout) -> Vec<u32> {
    let Tensor { rows, cols, encoding, .. } = *tensor;
    let scale_bytes = encoding.scale_bytes(cols);
    let own = Extent { bytes: tensor.bytes.clone(), strides: tensor.strides };
    let quants = rows_of(source, &own, rows, [cols, 1]);
    let scales = rows_of(source, tensor.scales.as_ref().expect("it has scales"), rows, [scale_bytes, 4]);
    let joined: Vec<Vec<u8>> =
        quants.chunks(cols).zip(scales.chunks(scale_bytes)).map(|(a, b)| [a, b].concat()).collect();
    layout.pack_all(encoding, &joined.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

/// What a device makes of an input of a product, and of the product.
struct Product {
    codes: Vec<u8>,
    scales: Vec<f32>,
    zeros: Vec<i32>,
    y: Vec<f32>,
}

fn gpu() -> Gpu {
    let (plan, tier) = (engine::GPU_PLAN, Some(Tier::Base));
    block_on(Gpu::open(None, DeviceOptions { plan, tier, ..Default::default() })).expect("there is an adapter")
}

/// Rows of `k` numbers as a device stores them. `buffers` are those that the kernel binds.
fn quantize(gpu: &Gpu, (store, params): (Store, StoreParams), k: usize, buffers: Vec<Vec<u32>>) -> Vec<u32> {
    let case = Case {
        name: "quantize".to_owned(),
        kernel: std::sync::Arc::new(Quantize { invocations: gpu.tuning().sampler_invocations, store }),
        params: RowParams::new(k, params).to_words(),
        uniforms: RunUniforms::new(store.rows, &[1.0; 4], 0..store.rows),
        buffers,
    };
    block_on(case.measured(gpu)).expect("it runs")[1][..store.words(k)].to_vec()
}

/// Four tokens through the kernels of a plan: the input is quantized, and the product reads those very codes.
fn product(
    gpu: &Gpu,
    source: &dyn Source,
    (tensor, scale): (&Tensor, f32),
    x: &[f32],
    format: &'static dyn ActivationFormat,
) -> Product {
    let tuning = gpu.tuning();
    let (rows, k, n) = (4, tensor.cols, tensor.rows);
    let lora = tensor.lora.as_ref().map(|lora| LoraA { rank: lora.rank, parts: 1 });
    let store = Store { format, lora, rows };
    let stored = store.params(k, scale);
    let part = |extent: &Extent, rows: usize, cols: usize| words(&rows_of(source, extent, rows, [2 * cols, 2]));
    let mut buffers = vec![x.iter().map(|v| v.to_bits()).collect(), vec![0; store.words(k)]];
    buffers.extend(tensor.lora.as_ref().map(|lora| part(&lora.a, lora.rank, k)));
    let quantized = quantize(gpu, (store, stored), k, buffers);
    let layout = Layout::new(Packing::of(tensor.encoding), n, k, 64);
    let params = LinearParams {
        vec4s: (k / 4) as u32,
        token_end: rows as u32,
        stride: n as u32,
        low_first: stored.low_first,
        low_vec4s: lora.map_or(0, |lora| lora.rank as u32 / 4),
        ..LinearParams::default()
    }
    .with_layout(&layout);
    let mut buffers = vec![packed(source, tensor, &layout), quantized.clone()];
    buffers.extend(tensor.lora.as_ref().map(|lora| {
        let mut b = part(&lora.b, n, lora.rank);
        b.resize(n.next_multiple_of(ROW_ALIGN) * lora.rank / 2, 0);
        b
    }));
    let residual = buffers.len();
    buffers.push(vec![0; rows * n]);
    let case = Case {
        name: "product".to_owned(),
        kernel: std::sync::Arc::new(Matmul {
            weights: layout.packing,
            tile: 64,
            storage: tuning.storage,
            input: format,
            lora: lora.map(|lora| lora.rank),
            output: Output::Residual,
            tiling: tuning.matmul,
            exchange: false,
            run: RunShape { rows, pairs: 4 },
        }),
        params: params.to_words(),
        uniforms: RunUniforms::new(rows, &[1.0; 4], 0..rows),
        buffers,
    };
    let y = &block_on(case.measured(gpu)).expect("it runs")[residual][..rows * n];
    let blocks = || quantized[..rows * format.words(k)].chunks_exact(12);
    Product {
        codes: blocks().flat_map(|block| block[..8].iter().flat_map(|word| word.to_le_bytes())).collect(),
        scales: blocks().step_by(k / 32).map(|block| f32::from_bits(block[8])).collect(),
        zeros: blocks().step_by(k / 32).map(|block| block[9] as i32 - 128).collect(),
        y: y.iter().copied().map(f32::from_bits).collect(),
    }
}

/// The zero points of a row of f32 between these numbers by the two rules in use, computed in f32: (a) rounds before it
/// subtracts (`choose_qparams_affine` of torchao, which ExecuTorch's eager model calls), (b) subtracts before it rounds, from
/// the end with the smaller error (XNNPACK, and `choose_qparams_per_token_asymmetric` of ExecuTorch).
fn zero_points([least, most]: [f32; 2]) -> [i32; 2] {
    let scale = ((most - least) / 255.0).max(f32::EPSILON);
    let [a, b] = [least, most].map(|end| end / scale);
    let from_end = if (-128.0 + a) + (127.0 + b) > 0.0 { -128.0 - a } else { 127.0 - b };
    [-128.0 - a.round_ties_even(), from_end.round_ties_even()].map(|zero| zero.clamp(-128.0, 127.0) as i32)
}

/// Rule (b) is ours. The rules are the same function but for what f32 rounds: where `least / scale` is an odd number and
/// a half, less a little that is lost when 128 is added.
#[test]
fn zero_points_are_those_of_rule_b() {
    // A little that 128 loses, and a device's division does not.
    let near_tie = |odd: f32| [-(odd + 0.5 - 2f32.powi(-19)), 254.5 - odd];
    let rows = [near_tie(1.0), near_tie(3.0), near_tie(5.0), [-1.0, 2.0]];
    let expected = rows.map(zero_points);
    assert_eq!(expected, [[-127, -126], [-125, -124], [-123, -122], [-43, -43]], "(a) and (b)");
    let k = 64;
    let x = rows.iter().flat_map(|[least, most]| [*least, 0.0, *most].into_iter().chain(vec![0.0; k - 3]));
    let store = Store { format: &PER_TOKEN, lora: None, rows: rows.len() };
    let buffers = vec![x.map(f32::to_bits).collect(), vec![0; store.words(k)]];
    let stored = quantize(&gpu(), (store, store.params(k, 0.0)), k, buffers);
    let zeros: Vec<i32> = stored.chunks_exact(k / 32 * 12).map(|row| row[9] as i32 - 128).collect();
    assert_eq!(zeros, expected.map(|[_, b]| b));

    // Data do not tell them apart: a few rows of a million, by one.
    let mut state = 1u64;
    let mut number = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 24) as f32 * 8.0
    };
    let apart = (0..1_000_000).map(|_| zero_points([-number(), number()])).filter(|[a, b]| a != b);
    let by: Vec<i32> = apart.map(|[a, b]| (a - b).abs()).collect();
    println!("{} of a million rows differ", by.len());
    assert!((1..=20).contains(&by.len()) && by.iter().all(|by| *by == 1), "{by:?}");
}

/// Each product by itself, fed the input that ExecuTorch had: the same scales, zero points and codes but for numbers
/// halfway between two codes, and the same sums of what the device's own codes stand for.
#[test]
fn products_are_those_of_executorch() {
    let gpu = gpu();
    for kind in INT4 {
        let source = source::open(folder(kind)).expect("the checkpoint is there");
        let checkpoint = block_on(read(source.as_ref(), ReadScope::ModelOnly)).expect("it is valid");
        let (shape, tensors): (_, ModelTensors) = checkpoint.model.expect("it has weights");
        let scale = shape.scheme.lora.map_or(0.0, |lora| lora.scale);
        let goldens = Goldens::of(kind);
        let products: [(&str, TensorId); 5] = [
            ("wq", Role::AttnQ.in_block(1)),
            ("wo", Role::AttnOutput.in_block(1)),
            ("w1", Role::FfnGate.in_block(1)),
            ("w2", Role::FfnDown.in_block(1)),
            ("output", Role::Output.of_model()),
        ];
        for (name, id) in products {
            let part = |part: &str| format!("product.{name}.{part}");
            let format = if tensors[id].encoding == Encoding::INT8 { &PER_TOKEN_HEAD } else { &PER_TOKEN };
            let found = product(&gpu, source.as_ref(), (&tensors[id], scale), &goldens.floats(&part("x")), format);
            let codes: Vec<i32> = goldens.bytes(&part("codes")).into_iter().map(|code| i32::from(code as i8)).collect();
            let differ: Vec<i32> =
                found.codes.iter().zip(&codes).map(|(a, b)| i32::from(*a) - 128 - b).filter(|d| *d != 0).collect();
            assert!(differ.iter().all(|d| d.abs() == 1), "{kind} {name}: codes differ by more than 1");
            assert!(
                differ.len() * 50 <= codes.len(),
                "{kind} {name}: {} of {} codes differ",
                differ.len(),
                codes.len()
            );
            let zeros: Vec<i32> = goldens.words(&part("zero")).into_iter().map(|zero| zero as i32).collect();
            assert_eq!(found.zeros, zeros, "{kind} {name}");
            for (a, b) in found.scales.iter().zip(goldens.floats(&part("scale"))) {
                assert!((a - b).abs() <= b * 3e-7, "{kind} {name}: a scale of {a} should be {b}");
            }
            let found = nmse(found.y.iter().zip(&goldens.floats(&part("y"))));
            assert!(found <= 1e-10 || !differ.is_empty(), "{kind} {name}: an NMSE of {found:.2e}");
            assert!(found <= 1e-5, "{kind} {name}: an NMSE of {found:.2e}, with {} other codes", differ.len());
        }
    }
}

/// Llama 3.2 1B as Meta quantized it.
fn llama_3_2_1b(scheme: Scheme) -> Shape {
    Shape { context: 8192, ..Shape::llama_3_2_1b(scheme) }
}

const SPINQUANT: Scheme = Scheme { hadamard: true, lora: None, int8_activations: true };
const QLORA: Scheme = Scheme { hadamard: false, lora: Some(Lora { rank: 16, scale: 2.0 }), int8_activations: true };

/// Its matrices: those of blocks packed as `blocks`, embedding and head in eight bits.
fn matrices(shape: &Shape, blocks: Packing, tuning: &Tuning) -> Matrices {
    let mut packings = Packings::uniform(shape, blocks, Packing::INT8);
    packings.set(Role::Output.of_model(), Packing::INT8);
    Matrices::new(shape, &packings, tuning.cut())
}

/// The dispatches of a layer in decode, and that no kernel binds more buffers than every device has.
#[test]
fn a_layer_takes_few_dispatches() {
    for (scheme, activations, expected) in [
        (Scheme::default(), Activations::F32, 5),
        (SPINQUANT, Activations::F32, 6),
        (SPINQUANT, Activations::Int8, 9),
        (QLORA, Activations::F32, 9),
        (QLORA, Activations::Int8, 9),
    ] {
        let shape = llama_3_2_1b(scheme);
        for tier in Tier::ALL {
            let tuning = (GPU.tuning)(tier).with(KvType::F16, activations);
            let plans = session_plans(&shape, &matrices(&shape, Packing::INT4, &tuning), &tuning, 512);
            let in_layer = plans[0].steps.iter().filter(|step| step.label.starts_with("blk.7.")).count();
            assert_eq!(in_layer, expected, "{scheme:?}, {activations:?}, {tier}");
            for step in plans.iter().flat_map(|plan| &plan.steps) {
                assert!(step.kernel.args(&step.params).len() <= 8, "{}", step.label);
                assert!(step.kernel.invocations() <= 256, "{}", step.label);
            }
        }
    }
}

/// Bytes on the device, for weights of the released size: `formats` of Meta's files count 1.51 GiB for them.
#[test]
fn int4_weights_take_less_than_half_of_bf16() {
    const MIB: u64 = 1 << 20;
    let tuning = (GPU.tuning)(Tier::Base);
    let weights = |scheme, blocks| -> u64 {
        let shape = llama_3_2_1b(scheme);
        matrices(&shape, blocks, &tuning).iter().map(Matrix::bytes).sum()
    };
    let plain = llama_3_2_1b(Scheme::default());
    let bf16 = Packings::uniform(&plain, Packing::BF16, Packing::BF16);
    let bf16: u64 = Matrices::new(&plain, &bf16, tuning.cut()).iter().map(Matrix::bytes).sum();
    let spinquant = weights(SPINQUANT, Packing::INT4);
    assert!(spinquant <= 1085 * MIB && spinquant * 100 <= bf16 * 46, "{spinquant} bytes of {bf16}");
    let rounded = weights(SPINQUANT, Packing::INT4_F16);
    assert!(rounded <= 1027 * MIB && rounded * 100 <= bf16 * 44, "{rounded} bytes of {bf16}");
    let qlora = weights(QLORA, Packing::INT4);
    assert!((qlora - spinquant) <= 22 * MIB, "{} bytes of adaptors", qlora - spinquant);
}
