//! Folders as Meta delivers its models: `consolidated.00.pth` by Meta's names and types, `params.json`, a tokenizer.
//!
//! The weights of BF16 and QLoRA are those of the GGUF files of the same seed, rounded otherwise, and QLoRA's adaptors
//! add a few percent to what a matrix gives. Where SpinQuant folds something into its weights, so do these: its norms
//! are ones whose gains stand in the columns of the matrices behind them, its w2 is for an input that went through a
//! Hadamard transform, and no channel of the residual stream is large, since its rotation spreads such channels over
//! all. With norms of ones they would leave nothing of the others in int8.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{BufWriter, Write},
    time::Instant,
};

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;

use super::{
    Mix, Options, Shape, Size, in_batches,
    quantize::{GROUP, brain, hadamard, integers},
    recipe::{self, Channels, Fill, Weights},
    tokenizer,
    torch::{Archive, Number, Tensor, pickle},
};

/// The file of the weights.
pub const WEIGHTS: &str = "consolidated.00.pth";
/// The folder in the archive: the name of the file without its ending.
const FOLDER: &str = "consolidated.00";
/// Rank of an adaptor.
const RANK: usize = 16;
/// What the output of an adaptor is multiplied by.
const ADAPTOR_SCALE: f64 = 2.0;
/// What an adaptor adds to the product of its matrix, by deviation.
const ADAPTOR_SHARE: f64 = 0.04;

/// A kind of checkpoint that Meta released.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "lower")]
pub enum Kind {
    /// int4 with rotations folded in (SpinQuant_INT4_EO8)
    SpinQuant,
    /// int4 with adaptors of rank 16 (QLORA_INT4_EO8)
    QLora,
    /// The original, in BF16
    Bf16,
}

impl Kind {
    /// As it stands in file names.
    pub fn name(self) -> &'static str {
        match self {
            Self::SpinQuant => "SpinQuant",
            Self::QLora => "QLoRA",
            Self::Bf16 => "BF16",
        }
    }

    /// Bytes of the storages of the whole model.
    fn bytes(self, size: Size) -> Option<u64> {
        match (self, size) {
            (Self::SpinQuant, Size::OneB) => Some(1_621_211_136),
            (Self::QLora, Size::OneB) => Some(1_643_755_520),
            (Self::Bf16, Size::OneB) => Some(2_471_628_800),
            (Self::SpinQuant, Size::ThreeB) => Some(3_960_274_944),
            (Self::QLora, Size::ThreeB) => Some(4_008_902_656),
            (Self::Bf16, Size::ThreeB) => Some(6_425_499_648),
            (_, Size::EightB) => None,
        }
    }
}

/// A matrix that is drawn row by row.
struct Drawn {
    weights: Weights,
    cols: usize,
    /// What columns are multiplied by.
    gains: Option<Vec<f32>>,
    /// Whether rows go through a Hadamard transform.
    rotated: bool,
    /// How it is rounded: elements of a group with a scale, and half the number of integers; or to BF16.
    rounding: Option<(usize, i32)>,
}

/// The data of a tensor.
enum Content {
    Values(Vec<f32>),
    Drawn(Drawn),
    /// The scales of the matrix before it.
    Scales,
    /// Those of the tensor that has the storage already.
    Shared,
}

/// Writes the folder; the weights take their name when they are whole.
pub fn write(options: &Options, kind: Kind) -> Result<()> {
    let begin = Instant::now();
    let (full, shape) = (options.shape.shape(), options.cut()?);
    let bytes = kind.bytes(options.shape);
    let bytes = bytes.with_context(|| format!("{} has no files of Meta's kinds: --shape 1b or 3b", full.name))?;
    let dir = &options.out;
    let tokenizer = match &options.tokenizer {
        Some(file) => tokenizer::given(file)?,
        None => {
            eprintln!("no --tokenizer: its {} tokens are made up", shape.vocabulary);
            tokenizer::made_up(shape.vocabulary).to_string().into_bytes()
        }
    };
    fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    tokenizer::put(&tokenizer, dir)?;
    let file = dir.join("params.json");
    fs::write(&file, params(options.shape, &shape, kind))
        .with_context(|| format!("cannot write {}", file.display()))?;
    let layout = layout(&shape, kind, options.seed);
    let stored = stored(&layout);
    ensure!(shape.layers < full.layers || stored == bytes, "{stored} bytes of storages, and Meta's file has {bytes}");

    let (out, partial) = (dir.join(WEIGHTS), dir.join(format!("{WEIGHTS}.part")));
    let file = File::create(&partial).with_context(|| format!("cannot write {}", partial.display()))?;
    let done = write_to(BufWriter::with_capacity(1 << 20, file), &layout, options.seed)
        .and_then(|len| fs::rename(&partial, &out).map(|()| len).map_err(Into::into));
    if done.is_err() {
        let _ = fs::remove_file(&partial);
    }
    let len = done.with_context(|| format!("cannot write {}", out.display()))?;
    println!(
        "{}: {} of {} blocks, {}, {} tensors of {stored} bytes in a file of {len}, in {:.1} s",
        dir.display(),
        shape.name,
        shape.layers,
        kind.name(),
        layout.len(),
        begin.elapsed().as_secs_f64()
    );
    Ok(())
}

/// Bytes of all storages.
fn stored(layout: &[(Tensor, Content)]) -> u64 {
    let own = layout.iter().filter(|(_, content)| !matches!(content, Content::Shared));
    own.map(|(tensor, _)| tensor.bytes()).sum()
}

/// Meta's `params.json`.
fn params(size: Size, shape: &Shape, kind: Kind) -> String {
    let factor = if size == Size::OneB { 1.5 } else { 1.0 };
    let mut lines = vec![
        format!("\"dim\": {}", shape.dim),
        format!("\"n_layers\": {}", shape.layers),
        format!("\"n_heads\": {}", shape.heads),
        format!("\"n_kv_heads\": {}", shape.kv_heads),
        format!("\"vocab_size\": {}", shape.vocabulary),
        format!("\"ffn_dim_multiplier\": {factor:?}"),
        "\"multiple_of\": 256".to_owned(),
        "\"norm_eps\": 1e-05".to_owned(),
        "\"rope_theta\": 500000.0".to_owned(),
        "\"use_scaled_rope\": true".to_owned(),
    ];
    if shape.layers != size.shape().layers {
        // Readers tell the factor by the number of blocks where it is Llama's own.
        lines.push(format!("\"rope_scale_factor\": {}", shape.rope_factor));
    }
    if kind != Kind::Bf16 {
        lines.push(format!("\"quantization_args\": {{\n    \"group_size\": {GROUP}\n  }}"));
    }
    if kind == Kind::QLora {
        lines.push(format!("\"lora_args\": {{\n    \"rank\": {RANK},\n    \"scale\": {ADAPTOR_SCALE:?}\n  }}"));
    }
    format!("{{\n  {}\n}}\n", lines.join(",\n  "))
}

/// Every tensor in the order of the file.
struct Layout {
    tensors: Vec<(Tensor, Content)>,
    storages: usize,
}

impl Layout {
    fn push(&mut self, name: String, number: Number, dims: &[usize], content: Content) {
        let dims = dims.iter().map(|dim| *dim as u64).collect();
        self.tensors.push((Tensor { name, number, dims, storage: self.storages }, content));
        self.storages += 1;
    }

    /// A matrix, and its scales where it is rounded to integers.
    fn matrix(&mut self, name: &str, rows: usize, drawn: Drawn) {
        let (cols, rounding) = (drawn.cols, drawn.rounding);
        let number = if rounding.is_some() { Number::I8 } else { Number::BF16 };
        self.push(format!("{name}.weight"), number, &[rows, cols], Content::Drawn(drawn));
        if let Some((group, _)) = rounding {
            self.push(format!("{name}.scales"), Number::F32, &[rows, cols / group], Content::Scales);
        }
    }

    fn adaptor(&mut self, name: &str, rows: usize, matrix: &Weights, cols: usize) {
        // The input of deviation 1 gives numbers of deviation 1, and 16 of them what is to be added.
        let added = ADAPTOR_SHARE * f64::from(matrix.std) * (cols as f64).sqrt();
        let second = added / (ADAPTOR_SCALE * (RANK as f64).sqrt());
        for (part, rows, cols, std) in [("A", RANK, cols, 1.0 / (cols as f64).sqrt()), ("B", rows, RANK, second)] {
            let name = format!("{name}.adaptor.{part}");
            let weights = Weights { stream: name.clone(), std: std as f32, large_rows: Vec::new() };
            self.matrix(&name, rows, Drawn { weights, cols, gains: None, rotated: false, rounding: None });
        }
    }
}

/// The matrices of a block: Meta's name and GGUF's, and the norm in front.
const LINEARS: [(&str, &str, Option<&str>); 7] = [
    ("attention.wq", "attn_q", Some("attn_norm")),
    ("attention.wk", "attn_k", Some("attn_norm")),
    ("attention.wv", "attn_v", Some("attn_norm")),
    ("attention.wo", "attn_output", None),
    ("feed_forward.w1", "ffn_gate", Some("ffn_norm")),
    ("feed_forward.w3", "ffn_up", Some("ffn_norm")),
    ("feed_forward.w2", "ffn_down", None),
];

fn layout(shape: &Shape, kind: Kind, seed: u64) -> Vec<(Tensor, Content)> {
    let folded = kind == Kind::SpinQuant;
    let channels = if folded { Channels::Alike } else { Channels::Large };
    let recipe = recipe::tensors_with(shape, Mix::F16, seed, channels);
    let recipe: HashMap<&str, &recipe::Tensor> = recipe.iter().map(|tensor| (tensor.name.as_str(), tensor)).collect();
    let values = |name: &str| match &recipe[format!("{name}.weight").as_str()].fill {
        Fill::Values(values) => values.clone(),
        Fill::Weights(_) => unreachable!("{name} is a norm"),
    };
    let gains = |norm: Option<&str>| norm.filter(|_| folded).map(values);
    let norm = |name: &str| if folded { vec![1.0; shape.dim] } else { values(name) };
    let drawn = |name: &str, gains: Option<Vec<f32>>, rotated: bool, rounding: Option<(usize, i32)>| {
        let tensor = recipe[format!("{name}.weight").as_str()];
        let Fill::Weights(weights) = &tensor.fill else { unreachable!("{name} is a matrix") };
        let rounding = rounding.filter(|_| kind != Kind::Bf16);
        (tensor.rows, Drawn { weights: weights.clone(), cols: tensor.cols, gains, rotated, rounding })
    };
    let whole_rows = Some((shape.dim, 128));
    let mut layout = Layout { tensors: Vec::new(), storages: 0 };
    let (rows, embedding) = drawn("token_embd", None, false, whole_rows);
    layout.matrix("tok_embeddings", rows, embedding);
    for layer in 0..shape.layers {
        for (name, own, before) in LINEARS {
            let norm = before.map(|norm| format!("blk.{layer}.{norm}"));
            let rotated = folded && own == "ffn_down";
            let (rows, matrix) =
                drawn(&format!("blk.{layer}.{own}"), gains(norm.as_deref()), rotated, Some((GROUP, 8)));
            let (name, weights, cols) = (format!("layers.{layer}.{name}"), matrix.weights.clone(), matrix.cols);
            layout.matrix(&name, rows, matrix);
            if kind == Kind::QLora {
                layout.adaptor(&name, rows, &weights, cols);
            }
        }
        for (name, own) in [("attention_norm", "attn_norm"), ("ffn_norm", "ffn_norm")] {
            let values = norm(&format!("blk.{layer}.{own}"));
            layout.push(format!("layers.{layer}.{name}.weight"), Number::BF16, &[shape.dim], Content::Values(values));
        }
    }
    layout.push("norm.weight".to_owned(), Number::BF16, &[shape.dim], Content::Values(norm("output_norm")));
    if kind == Kind::Bf16 {
        let tied = Tensor { name: "output.weight".to_owned(), ..layout.tensors[0].0.clone() };
        layout.tensors.push((tied, Content::Shared));
    } else {
        let (rows, head) = drawn("token_embd", gains(Some("output_norm")), false, whole_rows);
        layout.matrix("output", rows, head);
    }
    layout.tensors
}

/// The archive, entry by entry; answers with its bytes.
fn write_to(out: impl Write, layout: &[(Tensor, Content)], seed: u64) -> Result<u64> {
    let tensors: Vec<Tensor> = layout.iter().map(|(tensor, _)| tensor.clone()).collect();
    let mut archive = Archive::new(out, FOLDER);
    archive.whole("data.pkl", &pickle(&tensors))?;
    archive.whole("byteorder", b"little")?;
    let mut scales = Vec::new();
    for (tensor, content) in layout {
        let name = format!("data/{}", tensor.storage);
        match content {
            Content::Shared => continue,
            Content::Values(values) => {
                let mut bytes = Vec::new();
                brain(values, &mut bytes);
                archive.whole(&name, &bytes)?;
            }
            Content::Scales => archive.whole(&name, &scales)?,
            Content::Drawn(drawn) => {
                scales.clear();
                let rows = tensor.dims[0] as usize;
                archive.entry(&name, tensor.bytes(), |data| {
                    let row =
                        |row: usize, values: &mut [f32], bytes: &mut [Vec<u8>; 2]| drawn.row(seed, row, values, bytes);
                    in_batches(rows, drawn.cols, row, |[bytes, own_scales]| {
                        scales.extend_from_slice(own_scales);
                        data.put(bytes)
                    })
                })?;
            }
        }
    }
    archive.whole("version", b"3\n")?;
    // PyTorch has a number of the contents here, which nothing reads.
    archive.whole(".data/serialization_id", format!("{seed:040}").as_bytes())?;
    archive.finish()
}

impl Drawn {
    /// Appends the bytes of a row, and those of its scales.
    fn row(&self, seed: u64, row: usize, values: &mut [f32], [bytes, scales]: &mut [Vec<u8>; 2]) {
        self.weights.row(seed, row, values);
        for (value, gain) in values.iter_mut().zip(self.gains.iter().flatten()) {
            *value *= gain;
        }
        if self.rotated {
            hadamard(values);
        }
        match self.rounding {
            Some((group, half)) => integers(values, group, half, bytes, scales),
            None => brain(values, bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::tiny;
    use super::*;

    const KINDS: [Kind; 3] = [Kind::SpinQuant, Kind::QLora, Kind::Bf16];

    #[test]
    fn storages_are_as_large_as_metas() {
        for size in [Size::OneB, Size::ThreeB] {
            for kind in KINDS {
                assert_eq!(Some(stored(&layout(&size.shape(), kind, 1))), kind.bytes(size), "{size:?} {kind:?}");
            }
        }
    }

    #[test]
    fn an_archive_holds_its_storages_and_the_seed_decides_its_bytes() {
        for kind in KINDS {
            let layout = layout(&tiny(), kind, 1);
            let file = |seed| {
                let mut bytes = Vec::new();
                let len = write_to(&mut bytes, &layout, seed).expect("a vector takes it");
                assert_eq!(len, bytes.len() as u64);
                bytes
            };
            let bytes = file(1);
            assert!(bytes.len() as u64 > stored(&layout), "{kind:?}");
            assert!(bytes == file(1) && bytes != file(2), "{kind:?}");
            let entries = bytes.windows(4).filter(|window| window == b"PK\x01\x02").count();
            let own = layout.iter().filter(|(_, content)| !matches!(content, Content::Shared)).count();
            assert_eq!(entries, own + 4, "{kind:?}");
        }
    }

    #[test]
    fn tensors_have_metas_names_and_types() {
        let names = |kind, number: Number| {
            let layout = layout(&tiny(), kind, 1);
            layout.iter().filter(|(tensor, _)| tensor.number == number).count()
        };
        // Of one block: embedding, seven matrices, head; their scales; norms and adaptors.
        assert_eq!([Number::I8, Number::F32, Number::BF16].map(|number| names(Kind::SpinQuant, number)), [9, 9, 3]);
        assert_eq!([Number::I8, Number::F32, Number::BF16].map(|number| names(Kind::QLora, number)), [9, 9, 17]);
        assert_eq!([Number::I8, Number::F32, Number::BF16].map(|number| names(Kind::Bf16, number)), [0, 0, 12]);
        let layout = layout(&tiny(), Kind::QLora, 1);
        let dims = |name: &str| &layout.iter().find(|(tensor, _)| tensor.name == name).expect("a tensor").0.dims[..];
        assert_eq!(dims("layers.0.feed_forward.w2.scales"), [256, 16]);
        assert_eq!(dims("layers.0.attention.wk.adaptor.A.weight"), [16, 256]);
        assert_eq!(dims("output.scales"), [1024, 1]);
    }

    #[test]
    fn spinquant_folds_norms_into_columns_and_rotates_the_input_of_w2() {
        let recipe = recipe::tensors_with(&tiny(), Mix::F16, 1, Channels::Alike);
        let fill = |name: &str| &recipe.iter().find(|tensor| tensor.name == name).expect("a tensor").fill;
        let row = |name: &str, cols: usize| {
            let Fill::Weights(weights) = fill(name) else { panic!("{name} is a matrix") };
            let mut values = vec![0.0; cols];
            weights.row(1, 3, &mut values);
            values
        };
        let layout = layout(&tiny(), Kind::SpinQuant, 1);
        let content = |name: &str| &layout.iter().find(|(tensor, _)| tensor.name == name).expect("a tensor").1;
        let folded = |name: &str| {
            let Content::Drawn(drawn) = content(name) else { panic!("{name} is a matrix") };
            let mut values = vec![0.0; drawn.cols];
            drawn.row(1, 3, &mut values, &mut [Vec::new(), Vec::new()]);
            values
        };
        let Content::Values(norm) = content("norm.weight") else { panic!("it is a norm") };
        assert!(norm.iter().all(|gain| *gain == 1.0));
        for (own, plain, norm) in [
            ("output", "token_embd", "output_norm"),
            ("layers.0.attention.wk", "blk.0.attn_k", "blk.0.attn_norm"),
            ("layers.0.feed_forward.w3", "blk.0.ffn_up", "blk.0.ffn_norm"),
        ] {
            let Fill::Values(gains) = fill(&format!("{norm}.weight")) else { panic!("{norm} is a norm") };
            let products: Vec<f32> =
                row(&format!("{plain}.weight"), 256).iter().zip(gains).map(|(value, gain)| value * gain).collect();
            assert_eq!(folded(&format!("{own}.weight")), products, "{own}");
        }
        let mut rotated = folded("layers.0.feed_forward.w2.weight");
        hadamard(&mut rotated);
        let plain = row("blk.0.ffn_down.weight", 512);
        assert!(plain.iter().zip(&rotated).all(|(own, back)| (own - back).abs() < 1e-6));
    }

    #[test]
    fn params_are_metas() {
        let text = params(Size::ThreeB, &Size::ThreeB.shape(), Kind::QLora);
        let value: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
        assert_eq!(value["lora_args"]["rank"], 16);
        assert_eq!(value["quantization_args"]["group_size"], 32);
        assert!(value.get("rope_scale_factor").is_none() && text.contains("\"ffn_dim_multiplier\": 1.0"));
        assert!(params(Size::OneB, &tiny(), Kind::Bf16).contains("\"rope_scale_factor\": 32"));
    }
}
