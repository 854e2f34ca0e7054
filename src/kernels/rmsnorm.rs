//! `y[t] = x[t] * gamma / sqrt(mean(x[t]^2) + eps)`.

use super::RunShape;
use super::activations::ActivationFormat;
use crate::kernel::{Active, Arg, Call, Element, Kernel, Scalar, ShaderSource, Uniform, uniform};

uniform! {
    /// Params of the norm.
    pub struct RmsnormParams {
        /// vec4s of a row, padded.
        vec4s: u32,
        /// 1 where the rows are those whose logits are wanted.
        at_head: u32,
        /// Elements that are averaged.
        norm_dim: f32,
        /// Added to the mean of the squares.
        eps: f32,
        /// [`ActivationFormat::max_sum`]
        max_sum: f32,
        /// [`ActivationFormat::pairwise`]
        pairwise: u32,
    }
}

/// One variant: workgroup, and the format of the result.
#[derive(Clone, Copy, Debug)]
pub struct Rmsnorm {
    /// Invocations of a workgroup.
    pub invocations: usize,
    /// Whether invocations sum within subgroups.
    pub subgroups: bool,
    /// Rows (tokens) of the plan.
    pub rows: usize,
    /// How the result is stored.
    pub format: &'static dyn ActivationFormat,
    /// Rows of the result: those of the plan, or 1 where a single row is wanted of it.
    pub rows_out: usize,
}

impl Kernel for Rmsnorm {
    fn name(&self) -> &'static str {
        "rmsnorm"
    }

    fn label(&self) -> String {
        format!(
            "rmsnorm/{}{}-rows{}{}",
            self.invocations,
            super::subgroup_suffix(self.subgroups),
            self.rows,
            self.format.suffix()
        )
    }

    fn source(&self) -> ShaderSource {
        let source = RunShape::FIRST.add_to(ShaderSource::new(include_str!("../../shaders/rmsnorm.wgsl")));
        let sum = if self.subgroups {
            include_str!("../../shaders/lib/sum_subgroup.wgsl")
        } else {
            include_str!("../../shaders/lib/sum.wgsl")
        };
        self.format.add_store(
            source.size("WORKGROUP_SIZE", self.invocations).with(super::invocations(self.subgroups)).with(sum),
            4,
        )
    }

    fn invocations(&self) -> u32 {
        self.invocations as u32
    }

    fn fields(&self) -> &'static [(&'static str, Scalar)] {
        RmsnormParams::FIELDS
    }

    fn args(&self, params: &[u32]) -> Vec<Arg> {
        let params = RmsnormParams::from_words(params);
        let k = params.vec4s as usize * 4;
        vec![
            Arg::read("x", 2, Element::Vec4F32, self.rows * k),
            Arg::read("gamma", 3, Element::Vec4F32, k),
            self.format.store_arg(4, self.rows_out, k),
        ]
    }

    fn grid(&self, params: &[u32], active: Active) -> [u32; 2] {
        let params = RmsnormParams::from_words(params);
        [active.of(params.at_head) as u32, 1]
    }

    fn work(&self, params: &[u32], active: Active) -> u64 {
        let params = RmsnormParams::from_words(params);
        2 * active.of(params.at_head) as u64 * u64::from(params.vec4s) * 4
    }

    /// The worst on lavapipe 22.3 is 1e-14: f32 rounding.
    fn tolerance(&self) -> f64 {
        self.format.tolerance().max(1e-13)
    }

    fn oracle(&self, call: &Call) {
        let params: RmsnormParams = call.params();
        let settings = call.uniforms.settings;
        let (tokens, first) =
            if params.at_head == 1 { (settings.head_rows, settings.head_first as usize) } else { (settings.rows, 0) };
        let k = params.vec4s as usize * 4;
        let (x, gamma) = (call.floats(0), call.floats(1));
        for t in 0..tokens as usize {
            let row = &x[(first + t) * k..][..k];
            let square: f64 = row.iter().map(|v| f64::from(*v).powi(2)).sum();
            let scale = (square / f64::from(params.norm_dim) + f64::from(params.eps)).sqrt().recip();
            let y: Vec<f64> =
                row.iter().zip(gamma.iter()).map(|(v, gamma)| scale * f64::from(*v) * f64::from(*gamma)).collect();
            self.format.store(call, 2, t, &y);
        }
    }
}
