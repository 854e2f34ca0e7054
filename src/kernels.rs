//! The registry of kernels: one file per shader, with the same stem.

pub mod argmax;
pub mod attention;
pub mod embed;
pub mod linear;
pub mod matmul;
pub mod matvec;
pub mod rmsnorm;
pub mod sample;

pub use argmax::Argmax;
pub use attention::Attention;
pub use embed::Embed;
pub use matmul::Matmul;
pub use matvec::Matvec;
pub use rmsnorm::Rmsnorm;
pub use sample::Sample;

use crate::format::WeightType;
use crate::kernel::Source;

/// The stems of every kernel.
pub const NAMES: [&str; 7] = ["argmax", "attention", "embed", "matmul", "matvec", "rmsnorm", "sample"];

/// What the device can do beyond the default WebGPU limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// Default WebGPU limits: no f16, no subgroups. Works everywhere.
    #[default]
    Base,
    /// `shader-f16`: the KV cache is read as native halves.
    F16,
}

impl Tier {
    /// Every tier, the plainest first.
    pub const ALL: [Self; 2] = [Self::Base, Self::F16];

    /// The name that the command line takes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::F16 => "f16",
        }
    }
}

impl std::fmt::Display for Tier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// What fixes the size of the per-token slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SlotShape {
    /// Rows (tokens) of the plan.
    pub rows: usize,
    /// Rotated pairs of a head, `d/2`.
    pub pairs: usize,
}

impl SlotShape {
    /// Adds the slot's struct and sizes to a source.
    fn add_to(self, source: Source) -> Source {
        source
            .size("ROWS", self.rows)
            .size("ROPE", self.rows * self.pairs / 2)
            .with(include_str!("../shaders/lib/slot.wgsl"))
    }
}

/// The WGSL that reads blocks of a weight type.
const fn reader(kind: WeightType) -> &'static str {
    match kind {
        WeightType::F32 => include_str!("../shaders/lib/f32.wgsl"),
        WeightType::F16 => include_str!("../shaders/lib/f16.wgsl"),
        WeightType::BF16 => include_str!("../shaders/lib/bf16.wgsl"),
        WeightType::Q4_0 => include_str!("../shaders/lib/q4_0.wgsl"),
        WeightType::Q4_1 => include_str!("../shaders/lib/q4_1.wgsl"),
        WeightType::Q5_0 => include_str!("../shaders/lib/q5_0.wgsl"),
        WeightType::Q5_1 => include_str!("../shaders/lib/q5_1.wgsl"),
        WeightType::Q8_0 => include_str!("../shaders/lib/q8_0.wgsl"),
        WeightType::Q2_K => include_str!("../shaders/lib/q2_k.wgsl"),
        WeightType::Q3_K => include_str!("../shaders/lib/q3_k.wgsl"),
        WeightType::Q4_K => include_str!("../shaders/lib/q4_k.wgsl"),
        WeightType::Q5_K => include_str!("../shaders/lib/q5_k.wgsl"),
        WeightType::Q6_K => include_str!("../shaders/lib/q6_k.wgsl"),
        WeightType::IQ4_NL => include_str!("../shaders/lib/iq4_nl.wgsl"),
        WeightType::IQ4_XS => include_str!("../shaders/lib/iq4_xs.wgsl"),
    }
}

const SPLITS: &str = include_str!("../shaders/lib/splits.wgsl");
const ORDER_KEY: &str = include_str!("../shaders/lib/order_key.wgsl");

/// Splits of a run over `attend` keys, of at most `most`: `shaders/lib/splits.wgsl`.
pub fn split_count(attend: usize, most: usize) -> usize {
    attend.div_ceil(512).clamp(1, most)
}

/// `shaders/lib/order_key.wgsl`.
fn order_key(bits: u32, allowed: bool) -> u32 {
    if !allowed || f32::from_bits(bits).is_nan() {
        0
    } else if bits >> 31 == 1 {
        !bits
    } else {
        bits | 0x8000_0000
    }
}
