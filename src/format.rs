//! Checkpoint files: bytes in, one [`Checkpoint`] out. Parsers do no input or output of their own.

mod alphabet;
mod encoding;
pub mod gguf;
mod pre_tokenizer;
pub mod tokenizer;
mod vocabulary;

use std::collections::BTreeMap;
use std::ops::Range;

use crate::arch::shape::Shape;

pub(crate) use alphabet::Alphabet;
pub use encoding::Encoding;
pub use pre_tokenizer::{PRE_TOKENIZERS, PreTokenizer};
pub(crate) use vocabulary::byte_of;
pub use vocabulary::{MergeOrder, TokenType, Vocabulary, VocabularyKind};

/// Where a tensor lies in its file.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Rows, `n`; 1 for a vector.
    pub rows: usize,
    /// Elements per row, `k`.
    pub cols: usize,
    /// How the file stores its elements.
    pub encoding: Encoding,
    /// Bytes from the beginning of the file.
    pub bytes: Range<u64>,
}

/// The tensors of one transformer block.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerTensors {
    /// `[1, dim]`
    pub attn_norm: Tensor,
    /// `[heads * head_dim, dim]`
    pub attn_q: Tensor,
    /// `[kv_heads * head_dim, dim]`
    pub attn_k: Tensor,
    /// `[kv_heads * head_dim, dim]`
    pub attn_v: Tensor,
    /// `[dim, heads * head_dim]`
    pub attn_output: Tensor,
    /// `[1, dim]`
    pub ffn_norm: Tensor,
    /// `[ffn, dim]`
    pub ffn_gate: Tensor,
    /// `[ffn, dim]`
    pub ffn_up: Tensor,
    /// `[dim, ffn]`
    pub ffn_down: Tensor,
}

/// The tensors of a whole model, checked against its shape.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelTensors {
    /// `[vocabulary, dim]`
    pub token_embd: Tensor,
    /// Transformer blocks in order.
    pub layers: Vec<LayerTensors>,
    /// `[1, dim]`
    pub output_norm: Tensor,
    /// `[vocabulary, dim]`; `None` where the embedding is the head too.
    pub output: Option<Tensor>,
}

impl ModelTensors {
    /// Bytes of all of them in the file.
    pub fn bytes(&self) -> u64 {
        let layers = self.layers.iter().flat_map(|l| {
            [
                &l.attn_norm,
                &l.attn_q,
                &l.attn_k,
                &l.attn_v,
                &l.attn_output,
                &l.ffn_norm,
                &l.ffn_gate,
                &l.ffn_up,
                &l.ffn_down,
            ]
        });
        let tensors = [&self.token_embd, &self.output_norm].into_iter().chain(&self.output).chain(layers);
        tensors.map(|tensor| tensor.bytes.end - tensor.bytes.start).sum()
    }
}

/// Sampling settings that a file recommends.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SamplingDefaults {
    /// Softmax temperature.
    pub temperature: Option<f32>,
    /// Keep this many of the likeliest tokens.
    pub top_k: Option<u32>,
    /// Keep the likeliest tokens up to this probability mass.
    pub top_p: Option<f32>,
    /// Keep tokens at least this many times as likely as the likeliest.
    pub min_p: Option<f32>,
    /// Divides positive logits of tokens in the context, and multiplies the others.
    pub repetition_penalty: Option<f32>,
    /// Tokens of the context that penalties look at; `u32::MAX` is all of it.
    pub penalty_last_n: Option<u32>,
}

/// Everything a checkpoint says, with weights still in the file.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// The model's own name, or the file's.
    pub name: String,
    /// File format with its version, e.g. `GGUF v3`.
    pub format: String,
    /// `None` for a file that holds a vocabulary alone.
    pub model: Option<(Shape, ModelTensors)>,
    /// `None` for a file without a tokenizer.
    pub vocabulary: Option<Vocabulary>,
    /// Jinja source of the chat template.
    pub chat_template: Option<String>,
    /// Recommended settings.
    pub sampling: SamplingDefaults,
    /// Every tensor of the file by name, also those the engine does not use.
    pub tensors: BTreeMap<String, TensorSummary>,
    /// What is wrong with the file and changes nothing that was asked for, in sentences that name it.
    pub warnings: Vec<String>,
}

impl Checkpoint {
    /// Numbers of all tensors.
    pub fn parameters(&self) -> u64 {
        self.tensors.values().map(|tensor| tensor.dims.iter().product::<u64>()).sum()
    }
}

/// A line of `inspect`.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorSummary {
    /// Dimensions, slowest first.
    pub dims: Vec<u64>,
    /// The file's own name for the storage type.
    pub kind: String,
    /// Bytes in the file.
    pub bytes: u64,
}
