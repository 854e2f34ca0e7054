//! The registry of kernels: one file per shader, with the same stem.

pub mod activations;
pub mod argmax;
pub mod argmax_reduce;
pub mod attention;
pub mod combine;
pub mod embed;
pub mod generate;
pub mod hadamard;
pub mod int8;
mod kv;
pub mod linear;
pub mod matmul;
pub mod matvec;
pub mod quantize;
pub mod rmsnorm;
pub mod sample;
pub mod sample_list;
pub mod sample_maxima;
pub mod storage;
pub mod store;
mod tier;

pub use argmax::{Argmax, NO_ID};
pub use argmax_reduce::ArgmaxReduce;
pub use attention::Attention;
pub use combine::Combine;
pub use embed::Embed;
pub use generate::Generate;
pub use hadamard::Hadamard;
pub use kv::KvType;
pub use matmul::Matmul;
pub use matvec::Matvec;
pub use quantize::Quantize;
pub use rmsnorm::Rmsnorm;
pub use sample::Sample;
pub use sample_list::SampleList;
pub use sample_maxima::SampleMaxima;
pub use tier::Tier;

use crate::kernel::ShaderSource;

/// The stems of every kernel; those of software drivers are in [`software`](crate::software::kernels::NAMES).
pub const NAMES: [&str; 14] = [
    "argmax",
    "argmax_reduce",
    "attention",
    "combine",
    "embed",
    "generate",
    "hadamard",
    "matmul",
    "matvec",
    "quantize",
    "rmsnorm",
    "sample",
    "sample_list",
    "sample_maxima",
];

/// The numbers that fix the size of the run uniforms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RunShape {
    /// Rows (tokens) of the plan.
    pub rows: usize,
    /// Rotated pairs of a head, `d/2`.
    pub pairs: usize,
}

impl RunShape {
    /// The head and the first row, which are at the same place in all run uniforms. Kernels that read nothing else are
    /// the same in every plan, and are compiled once.
    pub(crate) const FIRST: Self = Self { rows: 1, pairs: 2 };

    /// Adds the struct of the run uniforms and its sizes to a source.
    pub(crate) fn add_to(self, source: ShaderSource) -> ShaderSource {
        source
            .size("ROWS", self.rows)
            .size("ROPE", self.rows * self.pairs / 2)
            .with(include_str!("../shaders/lib/run.wgsl"))
    }
}

/// WGSL that gives an invocation its place in the workgroup, and in its subgroup.
pub(crate) const fn invocations(subgroups: bool) -> &'static str {
    if subgroups {
        include_str!("../shaders/lib/invocation_subgroup.wgsl")
    } else {
        include_str!("../shaders/lib/invocation.wgsl")
    }
}

/// WGSL that finds the best id of a workgroup.
const fn best(subgroups: bool) -> &'static str {
    if subgroups { include_str!("../shaders/lib/best_subgroup.wgsl") } else { include_str!("../shaders/lib/best.wgsl") }
}

/// The part of a label that marks variants with subgroups.
pub(crate) const fn subgroup_suffix(subgroups: bool) -> &'static str {
    if subgroups { "-sub" } else { "" }
}

/// Split-KV: how the keys of a run are cut into splits: `shaders/lib/splits.wgsl`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SplitKv {
    /// Most splits.
    pub most: usize,
    /// Keys that are worth a split of their own.
    pub keys: usize,
}

impl SplitKv {
    /// All keys in one.
    pub const ONE: Self = Self { most: 1, keys: 1 };

    /// The number of splits of a run over `attend` keys.
    pub fn count(self, attend: usize) -> usize {
        attend.div_ceil(self.keys).clamp(1, self.most)
    }

    /// Bytes of workgroup memory that a reduction takes for the weights of the splits of `heads` query heads.
    pub const fn weight_bytes(self, heads: usize) -> usize {
        heads * self.most * 4
    }

    pub(crate) fn add_to(self, source: ShaderSource) -> ShaderSource {
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

/// The logit of an ordered key; NaN of 0.
fn logit_of(key: u32) -> f32 {
    f32::from_bits(if key >> 31 == 1 { key & 0x7fff_ffff } else { !key })
}
