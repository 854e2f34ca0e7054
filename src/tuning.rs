//! Sizes that depend on the class of the device: chosen once, from its capabilities.

use crate::kernel::Texels;
use crate::kernels::matvec::Shares;
use crate::kernels::{KvType, Splits, Tier};
use crate::pack::Store;

/// The class of a device, as far as tuning tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeviceClass {
    /// A GPU: adjacent lanes should read adjacent memory, barriers are cheap, and lanes are many.
    Gpu,
    /// A driver that runs shaders on the CPU: every lane streams its own rows, barriers are dear, and lanes are few.
    CpuDriver(Texels),
}

impl DeviceClass {
    /// Whether the driver puts compilation off to the first dispatch, and keeps what it compiled for other devices too:
    /// lavapipe.
    pub const fn compiles_late(self) -> bool {
        matches!(self, Self::CpuDriver(Texels::Storage))
    }
}

/// What products of a single row, those of decode and the head's, read: a choice of the caller's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Activations {
    /// Fixed point where that is faster, f32 elsewhere.
    #[default]
    Auto,
    /// F32.
    F32,
    /// Fixed point for small models too, where kernels for drivers on the CPU run and the weights allow it; f32 elsewhere.
    Fixed,
}

impl Activations {
    /// Every choice, the default first.
    pub const ALL: [Self; 3] = [Self::Auto, Self::F32, Self::Fixed];

    /// The name that the command line takes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::F32 => "f32",
            Self::Fixed => "fixed",
        }
    }
}

/// Everything that a plan takes from the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tuning {
    /// The class it is for.
    pub class: DeviceClass,
    /// Features that shaders may use.
    pub tier: Tier,
    /// What the KV cache holds: a choice of the caller's.
    pub kv: KvType,
    /// Rows of a tile of the packed weights.
    pub tile: usize,
    /// Where packed weights lie.
    pub store: Store,
    /// How a matvec shares its rows.
    pub matvec: Shares,
    /// Lanes of a matmul workgroup; its lanes have as many rows as those of a matvec.
    pub matmul_lanes: usize,
    /// Lanes of the attention workgroup.
    pub attention_lanes: usize,
    /// Keys of an attention tile.
    pub attention_keys: usize,
    /// Most queries (tokens times grouped heads) of an attention workgroup in prefill.
    pub attention_queries: usize,
    /// The splits of the keys in decode.
    pub splits: Splits,
    /// Whether products of decode prepare their own input, norm or combined splits: a dispatch less, and work done once
    /// per workgroup.
    pub fused: bool,
    /// Width of a model from which products of a single row read fixed point, where their weights allow it and they do not
    /// prepare their own input. What smaller ones would gain is lost among their dispatches.
    pub fixed_from: usize,
    /// Lanes of small kernels: norm and embedding.
    pub small_lanes: usize,
    /// Lanes of the samplers.
    pub sampler_lanes: usize,
    /// Multiply-accumulates that one dispatch may do: prefill dispatches above it are split by tokens.
    pub max_work: u64,
}

impl Tuning {
    /// Whether lanes of a subgroup share what they read of the input: where a load is dearer than an exchange.
    pub const fn shares_input(&self) -> bool {
        matches!(self.class, DeviceClass::CpuDriver(_)) && self.tier.subgroups()
    }

    /// The same, with what the caller chose.
    pub const fn with(self, kv: KvType, activations: Activations) -> Self {
        let fixed_from = match activations {
            Activations::Auto => self.fixed_from,
            Activations::F32 => usize::MAX,
            Activations::Fixed => 0,
        };
        Self { kv, fixed_from, ..self }
    }

    /// The tuning of a class of devices.
    ///
    /// The GPU column follows the published shapes for phones (lane = row pair, columns split within the workgroup); the
    /// CPU column is measured on lavapipe: PERF.md.
    pub const fn of(class: DeviceClass, tier: Tier) -> Self {
        match class {
            DeviceClass::Gpu => Self {
                class,
                tier,
                kv: KvType::F16,
                tile: 64,
                store: Store::Buffer,
                matvec: Shares { row_lanes: 8, ksplit: 8, sets: 1 },
                matmul_lanes: 16,
                attention_lanes: 64,
                attention_keys: 32,
                attention_queries: 32,
                splits: Splits { most: 4, keys: 512 },
                fused: true,
                fixed_from: usize::MAX,
                small_lanes: 64,
                sampler_lanes: 256,
                // 10 ms at 0.3 Tera multiply-accumulates per second.
                max_work: 3 << 30,
            },
            DeviceClass::CpuDriver(texels) => Self {
                class,
                tier,
                kv: KvType::F16,
                tile: on_cpu(texels).rows(),
                store: Store::Texels(texels),
                matvec: on_cpu(texels),
                matmul_lanes: lanes_of(texels),
                attention_lanes: 8,
                attention_keys: 32,
                attention_queries: 32,
                splits: Splits { most: 16, keys: 128 },
                fused: false,
                // SwiftShader's multiplications of whole numbers are slow.
                fixed_from: match texels {
                    Texels::Storage => 2048,
                    Texels::Sampled => usize::MAX,
                },
                small_lanes: 16,
                sampler_lanes: 64,
                max_work: 1 << 30,
            },
        }
    }
}

/// With eight rows a lane loads less of the input for each.
const fn on_cpu(texels: Texels) -> Shares {
    Shares { row_lanes: lanes_of(texels), ksplit: 1, sets: 2 }
}

/// Lanes that drivers on the CPU compute at once: lavapipe eight, SwiftShader four.
const fn lanes_of(texels: Texels) -> usize {
    match texels {
        Texels::Storage => 8,
        Texels::Sampled => 4,
    }
}
