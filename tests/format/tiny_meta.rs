//! Checkpoints in Meta's layout, of one small layer: int4 with and without adaptors, and BF16.

use llamita::error::{Error, Result};
use llamita::source::{Bytes, Parts, Source};
use llamita::{DeviceChoice, LoadOptions, Model, PackingChoice, Quantize, ScaleType};
use pollster::block_on;
use serde_json::{Value, json};

use super::archive::{Tensor, archive, pickle, tensors};

pub const DIM: i64 = 64;
pub const KV: i64 = 32;
pub const ROWS: i64 = 96;
pub const RANK: i64 = 16;
pub const WEIGHTS: &str = "dir/consolidated.00.pth";
pub const PARAMS: &str = "dir/params.json";

pub const F32: &str = "FloatStorage";
pub const BF16: &str = "BFloat16Storage";
pub const I8: &str = "CharStorage";

/// The matrices of the layer with rows and columns.
pub const LAYER: [(&str, i64, i64); 7] = [
    ("attention.wq", DIM, DIM),
    ("attention.wk", KV, DIM),
    ("attention.wv", KV, DIM),
    ("attention.wo", DIM, DIM),
    ("feed_forward.w1", DIM, DIM),
    ("feed_forward.w2", DIM, DIM),
    ("feed_forward.w3", DIM, DIM),
];

/// Numbers that look random, always the same.
pub struct Random(pub u32);

impl Random {
    pub fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        self.0 >> 16
    }
}

/// A checkpoint: `params.json`, and each tensor with its storage.
#[derive(Clone)]
pub struct Tiny {
    pub params: Value,
    pub parts: Vec<(Tensor, Vec<u8>)>,
}

pub fn f32s(numbers: &[f32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

/// The numbers of BF16, cut off.
pub fn bf16s(numbers: &[f32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| ((number.to_bits() >> 16) as u16).to_le_bytes()).collect()
}

impl Tiny {
    pub fn empty() -> Self {
        let params = json!({"dim": DIM, "n_layers": 1, "n_heads": 2, "n_kv_heads": 1, "vocab_size": ROWS,
            "ffn_dim_multiplier": 0.375, "multiple_of": 64, "norm_eps": 1e-5, "rope_theta": 500000.0});
        Self { params, parts: Vec::new() }
    }

    pub fn spinquant() -> Self {
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

    pub fn qlora() -> Self {
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

    pub fn plain() -> Self {
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

    pub fn norms(&mut self) {
        for name in ["layers.0.attention_norm", "layers.0.ffn_norm", "norm"] {
            self.add(&format!("{name}.weight"), BF16, &[DIM], bf16s(&[1.0; DIM as usize]));
        }
    }

    pub fn add(&mut self, name: &str, storage: &'static str, dims: &[i64], data: Vec<u8>) {
        let key = self.parts.len();
        self.parts.push((Tensor::new(name, storage, key, dims), data));
    }

    fn at(&self, name: &str) -> usize {
        self.parts.iter().position(|(tensor, _)| tensor.name == name).unwrap_or_else(|| panic!("no {name}"))
    }

    pub fn get(&mut self, name: &str) -> &mut (Tensor, Vec<u8>) {
        let at = self.at(name);
        &mut self.parts[at]
    }

    /// Another storage, which lies there as a whole.
    pub fn set(&mut self, name: &str, storage: &'static str, dims: &[i64], data: Vec<u8>) {
        let part = self.get(name);
        let key = part.0.key.clone();
        *part = (Tensor::new(name, storage, key, dims), data);
    }

    pub fn drop(&mut self, is: impl Fn(&str) -> bool) {
        self.parts.retain(|(tensor, _)| !is(&tensor.name));
    }

    pub fn weights(&self) -> Vec<u8> {
        let described: Vec<Tensor> = self.parts.iter().map(|(tensor, _)| tensor.clone()).collect();
        let mut storages: Vec<(&str, Vec<u8>)> = Vec::new();
        for (tensor, data) in &self.parts {
            if storages.iter().all(|(key, _)| *key != tensor.key) {
                storages.push((&tensor.key, data.clone()));
            }
        }
        archive(pickle(&tensors(&described)), &storages).bytes()
    }

    pub fn load(&self, options: LoadOptions<'_>) -> Result<Model> {
        load(self.weights(), self.params.to_string().into_bytes(), options)
    }

    pub fn logits(&self, options: LoadOptions<'_>) -> Vec<f32> {
        logits(&self.load(options).unwrap_or_else(|error| panic!("{error}")))
    }
}

pub fn load(weights: Vec<u8>, params: Vec<u8>, options: LoadOptions<'_>) -> Result<Model> {
    let file = |name: &str, bytes: Vec<u8>| -> Box<dyn Source> { Box::new(Bytes::new(name, bytes)) };
    let source = Parts::new(vec![file(WEIGHTS, weights), file(PARAMS, params)]).expect("there are files");
    block_on(Model::load(&source, LoadOptions { device: DeviceChoice::Cpu, ids_only: true, ..options }))
}

pub fn logits(model: &Model) -> Vec<f32> {
    let ids = [1, 5, 9, 33];
    let mut all = Vec::new();
    let scorer = model.scorer(ids.len()).expect("there is memory");
    block_on(scorer.logits(&ids, |_, row| all.extend_from_slice(row))).expect("the ids can be scored");
    all
}

pub fn scales(scales: ScaleType) -> LoadOptions<'static> {
    LoadOptions { packing: PackingChoice { scales, ..Default::default() }, ..Default::default() }
}

pub fn quantized(to: Quantize) -> LoadOptions<'static> {
    LoadOptions { packing: PackingChoice { quantize: Some(to), ..Default::default() }, ..Default::default() }
}

#[track_caller]
pub fn refused_with(tiny: &Tiny, options: LoadOptions<'_>, words: &[&str]) {
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
pub fn refused(mut tiny: Tiny, change: impl FnOnce(&mut Tiny), words: &[&str]) {
    change(&mut tiny);
    refused_with(&tiny, LoadOptions::default(), words);
}
