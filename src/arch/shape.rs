//! The numbers of a model: everything that a plan needs to know of it, except its weights.

use crate::arch::family::{Arch, LLAMA};

/// Which elements of a head form the pairs that RoPE rotates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RopePairing {
    /// Elements `2i` and `2i + 1`, as in Meta's checkpoints and in GGUF.
    Interleaved,
    /// Elements `i` and `i + d/2`, as in checkpoints of Hugging Face.
    HalfSplit,
}

/// The family and the sizes of a model, in elements unless said otherwise. The letters are those of ARCHITECTURE.md.
#[derive(Clone, Debug, PartialEq)]
pub struct Shape {
    /// The family, which fixes the tensors and the computation.
    pub arch: &'static Arch,
    /// Width of the residual stream.
    pub dim: usize,
    /// Width of the feed-forward layer between its projections.
    pub ffn: usize,
    /// Number of transformer blocks.
    pub layers: usize,
    /// Number of query heads, `h`.
    pub heads: usize,
    /// Number of key heads, and of value heads; `heads` is a multiple of it (GQA).
    pub kv_heads: usize,
    /// Elements of a head, `d`.
    pub head_dim: usize,
    /// Number of token ids, `v`: the rows of the embedding.
    pub vocabulary: usize,
    /// Longest context the model was trained for, in tokens.
    pub context: usize,
    /// Epsilon of the RMS norm: `x / sqrt(mean(x^2) + norm_eps)`.
    pub norm_eps: f32,
    /// The pairs that the query and key matrices of the file are made for.
    pub rope_pairing: RopePairing,
    /// Angle by which each pair is rotated per position, in radians: `d/2` numbers, with frequency scaling applied.
    pub rope_frequencies: Vec<f64>,
    /// What products of quantized checkpoints are made of beside their weights.
    pub scheme: Scheme,
}

/// What the products of a quantized checkpoint are made of beside weights and input. The default is nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Scheme {
    /// Whether the input of the down projection is multiplied by the orthonormal Hadamard matrix of its width first
    /// (R4 of SpinQuant, arXiv 2405.16406).
    pub hadamard: bool,
    /// Low-rank adaptors of every matrix of the blocks.
    pub lora: Option<Lora>,
    /// Whether the weights were trained, or calibrated, for int8 activations with a scale and a zero point per token.
    pub int8_activations: bool,
}

impl Scheme {
    /// What Meta calls checkpoints that are computed so; `None` of weights that are products by themselves.
    pub const fn kind(&self) -> Option<&'static str> {
        match self {
            Self { lora: Some(_), .. } => Some("QLoRA"),
            Self { hadamard: true, .. } => Some("SpinQuant"),
            Self { int8_activations: true, .. } => Some("int4"),
            _ => None,
        }
    }
}

/// Low-rank adaptors (LoRA, arXiv 2106.09685): to a product `W x` comes `scale * B (A x)`, where `A` is `[rank, k]` and
/// `B` is `[n, rank]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lora {
    /// Rows of `A`: one of [`Self::RANKS`].
    pub rank: usize,
    /// The factor of the adaptor's part, as it is.
    pub scale: f32,
}

impl Lora {
    /// The ranks that kernels take.
    pub const RANKS: [usize; 4] = [8, 16, 32, 64];
}

impl Shape {
    /// Llama 3.2 1B, with products made of what `scheme` says.
    pub fn llama_3_2_1b(scheme: Scheme) -> Self {
        let frequencies = rope_frequencies(64, 500_000.0);
        Self {
            arch: &LLAMA,
            dim: 2048,
            ffn: 8192,
            layers: 16,
            heads: 32,
            kv_heads: 8,
            head_dim: 64,
            vocabulary: 128_256,
            context: 131_072,
            norm_eps: 1e-5,
            rope_pairing: RopePairing::Interleaved,
            rope_frequencies: frequencies.iter().map(|f| f / RopeScaling::LLAMA_3_2.divisor(*f)).collect(),
            scheme,
        }
    }

    /// Llama 3.2 3B.
    pub fn llama_3_2_3b() -> Self {
        let frequencies = rope_frequencies(128, 500_000.0);
        Self {
            dim: 3072,
            layers: 28,
            heads: 24,
            head_dim: 128,
            rope_frequencies: frequencies.iter().map(|f| f / RopeScaling::LLAMA_3_2.divisor(*f)).collect(),
            ..Self::llama_3_2_1b(Scheme::default())
        }
    }

    /// Query heads that share one key/value head.
    pub fn group(&self) -> usize {
        self.heads / self.kv_heads
    }

    /// Width of all query heads together: `heads * head_dim`.
    pub fn q_dim(&self) -> usize {
        self.heads * self.head_dim
    }

    /// Width of all key heads together, and of all value heads: `kv_heads * head_dim`.
    pub fn kv_dim(&self) -> usize {
        self.kv_heads * self.head_dim
    }
}

/// Sizes that readers of files take; larger ones are mistakes. Llama 3.1 405B has 126 layers, a width of 16 384, 53 248
/// in the feed-forward layer and 128 heads.
pub(crate) mod limits {
    pub(crate) const MAX_LAYERS: usize = 512;
    pub(crate) const MAX_DIM: usize = 1 << 16;
    pub(crate) const MAX_FFN: usize = 1 << 20;
    pub(crate) const MAX_HEADS: usize = 1024;
    pub(crate) const MAX_EMBEDDING_ROWS: usize = 1 << 20;
    pub(crate) const MAX_CONTEXT: usize = 1 << 28;
    /// Head sizes that the attention kernels take: multiples of 8 up to this.
    pub(crate) const MAX_HEAD_DIM: usize = 256;
}

/// The frequency scaling of Llama 3.1 and later (`rope_type: llama3` of Hugging Face). A wavelength is the number of
/// positions that a pair needs for a full turn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RopeScaling {
    /// Divisor of the low frequencies: 8 for Llama 3.1, 32 for 3.2.
    pub factor: f64,
    /// Wavelengths above `original_context / low_freq_factor` are divided by `factor`.
    pub low_freq_factor: f64,
    /// Wavelengths below `original_context / high_freq_factor` stay.
    pub high_freq_factor: f64,
    /// Context before scaling, in tokens.
    pub original_context: f64,
}

impl RopeScaling {
    /// The scaling of every Llama 3.2 text model.
    pub const LLAMA_3_2: Self =
        Self { factor: 32.0, low_freq_factor: 1.0, high_freq_factor: 4.0, original_context: 8192.0 };

    /// What Llama 3.1 and 3.3 use.
    pub const LLAMA_3_1: Self = Self { factor: 8.0, ..Self::LLAMA_3_2 };

    /// The scaling of the model that has this width, so many layers and query heads: Llama 3.2 1B or 3B, or Llama 3.1
    /// 8B, 70B (3.3 70B too) or 405B. `None` for other sizes. Llama 3 8B and 70B have the sizes of 3.1, and scale
    /// nothing.
    pub const fn of_size(dim: usize, layers: usize, heads: usize) -> Option<Self> {
        match (dim, layers, heads) {
            (2048, 16, 32) | (3072, 28, 24) => Some(Self::LLAMA_3_2),
            (4096, 32, 32) | (8192, 80, 64) | (16_384, 126, 128) => Some(Self::LLAMA_3_1),
            _ => None,
        }
    }

    /// The divisor of a frequency in radians per position (`_compute_llama3_parameters` in transformers; GGUF stores
    /// the divisors as `rope_freqs`).
    pub fn divisor(&self, frequency: f64) -> f64 {
        let wavelength = std::f64::consts::TAU / frequency;
        if wavelength < self.original_context / self.high_freq_factor {
            1.0
        } else if wavelength > self.original_context / self.low_freq_factor {
            self.factor
        } else {
            let smooth = (self.original_context / wavelength - self.low_freq_factor)
                / (self.high_freq_factor - self.low_freq_factor);
            1.0 / ((1.0 - smooth) / self.factor + smooth)
        }
    }
}

/// The frequencies of the `d/2` pairs of a head in radians per position, without scaling: `base^(-2i/d)` (RoFormer,
/// arXiv 2104.09864).
pub fn rope_frequencies(head_dim: usize, base: f64) -> Vec<f64> {
    (0..head_dim / 2).map(|i| base.powf(-2.0 * i as f64 / head_dim as f64)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn llama_3_2_divisors() {
        let divisors: Vec<f64> =
            rope_frequencies(64, 500_000.0).into_iter().map(|f| RopeScaling::LLAMA_3_2.divisor(f)).collect();
        assert!(divisors[..15].iter().all(|d| *d == 1.0));
        for (i, golden) in [(15, 1.651329), (16, 3.292262), (17, 9.666729), (18, 32.0), (31, 32.0)] {
            assert!((divisors[i] - golden).abs() < 1e-5, "pair {i}: {} is not {golden}", divisors[i]);
        }
    }
}
