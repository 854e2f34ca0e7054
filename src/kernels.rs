//! The registry of kernels: one file per shader, with the same stem.

pub mod activations;
pub mod argmax;
pub mod attention;
pub mod embed;
mod kv;
pub mod linear;
pub mod matmul;
pub mod matvec;
pub mod rmsnorm;
pub mod sample;
pub mod storage;
mod tier;

pub use argmax::{Argmax, NO_ID};
pub use attention::Attention;
pub use embed::Embed;
pub use kv::KvType;
pub use matmul::Matmul;
pub use matvec::Matvec;
pub use rmsnorm::Rmsnorm;
pub use sample::Sample;
pub use tier::Tier;

use crate::kernel::Source;

/// The stems of every kernel; those of software drivers are in [`software`](crate::software::kernels::NAMES).
pub const NAMES: [&str; 7] = ["argmax", "attention", "embed", "matmul", "matvec", "rmsnorm", "sample"];

/// What fixes the size of the per-token slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SlotShape {
    /// Rows (tokens) of the plan.
    pub rows: usize,
    /// Rotated pairs of a head, `d/2`.
    pub pairs: usize,
}

impl SlotShape {
    /// What is at the same place in every slot: its head and its first row. Kernels that look at nothing else are the same
    /// in every plan, and are compiled once.
    pub(crate) const FIRST: Self = Self { rows: 1, pairs: 2 };

    /// Adds the slot's struct and sizes to a source.
    pub(crate) fn add_to(self, source: Source) -> Source {
        source
            .size("ROWS", self.rows)
            .size("ROPE", self.rows * self.pairs / 2)
            .with(include_str!("../shaders/lib/slot.wgsl"))
    }
}

/// What a workgroup's lanes know of themselves, and how a workgroup sums over them.
pub(crate) const fn lanes(subgroups: bool) -> &'static str {
    if subgroups {
        include_str!("../shaders/lib/lanes_subgroup.wgsl")
    } else {
        include_str!("../shaders/lib/lanes.wgsl")
    }
}

const ORDER_KEY: &str = include_str!("../shaders/lib/order_key.wgsl");
const ADJUST_LOGITS: &str = include_str!("../shaders/lib/adjust_logits.wgsl");

/// What labels add for variants with subgroups.
pub(crate) const fn mark(subgroups: bool) -> &'static str {
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

    pub(crate) fn add_to(self, source: Source) -> Source {
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
