//! The registry of kernels: one file per shader, with the same stem.

pub mod argmax;
pub mod attention;
pub mod combine;
pub mod embed;
pub mod flash;
pub mod linear;
pub mod matmul;
pub mod matvec;
pub mod rmsnorm;
pub mod sample;

pub use argmax::Argmax;
pub use attention::Attention;
pub use combine::Combine;
pub use embed::Embed;
pub use flash::Flash;
pub use matmul::Matmul;
pub use matvec::Matvec;
pub use rmsnorm::Rmsnorm;
pub use sample::Sample;

use crate::format::WeightType;
use crate::kernel::Source;

/// The stems of every kernel.
pub const NAMES: [&str; 9] =
    ["argmax", "attention", "combine", "embed", "flash", "matmul", "matvec", "rmsnorm", "sample"];

/// What the device can do beyond the default WebGPU limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// Default WebGPU limits: no f16, no subgroups. Works everywhere.
    #[default]
    Base,
    /// `shader-f16`: the KV cache is read as native halves.
    F16,
    /// Subgroups: lanes sum and share through their registers. Never in browsers.
    Sub,
    /// Both.
    F16Sub,
}

impl Tier {
    /// Every tier, the plainest first.
    pub const ALL: [Self; 4] = [Self::Base, Self::F16, Self::Sub, Self::F16Sub];

    /// The tier of these features.
    pub const fn of(f16: bool, subgroups: bool) -> Self {
        match (f16, subgroups) {
            (false, false) => Self::Base,
            (true, false) => Self::F16,
            (false, true) => Self::Sub,
            (true, true) => Self::F16Sub,
        }
    }

    /// Whether shaders may use halves.
    pub const fn f16(self) -> bool {
        matches!(self, Self::F16 | Self::F16Sub)
    }

    /// Whether shaders may use subgroups.
    pub const fn subgroups(self) -> bool {
        matches!(self, Self::Sub | Self::F16Sub)
    }

    /// Whether a device of the tier `other` can run this one.
    pub const fn within(self, other: Self) -> bool {
        (other.f16() || !self.f16()) && (other.subgroups() || !self.subgroups())
    }

    /// The name that the command line takes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::F16 => "f16",
            Self::Sub => "sub",
            Self::F16Sub => "f16+sub",
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

/// What a workgroup's lanes know of themselves, and how a workgroup sums over them.
const fn lanes(subgroups: bool) -> &'static str {
    if subgroups {
        include_str!("../shaders/lib/lanes_subgroup.wgsl")
    } else {
        include_str!("../shaders/lib/lanes.wgsl")
    }
}

const ORDER_KEY: &str = include_str!("../shaders/lib/order_key.wgsl");
const ADJUST_LOGITS: &str = include_str!("../shaders/lib/adjust_logits.wgsl");

/// What labels add for variants with subgroups.
const fn mark(subgroups: bool) -> &'static str {
    if subgroups { "-sub" } else { "" }
}

/// How the keys of a run are cut into splits: `shaders/lib/splits.wgsl`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Splits {
    /// Most splits.
    pub most: usize,
    /// Keys that are worth a split of their own.
    pub keys: usize,
}

impl Splits {
    /// All keys in one.
    pub const ONE: Self = Self { most: 1, keys: 1 };

    /// Splits of a run over `attend` keys.
    pub fn count(self, attend: usize) -> usize {
        attend.div_ceil(self.keys).clamp(1, self.most)
    }

    fn add_to(self, source: Source) -> Source {
        let file = include_str!("../shaders/lib/splits.wgsl");
        source.size("SPLITS", self.most).size("SPLIT_KEYS", self.keys).with(file)
    }
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
