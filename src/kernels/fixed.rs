//! Activations in fixed point (block floating point): blocks of 32 whole numbers with one scale, as
//! `shaders/lib/fixed_block.wgsl` lays them out. Products take two of them by one multiplication.

use crate::kernel::{Arg, Call, Element, Source, Texels};
use crate::weights::Packing;
use crate::weights::pack::BLOCK;

/// Words of a block: pairs of numbers, the scale, the sums of both halves, and one that is not used.
pub(crate) const BLOCK_WORDS: usize = 20;
/// Where the scale of a block is, as f32.
pub(crate) const SCALE_WORD: usize = 16;
/// The largest sum of products that the upper half of a word holds.
const MOST_SUM: u32 = i16::MAX as u32;

/// The worst of what stores such vectors on lavapipe 22.3 is 5.6e-8: a number of 172 that is rounded to the other side. By
/// how much each may be off is checked beside it.
pub(super) const TOLERANCE: f64 = 1e-6;

/// How a vector of activations is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Vector {
    /// In f32.
    Floats,
    /// In fixed point.
    Fixed {
        /// Half the range of the widest weights that read it.
        middle: u32,
    },
}

/// Half the range of the quants of a type that come as bytes: what is taken from them, so that their sums are small.
pub(crate) const fn middle(packing: Packing) -> Option<u32> {
    match packing {
        Packing::Q2_K => Some(2),
        Packing::Q3_K => Some(4),
        Packing::Q4_0 | Packing::Q4_1 | Packing::Q4_K => Some(8),
        Packing::Q5_0 | Packing::Q5_1 | Packing::Q5_K => Some(16),
        Packing::Q6_K => Some(32),
        Packing::F32 | Packing::F16 | Packing::BF16 | Packing::Q8_0 | Packing::IQ4_NL | Packing::IQ4_XS => None,
    }
}

/// Whether the reader of a type gives bytes.
pub(super) const fn gives_bytes(packing: Packing) -> bool {
    middle(packing).is_some()
}

/// Whether sums of 16 bits are those of pairs, and not of quads: what is left of a sum for each number is its precision,
/// and weights of more than four bits take more of it.
const fn apart(middle: u32) -> bool {
    middle > 8
}

/// The largest sum of a quad's, or else a pair's, numbers without their signs, before they are rounded, which adds two at
/// most.
const fn most(middle: u32) -> u32 {
    MOST_SUM / middle - 2
}

/// The vector that all these types take.
pub(crate) fn vector(packings: impl IntoIterator<Item = Packing>) -> Vector {
    let middle = packings.into_iter().map(middle).reduce(|a, b| Some(a?.max(b?)));
    middle.flatten().map_or(Vector::Floats, |middle| Vector::Fixed { middle })
}

/// Adds an input in fixed point to the source of a matvec, and products with it.
pub(super) fn add_input(source: Source, packing: Packing, how: Texels, subgroups: bool) -> Source {
    let middle = middle(packing).expect("weights whose quants are bytes");
    let source = source.size("MIDDLE", middle as usize).flag("APART", apart(middle));
    super::add_texels(source, how, "x", 3)
        .with(include_str!("../../shaders/lib/fixed_block.wgsl"))
        .with(if subgroups {
            include_str!("../../shaders/lib/input_fixed_subgroup.wgsl")
        } else {
            include_str!("../../shaders/lib/input_fixed.wgsl")
        })
        .with(include_str!("../../shaders/lib/product_fixed.wgsl"))
}

/// Words of a row of `k` numbers, a multiple of 32.
pub(super) const fn row_words(k: usize) -> usize {
    k / BLOCK * BLOCK_WORDS
}

impl Vector {
    /// Words of a row of `k` numbers, a multiple of 32.
    pub const fn words(self, k: usize) -> usize {
        match self {
            Self::Floats => k,
            Self::Fixed { .. } => row_words(k),
        }
    }

    /// In fixed point, the largest sum of a quad's, or else a pair's, numbers without their signs, before they are rounded.
    pub const fn most(self) -> f32 {
        match self {
            Self::Floats => 0.0,
            Self::Fixed { middle } => most(middle) as f32,
        }
    }

    /// In fixed point, 1 where that is a pair's.
    pub const fn apart(self) -> u32 {
        match self {
            Self::Floats => 0,
            Self::Fixed { middle } => apart(middle) as u32,
        }
    }

    /// What labels add.
    pub(super) fn mark(self) -> String {
        match self {
            Self::Floats => String::new(),
            Self::Fixed { middle } => format!("-fixed{middle}"),
        }
    }

    /// Adds what stores such rows as `y`.
    pub(super) fn add_to(self, source: Source, binding: u32) -> Source {
        match self {
            Self::Floats => source.role(include_str!("../../shaders/lib/store_floats.wgsl"), "y", binding),
            Self::Fixed { .. } => source.role(include_str!("../../shaders/lib/store_fixed.wgsl"), "y", binding),
        }
    }

    /// The binding of `rows` such rows.
    pub(super) const fn arg(self, binding: u32, rows: usize, k: usize) -> Arg {
        let element = match self {
            Self::Floats => Element::Vec4F32,
            Self::Fixed { .. } => Element::Vec4U32,
        };
        Arg::write("y", binding, element, rows * self.words(k))
    }

    /// Stores a row: what oracles do.
    pub(super) fn store(self, call: &Call, buffer: usize, row: usize, numbers: &[f64]) {
        let mut words = call.words_mut(buffer);
        let words = &mut words[row * self.words(numbers.len())..][..self.words(numbers.len())];
        match self {
            Self::Floats => words.iter_mut().zip(numbers).for_each(|(word, v)| *word = (*v as f32).to_bits()),
            Self::Fixed { middle } => words.copy_from_slice(&pack(numbers, middle)),
        }
    }
}

/// A row of numbers, a multiple of 32, in fixed point.
pub(crate) fn pack(numbers: &[f64], middle: u32) -> Vec<u32> {
    let mut words = vec![0; row_words(numbers.len())];
    for (words, numbers) in words.chunks_exact_mut(BLOCK_WORDS).zip(numbers.chunks_exact(BLOCK)) {
        pack_block(words, numbers, middle);
    }
    words
}

fn pack_block(words: &mut [u32], numbers: &[f64], middle: u32) {
    let most = f64::from(most(middle));
    let sum = |quad: &[f64]| {
        let pairs = [0, 1].map(|e| quad[e].abs() + quad[e + 2].abs());
        if apart(middle) { pairs[0].max(pairs[1]) } else { pairs[0] + pairs[1] }
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

/// The scale of a block, for each of the numbers that follow.
pub(crate) fn scales(block: &[u32]) -> Vec<f64> {
    vec![f64::from(f32::from_bits(block[SCALE_WORD])); BLOCK + 2]
}

/// The numbers of a block, and what it says of the sums of its halves.
pub(crate) fn numbers_and_sums(block: &[u32]) -> Vec<f64> {
    let scale = f64::from(f32::from_bits(block[SCALE_WORD]));
    let sums = block[SCALE_WORD + 1..][..2].iter().map(|sum| scale * f64::from(*sum as i32));
    numbers(block).into_iter().chain(sums).collect()
}

/// The numbers of a row.
pub fn numbers(words: &[u32]) -> Vec<f64> {
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
