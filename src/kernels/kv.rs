//! The KV cache as kernels read and write it.

use half::f16;

use crate::kernel::{Element, ShaderSource};

/// The numbers of a KV cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum KvType {
    /// f16; a number beyond 65504 becomes 65504.
    #[default]
    F16,
    /// Twice the bytes, and no rounding.
    F32,
}

impl KvType {
    /// Every type, the smallest first.
    pub const ALL: [Self; 2] = [Self::F16, Self::F32];

    /// The name that the command line takes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F16 => "f16",
            Self::F32 => "f32",
        }
    }

    /// 32-bit words of `count` numbers, which is even.
    pub const fn words(self, count: usize) -> usize {
        match self {
            Self::F16 => count / 2,
            Self::F32 => count,
        }
    }

    /// Adds WGSL that reads four numbers, with or without native f16.
    pub(crate) fn reader(self, source: ShaderSource, native: bool) -> ShaderSource {
        match (self, native) {
            (Self::F16, false) => source.with(include_str!("../../shaders/lib/kv_f16.wgsl")),
            (Self::F16, true) => source.enable("f16").with(include_str!("../../shaders/lib/kv_f16_native.wgsl")),
            (Self::F32, _) => source.with(include_str!("../../shaders/lib/kv_f32.wgsl")),
        }
    }

    /// The element that the reader loads, which is four numbers.
    pub(crate) const fn element(self, native: bool) -> Element {
        match (self, native) {
            (Self::F16, false) => Element::Vec2U32,
            (Self::F16, true) => Element::Vec4F16,
            (Self::F32, _) => Element::Vec4F32,
        }
    }

    /// Number `at` of a cache.
    pub(crate) fn read(self, words: &[u32], at: usize) -> f64 {
        match self {
            Self::F16 => f16::from_bits((words[at / 2] >> (16 * (at % 2))) as u16).to_f64(),
            Self::F32 => f64::from(f32::from_bits(words[at])),
        }
    }

    /// Stores numbers `at` and `at + 1`, where `at` is even.
    pub(crate) fn write(self, words: &mut [u32], at: usize, pair: [f64; 2]) {
        match self {
            Self::F16 => {
                let [low, high] = pair.map(|v| u32::from(f16::from_f64(v.clamp(-65504.0, 65504.0)).to_bits()));
                words[at / 2] = low | high << 16;
            }
            Self::F32 => words[at..at + 2].copy_from_slice(&pair.map(|v| (v as f32).to_bits())),
        }
    }
}
