//! int16 block floating point: blocks of 32 activations as whole numbers of 16 bits with one scale, as
//! `shaders/software/lib/int16_block.wgsl` lays them out. One multiplication of 32 bits gives the sum of two products.
//!
//! Two weights in one word times two activations in one word give, in the upper half of the product, the sum of both
//! products. The scale of a block is as fine as sums of 16 bits allow. With weights of up to four bits a sum has four
//! products, with five or six bits two. F32, F16, BF16, Q8_0 and IQ4 have no quants that fit, and an input that they
//! share with others stays f32.

use crate::kernel::{Blocks, Content, Element, ShaderSource};
use crate::kernels::activations::{ActivationFormat, F32};
use crate::kernels::linear::{Reuse, add_products_of_rows};
use crate::kernels::storage::{WeightStorage, quant_midpoint};
use crate::weights::Packing;
use crate::weights::pack::BLOCK;

/// Words of a block: pairs of numbers, the scale, the sums of both halves, and one that is not used.
const BLOCK_WORDS: usize = 20;
/// Where the scale of a block is, as f32.
const SCALE_WORD: usize = 16;
/// The largest sum of products that the upper half of a word holds.
const MAX_PRODUCTS: u32 = i16::MAX as u32;

/// How a check reads a block: its numbers, and the sums, which must be those of the numbers.
static BLOCKS: Blocks = Blocks { words: BLOCK_WORDS, scale_word: SCALE_WORD, numbers: numbers_and_sums };

/// The worst error of a kernel that stores the format on lavapipe 22.3 is 5.6e-8: a number of 172 that is rounded to
/// the other side. The error of each number is checked beside it.
const TOLERANCE: f64 = 1e-6;

/// The format, for weights whose quants have a midpoint of up to `midpoint`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Int16 {
    /// The midpoint of the widest weights that read it.
    midpoint: u32,
}

/// One for each midpoint.
static FORMATS: [Int16; 5] = [
    Int16 { midpoint: 2 },
    Int16 { midpoint: 4 },
    Int16 { midpoint: 8 },
    Int16 { midpoint: 16 },
    Int16 { midpoint: 32 },
];

impl Int16 {
    /// The format for weights whose quants have this midpoint.
    ///
    /// # Panics
    /// Where no packing has it.
    pub fn of(midpoint: u32) -> &'static Self {
        FORMATS.iter().find(|format| format.midpoint == midpoint).expect("the midpoint of a packing")
    }

    /// The format that all these packings can read: f32, where one of them cannot read int16.
    pub(super) fn shared(packings: impl IntoIterator<Item = Packing>) -> &'static dyn ActivationFormat {
        let midpoint = packings.into_iter().map(quant_midpoint).reduce(|a, b| Some(a?.max(b?)));
        match midpoint.flatten() {
            Some(midpoint) => Self::of(midpoint),
            None => &F32,
        }
    }
}

/// Whether a sum of 16 bits holds two products instead of four. Weights of more than four bits need two, or activations
/// lose precision.
const fn pairwise(midpoint: u32) -> bool {
    midpoint > 8
}

/// The largest sum of the magnitudes of four (or two) numbers before they are rounded, which adds two at most.
const fn max_sum(midpoint: u32) -> u32 {
    MAX_PRODUCTS / midpoint - 2
}

impl ActivationFormat for Int16 {
    fn name(&self) -> &'static str {
        "int16"
    }

    fn choice(&self) -> &'static str {
        "fixed"
    }

    fn suffix(&self) -> String {
        format!("-int16x{}", self.midpoint)
    }

    fn words(&self, k: usize) -> usize {
        k / BLOCK * BLOCK_WORDS
    }

    fn is_for_prefill(&self) -> bool {
        false
    }

    fn needs_whole_rows(&self) -> bool {
        false
    }

    fn bound(&self) -> f32 {
        max_sum(self.midpoint) as f32
    }

    fn pairwise(&self) -> u32 {
        u32::from(pairwise(self.midpoint))
    }

    fn stored(&self) -> (Element, Content) {
        (Element::Vec4U32, Content::Blocks(&BLOCKS, 0))
    }

    fn add_store(&self, source: ShaderSource, binding: u32) -> ShaderSource {
        source.role(include_str!("../../shaders/software/lib/int16_store.wgsl"), "y", binding)
    }

    fn add_product(
        &self,
        source: ShaderSource,
        storage: &WeightStorage,
        packing: Packing,
        reuse: Reuse,
    ) -> ShaderSource {
        let midpoint = quant_midpoint(packing).expect("weights whose quants are bytes");
        let source = source.size("MIDPOINT", midpoint as usize).flag("PAIRWISE", pairwise(midpoint));
        let source = storage
            .add_words(source)
            .with(include_str!("../../shaders/software/lib/int16_block.wgsl"))
            .with(if reuse.exchange {
                include_str!("../../shaders/software/lib/int16_input_subgroup.wgsl")
            } else {
                include_str!("../../shaders/software/lib/int16_input.wgsl")
            })
            .with(include_str!("../../shaders/software/lib/int16_product.wgsl"));
        add_products_of_rows(source)
    }

    fn add_products(&self, _: ShaderSource, _: &WeightStorage, _: Packing, _: Reuse) -> ShaderSource {
        unreachable!("products of several tokens read no int16")
    }

    fn tolerance(&self) -> f64 {
        TOLERANCE
    }

    fn encode(&self, numbers: &[f64]) -> Vec<u32> {
        pack(numbers, self.midpoint)
    }

    fn decode(&self, words: &[u32]) -> Vec<f64> {
        numbers(words)
    }
}

/// A vector of numbers, a multiple of 32 of them, as blocks.
fn pack(numbers: &[f64], midpoint: u32) -> Vec<u32> {
    let mut words = vec![0; numbers.len() / BLOCK * BLOCK_WORDS];
    for (words, numbers) in words.chunks_exact_mut(BLOCK_WORDS).zip(numbers.chunks_exact(BLOCK)) {
        pack_block(words, numbers, midpoint);
    }
    words
}

fn pack_block(words: &mut [u32], numbers: &[f64], midpoint: u32) {
    let most = f64::from(max_sum(midpoint));
    let sum = |four: &[f64]| {
        let pairs = [0, 1].map(|e| four[e].abs() + four[e + 2].abs());
        if pairwise(midpoint) { pairs[0].max(pairs[1]) } else { pairs[0] + pairs[1] }
    };
    let largest = numbers.chunks_exact(4).map(sum).fold(0.0, f64::max);
    let inverse = if largest > 1e-30 { most / largest } else { 0.0 };
    let whole = |i: usize| (numbers[i] * inverse).round_ties_even() as i32;
    for (i, word) in words[..SCALE_WORD].iter_mut().enumerate() {
        let at = i / 2 * 4 + i % 2;
        *word = whole(at + 2).wrapping_add(whole(at) << 16) as u32;
    }
    let total: f64 = numbers.iter().map(|v| v.abs()).sum();
    let scale = if (total as f32).is_finite() { largest / most } else { f64::NAN };
    words[SCALE_WORD] = (scale as f32).to_bits();
    for (half, word) in words[SCALE_WORD + 1..][..2].iter_mut().enumerate() {
        *word = (0..BLOCK / 2).map(|i| whole(half * BLOCK / 2 + i)).sum::<i32>() as u32;
    }
}

/// The numbers of a block, and the sums of its halves that stand beside them.
fn numbers_and_sums(block: &[u32]) -> Vec<f64> {
    let scale = f64::from(f32::from_bits(block[SCALE_WORD]));
    let sums = block[SCALE_WORD + 1..][..2].iter().map(|sum| scale * f64::from(*sum as i32));
    numbers(block).into_iter().chain(sums).collect()
}

/// The numbers of a row.
fn numbers(words: &[u32]) -> Vec<f64> {
    let pair = |word: u32| {
        let low = i32::from(word as u16 as i16);
        [(word as i32).wrapping_sub(low) >> 16, low].map(f64::from)
    };
    let block = |words: &[u32]| {
        let scale = f64::from(f32::from_bits(words[SCALE_WORD]));
        let words = words[..SCALE_WORD].to_vec();
        (0..BLOCK).map(move |i| scale * pair(words[i / 4 * 2 + i % 2])[i % 4 / 2])
    };
    words.chunks_exact(BLOCK_WORDS).flat_map(block).collect()
}
