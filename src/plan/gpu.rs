//! The plan of real GPUs: five dispatches per layer in decode, since products prepare their own input.

use std::iter;
use std::sync::Arc;

use super::Stage;
use super::driver::Driver;
use super::limits::{WEBGPU_BINDING_BYTES, WEBGPU_WORKGROUP_BYTES};
use super::lowering::{AttentionSpec, Builder, Lowering};
use super::tuning::{Activations, Tuning};
use crate::kernel::Kernel;
use crate::kernels::activations::{ActivationFormat, F32};
use crate::kernels::matmul::MatmulTiling;
use crate::kernels::matvec::MatvecTiling;
use crate::kernels::storage::BUFFER;
use crate::kernels::{Attention, KvType, SplitKv, Tier};
use crate::weights::Matrix;

/// Every GPU. Subgroups are used only where `--tier` asks for them: drivers of several phones miscompile them, and no
/// real GPU has been measured yet.
pub static GPU: Driver = Driver {
    name: "gpu",
    tuning,
    lowering: &GpuLowering,
    uses_subgroups: false,
    work_per_ms: 5e7,
    timestamps: true,
    compiles_at_first_dispatch: false,
};

/// The published shapes for phones: adjacent invocations read adjacent memory, and share the columns of a row.
fn tuning(tier: Tier) -> Tuning {
    Tuning {
        driver: &GPU,
        tier,
        kv: KvType::F16,
        activations: Activations::Auto,
        tile: 64,
        storage: &BUFFER,
        matvec: MatvecTiling { row_invocations: 8, ksplit: 8, row_blocks: 1 },
        matmul: MatmulTiling { row_invocations: 16, token_invocations: 4, row_blocks: 1 },
        matmul_exchange: false,
        attention_invocations: 64,
        attention_keys: 32,
        attention_queries: 32,
        splits: SplitKv { most: 4, keys: 512 },
        small_invocations: 64,
        sampler_invocations: 256,
        sampler_slices: 16,
        // 10 ms at 0.3 Tera multiply-accumulates per second.
        max_work: 3 << 30,
        binding_bytes: WEBGPU_BINDING_BYTES,
    }
}

/// Norm and split-KV reduction are folded into the products of decode. Prefill, where every token's rows would repeat
/// the norm, has it as a dispatch of its own.
#[derive(Debug)]
struct GpuLowering;

impl Lowering for GpuLowering {
    fn folds_inputs(&self) -> bool {
        true
    }

    fn format(&self, _: &Builder, _: Stage, _: &[Matrix]) -> &'static dyn ActivationFormat {
        &F32
    }

    fn attention(&self, spec: AttentionSpec) -> Arc<dyn Kernel> {
        let AttentionSpec { tuning, head_dim, group, rows, splits, run } = spec;
        let sized = |query_tokens: usize, holds_queries| Attention {
            native_f16: tuning.tier.f16(),
            kv: tuning.kv,
            invocations: tuning.attention_invocations,
            head_dim,
            group,
            query_tokens,
            // The few queries of decode are one part: a key for every invocation.
            keys: if rows == 1 { tuning.attention_invocations } else { tuning.attention_keys },
            holds_queries,
            splits,
            run,
        };
        // Queries are held where those of one token fit; fewer tokens then share a load of keys.
        let fits = |attention: &Attention| attention.workgroup_bytes() <= WEBGPU_WORKGROUP_BYTES;
        let tokens = (tuning.attention_queries / group).clamp(1, rows);
        let held = iter::successors(Some(tokens), |t| (*t > 1).then_some(t / 2)).map(|t| sized(t, true)).find(fits);
        Arc::new(held.unwrap_or_else(|| {
            let attention = sized(1, false);
            let most_keys = ((WEBGPU_WORKGROUP_BYTES / 4 - 2 * attention.invocations) / group).saturating_sub(3).max(1);
            Attention { keys: attention.keys.min(most_keys), ..attention }
        }))
    }
}
