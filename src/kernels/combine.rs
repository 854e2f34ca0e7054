//! The reduction of split-KV as a dispatch of its own: for one token.

use super::matvec::{add_combine_to, combined};
use super::store::{RowParams, Store};
use super::{RunShape, SplitKv};
use crate::kernel::{Active, Arg, Call, Element, Kernel, Scalar, ShaderSource, Uniform};

/// One variant: heads, split-KV, and the format of the result.
#[derive(Clone, Copy, Debug)]
pub struct Combine {
    /// Query heads.
    pub heads: usize,
    /// Elements of a head.
    pub head_dim: usize,
    /// How the keys were split.
    pub splits: SplitKv,
    /// Invocations of the workgroup.
    pub invocations: usize,
    /// How the result is stored.
    pub store: Store,
    /// The size of the run uniforms.
    pub run: RunShape,
}

impl Kernel for Combine {
    fn name(&self) -> &'static str {
        "combine"
    }

    fn label(&self) -> String {
        let format = self.store.suffix();
        format!("combine/{}xd{}/splits{}/{}{format}", self.heads, self.head_dim, self.splits.most, self.invocations)
    }

    fn source(&self) -> ShaderSource {
        let source = self.run.add_to(ShaderSource::new(include_str!("../../shaders/combine.wgsl")));
        let source = source.size("WORKGROUP_SIZE", self.invocations).with(super::invocations(false));
        let source = add_combine_to(source, self.heads, self.head_dim, self.splits);
        self.store.add_to(source, 5)
    }

    fn invocations(&self) -> u32 {
        self.invocations as u32
    }

    fn fields(&self) -> &'static [(&'static str, Scalar)] {
        RowParams::FIELDS
    }

    fn args(&self, params: &[u32]) -> Vec<Arg> {
        let params = RowParams::from_words(params);
        let k = params.row_len();
        let mut args = vec![
            Arg::read("x", 3, Element::Vec4F32, self.splits.most * k),
            Arg::read("score", 4, Element::Vec2F32, self.splits.most * self.heads * 2),
        ];
        args.extend(self.store.args(5, k));
        args
    }

    fn grid(&self, _params: &[u32], _active: Active) -> [u32; 2] {
        [1, 1]
    }

    fn work(&self, params: &[u32], _active: Active) -> u64 {
        let params = RowParams::from_words(params);
        let k = params.row_len();
        (self.splits.most * k) as u64 + self.store.work(k)
    }

    /// The worst on lavapipe 22.3 is that of its `exp`, as in [`Matvec`](crate::kernels::Matvec).
    fn tolerance(&self) -> f64 {
        self.store.tolerance().max(3e-11)
    }

    fn oracle(&self, call: &Call) {
        let params: RowParams = call.params();
        let sums = combined(call, [0, 1], (self.heads, self.head_dim, self.splits), params.row_len());
        self.store.store(call, 2, 0, &sums, params.stored());
    }
}
