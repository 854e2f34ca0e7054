//! How the mathematics of a model becomes dispatches on drivers that run on the CPU.
//!
//! A workgroup is a few invocations there, and work that each of them repeats costs as much as any other: inputs of
//! products are prepared once, in dispatches of their own. Decode takes eight dispatches per layer, and nine where
//! products read int16.

use std::sync::Arc;

use super::int16::Int16;
use super::kernels::combine::CombineParams;
use super::kernels::quantize::QuantizeParams;
use super::kernels::{Combine, Flash, Quantize};
use crate::kernel::{Element, Kernel};
use crate::kernels::activations::{ActivationFormat, F32};
use crate::kernels::matvec::Input;
use crate::plan::lowering::{AttentionSpec, Builder, Lowering, Prepared};
use crate::plan::tuning::{Activations, Tuning};
use crate::plan::{BufferId, Stage};
use crate::weights::Matrix;
use crate::weights::pack::BLOCK;

/// The lowering of both drivers.
#[derive(Debug)]
pub(super) struct Software {
    /// The width of a model from which products of a single row read int16 where their weights allow it. Smaller models
    /// lose more to the dispatches than they gain.
    pub(super) int16_from: usize,
}

impl Software {
    /// The format of the input that products of a stage with these matrices share.
    fn format<'m>(
        &self,
        b: &Builder,
        stage: Stage,
        matrices: impl IntoIterator<Item = &'m Matrix>,
    ) -> &'static dyn ActivationFormat {
        let from = match b.tuning.activations {
            Activations::Auto => self.int16_from,
            Activations::F32 => usize::MAX,
            Activations::Fixed => 0,
        };
        if !b.single(stage) || b.shape.dim < from {
            return &F32;
        }
        Int16::shared(matrices.into_iter().flat_map(|matrix| &matrix.shards).map(|shard| shard.layout.packing))
    }
}

impl Lowering for Software {
    fn folds_inputs(&self) -> bool {
        false
    }

    fn norm(&self, b: &mut Builder, stage: Stage, label: &str, x: [BufferId; 2], matrices: &[Matrix]) -> Prepared {
        let format = self.format(b, stage, matrices);
        b.norm(stage, label, x, format)
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

    fn attended(&self, b: &mut Builder, layer: usize, matrix: &Matrix, [out, score]: [BufferId; 2]) -> Prepared {
        let format = self.format(b, Stage::Body, [matrix]);
        let k = b.shape.q_dim().next_multiple_of(BLOCK);
        let (input, combined) = b.vector("combined", format, k);
        let kernel = Combine {
            heads: b.shape.heads,
            head_dim: b.shape.head_dim,
            splits: b.splits(),
            invocations: b.tuning.small_invocations,
            format,
            run: b.run,
        };
        let (max_sum, pairwise) = (format.max_sum(), format.pairwise());
        let params = CombineParams { vec4s: (k / 4) as u32, max_sum, pairwise };
        b.plan.push(Stage::Body, format!("blk.{layer}.combine"), kernel, &params, &[out, score, combined]);
        (input, vec![combined])
    }

    fn activation(&self, b: &mut Builder, layer: usize, matrix: &Matrix, activation: BufferId) -> Prepared {
        let format = self.format(b, Stage::Body, [matrix]);
        if format.is_f32() {
            return (Input::Vector(format), vec![activation]);
        }
        let k = matrix.cols.next_multiple_of(BLOCK);
        let (input, quantized) = b.vector("activation", format, k);
        let kernel = Quantize { invocations: b.tuning.small_invocations, format };
        let (max_sum, pairwise) = (format.max_sum(), format.pairwise());
        let params = QuantizeParams { vec4s: (k / 4) as u32, max_sum, pairwise };
        b.plan.push(Stage::Body, format!("blk.{layer}.ffn_quantize"), kernel, &params, &[activation, quantized]);
        (input, vec![quantized])
    }

    fn reduction_bytes(&self, tuning: &Tuning, heads: usize) -> usize {
        heads * tuning.splits.most * 4
    }
}
