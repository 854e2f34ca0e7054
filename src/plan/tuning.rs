//! Which plan a device runs, and the sizes that follow from it: chosen once, when the device is opened.

use crate::error::{Error, Result};
use crate::kernel::Texels;
use crate::kernels::matvec::Shares;
use crate::kernels::{KvType, Splits, Tier};
use crate::plan::limits::{Profile, WEBGPU_BINDING_BYTES, WEBGPU_WORKGROUP_BYTES};
use crate::weights::Cut;
use crate::weights::pack::{MAX_TEXELS_BYTES, Store};

/// A kind of driver, and the plan that is made for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeviceClass {
    /// A GPU: adjacent lanes should read adjacent memory, barriers are cheap, and lanes are many.
    Gpu,
    /// Mesa's driver that runs shaders on the CPU: every lane streams its own rows, barriers are dear, and lanes are few.
    Lavapipe,
    /// The driver that Chromium falls back to, which runs shaders on the CPU too; and any other of that kind.
    SwiftShader,
}

impl DeviceClass {
    /// Every class, GPUs first.
    pub const ALL: [Self; 3] = [Self::Gpu, Self::Lavapipe, Self::SwiftShader];

    /// The name that the command line takes for its plan.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gpu => "gpu",
            Self::Lavapipe => "lavapipe",
            Self::SwiftShader => "swiftshader",
        }
    }

    /// How shaders of its plan read textures of words; `None` where they read buffers.
    pub const fn texels(self) -> Option<Texels> {
        match self {
            Self::Gpu => None,
            Self::Lavapipe => Some(Texels::Storage),
            Self::SwiftShader => Some(Texels::Sampled),
        }
    }

    /// The tier of its plan where nobody asks for one, of a device that has `best`: subgroups only in plans of drivers that run
    /// on the CPU, where they are measured to help; several drivers of phones miscompile them, and no real GPU has been
    /// measured yet.
    pub const fn default_tier(self, best: Tier) -> Tier {
        Tier::of(best.f16(), best.subgroups() && !matches!(self, Self::Gpu))
    }

    /// Whether the driver puts compilation off to the first dispatch, and keeps what it compiled for other devices too.
    pub const fn compiles_late(self) -> bool {
        matches!(self, Self::Lavapipe)
    }
}

/// Which plan a model runs: kernels, the layout of its weights, and the tier where nobody asks for one. Pacing, clocks and
/// precompiling follow the driver instead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PlanChoice {
    /// The plan of the driver at hand.
    #[default]
    Auto,
    /// The plan of this class, on any device that has the limits.
    Of(DeviceClass),
    /// The software plan: the driver's own where it runs on the CPU; elsewhere lavapipe's, and SwiftShader's in browsers.
    Software,
}

impl PlanChoice {
    /// Every choice, the default first.
    pub const ALL: [Self; 5] = [
        Self::Auto,
        Self::Of(DeviceClass::Gpu),
        Self::Of(DeviceClass::Lavapipe),
        Self::Of(DeviceClass::SwiftShader),
        Self::Software,
    ];

    /// The name that the command line takes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Of(class) => class.name(),
            Self::Software => "software",
        }
    }

    /// The class whose plan runs on a driver of class `driver`.
    pub const fn class(self, driver: DeviceClass) -> DeviceClass {
        match (self, driver) {
            (Self::Auto, driver) | (Self::Software, driver @ (DeviceClass::Lavapipe | DeviceClass::SwiftShader)) => {
                driver
            }
            (Self::Of(class), _) => class,
            (Self::Software, DeviceClass::Gpu) if cfg!(target_arch = "wasm32") => DeviceClass::SwiftShader,
            (Self::Software, DeviceClass::Gpu) => DeviceClass::Lavapipe,
        }
    }
}

/// What a device is opened with, beside its name.
#[derive(Clone, Copy, Debug, Default)]
pub struct DeviceOptions {
    /// Features that shaders may use; `None` is the best tier that the plan has a use for.
    pub tier: Option<Tier>,
    /// The plan.
    pub plan: PlanChoice,
    /// What the device is requested with; `None` is the default WebGPU limits, and the features that the adapter has.
    pub limits: Option<&'static Profile>,
}

impl DeviceOptions {
    /// Checks that the limits have the tier that is asked for.
    ///
    /// # Errors
    /// Where they have not.
    pub fn check(&self) -> Result<()> {
        match (self.limits, self.tier) {
            (Some(profile), Some(tier)) if !tier.within(profile.best_tier()) => Err(Error::NoDevice(format!(
                "the limits {} allow the tier {}, and the tier {tier} was asked for",
                profile.name,
                profile.best_tier()
            ))),
            _ => Ok(()),
        }
    }

    /// The tuning where no device is opened: as if on a real GPU, in the tier that was asked for, or else the one that the
    /// plan would get under the limits, or else the plainest.
    pub const fn counted(&self) -> Tuning {
        let tier = match (self.tier, self.limits) {
            (Some(tier), _) => tier,
            (None, Some(profile)) => self.plan.class(DeviceClass::Gpu).default_tier(profile.best_tier()),
            (None, None) => Tier::Base,
        };
        self.tuning(DeviceClass::Gpu, tier)
    }

    /// The tier of a device whose driver is of class `driver` and that has `best`: the one that was asked for, or that of the
    /// plan.
    pub(crate) fn tier_of(&self, driver: DeviceClass, best: Tier) -> Tier {
        self.tier.unwrap_or(self.plan.class(driver).default_tier(best))
    }

    /// The tuning of a device whose driver is of class `driver`, in a tier.
    pub(crate) const fn tuning(&self, driver: DeviceClass, tier: Tier) -> Tuning {
        Tuning::of(self.plan.class(driver), tier).within(self.limits)
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
    /// The class whose plan it is.
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
    /// Most bytes of a part of a matrix, and of a buffer of the KV cache: what a binding holds.
    pub binding_bytes: u64,
}

impl Tuning {
    /// Whether lanes of a subgroup share what they read of the input: where a load is dearer than an exchange.
    pub const fn shares_input(&self) -> bool {
        self.class.texels().is_some() && self.tier.subgroups()
    }

    /// How it cuts matrices.
    pub const fn cut(&self) -> Cut {
        Cut { tile: self.tile, shard_bytes: self.binding_bytes }
    }

    /// Checks that shaders of this plan have workgroup memory for so many query heads: what combines the splits of attention
    /// holds a weight of each split and head, beside the sums of a product where that combines them itself.
    ///
    /// # Errors
    /// In words, with the numbers, where they have not.
    pub fn check_heads(&self, heads: usize) -> std::result::Result<(), String> {
        let Shares { row_lanes, ksplit, .. } = self.matvec;
        let sums = if self.fused { row_lanes * ksplit * 16 + ksplit * 4 } else { 0 };
        let bytes = heads * self.splits.most * 4 + sums;
        if bytes <= WEBGPU_WORKGROUP_BYTES {
            return Ok(());
        }
        Err(format!(
            "{heads} query heads take {bytes} bytes of workgroup memory in the plan {}, which keeps to \
             {WEBGPU_WORKGROUP_BYTES}; the CPU takes them (--device cpu)",
            self.class.name()
        ))
    }

    /// The same, on a device with the limits of a profile.
    pub const fn within(self, limits: Option<&Profile>) -> Self {
        let Some(profile) = limits else { return self };
        let most = match self.store {
            Store::Buffer => u64::MAX,
            Store::Texels(_) => MAX_TEXELS_BYTES,
        };
        let [binding, buffer] = [profile.binding_bytes.value, profile.buffer_bytes.value];
        let most = if binding < most { binding } else { most };
        Self { binding_bytes: if buffer < most { buffer } else { most }, ..self }
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
        let Some(texels) = class.texels() else { return Self::of_gpu(tier) };
        Self {
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
            binding_bytes: WEBGPU_BINDING_BYTES,
        }
    }

    const fn of_gpu(tier: Tier) -> Self {
        Self {
            class: DeviceClass::Gpu,
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
            binding_bytes: WEBGPU_BINDING_BYTES,
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
