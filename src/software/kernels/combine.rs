//! The reduction of split-KV as a dispatch of its own: for one token.

use crate::kernel::{Active, Arg, Call, Element, Kernel, Scalar, ShaderSource, Uniform, uniform};
use crate::kernels::activations::ActivationFormat;
use crate::kernels::matvec::{add_combine_to, combined};
use crate::kernels::{self, RunShape, SplitKv};

uniform! {
    /// Params of the combination.
    pub struct CombineParams {
        /// vec4s of all heads, padded.
        vec4s: u32,
        /// [`ActivationFormat::max_sum`]
        max_sum: f32,
        /// [`ActivationFormat::pairwise`]
        pairwise: u32,
    }
}

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
    pub format: &'static dyn ActivationFormat,
    /// The size of the run uniforms.
    pub run: RunShape,
}

impl Kernel for Combine {
    fn name(&self) -> &'static str {
        "combine"
    }

    fn label(&self) -> String {
        let format = self.format.suffix();
        format!("combine/{}xd{}/splits{}/{}{format}", self.heads, self.head_dim, self.splits.most, self.invocations)
    }

    fn source(&self) -> ShaderSource {
        let source = self.run.add_to(ShaderSource::new(include_str!("../../../shaders/software/combine.wgsl")));
        let source = source.size("WORKGROUP_SIZE", self.invocations).with(kernels::invocations(false));
        let source = add_combine_to(source, self.heads, self.head_dim, self.splits);
        self.format.add_store(source, 5)
    }

    fn invocations(&self) -> u32 {
        self.invocations as u32
    }

    fn fields(&self) -> &'static [(&'static str, Scalar)] {
        CombineParams::FIELDS
    }

    fn args(&self, params: &[u32]) -> Vec<Arg> {
        let params = CombineParams::from_words(params);
        let k = params.vec4s as usize * 4;
        vec![
            Arg::read("x", 3, Element::Vec4F32, self.splits.most * k),
            Arg::read("score", 4, Element::Vec2F32, self.splits.most * self.heads * 2),
            self.format.store_arg(5, 1, k),
        ]
    }

    fn grid(&self, _params: &[u32], _active: Active) -> [u32; 2] {
        [1, 1]
    }

    fn work(&self, params: &[u32], _active: Active) -> u64 {
        let params = CombineParams::from_words(params);
        self.splits.most as u64 * u64::from(params.vec4s) * 4
    }

    /// The worst on lavapipe 22.3 is that of its `exp`, as in [`Matvec`](crate::kernels::Matvec).
    fn tolerance(&self) -> f64 {
        self.format.tolerance().max(3e-11)
    }

    fn oracle(&self, call: &Call) {
        let params: CombineParams = call.params();
        let sums = combined(call, [0, 1], (self.heads, self.head_dim, self.splits), params.vec4s as usize * 4);
        self.format.store(call, 2, 0, &sums);
    }
}
