//! Checkpoint files: bytes in, one [`Checkpoint`] out. Parsers do no input or output of their own.

mod alphabet;
pub mod gguf;
mod pre_tokenizer;
pub mod tokenizer;
mod vocabulary;

use std::collections::BTreeMap;
use std::ops::Range;

use crate::arch::shape::Shape;

pub(crate) use alphabet::Alphabet;
pub use pre_tokenizer::{PRE_TOKENIZERS, PreTokenizer};
pub(crate) use vocabulary::byte_of;
pub use vocabulary::{MergeOrder, TokenType, Vocabulary, VocabularyKind};

/// How the elements of a tensor are stored.
#[allow(non_camel_case_types, reason = "these are the names that every file and tool uses")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum WeightType {
    /// IEEE single.
    F32,
    /// IEEE half.
    F16,
    /// The upper half of an IEEE single.
    BF16,
    /// Blocks of 32: a half scale and 32 nibbles.
    Q4_0,
    /// Blocks of 32: half scale and minimum, and 32 nibbles.
    Q4_1,
    /// Blocks of 32: a half scale and 32 quants of 5 bits.
    Q5_0,
    /// Blocks of 32: half scale and minimum, and 32 quants of 5 bits.
    Q5_1,
    /// Blocks of 32: a half scale and 32 signed bytes.
    Q8_0,
    /// Blocks of 256: 2-bit quants, 4-bit scale and minimum per 16, half scales of both per 256.
    Q2_K,
    /// Blocks of 256: 3-bit quants, a 6-bit scale per 16, a half scale per 256.
    Q3_K,
    /// Blocks of 256: 4-bit quants, 6-bit scale and minimum per 32, half scales of both per 256.
    Q4_K,
    /// Blocks of 256: 5-bit quants, 6-bit scale and minimum per 32, half scales of both per 256.
    Q5_K,
    /// Blocks of 256: 6-bit quants, a signed byte scale per 16, a half scale per 256.
    Q6_K,
    /// Blocks of 32: a half scale and 32 nibbles that point into a table of 16 numbers.
    IQ4_NL,
    /// Blocks of 256: nibbles that point into the same table, a 6-bit scale per 32, a half scale per 256.
    IQ4_XS,
}

impl WeightType {
    /// Every type the engine runs.
    pub const ALL: [Self; 15] = [
        Self::F32,
        Self::F16,
        Self::BF16,
        Self::Q4_0,
        Self::Q4_1,
        Self::Q5_0,
        Self::Q5_1,
        Self::Q8_0,
        Self::Q2_K,
        Self::Q3_K,
        Self::Q4_K,
        Self::Q5_K,
        Self::Q6_K,
        Self::IQ4_NL,
        Self::IQ4_XS,
    ];

    /// The name GGUF gives it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::BF16 => "BF16",
            Self::Q4_0 => "Q4_0",
            Self::Q4_1 => "Q4_1",
            Self::Q5_0 => "Q5_0",
            Self::Q5_1 => "Q5_1",
            Self::Q8_0 => "Q8_0",
            Self::Q2_K => "Q2_K",
            Self::Q3_K => "Q3_K",
            Self::Q4_K => "Q4_K",
            Self::Q5_K => "Q5_K",
            Self::Q6_K => "Q6_K",
            Self::IQ4_NL => "IQ4_NL",
            Self::IQ4_XS => "IQ4_XS",
        }
    }

    /// Elements per block in the file.
    pub const fn block_len(self) -> usize {
        match self {
            Self::F32 | Self::F16 | Self::BF16 => 1,
            Self::Q4_0 | Self::Q4_1 | Self::Q5_0 | Self::Q5_1 | Self::Q8_0 | Self::IQ4_NL => 32,
            Self::Q2_K | Self::Q3_K | Self::Q4_K | Self::Q5_K | Self::Q6_K | Self::IQ4_XS => 256,
        }
    }

    /// Bytes per block in the file.
    pub const fn block_bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::BF16 => 2,
            Self::Q4_0 | Self::IQ4_NL => 18,
            Self::Q4_1 => 20,
            Self::Q5_0 => 22,
            Self::Q5_1 => 24,
            Self::Q8_0 => 34,
            Self::Q2_K => 84,
            Self::Q3_K => 110,
            Self::IQ4_XS => 136,
            Self::Q4_K => 144,
            Self::Q5_K => 176,
            Self::Q6_K => 210,
        }
    }

    /// Bytes of a row of `k` elements in the file; `k` is a multiple of [`Self::block_len`].
    pub const fn row_bytes(self, k: usize) -> usize {
        k / self.block_len() * self.block_bytes()
    }
}

/// Where a tensor lies in its file.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Rows, `n`; 1 for a vector.
    pub rows: usize,
    /// Elements per row, `k`.
    pub cols: usize,
    /// Storage type.
    pub kind: WeightType,
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
