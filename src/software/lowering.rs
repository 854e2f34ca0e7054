//! How the mathematics of a model becomes dispatches on drivers that run on the CPU.
//!
//! A workgroup is a few invocations there, and work that each of them repeats costs as much as any other: inputs of
//! products are prepared once, in dispatches of their own. Decode takes eight dispatches per layer, and nine where
//! products read int16.

use std::sync::Arc;

use super::int16::Int16;
use super::kernels::Flash;
use crate::kernel::{Element, Kernel};
use crate::kernels::activations::{ActivationFormat, F32};
use crate::plan::Stage;
use crate::plan::lowering::{AttentionSpec, Builder, Lowering};
use crate::plan::tuning::Activations;
use crate::weights::Matrix;

/// The lowering of both drivers.
#[derive(Debug)]
pub(super) struct Software {
    /// The width of a model from which products of a single row read int16 where their weights allow it. Smaller models
    /// lose more to the dispatches than they gain.
    pub(super) int16_from: usize,
}

impl Lowering for Software {
    fn folds_inputs(&self) -> bool {
        false
    }

    fn format(&self, b: &Builder, stage: Stage, matrices: &[Matrix]) -> &'static dyn ActivationFormat {
        let from = match b.tuning.activations {
            Activations::Auto | Activations::Int8 => self.int16_from,
            Activations::F32 => usize::MAX,
            Activations::Fixed => 0,
        };
        if !b.single(stage) || b.shape.dim < from {
            return &F32;
        }
        Int16::shared(matrices.iter().flat_map(|matrix| &matrix.shards).map(|shard| shard.layout.packing))
    }

    fn attention(&self, spec: AttentionSpec) -> Arc<dyn Kernel> {
        let AttentionSpec { tuning, head_dim, group, splits, run, .. } = spec;
        let Element::Texture(texture) = tuning.storage.input else { panic!("software drivers read textures") };
        Arc::new(Flash {
            kv: tuning.kv,
            texture,
            invocations: tuning.attention_invocations,
            head_dim,
            group,
            splits,
            run,
        })
    }
}
