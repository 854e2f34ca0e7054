//! Activations in int8, `scale * (code - zero)`: per token, as Meta's int4 checkpoints were trained for, or per block of
//! 32. `shaders/lib/int8_block.wgsl` has the layout of a block.
//!
//! Products with weights whose quants are bytes are whole numbers, `sum (q - q0) (code - zero)`, by
//! `dot4U8Packed`, which takes four bytes without signs: integer dot products of phones have those, or mixed ones.

use super::activations::ActivationFormat;
use super::linear::{self, Reuse};
use super::storage::{WeightStorage, quant_midpoint};
use crate::kernel::{Blocks, Content, Element, ShaderSource};
use crate::weights::Packing;
use crate::weights::pack::BLOCK;

/// Words of a block: codes, scale, zero point, and the sums of both halves.
const BLOCK_WORDS: usize = 12;
const SCALE_WORD: usize = 8;

/// How a check reads a block: its numbers, and the sums, which must be those of the numbers.
static BLOCKS: Blocks = Blocks { words: BLOCK_WORDS, scale_word: SCALE_WORD, numbers: numbers_and_sums };

/// The worst on lavapipe 22.3 is 4e-14, and 2.9e-8 where one code of 16 384 is rounded to the other side (`hadamard`). Of
/// 8 numbers one such code is 2e-5. The scale, and the distance of each number in steps, are checked beside it.
const TOLERANCE: f64 = 1e-4;

/// The numbers that share a scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    /// All of a token, with a zero point: dynamic, asymmetric quantization (8da4w of torchao).
    Token,
    /// 32 of them, around 0.
    Block,
}

/// The format.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Int8 {
    scope: Scope,
    /// The least scale.
    bound: f32,
}

/// Per token, for the matrices of blocks (`Int8DynActInt4WeightLinear` of torchao).
pub static PER_TOKEN: Int8 = Int8 { scope: Scope::Token, bound: f32::EPSILON };
/// Per token, for the head (`Int8DynActInt8WeightLinear` of ExecuTorch).
pub static PER_TOKEN_HEAD: Int8 = Int8 { scope: Scope::Token, bound: f32::MIN_POSITIVE };
/// Per block of 32.
pub static PER_BLOCK: Int8 = Int8 { scope: Scope::Block, bound: 0.0 };

impl Int8 {
    /// Whether weights of a packing can be multiplied with it: those whose quants are bytes.
    pub const fn reads(packing: Packing) -> bool {
        quant_midpoint(packing).is_some() || matches!(packing, Packing::Q8_0 | Packing::INT8)
    }

    /// Scale and zero point of numbers, and what they are multiplied by.
    fn parameters(&self, numbers: &[f64]) -> [f64; 3] {
        match self.scope {
            Scope::Token => {
                let (least, most) = numbers.iter().fold((0.0_f64, 0.0_f64), |(a, b), v| (a.min(*v), b.max(*v)));
                let scale = ((most - least) / 255.0).max(f64::from(self.bound));
                let error = (-128.0 + least / scale) + (127.0 + most / scale);
                let zero = if error > 0.0 { -128.0 - least / scale } else { 127.0 - most / scale };
                [scale, (zero.round_ties_even() + 128.0).clamp(0.0, 255.0), scale.recip()]
            }
            Scope::Block => {
                let largest = numbers.iter().fold(0.0_f64, |most, v| most.max(v.abs()));
                [largest / 127.0, 128.0, if largest > 1e-30 { 127.0 / largest } else { 0.0 }]
            }
        }
    }
}

impl ActivationFormat for Int8 {
    fn needs_whole_rows(&self) -> bool {
        self.scope == Scope::Token
    }

    fn name(&self) -> &'static str {
        match self.scope {
            Scope::Token => "int8",
            Scope::Block => "int8-block",
        }
    }

    fn choice(&self) -> &'static str {
        "int8"
    }

    fn suffix(&self) -> String {
        format!("-{}", self.name())
    }

    fn words(&self, k: usize) -> usize {
        k / BLOCK * BLOCK_WORDS
    }

    fn bound(&self) -> f32 {
        self.bound
    }

    fn stored(&self) -> (Element, Content) {
        (Element::Vec4U32, Content::Blocks(&BLOCKS, 0))
    }

    fn add_store(&self, source: ShaderSource, binding: u32) -> ShaderSource {
        source.role(include_str!("../../shaders/lib/int8_store.wgsl"), "y", binding).with(match self.scope {
            Scope::Token => include_str!("../../shaders/lib/int8_store_token.wgsl"),
            Scope::Block => include_str!("../../shaders/lib/int8_store_block.wgsl"),
        })
    }

    fn add_product(&self, source: ShaderSource, storage: &WeightStorage, packing: Packing, _: Reuse) -> ShaderSource {
        assert!(Self::reads(packing), "{} has no quants of a byte", packing.name());
        let source = storage
            .add_words(source)
            .with(include_str!("../../shaders/lib/int8_block.wgsl"))
            .with(include_str!("../../shaders/lib/input_int8.wgsl"))
            .with(include_str!("../../shaders/lib/product_int8.wgsl"));
        linear::add_products_of_rows(source)
    }

    fn add_products(&self, source: ShaderSource, storage: &WeightStorage, packing: Packing, _: Reuse) -> ShaderSource {
        assert!(Self::reads(packing), "{} has no quants of a byte", packing.name());
        storage
            .add_words(source)
            .with(include_str!("../../shaders/lib/int8_block.wgsl"))
            .with(include_str!("../../shaders/lib/product_int8.wgsl"))
            .with(include_str!("../../shaders/lib/products_int8.wgsl"))
    }

    fn tolerance(&self) -> f64 {
        TOLERANCE
    }

    fn encode(&self, numbers: &[f64]) -> Vec<u32> {
        let per_scale = if self.scope == Scope::Token { numbers.len() } else { BLOCK };
        let encoded = numbers.chunks_exact(per_scale).flat_map(|numbers| {
            let parameters = self.parameters(numbers);
            numbers.chunks_exact(BLOCK).flat_map(move |block| encoded(block, parameters))
        });
        encoded.collect()
    }

    fn decode(&self, words: &[u32]) -> Vec<f64> {
        words.chunks_exact(BLOCK_WORDS).flat_map(numbers).collect()
    }
}

fn encoded(block: &[f64], [scale, zero, inverse]: [f64; 3]) -> [u32; BLOCK_WORDS] {
    let code = |v: &f64| ((v * inverse).round_ties_even() + zero).clamp(0.0, 255.0);
    let mut words = [0; BLOCK_WORDS];
    for (word, four) in words.iter_mut().zip(block.chunks_exact(4)) {
        *word = u32::from_le_bytes(std::array::from_fn(|i| code(&four[i]) as u8));
    }
    let finite = block.iter().all(|v| v.is_finite()) && (scale as f32).is_finite();
    words[SCALE_WORD] = (if finite { scale as f32 } else { f32::NAN }).to_bits();
    words[SCALE_WORD + 1] = zero as u32;
    for (sum, half) in words[SCALE_WORD + 2..].iter_mut().zip(block.chunks_exact(BLOCK / 2)) {
        *sum = half.iter().map(|v| (code(v) - zero) as i32).sum::<i32>() as u32;
    }
    words
}

fn numbers(block: &[u32]) -> impl Iterator<Item = f64> {
    let scale = f64::from(f32::from_bits(block[SCALE_WORD]));
    let zero = f64::from(block[SCALE_WORD + 1]);
    let codes: Vec<u8> = block[..SCALE_WORD].iter().flat_map(|word| word.to_le_bytes()).collect();
    codes.into_iter().map(move |code| scale * (f64::from(code) - zero))
}

/// The numbers of a block, and the sums of its halves that stand beside them.
fn numbers_and_sums(block: &[u32]) -> Vec<f64> {
    let scale = f64::from(f32::from_bits(block[SCALE_WORD]));
    let sums = block[SCALE_WORD + 2..].iter().map(|sum| scale * f64::from(*sum as i32));
    numbers(block).chain(sums).collect()
}
