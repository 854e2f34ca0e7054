//! The sizes of a plan, chosen once, when the device is opened.

use super::driver::Driver;
use super::limits::{Profile, WEBGPU_WORKGROUP_BYTES};
use crate::kernels::matmul::MatmulTiling;
use crate::kernels::matvec::MatvecTiling;
use crate::kernels::storage::WeightStorage;
use crate::kernels::{KvType, SplitKv, Tier};
use crate::weights::Cut;

/// The format that products read: a choice of the caller's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Activations {
    /// int8 per token where the checkpoint was trained for it; else int16 block floating point where the driver's plan
    /// has it and it is faster; f32 elsewhere.
    #[default]
    Auto,
    /// F32.
    F32,
    /// int8, in decode and prefill, where the quants of the weights are bytes: per token where the checkpoint was trained
    /// for it, else per block of 32. f32 elsewhere.
    Int8,
    /// int16 block floating point for products of a single row, those of decode and of the head, where the plan has it
    /// and the weights allow it; f32 elsewhere.
    Fixed,
}

impl Activations {
    /// Every choice, the default first.
    pub const ALL: [Self; 4] = [Self::Auto, Self::F32, Self::Int8, Self::Fixed];

    /// The name that the command line takes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::F32 => "f32",
            Self::Int8 => "int8",
            Self::Fixed => "fixed",
        }
    }
}

/// The sizes of a plan. The [`Driver`] whose plan it is chooses them, and the caller the formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tuning {
    /// The driver whose plan it is.
    pub driver: &'static Driver,
    /// Features that shaders may use.
    pub tier: Tier,
    /// Number type of the KV cache: a choice of the caller's.
    pub kv: KvType,
    /// Format that products read: a choice of the caller's.
    pub activations: Activations,
    /// Rows of a tile of the packed weights.
    pub tile: usize,
    /// Where packed weights lie.
    pub storage: &'static WeightStorage,
    /// Rows and columns of an invocation of a matvec.
    pub matvec: MatvecTiling,
    /// Rows and tokens of an invocation of a matmul.
    pub matmul: MatmulTiling,
    /// Whether the invocations of a matmul's subgroup exchange the input: where a load costs more than an exchange.
    pub matmul_exchange: bool,
    /// Invocations of the attention workgroup.
    pub attention_invocations: usize,
    /// Keys of an attention tile in prefill.
    pub attention_keys: usize,
    /// Most queries (tokens times grouped heads) of an attention workgroup in prefill.
    pub attention_queries: usize,
    /// How the keys are split in decode (split-KV).
    pub splits: SplitKv,
    /// Invocations of small kernels: norm and embedding.
    pub small_invocations: usize,
    /// Invocations of the samplers.
    pub sampler_invocations: usize,
    /// Workgroups of the samplers that share the logits of a row: 1, which takes one dispatch, or a divisor of
    /// `sampler_invocations`.
    pub sampler_slices: usize,
    /// Multiply-accumulates that one dispatch may do: prefill dispatches above it are split by tokens.
    pub max_work: u64,
    /// Most bytes of a shard of a matrix, and of a buffer of the KV cache: what a binding holds.
    pub binding_bytes: u64,
}

impl Tuning {
    /// How it cuts matrices.
    pub const fn cut(&self) -> Cut {
        Cut { tile: self.tile, shard_bytes: self.binding_bytes }
    }

    /// Checks that shaders of this plan have workgroup memory for `heads` query heads: the reduction of split-KV holds
    /// a weight of each split and head.
    ///
    /// # Errors
    /// In words, with the numbers, where they have not.
    pub fn check_heads(&self, heads: usize) -> std::result::Result<(), String> {
        let bytes = self.splits.weight_bytes(heads);
        if bytes <= WEBGPU_WORKGROUP_BYTES {
            return Ok(());
        }
        Err(format!(
            "{heads} query heads take {bytes} bytes of workgroup memory in the plan {}, which keeps to \
             {WEBGPU_WORKGROUP_BYTES}; the CPU takes them (--device cpu)",
            self.driver.name
        ))
    }

    /// The same, on a device with the limits of a profile.
    pub fn within(self, limits: Option<&Profile>) -> Self {
        let Some(profile) = limits else { return self };
        let most = profile.binding_bytes.value.min(profile.buffer_bytes.value).min(self.storage.max_bytes);
        Self { binding_bytes: most, ..self }
    }

    /// The same, with what the caller chose. `Auto` leaves what the device chose.
    pub fn with(self, kv: KvType, activations: Activations) -> Self {
        let activations = if activations == Activations::Auto { self.activations } else { activations };
        Self { kv, activations, ..self }
    }
}
