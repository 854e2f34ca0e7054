//! `cargo xtask synthetic`: files of Llama's exact shapes with seeded random weights.
//!
//! Nobody may pass Llama's own weights on, and speed, memory and overflow do not depend on what a model learned. GGUF
//! files are as llama.cpp writes them: its metadata, tensor order and mixes of types. Folders are as Meta delivers its
//! models. What a trained Llama does to
//! arithmetic is there too: from the second block on, a few channels of the residual stream are hundreds of times
//! larger than the rest (Massive Activations, arXiv 2402.17762), and everything else stays of natural size.

mod draw;
mod gguf;
mod meta;
mod quantize;
mod recipe;
mod tokenizer;
mod torch;

use std::{
    fs::{self, File},
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    thread,
    time::Instant,
};

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, ValueEnum};

use gguf::Value;
pub use meta::{Kind, WEIGHTS};
#[cfg(test)]
use quantize::Block;
use recipe::{Fill, Tensor};

/// Numbers that a thread draws and quantizes at a time: what bounds the memory.
const BATCH: usize = 1 << 20;

/// What to write.
#[derive(Args, Clone)]
pub struct Options {
    /// Llama 3.2 1B, Llama 3.2 3B or Llama 3.1 8B
    #[arg(long, value_enum)]
    pub shape: Size,
    #[command(flatten)]
    pub format: Format,
    /// GGUF file whose vocabulary is copied; without it the vocabulary is made up, of the same size
    #[arg(long, value_name = "FILE.gguf", conflicts_with = "kind")]
    pub vocabulary: Option<PathBuf>,
    /// tokenizer.model or tokenizer.json that is copied beside Meta's weights; without it one is made up, of the same
    /// size
    #[arg(long, value_name = "FILE", conflicts_with = "mix")]
    pub tokenizer: Option<PathBuf>,
    /// The first so many blocks only
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub layers: Option<u32>,
    /// The same seed gives the same bytes
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// File to write, or folder of Meta's files
    #[arg(value_name = "OUT.gguf|DIR")]
    pub out: PathBuf,
}

/// The format of the weights: one of both.
#[derive(Args, Clone, Copy, Debug, PartialEq, Eq)]
#[group(required = true, multiple = false)]
pub struct Format {
    /// Writes a GGUF file: types of the weights, mixed as llama.cpp mixes them
    #[arg(long = "type", value_enum)]
    pub mix: Option<Mix>,
    /// Writes a folder of Meta's files: the kind of checkpoint
    #[arg(long, value_enum)]
    pub kind: Option<Kind>,
}

impl Format {
    pub const fn gguf(mix: Mix) -> Self {
        Self { mix: Some(mix), kind: None }
    }

    pub const fn meta(kind: Kind) -> Self {
        Self { mix: None, kind: Some(kind) }
    }
}

impl Options {
    /// The shape with the blocks that were asked for.
    fn cut(&self) -> Result<Shape> {
        let mut shape = self.shape.shape();
        if let Some(layers) = self.layers {
            let most = shape.layers;
            shape.layers = layers as usize;
            ensure!(shape.layers <= most, "--layers {layers}: {} has {most}", shape.name);
        }
        Ok(shape)
    }
}

/// A Llama's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Size {
    #[value(name = "1b")]
    OneB,
    #[value(name = "3b")]
    ThreeB,
    #[value(name = "8b")]
    EightB,
}

/// A mix of types, by llama.cpp's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Mix {
    #[value(name = "q4_0")]
    Q4_0,
    #[value(name = "q4_k_m")]
    Q4KM,
    #[value(name = "q8_0")]
    Q8_0,
    F16,
}

/// The numbers that fix a Llama.
#[derive(Clone, Debug)]
pub struct Shape {
    pub name: &'static str,
    pub label: &'static str,
    pub layers: usize,
    pub dim: usize,
    pub ffn: usize,
    pub heads: usize,
    pub kv_heads: usize,
    pub head_dim: usize,
    pub vocabulary: usize,
    /// What the low rotation frequencies are divided by.
    pub rope_factor: f64,
    /// Whether the head is a matrix of its own.
    pub untied: bool,
}

impl Size {
    /// Meta's `params.json` of these models.
    pub fn shape(self) -> Shape {
        let one = Shape {
            name: "Llama 3.2 1B",
            label: "1B",
            layers: 16,
            dim: 2048,
            ffn: 8192,
            heads: 32,
            kv_heads: 8,
            head_dim: 64,
            vocabulary: 128_256,
            rope_factor: 32.0,
            untied: false,
        };
        match self {
            Self::OneB => one,
            Self::ThreeB => {
                Shape { name: "Llama 3.2 3B", label: "3B", layers: 28, dim: 3072, heads: 24, head_dim: 128, ..one }
            }
            Self::EightB => Shape {
                name: "Llama 3.1 8B",
                label: "8B",
                layers: 32,
                dim: 4096,
                ffn: 14_336,
                head_dim: 128,
                rope_factor: 8.0,
                untied: true,
                ..one
            },
        }
    }
}

impl Mix {
    /// As it stands in file names.
    pub fn name(self) -> &'static str {
        match self {
            Self::Q4_0 => "Q4_0",
            Self::Q4KM => "Q4_K_M",
            Self::Q8_0 => "Q8_0",
            Self::F16 => "F16",
        }
    }

    /// llama.cpp's `llama_ftype`.
    fn file_type(self) -> u32 {
        match self {
            Self::F16 => 1,
            Self::Q4_0 => 2,
            Self::Q8_0 => 7,
            Self::Q4KM => 15,
        }
    }
}

/// Writes a file, or a folder of Meta's files.
pub fn write(options: &Options) -> Result<()> {
    match options.format {
        Format { kind: Some(kind), .. } => meta::write(options, kind),
        Format { mix: Some(mix), .. } => write_gguf(options, mix),
        Format { .. } => bail!("neither --type nor --kind says what to write"),
    }
}

/// Writes a GGUF file; it takes its name when it is whole.
fn write_gguf(options: &Options, mix: Mix) -> Result<()> {
    let begin = Instant::now();
    let shape = options.cut()?;
    let vocabulary = match &options.vocabulary {
        Some(path) => gguf::vocabulary(path, shape.vocabulary)?,
        None => {
            eprintln!("no --vocabulary: its {} tokens are made up", shape.vocabulary);
            recipe::made_up_vocabulary(shape.vocabulary)
        }
    };
    let tensors = recipe::tensors(&shape, mix, options.seed);
    let mut metadata = recipe::metadata(&shape, mix, options.seed);
    metadata.extend(vocabulary);

    let mut partial = options.out.clone().into_os_string();
    partial.push(".part");
    let partial = PathBuf::from(partial);
    let file = File::create(&partial).with_context(|| format!("cannot write {}", partial.display()))?;
    let done = write_to(BufWriter::with_capacity(1 << 20, file), &metadata, &tensors, options.seed)
        .and_then(|()| fs::rename(&partial, &options.out).map_err(Into::into));
    if done.is_err() {
        let _ = fs::remove_file(&partial);
    }
    done.with_context(|| format!("cannot write {}", options.out.display()))?;
    println!("{}", said(&options.out, &shape, mix, begin)?);
    Ok(())
}

fn said(path: &Path, shape: &Shape, mix: Mix, begin: Instant) -> Result<String> {
    let (bytes, seconds) = (fs::metadata(path)?.len(), begin.elapsed().as_secs_f64());
    Ok(format!(
        "{}: {} of {} blocks, {}, {:.1} MB, in {seconds:.1} s",
        path.display(),
        shape.name,
        shape.layers,
        mix.name(),
        bytes as f64 / 1e6
    ))
}

/// The header, then each tensor at its place.
fn write_to(mut out: impl Write, metadata: &[(String, Value)], tensors: &[Tensor], seed: u64) -> Result<()> {
    let header = gguf::header(metadata, tensors);
    out.write_all(&header)?;
    for tensor in tensors {
        write_tensor(&mut out, tensor, seed)?;
        let padding = tensor.bytes().next_multiple_of(gguf::ALIGNMENT) - tensor.bytes();
        out.write_all(&[0; gguf::ALIGNMENT as usize][..padding as usize])?;
    }
    out.flush()?;
    Ok(())
}

fn write_tensor(out: &mut impl Write, tensor: &Tensor, seed: u64) -> Result<()> {
    let weights = match &tensor.fill {
        Fill::Values(values) => {
            let mut bytes = Vec::new();
            tensor.block.quantize(values, &mut bytes);
            return Ok(out.write_all(&bytes)?);
        }
        Fill::Weights(weights) => weights,
    };
    let row = |row: usize, values: &mut [f32], bytes: &mut Vec<u8>| {
        weights.row(seed, row, values);
        tensor.block.quantize(values, bytes);
    };
    in_batches(tensor.rows, tensor.cols, row, |bytes| Ok(out.write_all(bytes)?))
}

/// Makes rows of `cols` elements in all threads, and hands what they were made to over in order, some rows at a time.
fn in_batches<B: Default + Clear + Send>(
    rows: usize,
    cols: usize,
    row: impl Fn(usize, &mut [f32], &mut B) + Sync,
    mut take: impl FnMut(&B) -> Result<()>,
) -> Result<()> {
    let threads = thread::available_parallelism().map_or(1, |count| count.get());
    let share = (BATCH / cols).max(1);
    let mut buffers: Vec<B> = (0..threads).map(|_| B::default()).collect();
    for first in (0..rows).step_by(share * threads) {
        thread::scope(|scope| {
            for (i, buffer) in buffers.iter_mut().enumerate() {
                let begin = (first + i * share).min(rows);
                let (range, row) = (begin..(begin + share).min(rows), &row);
                scope.spawn(move || {
                    buffer.clear();
                    let mut values = vec![0.0; cols];
                    range.for_each(|i| row(i, &mut values, buffer));
                });
            }
        });
        buffers.iter().try_for_each(&mut take)?;
    }
    Ok(())
}

/// What can be filled anew without memory of its own.
trait Clear {
    fn clear(&mut self);
}

impl Clear for Vec<u8> {
    fn clear(&mut self) {
        Vec::clear(self);
    }
}

impl Clear for [Vec<u8>; 2] {
    fn clear(&mut self) {
        self.iter_mut().for_each(Vec::clear);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A Llama of one block that takes milliseconds.
    pub fn tiny() -> Shape {
        let one = Size::OneB.shape();
        Shape { layers: 1, dim: 256, ffn: 512, heads: 4, kv_heads: 2, vocabulary: 1024, ..one }
    }

    fn file(mix: Mix, seed: u64) -> Vec<u8> {
        let shape = tiny();
        let mut metadata = recipe::metadata(&shape, mix, seed);
        metadata.extend(recipe::made_up_vocabulary(shape.vocabulary));
        let mut bytes = Vec::new();
        write_to(&mut bytes, &metadata, &recipe::tensors(&shape, mix, seed), seed).expect("a vector takes it");
        bytes
    }

    #[test]
    fn a_file_is_as_long_as_its_header_says_and_the_seed_decides_its_bytes() {
        for mix in [Mix::Q4_0, Mix::Q4KM, Mix::Q8_0, Mix::F16] {
            let (shape, bytes) = (tiny(), file(mix, 1));
            let tensors = recipe::tensors(&shape, mix, 1);
            let (offsets, data) = gguf::tests::offsets(&bytes);
            assert_eq!(offsets.len(), tensors.len());
            let mut end = 0;
            for (offset, tensor) in offsets.iter().zip(&tensors) {
                assert_eq!(*offset, end, "{}", tensor.name);
                end = (offset + tensor.bytes()).next_multiple_of(gguf::ALIGNMENT);
            }
            assert_eq!(data + end, bytes.len() as u64, "{}", mix.name());
            assert!(bytes == file(mix, 1) && bytes != file(mix, 2), "{}", mix.name());
        }
    }

    #[test]
    fn full_sizes_are_those_of_llamas_own_files() {
        let bytes = |size: Size, mix| recipe::tensors(&size.shape(), mix, 1).iter().map(Tensor::bytes).sum::<u64>();
        let parameters = |size: Size| {
            let tensors = recipe::tensors(&size.shape(), Mix::F16, 1);
            let weights = tensors.iter().filter(|tensor| tensor.name != "rope_freqs.weight");
            weights.map(|tensor| (tensor.rows * tensor.cols) as u64).sum::<u64>()
        };
        assert_eq!(parameters(Size::OneB), 1_235_814_400);
        assert_eq!(parameters(Size::ThreeB), 3_212_749_824);
        assert_eq!(parameters(Size::EightB), 8_030_261_248);
        // The block linears in Q4_0, the tied embedding in Q6_K, 33 norms and 32 rotation factors in F32.
        let q4_0 = 973_078_528 / 32 * 18 + 262_668_288 / 256 * 210 + (67_584 + 32) * 4;
        assert_eq!(bytes(Size::OneB, Mix::Q4_0), q4_0);
        let kinds = |mix| {
            let tensors = recipe::tensors(&Size::ThreeB.shape(), mix, 1);
            let count = |block| tensors.iter().filter(|tensor| tensor.block == block).count();
            [Block::F32, Block::Q4K, Block::Q6K].map(count)
        };
        assert_eq!(kinds(Mix::Q4KM), [58, 168, 29]);
    }
}
