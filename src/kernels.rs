//! The registry of kernels: one file per shader, with the same stem.

pub mod argmax;
pub mod attention;
pub mod combine;
pub mod embed;
pub mod fixed;
pub mod flash;
pub mod linear;
pub mod matmul;
pub mod matvec;
pub mod quantize;
pub mod rmsnorm;
pub mod sample;

pub use argmax::{Argmax, NO_ID};
pub use attention::Attention;
pub use combine::Combine;
pub use embed::Embed;
pub use flash::Flash;
pub use matmul::Matmul;
pub use matvec::Matvec;
pub use quantize::Quantize;
pub use rmsnorm::Rmsnorm;
pub use sample::Sample;

use half::f16;

use crate::kernel::{Arg, Element, Source, Texels};
use crate::weights::Packing;
use crate::weights::pack::{Store, TEXELS_PER_ROW};

/// The stems of every kernel.
pub const NAMES: [&str; 10] =
    ["argmax", "attention", "combine", "embed", "flash", "matmul", "matvec", "quantize", "rmsnorm", "sample"];

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

/// The numbers of a KV cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum KvType {
    /// Halves. What they cannot hold is stored as the largest that they can.
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

    /// 32-bit words of so many numbers, an even count.
    pub const fn words(self, count: usize) -> usize {
        match self {
            Self::F16 => count / 2,
            Self::F32 => count,
        }
    }

    /// Adds what reads four numbers, with or without native halves.
    fn reader(self, source: Source, native: bool) -> Source {
        match (self, native) {
            (Self::F16, false) => source.with(include_str!("../shaders/lib/kv_f16.wgsl")),
            (Self::F16, true) => source.enable("f16").with(include_str!("../shaders/lib/kv_f16_native.wgsl")),
            (Self::F32, _) => source.with(include_str!("../shaders/lib/kv_f32.wgsl")),
        }
    }

    /// What such a reader loads at once.
    const fn element(self, native: bool) -> Element {
        match (self, native) {
            (Self::F16, false) => Element::Vec2U32,
            (Self::F16, true) => Element::Vec4F16,
            (Self::F32, _) => Element::Vec4F32,
        }
    }

    /// Number `at` of a cache.
    fn read(self, words: &[u32], at: usize) -> f64 {
        match self {
            Self::F16 => f16::from_bits((words[at / 2] >> (16 * (at % 2))) as u16).to_f64(),
            Self::F32 => f64::from(f32::from_bits(words[at])),
        }
    }

    /// Stores numbers `at` and `at + 1`, where `at` is even.
    fn write(self, words: &mut [u32], at: usize, pair: [f64; 2]) {
        match self {
            Self::F16 => {
                let [low, high] = pair.map(|v| u32::from(f16::from_f64(v.clamp(-65504.0, 65504.0)).to_bits()));
                words[at / 2] = low | high << 16;
            }
            Self::F32 => words[at..at + 2].copy_from_slice(&pair.map(|v| (v as f32).to_bits())),
        }
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
    /// What is at the same place in every slot: its head and its first row. Kernels that look at nothing else are the same
    /// in every plan, and are compiled once.
    const FIRST: Self = Self { rows: 1, pairs: 2 };

    /// Adds the slot's struct and sizes to a source.
    fn add_to(self, source: Source) -> Source {
        source
            .size("ROWS", self.rows)
            .size("ROPE", self.rows * self.pairs / 2)
            .with(include_str!("../shaders/lib/slot.wgsl"))
    }
}

/// Adds a texture of words, and how its texels are read.
fn add_texels(source: Source, how: Texels, name: &str, binding: u32) -> Source {
    let file = match how {
        Texels::Sampled => include_str!("../shaders/lib/texels_sampled.wgsl"),
        Texels::Storage => include_str!("../shaders/lib/texels_storage.wgsl"),
    };
    source.role(file, name, binding)
}

/// Adds weights of a type under a role: `shaders/lib/weights_*.wgsl` and the type's reader; and how bytes become numbers,
/// for which a driver that runs on the CPU, and so has textures, should not need to shift.
fn add_weights(source: Source, packing: Packing, store: Store, roles: &[(&str, u32)]) -> Source {
    let source = source.with(match store {
        Store::Buffer => include_str!("../shaders/lib/bytes.wgsl"),
        Store::Texels(_) => include_str!("../shaders/lib/bytes_in_place.wgsl"),
    });
    roles.iter().fold(source.size("TEXELS_PER_ROW", TEXELS_PER_ROW), |source, (role, binding)| {
        let (source, file) = match store {
            Store::Buffer => (source, include_str!("../shaders/lib/weights_buffer.wgsl")),
            Store::Texels(how) => {
                let source = add_texels(source, how, &format!("weights{role}"), *binding);
                (source, include_str!("../shaders/lib/weights_texels.wgsl"))
            }
        };
        let source = source.weights(file, reader(packing), role, *binding);
        if !fixed::gives_bytes(packing) {
            return source;
        }
        source.role(include_str!("../shaders/lib/byte_quads.wgsl"), role, *binding)
    })
}

/// The WGSL that reads blocks of a weight type.
const fn reader(packing: Packing) -> &'static str {
    match packing {
        Packing::F32 => include_str!("../shaders/lib/f32.wgsl"),
        Packing::F16 => include_str!("../shaders/lib/f16.wgsl"),
        Packing::BF16 => include_str!("../shaders/lib/bf16.wgsl"),
        Packing::Q4_0 => include_str!("../shaders/lib/q4_0.wgsl"),
        Packing::Q4_1 => include_str!("../shaders/lib/q4_1.wgsl"),
        Packing::Q5_0 => include_str!("../shaders/lib/q5_0.wgsl"),
        Packing::Q5_1 => include_str!("../shaders/lib/q5_1.wgsl"),
        Packing::Q8_0 => include_str!("../shaders/lib/q8_0.wgsl"),
        Packing::Q2_K => include_str!("../shaders/lib/q2_k.wgsl"),
        Packing::Q3_K => include_str!("../shaders/lib/q3_k.wgsl"),
        Packing::Q4_K => include_str!("../shaders/lib/q4_k.wgsl"),
        Packing::Q5_K => include_str!("../shaders/lib/q5_k.wgsl"),
        Packing::Q6_K => include_str!("../shaders/lib/q6_k.wgsl"),
        Packing::IQ4_NL => include_str!("../shaders/lib/iq4_nl.wgsl"),
        Packing::IQ4_XS => include_str!("../shaders/lib/iq4_xs.wgsl"),
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

/// The input of a product, which lies where the weights do, and how eight quads of it are loaded that all lanes of a
/// subgroup need.
fn add_x(source: Source, store: Store, subgroups: bool) -> Source {
    let source = match store {
        Store::Buffer => source.with(include_str!("../shaders/lib/x_buffer.wgsl")),
        Store::Texels(how) => add_texels(source, how, "x", 3).with(include_str!("../shaders/lib/x_texels.wgsl")),
    };
    source.with(if subgroups {
        include_str!("../shaders/lib/quads_subgroup.wgsl")
    } else {
        include_str!("../shaders/lib/quads.wgsl")
    })
}

/// The binding of that input.
const fn x_arg(store: Store, words: usize) -> Arg {
    let element = match store {
        Store::Buffer => Element::Vec4F32,
        Store::Texels(how) => Element::Texels(how),
    };
    Arg::read("x", 3, element, words)
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
