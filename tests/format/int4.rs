//! Int4 checkpoints in Meta's layout, of one small layer: whole, wrong, hostile, and merely odd.

use std::borrow::Cow;
use std::sync::OnceLock;

use futures::future::LocalBoxFuture;
use llamita::error::{Error, Result};
use llamita::internals::model::budget::{BudgetEntry, MemoryClass};
use llamita::source::{Bytes, MAX_READ_BYTES, Parts, Source};
use llamita::{DeviceChoice, LoadOptions, Model, PackingChoice, Quantize, ScaleType};
use pollster::block_on;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::archive::{Tensor, archive, pickle, tensors};
use super::heap::peak;

const DIM: i64 = 64;
const KV: i64 = 32;
const ROWS: i64 = 96;
const RANK: i64 = 16;
const WEIGHTS: &str = "dir/consolidated.00.pth";
const PARAMS: &str = "dir/params.json";

const F32: &str = "FloatStorage";
const BF16: &str = "BFloat16Storage";
const I8: &str = "CharStorage";

/// The matrices of the layer with rows and columns.
const LAYER: [(&str, i64, i64); 7] = [
    ("attention.wq", DIM, DIM),
    ("attention.wk", KV, DIM),
    ("attention.wv", KV, DIM),
    ("attention.wo", DIM, DIM),
    ("feed_forward.w1", DIM, DIM),
    ("feed_forward.w2", DIM, DIM),
    ("feed_forward.w3", DIM, DIM),
];

/// Numbers that look random, always the same.
struct Random(u32);

impl Random {
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        self.0 >> 16
    }
}

/// A checkpoint: `params.json`, and each tensor with its storage.
#[derive(Clone)]
struct Tiny {
    params: Value,
    parts: Vec<(Tensor, Vec<u8>)>,
}

fn f32s(numbers: &[f32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

/// The numbers of BF16, cut off.
fn bf16s(numbers: &[f32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| ((number.to_bits() >> 16) as u16).to_le_bytes()).collect()
}

impl Tiny {
    fn empty() -> Self {
        let params = json!({"dim": DIM, "n_layers": 1, "n_heads": 2, "n_kv_heads": 1, "vocab_size": ROWS,
            "ffn_dim_multiplier": 0.375, "multiple_of": 64, "norm_eps": 1e-5, "rope_theta": 500000.0});
        Self { params, parts: Vec::new() }
    }

    fn spinquant() -> Self {
        let mut tiny = Self::empty();
        tiny.params["quantization_args"] = json!({"group_size": 32});
        let mut random = Random(7);
        for (name, rows, cols, group) in [("tok_embeddings", ROWS, DIM, DIM), ("output", ROWS, DIM, DIM)]
            .into_iter()
            .chain(LAYER.map(|(name, rows, cols)| (name, rows, cols, 32)))
        {
            let block = if group == 32 { "layers.0." } else { "" };
            let wide = if group == 32 { 16 } else { 256 };
            let quants = (0..rows * cols).map(|_| ((random.next() % wide) as i32 - wide as i32 / 2) as u8).collect();
            tiny.add(&format!("{block}{name}.weight"), I8, &[rows, cols], quants);
            let groups = cols / group;
            let scales: Vec<f32> = (0..rows * groups).map(|_| (random.next() % 64 + 1) as f32 / 2048.0).collect();
            tiny.add(&format!("{block}{name}.scales"), F32, &[rows, groups], f32s(&scales));
        }
        tiny.norms();
        tiny
    }

    fn qlora() -> Self {
        let mut tiny = Self::spinquant();
        tiny.params["lora_args"] = json!({"rank": RANK, "scale": 2.0});
        let mut random = Random(9);
        for (name, rows, cols) in LAYER {
            for (part, dims) in [("A", [RANK, cols]), ("B", [rows, RANK])] {
                let numbers: Vec<f32> =
                    (0..dims[0] * dims[1]).map(|_| (random.next() % 64) as f32 / 256.0 - 0.125).collect();
                tiny.add(&format!("layers.0.{name}.adaptor.{part}.weight"), BF16, &dims, bf16s(&numbers));
            }
        }
        tiny
    }

    fn plain() -> Self {
        let mut tiny = Self::empty();
        let mut random = Random(3);
        let all = LAYER.map(|(name, rows, cols)| (format!("layers.0.{name}"), rows, cols));
        for (name, rows, cols) in [("tok_embeddings".to_owned(), ROWS, DIM)].into_iter().chain(all) {
            let numbers: Vec<f32> = (0..rows * cols).map(|_| (random.next() % 255) as f32 / 512.0 - 0.25).collect();
            tiny.add(&format!("{name}.weight"), BF16, &[rows, cols], bf16s(&numbers));
        }
        tiny.norms();
        tiny
    }

    fn norms(&mut self) {
        for name in ["layers.0.attention_norm", "layers.0.ffn_norm", "norm"] {
            self.add(&format!("{name}.weight"), BF16, &[DIM], bf16s(&[1.0; DIM as usize]));
        }
    }

    fn add(&mut self, name: &str, storage: &'static str, dims: &[i64], data: Vec<u8>) {
        let key = self.parts.len();
        self.parts.push((Tensor::new(name, storage, key, dims), data));
    }

    fn at(&self, name: &str) -> usize {
        self.parts.iter().position(|(tensor, _)| tensor.name == name).unwrap_or_else(|| panic!("no {name}"))
    }

    fn get(&mut self, name: &str) -> &mut (Tensor, Vec<u8>) {
        let at = self.at(name);
        &mut self.parts[at]
    }

    /// Another storage, which lies there as a whole.
    fn set(&mut self, name: &str, storage: &'static str, dims: &[i64], data: Vec<u8>) {
        let part = self.get(name);
        let key = part.0.key.clone();
        *part = (Tensor::new(name, storage, key, dims), data);
    }

    fn drop(&mut self, is: impl Fn(&str) -> bool) {
        self.parts.retain(|(tensor, _)| !is(&tensor.name));
    }

    fn weights(&self) -> Vec<u8> {
        let described: Vec<Tensor> = self.parts.iter().map(|(tensor, _)| tensor.clone()).collect();
        let mut storages: Vec<(&str, Vec<u8>)> = Vec::new();
        for (tensor, data) in &self.parts {
            if storages.iter().all(|(key, _)| *key != tensor.key) {
                storages.push((&tensor.key, data.clone()));
            }
        }
        archive(pickle(&tensors(&described)), &storages).bytes()
    }

    fn load(&self, options: LoadOptions<'_>) -> Result<Model> {
        load(self.weights(), self.params.to_string().into_bytes(), options)
    }

    fn logits(&self, options: LoadOptions<'_>) -> Vec<f32> {
        logits(&self.load(options).unwrap_or_else(|error| panic!("{error}")))
    }
}

fn load(weights: Vec<u8>, params: Vec<u8>, options: LoadOptions<'_>) -> Result<Model> {
    let file = |name: &str, bytes: Vec<u8>| -> Box<dyn Source> { Box::new(Bytes::new(name, bytes)) };
    let source = Parts::new(vec![file(WEIGHTS, weights), file(PARAMS, params)]).expect("there are files");
    block_on(Model::load(&source, LoadOptions { device: DeviceChoice::Cpu, ids_only: true, ..options }))
}

fn logits(model: &Model) -> Vec<f32> {
    let ids = [1, 5, 9, 33];
    let mut all = Vec::new();
    let scorer = model.scorer(ids.len()).expect("there is memory");
    block_on(scorer.logits(&ids, |_, row| all.extend_from_slice(row))).expect("the ids can be scored");
    all
}

fn scales(scales: ScaleType) -> LoadOptions<'static> {
    LoadOptions { packing: PackingChoice { scales, ..Default::default() }, ..Default::default() }
}

fn quantized(to: Quantize) -> LoadOptions<'static> {
    LoadOptions { packing: PackingChoice { quantize: Some(to), ..Default::default() }, ..Default::default() }
}

#[track_caller]
fn refused_with(tiny: &Tiny, options: LoadOptions<'_>, words: &[&str]) {
    let error = match tiny.load(options) {
        Ok(_) => panic!("it is loaded, and not refused with {words:?}"),
        Err(error) => error,
    };
    assert!(matches!(error, Error::Malformed { .. } | Error::Unsupported { .. }), "{error:?}");
    let error = error.to_string();
    assert!(error.starts_with("dir/") && error.lines().count() == 1, "{error}");
    words.iter().for_each(|words| assert!(error.contains(words), "{error} does not say {words:?}"));
}

/// A checkpoint with a change, which is refused.
#[track_caller]
fn refused(mut tiny: Tiny, change: impl FnOnce(&mut Tiny), words: &[&str]) {
    change(&mut tiny);
    refused_with(&tiny, LoadOptions::default(), words);
}

#[test]
fn whole_ones_are_loaded() {
    for tiny in [Tiny::spinquant(), Tiny::qlora(), Tiny::plain()] {
        let logits = tiny.logits(LoadOptions::default());
        assert!(logits.iter().all(|logit| logit.is_finite()) && logits.iter().any(|logit| *logit != logits[0]));
    }
}

#[test]
fn tensors_that_are_missing() {
    refused(
        Tiny::qlora(),
        |tiny| tiny.drop(|name| name == "layers.0.attention.wq.scales"),
        &[WEIGHTS, "1 of its tensors are missing: layers.0.attention.wq.scales"],
    );
    let all = |tiny: &mut Tiny| tiny.drop(|name| name.ends_with(".scales"));
    refused(Tiny::qlora(), all, &["9 of its tensors are missing: tok_embeddings.scales, ", ", and 1 more"]);
    refused(
        Tiny::qlora(),
        |tiny| tiny.drop(|name| name.contains("w2.adaptor.B") || name.contains("wk.adaptor.A")),
        &["2 of its tensors are missing: layers.0.attention.wk.adaptor.A.weight, \
            layers.0.feed_forward.w2.adaptor.B.weight"],
    );
    // The head of an int4 checkpoint is a tensor of its own.
    refused(
        Tiny::spinquant(),
        |tiny| tiny.drop(|name| name.starts_with("output.")),
        &["2 of its tensors are missing: output.weight, output.scales"],
    );
    let extra = |tiny: &mut Tiny| tiny.add("layers.0.attention.wq.bias", BF16, &[DIM], vec![0; 2 * DIM as usize]);
    refused(Tiny::spinquant(), extra, &["a Llama of 1 blocks has no layers.0.attention.wq.bias"]);
    let extra = |tiny: &mut Tiny| tiny.add("norm.scales", F32, &[DIM], vec![0; 4 * DIM as usize]);
    refused(Tiny::spinquant(), extra, &["a Llama of 1 blocks has no norm.scales"]);
    // Embedding and head have no adaptors.
    let extra = |tiny: &mut Tiny| tiny.add("output.adaptor.A.weight", BF16, &[RANK, DIM], vec![0; 2048]);
    refused(Tiny::qlora(), extra, &["a Llama of 1 blocks has no output.adaptor.A.weight"]);
}

#[test]
fn adaptors_and_their_arguments() {
    refused(
        Tiny::qlora(),
        |tiny| tiny.params["lora_args"] = Value::Null,
        &["it has adaptors, layers.0.attention.", ", and 6 more, and dir/params.json has no lora_args"],
    );
    refused(
        Tiny::spinquant(),
        |tiny| tiny.params["lora_args"] = json!({"rank": 16, "scale": 2.0}),
        &[WEIGHTS, "dir/params.json has lora_args", "no adaptors"],
    );
    let with = |args: Value, words: &[&str]| refused(Tiny::qlora(), |tiny| tiny.params["lora_args"] = args, words);
    with(json!({"rank": 12, "scale": 2.0}), &[PARAMS, "adaptors of rank 12; supported ranks are [8, 16, 32, 64]"]);
    with(json!({"rank": 8, "scale": 2.0}), &["wq.adaptor.A.weight has dimensions [16, 64]", "asks for [8, 64]"]);
    with(json!({"rank": 0, "scale": 2.0}), &[PARAMS, "lora_args.rank is 0; expected an integer from 1"]);
    with(json!({"rank": 16}), &[PARAMS, "lora_args.scale is missing"]);
    with(json!({"scale": 2.0}), &[PARAMS, "lora_args.rank is missing"]);
    with(json!({"rank": 16, "scale": "2"}), &[PARAMS, "lora_args.scale is \"2\"; expected a number"]);
    with(json!({"rank": 16, "scale": 1e30}), &[PARAMS, "lora_args.scale is 1e+30; expected a number"]);
    with(json!({"rank": 16, "scale": 2.0, "alpha": 32}), &[PARAMS, "lora_args has alpha of 32, which is not known"]);
    with(json!([16, 2.0]), &[PARAMS, "lora_args is [16,2.0]; expected an object"]);
    refused(
        Tiny::plain(),
        |tiny| tiny.params["lora_args"] = json!({"rank": 16, "scale": 2.0}),
        &["dir/params.json has lora_args, and none of its tensors is quantized"],
    );
}

#[test]
fn what_params_say_of_quants() {
    let with = |args: Value, words: &[&str]| {
        refused(Tiny::spinquant(), |tiny| tiny.params["quantization_args"] = args, words);
    };
    with(json!({"group_size": 64}), &["dir/params.json has groups of 64; supported are groups of 32"]);
    with(json!({"group_size": 0}), &[PARAMS, "quantization_args.group_size is 0; expected an integer from 1"]);
    with(json!({"group_size": 32, "bits": 4}), &[PARAMS, "quantization_args has bits of 4, which is not known"]);
    with(json!({"scheme": "fp8"}), &[PARAMS, "quantization_args.scheme is \"fp8\"; expected int4_weight"]);
    with(json!({"spinquant": 1}), &[PARAMS, "quantization_args.spinquant is 1; expected true or false"]);
    with(json!(32), &[PARAMS, "quantization_args is 32; expected an object"]);
    refused(
        Tiny::plain(),
        |tiny| tiny.params["quantization_args"] = json!({"group_size": 32}),
        &[WEIGHTS, "dir/params.json has quantization_args, and none of its tensors is quantized"],
    );
    // The tensors decide where the file says nothing, and it may say all that is known.
    let expected = Tiny::spinquant().logits(LoadOptions::default());
    let scheme = "int4_weight_int8_dynamic_activation";
    for args in [Value::Null, json!({}), json!({"group_size": 32, "scheme": scheme, "spinquant": true})] {
        let mut tiny = Tiny::spinquant();
        tiny.params["quantization_args"] = args;
        assert_eq!(tiny.logits(LoadOptions::default()), expected);
    }
    let mut without = Tiny::spinquant();
    without.params["quantization_args"] = json!({"spinquant": false});
    let off = LoadOptions { spinquant: Some(false), ..Default::default() };
    let unrotated = without.logits(LoadOptions::default());
    assert!(unrotated != expected && unrotated == Tiny::spinquant().logits(off));
}

#[test]
fn shapes_and_types() {
    const WQ: &str = "layers.0.attention.wq";
    let name = |part: &str| format!("{WQ}.{part}");
    let with = |part: &str, storage, dims: &[i64], bytes: i64, words: &[&str]| {
        let data = vec![0; (dims.iter().product::<i64>() * bytes) as usize];
        refused(Tiny::qlora(), |tiny| tiny.set(&name(part), storage, dims, data), words);
    };
    with("weight", I8, &[64, 32], 1, &["wq.weight has dimensions [64, 32]; dir/params.json asks for [64, 64]"]);
    with("weight", I8, &[4096], 1, &["wq.weight has dimensions [4096]", "[64, 64]"]);
    with("scales", F32, &[32, 2], 4, &["wq.scales has dimensions [32, 2]", "asks for [64, 2]"]);
    with("scales", F32, &[128], 4, &["wq.scales has dimensions [128]", "asks for [64, 2]"]);
    with("scales", F32, &[64, 1], 4, &["wq.scales has 1 scales per row of 64; supported are 2, one per group of 32"]);
    with("scales", F32, &[64, 4], 4, &["wq.scales has 4 scales per row of 64; supported are 2"]);
    with("scales", F32, &[64], 4, &["wq.scales has 1 scales per row of 64; supported are 2, one per group of 32"]);
    with("adaptor.A.weight", BF16, &[16, 32], 2, &["wq.adaptor.A.weight has dimensions [16, 32]", "[16, 64]"]);
    with("adaptor.B.weight", BF16, &[16, 64], 2, &["wq.adaptor.B.weight has dimensions [16, 64]", "[64, 16]"]);
    with("weight", "ByteStorage", &[64, 64], 1, &["wq.weight has type U8; int4 checkpoints have I8"]);
    with("weight", BF16, &[64, 64], 2, &["wq.weight has type BF16; int4 checkpoints have I8"]);
    with("weight", F32, &[64, 64], 4, &["wq.weight has type F32; int4 checkpoints have I8"]);
    with("scales", BF16, &[64, 2], 2, &["wq.scales has type BF16; supported is F32"]);
    with("scales", "DoubleStorage", &[64, 2], 8, &["wq.scales has type F64; supported is F32"]);
    with("adaptor.A.weight", F32, &[16, 64], 4, &["wq.adaptor.A.weight has type F32; supported is BF16"]);
    with("adaptor.B.weight", "HalfStorage", &[64, 16], 2, &["wq.adaptor.B.weight has type F16; supported is BF16"]);
    let norm = |tiny: &mut Tiny| tiny.set("norm.weight", "DoubleStorage", &[64], vec![0; 512]);
    refused(Tiny::qlora(), norm, &["norm.weight has type F64; supported types are F32, F16 and BF16"]);
    let embedding = |tiny: &mut Tiny| tiny.set("tok_embeddings.scales", F32, &[96, 2], vec![0; 768]);
    refused(
        Tiny::qlora(),
        embedding,
        &["tok_embeddings.scales has 2 scales per row of 64; supported are 1, one per row"],
    );
    // Norms in any type of floats, and scales of rows with and without a dimension of 1.
    let expected = Tiny::qlora().logits(LoadOptions::default());
    let mut other = Tiny::qlora();
    other.set("norm.weight", F32, &[64], f32s(&[1.0; 64]));
    other.set("layers.0.ffn_norm.weight", "HalfStorage", &[1, 64], [0, 0x3C].repeat(64));
    let (tensor, _) = other.get("tok_embeddings.scales");
    (tensor.dims, tensor.strides) = (vec![96], vec![1]);
    assert!(other.logits(LoadOptions::default()) == expected);
}

/// Rows that no group divides, in a model whose width is no multiple of 32.
#[test]
fn rows_that_no_group_divides() {
    let mut tiny = Tiny::empty();
    tiny.params["dim"] = json!(48);
    tiny.params["ffn_dim_multiplier"] = json!(0.5);
    for (name, rows, cols) in LAYER
        .map(|(name, rows, cols)| (format!("layers.0.{name}"), rows, cols))
        .into_iter()
        .chain([("tok_embeddings".to_owned(), ROWS, DIM), ("output".to_owned(), ROWS, DIM)])
    {
        let [rows, cols] = [rows, cols].map(|size| match size {
            DIM if !name.contains("feed_forward") => 48,
            KV => 24,
            size => size,
        });
        let [rows, cols] = match &name[..] {
            "layers.0.feed_forward.w2" => [48, 64],
            name if name.contains("feed_forward") => [64, 48],
            _ => [rows, cols],
        };
        tiny.add(&format!("{name}.weight"), I8, &[rows, cols], vec![1; (rows * cols) as usize]);
        tiny.add(&format!("{name}.scales"), F32, &[rows, 1], f32s(&vec![1.0; rows as usize]));
    }
    for name in ["layers.0.attention_norm", "layers.0.ffn_norm", "norm"] {
        tiny.add(&format!("{name}.weight"), BF16, &[48], bf16s(&[1.0; 48]));
    }
    refused(tiny, |_| {}, &["layers.0.attention.wq.weight has rows of 48, and its scales groups of 32"]);
}

#[test]
fn quants_and_scales_that_are_none() {
    const W2: &str = "layers.0.feed_forward.w2";
    let weight = format!("{W2}.weight");
    for (quant, at) in [(8u8, 0), (0xF7, 64 * 63 + 63), (127, 130), (0x80, 64)] {
        let (row, col) = (at / 64, at % 64);
        let words = format!("{W2}.weight, row {row}: the quant of column {col} is {}", quant as i8);
        refused(Tiny::qlora(), |tiny| tiny.get(&weight).1[at] = quant, &[WEIGHTS, &words, "from -8 to 7"]);
    }
    let scale = |name: &str, at: usize, scale: f32, words: &[&str]| {
        let number = scale.to_le_bytes();
        refused(Tiny::qlora(), |tiny| tiny.get(name).1[4 * at..][..4].copy_from_slice(&number), words);
    };
    let name = format!("{W2}.scales");
    scale(&name, 5, f32::NAN, &[WEIGHTS, &format!("{W2}.scales, row 2: scale 1 is NaN")]);
    scale(&name, 126, f32::INFINITY, &[&format!("{W2}.scales, row 63: scale 0 is inf")]);
    scale("output.scales", 95, f32::NEG_INFINITY, &["output.scales, row 95: scale 0 is -inf"]);
    scale("tok_embeddings.scales", 0, f32::NAN, &["tok_embeddings.scales, row 0: scale 0 is NaN"]);
    // Embedding and head have eight bits, and each quant is one.
    let mut all = Tiny::qlora();
    all.get("tok_embeddings.weight").1.iter_mut().enumerate().for_each(|(i, quant)| *quant = i as u8);
    all.logits(LoadOptions::default());
}

#[test]
fn scales_that_f16_does_not_hold() {
    const NAME: &str = "layers.0.attention.wv.scales";
    let with = |scale: f32| {
        let mut tiny = Tiny::qlora();
        tiny.get(NAME).1[4 * 7..][..4].copy_from_slice(&scale.to_le_bytes());
        tiny
    };
    for wrong in [65520.0, -1e6, f32::MAX] {
        let words = format!("{NAME}, row 3: scale 1 is {wrong}");
        refused_with(&with(wrong), scales(ScaleType::F16), &[WEIGHTS, &words, "65504", "f32"]);
        with(wrong).load(scales(ScaleType::F32)).unwrap_or_else(|error| panic!("{error}"));
    }
    // What rounds to the largest number is held, and scales of eight bits stay in f32.
    let mut largest = with(65519.0);
    largest.get("output.scales").1[..4].copy_from_slice(&1e6f32.to_le_bytes());
    largest.load(scales(ScaleType::F16)).unwrap_or_else(|error| panic!("{error}"));
    // There is nothing to round elsewhere.
    refused_with(&Tiny::plain(), scales(ScaleType::F16), &[WEIGHTS, "--scales f16", "no int4 weights"]);
}

#[test]
fn zero_points() {
    let expected = Tiny::qlora().logits(LoadOptions::default());
    let mut zeros = Tiny::qlora();
    zeros.add("layers.0.attention.wk.zeros", F32, &[KV, 2], vec![0; 4 * 2 * KV as usize]);
    zeros.add("output.zeros", I8, &[ROWS, 1], vec![0; ROWS as usize]);
    assert!(zeros.logits(LoadOptions::default()) == expected);
    let mut others = zeros.clone();
    others.get("layers.0.attention.wk.zeros").1[4 * 9..][..4].copy_from_slice(&3f32.to_le_bytes());
    refused(others, |_| {}, &["layers.0.attention.wk.zeros", "zero point 9 (row 4, column 1)", "around 0"]);
    let mut last = zeros.clone();
    last.get("output.zeros").1[95] = 0xFF;
    refused(last, |_| {}, &["output.zeros", "zero point 95"]);
    zeros.set("output.zeros", I8, &[ROWS, 2], vec![0; 2 * ROWS as usize]);
    refused(zeros, |_| {}, &["output.zeros has dimensions [96, 2]", "asks for [96, 1]"]);
}

#[test]
fn rotations() {
    let on = || LoadOptions { spinquant: Some(true), ..Default::default() };
    let off = || LoadOptions { spinquant: Some(false), ..Default::default() };
    refused_with(&Tiny::plain(), on(), &[WEIGHTS, "SpinQuant's rotation", "none of Meta's int4 checkpoints"]);
    refused_with(&Tiny::plain(), off(), &[WEIGHTS, "none of Meta's int4 checkpoints"]);
    let (spinquant, qlora) = (Tiny::spinquant(), Tiny::qlora());
    assert!(spinquant.logits(on()) == spinquant.logits(LoadOptions::default()));
    assert!(spinquant.logits(on()) != spinquant.logits(off()));
    assert!(qlora.logits(off()) == qlora.logits(LoadOptions::default()) && qlora.logits(on()) != qlora.logits(off()));
    // A layer of 96 can be no rotation's.
    let mut odd = Tiny::spinquant();
    odd.params["multiple_of"] = json!(32);
    odd.params["ffn_dim_multiplier"] = json!(0.5);
    for (name, dims) in [("w1", [96, DIM]), ("w2", [DIM, 96]), ("w3", [96, DIM])] {
        let name = format!("layers.0.feed_forward.{name}");
        odd.set(&format!("{name}.weight"), I8, &dims, vec![1; 96 * 64]);
        odd.set(&format!("{name}.scales"), F32, &[dims[0], dims[1] / 32], f32s(&[0.01; 192]));
    }
    refused_with(&odd, on(), &[WEIGHTS, "SpinQuant rotates the 96 numbers before its down projections", "64 to 65536"]);
    refused_with(&odd, LoadOptions::default(), &["SpinQuant rotates the 96 numbers", "--spinquant off"]);
    odd.logits(off());
}

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
