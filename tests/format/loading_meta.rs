//! Weights in Meta's layout on their way to the device: quantized, shared, far apart, in slices, and changed anywhere.

use std::borrow::Cow;
use std::sync::OnceLock;

use futures::future::LocalBoxFuture;
use llamita::error::Result;
use llamita::internals::model::budget::{BudgetEntry, MemoryClass};
use llamita::source::{Bytes, MAX_READ_BYTES, Parts, Source};
use llamita::{DeviceChoice, LoadOptions, Model, Quantize};
use pollster::block_on;
use proptest::prelude::*;
use serde_json::json;

use super::heap::peak;
use super::tiny_meta::*;

/// What is quantized while it is loaded.
#[test]
fn quantizing() {
    for to in Quantize::ALL {
        for tiny in [Tiny::spinquant(), Tiny::qlora()] {
            refused_with(&tiny, quantized(to), &[WEIGHTS, &format!("--quantize {}", to.name()), "no weights of F32"]);
        }
    }
    let error = |found: &[f32], expected: &[f32]| {
        let square = |numbers: &mut dyn Iterator<Item = f32>| -> f32 { numbers.map(|number| number * number).sum() };
        square(&mut found.iter().zip(expected).map(|(a, b)| a - b)) / square(&mut expected.iter().copied())
    };
    let plain = Tiny::plain();
    let exact = plain.logits(LoadOptions::default());
    let [four, eight] = Quantize::ALL.map(|to| error(&plain.logits(quantized(to)), &exact));
    assert!(eight > 0.0 && eight < 1e-3 && four > eight && four < 0.1, "{four} {eight}");
    // A number that is none, or that makes a scale that f16 does not hold, is not rounded to another.
    const NAME: &str = "layers.0.attention.wo.weight";
    for (number, words) in [(f32::NAN, "NaN"), (f32::INFINITY, "inf"), (1e9, "")] {
        let mut wrong = Tiny::plain();
        wrong.get(NAME).1[2 * (64 * 3 + 40)..][..2].copy_from_slice(&bf16s(&[number]));
        for to in Quantize::ALL {
            let place = format!("{NAME}, row 3: the number of column 40 is ");
            refused_with(&wrong, quantized(to), &[WEIGHTS, &place, words, "--quantize"]);
        }
    }
}

/// Rows of 40 numbers have a block that is not full.
#[test]
fn quantizing_rows_of_any_length() {
    let mut tiny = Tiny::empty();
    tiny.params["dim"] = json!(40);
    tiny.params["n_heads"] = json!(1);
    let mut random = Random(5);
    // 2 * 4 * 40 / 3 is 106, times 0.375 is 39.
    for (name, rows, cols) in LAYER
        .map(|(name, _, _)| (format!("layers.0.{name}"), 40, 40))
        .into_iter()
        .map(|(name, rows, cols)| match &name[..] {
            "layers.0.feed_forward.w2" => (name, rows, 64),
            n if n.contains("feed_forward") => (name, 64, cols),
            _ => (name, rows, cols),
        })
        .chain([("tok_embeddings".to_owned(), ROWS, 40)])
    {
        let numbers: Vec<f32> = (0..rows * cols).map(|_| (random.next() % 255) as f32 / 512.0 - 0.25).collect();
        tiny.add(&format!("{name}.weight"), F32, &[rows, cols], f32s(&numbers));
    }
    for name in ["layers.0.attention_norm", "layers.0.ffn_norm", "norm"] {
        tiny.add(&format!("{name}.weight"), F32, &[40], f32s(&[1.0; 40]));
    }
    let exact = tiny.logits(LoadOptions::default());
    for (to, most) in [(Quantize::Q8_0, 1e-3), (Quantize::Q4_0, 0.1)] {
        let found = tiny.logits(quantized(to));
        let error: f32 = found.iter().zip(&exact).map(|(a, b)| (a - b).powi(2)).sum();
        let power: f32 = exact.iter().map(|b| b * b).sum();
        assert!(error / power < most, "{}: {}", to.name(), error / power);
    }
}

/// Head and embedding that are one storage are two matrices: the head's input is rounded, and the embedding has none.
#[test]
fn one_storage_of_two_tensors() {
    let mut apart = Tiny::spinquant();
    for part in ["weight", "scales"] {
        let data = apart.get(&format!("tok_embeddings.{part}")).1.clone();
        apart.get(&format!("output.{part}")).1 = data;
    }
    let mut tied = apart.clone();
    for part in ["weight", "scales"] {
        let key = tied.get(&format!("tok_embeddings.{part}")).0.key.clone();
        tied.get(&format!("output.{part}")).0.key = key;
    }
    assert!(tied.logits(LoadOptions::default()) == apart.logits(LoadOptions::default()));
    // A layer's scales that are another's.
    let mut shared = Tiny::spinquant();
    let [to, from] = ["wq", "wo"].map(|name| format!("layers.0.attention.{name}.scales"));
    let data = shared.get(&from).1.clone();
    shared.get(&to).1 = data;
    let expected = shared.logits(LoadOptions::default());
    let key = shared.get(&from).0.key.clone();
    shared.get(&to).0.key = key;
    assert!(shared.logits(LoadOptions::default()) == expected);
}

/// Bytes that cannot be lent, as of a download.
struct Copied(Vec<u8>);

impl Source for Copied {
    fn name(&self) -> &str {
        WEIGHTS
    }

    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, offset: u64, len: usize) -> LocalBoxFuture<'_, Result<Cow<'_, [u8]>>> {
        assert!(len <= MAX_READ_BYTES);
        Box::pin(async move { Ok(Cow::Owned(self.0[offset as usize..][..len].to_vec())) })
    }
}

/// A tensor of 24 MiB in slices of 4: what is made of a slice takes no more than is announced.
#[test]
fn a_slice_is_on_the_host_at_a_time() {
    const LARGE: i64 = 196_608;
    const WIDE: i64 = 131_072;
    let (mut plain, mut int8) = (Tiny::plain(), Tiny::spinquant());
    let size = (LARGE * DIM) as usize;
    plain.set("tok_embeddings.weight", BF16, &[LARGE, DIM], bf16s(&vec![0.25; size]));
    for name in ["tok_embeddings", "output"] {
        int8.set(&format!("{name}.weight"), I8, &[LARGE, DIM], vec![3; size]);
        int8.set(&format!("{name}.scales"), F32, &[LARGE, 1], f32s(&vec![0.5; LARGE as usize]));
    }
    // Columns, one behind the other.
    let mut turned = plain.clone();
    turned.get("tok_embeddings.weight").0.strides = vec![1, LARGE];
    // Rows of 131 072, of which a slice has 64.
    let mut wide = Tiny::spinquant();
    wide.params["multiple_of"] = json!(WIDE);
    for (name, dims) in [("w1", [WIDE, DIM]), ("w2", [DIM, WIDE]), ("w3", [WIDE, DIM])] {
        let name = format!("layers.0.feed_forward.{name}");
        wide.set(&format!("{name}.weight"), I8, &dims, vec![2; (WIDE * DIM) as usize]);
        let groups = (WIDE * DIM / 32) as usize;
        wide.set(&format!("{name}.scales"), F32, &[dims[0], dims[1] / 32], f32s(&vec![0.5; groups]));
    }
    let all = [
        (&plain, LoadOptions::default()),
        (&plain, quantized(Quantize::Q4_0)),
        (&turned, LoadOptions::default()),
        (&turned, quantized(Quantize::Q8_0)),
        (&int8, LoadOptions::default()),
        (&wide, LoadOptions { spinquant: Some(false), ..Default::default() }),
    ];
    let mut weights = Vec::new();
    for (tiny, options) in all {
        let mut params = tiny.params.clone();
        params["vocab_size"] = json!(tiny.parts[0].0.dims[0]);
        let files: Vec<Box<dyn Source>> =
            vec![Box::new(Copied(tiny.weights())), Box::new(Bytes::new(PARAMS, params.to_string().into_bytes()))];
        let source = Parts::new(files).expect("there are files");
        let options = LoadOptions { device: DeviceChoice::Cpu, ids_only: true, ..options };
        let (model, bytes) = peak(|| block_on(Model::load(&source, options)));
        let model = model.unwrap_or_else(|error| panic!("{error}"));
        // Without headers and tokenizers, whose bounds are loose, and staging memory, which the CPU does not have.
        let slices = |entry: &&BudgetEntry| entry.kind == MemoryClass::Host && entry.name.contains("slice");
        let host: u64 = model.host().entries().iter().filter(slices).map(|entry| entry.bytes).sum();
        let own = model.budget().weights;
        println!("{bytes} bytes, {own} for weights and {host} for slices");
        assert!(bytes as u64 <= own + host + (1 << 20), "{bytes} bytes, {own} and {host} were announced");
        assert!(host < 32 << 20, "{host} bytes for slices of 4 MiB, or of 9");
        weights.push(own);
    }
    assert!(weights[0] == weights[2] && weights[1] < weights[0] * 2 / 3 && weights[1] == weights[3], "{weights:?}");
}

/// Numbers that lie 512 KiB apart are read one by one.
#[test]
fn numbers_that_lie_far_apart() {
    const APART: i64 = 1 << 18;
    let mut tiny = Tiny::spinquant();
    let gains: Vec<f32> = (0..DIM).map(|i| 0.5 + i as f32 / 64.0).collect();
    tiny.set("norm.weight", BF16, &[DIM], bf16s(&gains));
    let expected = tiny.logits(LoadOptions::default());
    let (tensor, data) = tiny.get("norm.weight");
    (tensor.len, tensor.strides) = ((DIM - 1) * APART + 1, vec![APART]);
    let mut wide = vec![0x55; 2 * tensor.len as usize];
    for (i, gain) in data.chunks(2).enumerate() {
        wide[2 * i * APART as usize..][..2].copy_from_slice(gain);
    }
    *data = wide;
    assert!(tiny.logits(LoadOptions::default()) == expected);
}

/// Most bytes that a load may have allocated at once: little more than an intact file takes, since a change may ask
/// for other room.
fn limit() -> usize {
    static LIMIT: OnceLock<usize> = OnceLock::new();
    *LIMIT.get_or_init(|| {
        let intact = Tiny::qlora();
        let (weights, params) = (intact.weights(), intact.params.to_string().into_bytes());
        let (model, bytes) = peak(|| load(weights, params, LoadOptions::default()));
        model.unwrap_or_else(|error| panic!("{error}"));
        bytes + (1 << 20)
    })
}

/// Loads a file that may be wrong: the answer is a model, or an error of one line.
fn bounded(weights: Vec<u8>, params: Vec<u8>) {
    let limit = limit();
    let (loaded, bytes) = peak(|| load(weights, params, LoadOptions::default()).map(|model| model.parameters()));
    if let Err(error) = loaded {
        assert_eq!(error.to_string().lines().count(), 1, "{error}");
    }
    assert!(bytes <= limit, "{bytes} bytes, of at most {limit}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(384) })]

    /// Bytes that are changed anywhere, half of them where the pickle and the list of entries lie.
    #[test]
    fn any_bytes_of_the_weights_may_be_wrong(
        changes in proptest::collection::vec((any::<bool>(), any::<u32>(), any::<u8>()), 1..8))
    {
        let tiny = Tiny::qlora();
        let mut file = tiny.weights();
        let len = file.len();
        let edges = 8 << 10;
        for (anywhere, at, byte) in changes {
            let at = at as usize;
            let at = if anywhere { at % len } else { (at % edges + len - edges / 2) % len };
            file[at] = byte;
        }
        bounded(file, tiny.params.to_string().into_bytes());
    }

    #[test]
    fn any_bytes_of_the_params_may_be_wrong(
        changes in proptest::collection::vec((any::<u16>(), prop_oneof![any::<u8>(), 0x20u8..0x7F, 0x30u8..0x3A]), 1..4))
    {
        let tiny = Tiny::qlora();
        let mut params = tiny.params.to_string().into_bytes();
        let len = params.len();
        changes.into_iter().for_each(|(at, byte)| params[usize::from(at) % len] = byte);
        bounded(tiny.weights(), params);
    }

    #[test]
    fn any_part_of_the_weights_may_be_lost(from in any::<u32>(), count in 1usize..4096) {
        let tiny = Tiny::spinquant();
        let mut file = tiny.weights();
        let from = from as usize % file.len();
        file.drain(from..(from + count).min(file.len()));
        bounded(file, tiny.params.to_string().into_bytes());
    }
}
