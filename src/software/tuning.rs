//! The sizes of the plans for drivers that run on the CPU, measured on lavapipe: PERF.md.

use super::storage::{SAMPLED_TEXTURES, STORAGE_TEXTURES};
use super::{LAVAPIPE, SWIFTSHADER};
use crate::kernels::matmul::MatmulTiling;
use crate::kernels::matvec::MatvecTiling;
use crate::kernels::storage::WeightStorage;
use crate::kernels::{KvType, SplitKv, Tier};
use crate::plan::driver::Driver;
use crate::plan::limits::WEBGPU_BINDING_BYTES;
use crate::plan::tuning::{Activations, Tuning};

pub(super) fn lavapipe(tier: Tier) -> Tuning {
    tuning(&LAVAPIPE, &STORAGE_TEXTURES, 8, tier)
}

pub(super) fn swiftshader(tier: Tier) -> Tuning {
    tuning(&SWIFTSHADER, &SAMPLED_TEXTURES, 4, tier)
}

/// `at_once` is how many invocations the driver computes at once, which is what a workgroup of a product has.
fn tuning(driver: &'static Driver, storage: &'static WeightStorage, at_once: usize, tier: Tier) -> Tuning {
    // With eight rows, an invocation loads less of the input for each.
    let matvec = MatvecTiling { row_invocations: at_once, ksplit: 1, row_blocks: 2 };
    Tuning {
        driver,
        tier,
        kv: KvType::F16,
        activations: Activations::Auto,
        tile: matvec.rows(),
        storage,
        matvec,
        matmul: MatmulTiling { row_invocations: at_once, token_invocations: 1, row_blocks: 2 },
        matmul_exchange: tier.subgroups(),
        attention_invocations: 8,
        attention_keys: 32,
        attention_queries: 32,
        splits: SplitKv { most: 16, keys: 128 },
        small_invocations: 16,
        sampler_invocations: 64,
        sampler_slices: 1,
        max_work: 1 << 30,
        binding_bytes: WEBGPU_BINDING_BYTES,
    }
}
