//! How a kernel that makes the input of products stores it: in a format of activations, and behind its rows what the
//! adaptors of those products need of it.

use super::activations::ActivationFormat;
use crate::kernel::{Arg, Call, Content, Element, ShaderSource, uniform};

/// The matrices A of the adaptors of products that share an input, below each other: `[parts * rank, k]` in BF16.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LoraA {
    /// Rows of one A.
    pub rank: usize,
    /// How many there are.
    pub parts: usize,
}

impl LoraA {
    /// Numbers that they make of a vector.
    pub const fn rows(self) -> usize {
        self.parts * self.rank
    }
}

/// The rows that a kernel stores as `y`: `[rows][k]` in a format, and behind all of them `[rows][parts * rank]` numbers
/// in f32, `scale * A y`, of what the rows were before they were stored.
#[derive(Clone, Copy, Debug)]
pub struct Store {
    /// How the rows are stored.
    pub format: &'static dyn ActivationFormat,
    /// The adaptors.
    pub lora: Option<LoraA>,
    /// Rows (tokens).
    pub rows: usize,
}

/// The params of a kernel that concern storing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StoreParams {
    /// [`ActivationFormat::bound`]
    pub bound: f32,
    /// [`ActivationFormat::pairwise`]
    pub pairwise: u32,
    /// First `vec4` of `y` behind the rows.
    pub low_first: u32,
    /// The factor of an adaptor's part.
    pub lora_scale: f32,
}

uniform! {
    /// Params of a kernel that does nothing but make rows.
    pub struct RowParams {
        /// vec4s of a row, padded.
        vec4s: u32,
        /// [`StoreParams::bound`]
        bound: f32,
        /// [`StoreParams::pairwise`]
        pairwise: u32,
        /// [`StoreParams::low_first`]
        low_first: u32,
        /// [`StoreParams::lora_scale`]
        lora_scale: f32,
    }
}

impl RowParams {
    /// The params for rows of `k` numbers.
    pub fn new(k: usize, StoreParams { bound, pairwise, low_first, lora_scale }: StoreParams) -> Self {
        Self { vec4s: (k / 4) as u32, bound, pairwise, low_first, lora_scale }
    }

    /// Numbers of a row.
    pub(crate) fn row_len(&self) -> usize {
        self.vec4s as usize * 4
    }

    /// What concerns storing.
    pub(crate) fn stored(&self) -> StoreParams {
        let Self { bound, pairwise, low_first, lora_scale, .. } = *self;
        StoreParams { bound, pairwise, low_first, lora_scale }
    }
}

impl Store {
    /// The end of a kernel's label; empty for f32 without adaptors.
    pub fn suffix(&self) -> String {
        let lora = self.lora.map_or(String::new(), |lora| format!("-lora{}x{}", lora.rank, lora.parts));
        format!("{}{lora}", self.format.suffix())
    }

    /// 32-bit words of `y` for rows of `k` numbers.
    pub fn words(&self, k: usize) -> usize {
        self.rows * (self.format.words(k) + self.low_words())
    }

    fn low_words(&self) -> usize {
        self.lora.map_or(0, LoraA::rows)
    }

    /// The params for rows of `k` numbers.
    pub fn params(&self, k: usize, lora_scale: f32) -> StoreParams {
        StoreParams {
            bound: self.format.bound(),
            pairwise: self.format.pairwise(),
            low_first: (self.rows * self.format.words(k) / 4) as u32,
            lora_scale,
        }
    }

    /// Adds WGSL that stores rows as `y` and, with `store_low`, what the adaptors make of them. The matrices A are the
    /// binding after that of `y`.
    pub(crate) fn add_to(&self, source: ShaderSource, binding: u32) -> ShaderSource {
        let source = self.format.add_store(source, binding);
        match self.lora {
            Some(LoraA { rank, parts }) => source
                .size("LORA_RANK", rank)
                .size("LORA_PARTS", parts)
                .with(include_str!("../../shaders/lib/bf16_vec4.wgsl"))
                .role(include_str!("../../shaders/lib/lora_a.wgsl"), "y", binding + 1),
            None => source.with(include_str!("../../shaders/lib/lora_a_none.wgsl")),
        }
    }

    /// The bindings of `y` and of A.
    pub(crate) fn args(&self, binding: u32, k: usize) -> Vec<Arg> {
        let (element, content) = self.format.stored();
        let content = match content {
            Content::Blocks(blocks, _) => Content::Blocks(blocks, self.rows * self.low_words()),
            other => other,
        };
        let mut args = vec![Arg::write("y", binding, element, self.words(k)).holding(content)];
        if let Some(lora) = self.lora {
            args.push(Arg::read("lora_a", binding + 1, Element::Vec2U32, lora.rows() * k / 2));
        }
        args
    }

    /// The normalised mean squared error that storing adds: that of the format, and of the adaptors' sums in f32, at
    /// worst 4.4e-14 on lavapipe 22.3.
    pub(crate) fn tolerance(&self) -> f64 {
        self.format.tolerance().max(self.lora.map_or(0.0, |_| 5e-13))
    }

    /// Multiply-accumulates of the adaptors for a row of `k` numbers.
    pub(crate) fn work(&self, k: usize) -> u64 {
        (self.low_words() * k) as u64
    }

    /// Stores a row of numbers, for oracles; `first` is the index of `y` among the buffers.
    pub(crate) fn store(&self, call: &Call, first: usize, row: usize, numbers: &[f64], params: StoreParams) {
        let words = self.format.encode(numbers);
        call.words_mut(first)[row * words.len()..][..words.len()].copy_from_slice(&words);
        let Some(lora) = self.lora else { return };
        let a = call.words(first + 1);
        let mut y = call.floats_mut(first);
        let at = params.low_first as usize * 4 + row * lora.rows();
        for (out, row) in y[at..].iter_mut().zip(a.chunks_exact(numbers.len() / 2)) {
            let sum: f64 = numbers.iter().zip(bf16s(row)).map(|(v, a)| v * a).sum();
            *out = (f64::from(params.lora_scale) * sum) as f32;
        }
    }
}

/// The numbers in words of two BF16.
pub(crate) fn bf16s(words: &[u32]) -> impl Iterator<Item = f64> {
    words.iter().flat_map(|word| [word << 16, word & 0xffff_0000]).map(|bits| f64::from(f32::from_bits(bits)))
}
