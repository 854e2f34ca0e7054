//! Files of models and tokenizers. A parser takes bytes and gives one [`Checkpoint`] or [`Vocabulary`]; only the loops
//! around parsers, such as [`read`], read from a [`Source`].

mod alphabet;
mod encoding;
pub mod gguf;
pub mod meta;
mod pre_tokenizer;
pub mod pytorch;
mod quantize;
mod row;
mod safetensors;
pub mod tokenizer;
mod vocabulary;

use std::collections::BTreeMap;
use std::ops::{Index, Range};

use crate::arch::shape::Shape;
use crate::arch::tensors::TensorId;
use crate::error::{Error, Result};
use crate::source::Source;

use meta::Container;

pub(crate) use alphabet::Alphabet;
pub use encoding::Encoding;
pub use pre_tokenizer::{PRE_TOKENIZERS, PreTokenizer};
pub(crate) use quantize::quantize_row;
pub(crate) use row::Row;
pub use row::{BLOCK, BLOCKS_PER_SUPER};
pub(crate) use vocabulary::byte_of;
pub use vocabulary::{MergeOrder, TokenType, Vocabulary, VocabularyKind};

/// Bytes of a checkpoint that the first read asks for. Most headers are longer only by their vocabulary.
pub(crate) const FIRST_READ_BYTES: u64 = 1 << 20;

/// What is read of a checkpoint. What is not read is not checked either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadScope {
    /// The model and the tokenizer, where the file has them.
    Everything,
    /// The model, and the tokenizer where nothing is wrong with it: a tokenizer that is broken or not supported is a
    /// warning, as if the file had none.
    ModelFirst,
    /// The model without the file's own tokenizer, where another takes its place.
    ModelOnly,
    /// The tokenizer, whatever model stands beside it.
    TokenizerOnly,
}

/// Reads what a checkpoint says, without its weights: GGUF, or Meta's files, whose weights are the first part of the
/// source. Which one it is, the first bytes say.
///
/// # Errors
/// [`Error::Malformed`](crate::Error::Malformed) where the bytes break the format or a file is cut off,
/// [`Error::Unsupported`](crate::Error::Unsupported) where they ask for something that this engine does not compute or
/// a file is missing, and those of the source.
pub async fn read(source: &dyn Source, scope: ReadScope) -> Result<Checkpoint> {
    let parts = source.parts();
    let (name, len) = parts.first().map_or((source.name(), source.len()), |part| (part.name, part.len));
    let first = source.read_at(0, len.min(FIRST_READ_BYTES) as usize).await?.into_owned();
    if pytorch::is_old(&first) {
        let reason = "PyTorch before 1.6 wrote it, or it is a pickle without an archive; torch.save of a newer PyTorch writes \
                      what is read";
        return Err(Error::Unsupported { name: name.to_owned(), reason: reason.to_owned() });
    }
    match Container::of(&first) {
        Some(container) => meta::read(source, container, first, scope).await,
        None => gguf::read(source, first, scope).await,
    }
}

/// The name that a tensor has in the file of a source, for messages.
pub(crate) async fn name_in(source: &dyn Source, id: TensorId) -> String {
    match source.read_at(0, 9).await {
        Ok(first) if Container::of(&first).is_some() => meta::name_of(id),
        _ => format!("{id}.weight"),
    }
}

/// Where a tensor lies in its file.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Rows, `n`; 1 for a vector.
    pub rows: usize,
    /// Elements per row, `k`.
    pub cols: usize,
    /// How the file stores its elements.
    pub encoding: Encoding,
    /// Bytes from the beginning of the file; without the scales, where they lie elsewhere.
    pub bytes: Range<u64>,
    /// Where its numbers lie, unless they lie one behind the other.
    pub strides: Option<Strides>,
    /// Where its scales lie, for encodings that keep them apart from the quants.
    pub scales: Option<Extent>,
    /// The two matrices of its low-rank adaptor.
    pub lora: Option<LoraTensors>,
}

/// Numbers between the beginnings of adjacent rows of a matrix, and between adjacent columns.
pub type Strides = [u64; 2];

/// Where numbers of one type lie in their file.
#[derive(Clone, Debug, PartialEq)]
pub struct Extent {
    /// Bytes from the beginning of the file.
    pub bytes: Range<u64>,
    /// The order of the numbers, unless they lie one behind the other.
    pub strides: Option<Strides>,
}

/// Where the matrices of a low-rank adaptor lie in their file, in BF16.
#[derive(Clone, Debug, PartialEq)]
pub struct LoraTensors {
    /// Rows of `A`, and columns of `B`.
    pub rank: usize,
    /// `A`, `[rank, k]`.
    pub a: Extent,
    /// `B`, `[n, rank]`.
    pub b: Extent,
}

impl Tensor {
    /// Bytes of a row, with its scales.
    pub fn row_bytes(&self) -> usize {
        self.encoding.row_bytes(self.cols)
    }

    /// Bytes of its rows, those of scales and adaptor included.
    pub fn file_bytes(&self) -> u64 {
        let lora = self.lora.as_ref().map_or(0, |lora| 2 * lora.rank * (self.rows + self.cols));
        (self.rows * self.row_bytes() + lora) as u64
    }
}

/// The tensors of a whole model, by their place in it. A reader has checked them against the tensors of the family
/// ([`Arch::tensors`](crate::arch::family::Arch::tensors)): each that a model must have is here, with the size that its
/// shape asks for, and no other is.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelTensors {
    by_id: BTreeMap<TensorId, Tensor>,
}

impl FromIterator<(TensorId, Tensor)> for ModelTensors {
    fn from_iter<I: IntoIterator<Item = (TensorId, Tensor)>>(tensors: I) -> Self {
        Self { by_id: tensors.into_iter().collect() }
    }
}

impl Index<TensorId> for ModelTensors {
    type Output = Tensor;

    /// A tensor that the model has.
    fn index(&self, id: TensorId) -> &Tensor {
        self.get(id).unwrap_or_else(|| panic!("the model has no {id}"))
    }
}

impl ModelTensors {
    /// A tensor, or `None` where the model does without.
    pub fn get(&self, id: TensorId) -> Option<&Tensor> {
        self.by_id.get(&id)
    }

    /// Every tensor.
    pub fn iter(&self) -> impl Iterator<Item = (TensorId, &Tensor)> {
        self.by_id.iter().map(|(id, tensor)| (*id, tensor))
    }

    /// Bytes of all of them in the file.
    pub fn bytes(&self) -> u64 {
        self.by_id.values().map(Tensor::file_bytes).sum()
    }

    /// Where the first of them begins, in bytes from the beginning of the file: the end of the header.
    pub fn start(&self) -> u64 {
        self.by_id.values().map(|tensor| tensor.bytes.start).min().unwrap_or(0)
    }
}

/// Sampling settings that a file recommends.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SamplingDefaults {
    /// Divisor of the logits before the softmax; 0 takes the likeliest token.
    pub temperature: Option<f32>,
    /// Number of likeliest tokens that are kept.
    pub top_k: Option<u32>,
    /// Probability mass, from 0 to 1, up to which the likeliest tokens are kept.
    pub top_p: Option<f32>,
    /// Tokens are kept whose probability is at least this share, from 0 to 1, of the likeliest token's.
    pub min_p: Option<f32>,
    /// Penalty of tokens in the context: positive logits are divided by it, others multiplied.
    pub repetition_penalty: Option<f32>,
    /// Number of latest tokens that penalties look at; `u32::MAX` is the whole context.
    pub penalty_last_n: Option<u32>,
}

/// A checkpoint without its weights, which stay in the file.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// The name that the file gives its model, or the name of the file.
    pub name: String,
    /// File format with its version, e.g. `GGUF v3`.
    pub format: String,
    /// The model, or `None` for a file that holds only a vocabulary.
    pub model: Option<(Shape, ModelTensors)>,
    /// The tokenizer, or `None` for a file without one.
    pub vocabulary: Option<Vocabulary>,
    /// Jinja source of the chat template, where the file has one.
    pub chat_template: Option<String>,
    /// Sampling settings that the file recommends.
    pub sampling: SamplingDefaults,
    /// Every tensor of the file by its name there, whether the engine uses it or not.
    pub tensors: BTreeMap<String, TensorSummary>,
    /// Faults of the file that do not change what was read of it: sentences that name the file.
    pub warnings: Vec<String>,
}

impl Checkpoint {
    /// Number of parameters: the elements of all tensors but scales.
    pub fn parameters(&self) -> u64 {
        let weights = self.tensors.iter().filter(|(name, _)| !name.ends_with(".scales"));
        weights.map(|(_, tensor)| tensor).map(|tensor| tensor.dims.iter().product::<u64>()).sum()
    }
}

/// The description of a tensor in its file, for reports.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorSummary {
    /// Dimensions, slowest first.
    pub dims: Vec<u64>,
    /// The file format's name for the encoding.
    pub kind: String,
    /// Bytes in the file.
    pub bytes: u64,
}
