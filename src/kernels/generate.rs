//! `y[i] = hash(seed, i) & mask | bits`: weights and caches that no file has, from a counter.

use std::ops::Range;

use super::{KvType, RunShape};
use crate::kernel::{Active, Arg, Call, Element, Kernel, Scalar, ShaderSource, Uniform, uniform};
use crate::weights::Packing;

/// Words that an invocation stores.
pub const VEC: usize = 4;
/// Invocations of a workgroup.
const INVOCATIONS: usize = 64;

/// The seed of a buffer's words: the FNV-1a hash of its name.
pub fn seed(name: &str) -> u32 {
    name.bytes().fold(0x811c_9dc5, |hash: u32, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// What words look like: which of their bits are random, and what the others are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// 1 where a bit is random.
    pub mask: u32,
    /// The other bits.
    pub bits: u32,
}

impl Pattern {
    /// Every bit is random.
    pub const ANY: Self = Self { mask: u32::MAX, bits: 0 };
    /// f32 from 0.5 to 1: gains of norms.
    pub const GAINS: Self = Self { mask: 0x007f_ffff, bits: 0x3f00_0000 };
    /// Pairs of f16 from 2^-8 to 2^-7: with quants of four bits, scales of weights whose deviation is 0.03.
    const SCALES_Q4_0: Self = Self { mask: 0x03ff_03ff, bits: 0x1c00_1c00 };
    /// Signed bytes from 8 to 15: the scales of 16 weights of Q6_K.
    const SCALES_Q6_K: Self = Self { mask: 0x0707_0707, bits: 0x0808_0808 };
    /// Pairs of f16 from 2^-14 to 2^-13: the scales of superblocks of Q6_K, whose weights have a deviation of 0.02.
    const SUPERS_Q6_K: Self = Self { mask: 0x03ff_03ff, bits: 0x0400_0400 };

    /// The words of each plane of packed weights; `None` of a packing that is not generated.
    pub const fn planes(packing: Packing) -> Option<[Self; 4]> {
        match packing {
            Packing::Q4_0 => Some([Self::ANY, Self::SCALES_Q4_0, Self::ANY, Self::ANY]),
            Packing::Q6_K => Some([Self::ANY, Self::ANY, Self::SCALES_Q6_K, Self::SUPERS_Q6_K]),
            _ => None,
        }
    }

    /// The words of a KV cache: numbers from 0.5 to 1, of either sign.
    pub const fn cache(kv: KvType) -> Self {
        match kv {
            KvType::F16 => Self { mask: 0x83ff_83ff, bits: 0x3800_3800 },
            KvType::F32 => Self { mask: 0x807f_ffff, bits: 0x3f00_0000 },
        }
    }

    /// Word `index` of a buffer, as `shaders/generate.wgsl` makes it.
    pub const fn word(self, seed: u32, index: u32) -> u32 {
        let mut h = index.wrapping_mul(0x9e37_79b9) ^ seed;
        h = (h ^ (h >> 16)).wrapping_mul(0x85eb_ca6b);
        h = (h ^ (h >> 13)).wrapping_mul(0xc2b2_ae35);
        (h ^ (h >> 16)) & self.mask | self.bits
    }

    /// A range of words of a buffer.
    pub fn words(self, seed: u32, indices: Range<usize>) -> Vec<u32> {
        indices.map(|index| self.word(seed, index as u32)).collect()
    }
}

uniform! {
    /// Params of a part of a buffer.
    pub struct GenerateParams {
        /// Its first `vec4`.
        first: u32,
        /// Its `vec4`s.
        vec4s: u32,
        /// Which words: another seed gives others.
        seed: u32,
        /// [`Pattern::mask`]
        mask: u32,
        /// [`Pattern::bits`]
        bits: u32,
    }
}

impl GenerateParams {
    /// The params of these words of a buffer, whole `vec4`s.
    pub fn new(words: Range<usize>, seed: u32, Pattern { mask, bits }: Pattern) -> Self {
        assert!(words.start.is_multiple_of(VEC) && words.end.is_multiple_of(VEC), "vec4s are generated whole");
        Self { first: (words.start / VEC) as u32, vec4s: (words.len() / VEC) as u32, seed, mask, bits }
    }
}

/// The kernel, which has one variant.
#[derive(Clone, Copy, Debug)]
pub struct Generate;

impl Kernel for Generate {
    fn name(&self) -> &'static str {
        "generate"
    }

    fn label(&self) -> String {
        format!("generate/{INVOCATIONS}")
    }

    fn source(&self) -> ShaderSource {
        RunShape::FIRST
            .add_to(ShaderSource::new(include_str!("../../shaders/generate.wgsl")))
            .size("WORKGROUP_SIZE", INVOCATIONS)
    }

    fn invocations(&self) -> u32 {
        INVOCATIONS as u32
    }

    fn fields(&self) -> &'static [(&'static str, Scalar)] {
        GenerateParams::FIELDS
    }

    fn args(&self, params: &[u32]) -> Vec<Arg> {
        let params = GenerateParams::from_words(params);
        vec![Arg::write("y", 2, Element::Vec4U32, (params.first + params.vec4s) as usize * VEC)]
    }

    fn grid(&self, params: &[u32], _active: Active) -> [u32; 2] {
        [GenerateParams::from_words(params).vec4s.div_ceil(INVOCATIONS as u32), 1]
    }

    /// A word is about as much work as four multiply-accumulates.
    fn work(&self, params: &[u32], _active: Active) -> u64 {
        u64::from(GenerateParams::from_words(params).vec4s) * VEC as u64 * 4
    }

    /// Words are exact.
    fn tolerance(&self) -> f64 {
        0.0
    }

    fn oracle(&self, call: &Call) {
        let GenerateParams { first, vec4s, seed, mask, bits } = call.params();
        let words = first as usize * VEC..(first + vec4s) as usize * VEC;
        call.words_mut(0)[words.clone()].copy_from_slice(&Pattern { mask, bits }.words(seed, words));
    }
}
