//! `y[t] = x[t] * gamma / sqrt(mean(x[t]^2) + eps)`.

use super::RunShape;
use super::store::{Store, StoreParams};
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
        /// [`StoreParams::bound`]
        bound: f32,
        /// [`StoreParams::pairwise`]
        pairwise: u32,
        /// [`StoreParams::low_first`]
        low_first: u32,
        /// [`StoreParams::lora_scale`]
        lora_scale: f32,
    }
}

impl RmsnormParams {
    /// Sets what concerns storing.
    pub fn storing(self, StoreParams { bound, pairwise, low_first, lora_scale }: StoreParams) -> Self {
        Self { bound, pairwise, low_first, lora_scale, ..self }
    }

    fn stored(&self) -> StoreParams {
        let Self { bound, pairwise, low_first, lora_scale, .. } = *self;
        StoreParams { bound, pairwise, low_first, lora_scale }
    }
}

/// One variant: workgroup, and how the result is stored.
#[derive(Clone, Copy, Debug)]
pub struct Rmsnorm {
    /// Invocations of a workgroup.
    pub invocations: usize,
    /// Whether invocations sum within subgroups.
    pub subgroups: bool,
    /// Rows (tokens) of the plan.
    pub rows: usize,
    /// How the result is stored: the rows of the plan, or one where a single row is wanted of it.
    pub store: Store,
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
            self.store.suffix()
        )
    }

    fn source(&self) -> ShaderSource {
        let source = RunShape::FIRST.add_to(ShaderSource::new(include_str!("../../shaders/rmsnorm.wgsl")));
        let sum = if self.subgroups {
            include_str!("../../shaders/lib/sum_subgroup.wgsl")
        } else {
            include_str!("../../shaders/lib/sum.wgsl")
        };
        self.store.add_to(
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
        let mut args =
            vec![Arg::read("x", 2, Element::Vec4F32, self.rows * k), Arg::read("gamma", 3, Element::Vec4F32, k)];
        args.extend(self.store.args(4, k));
        args
    }

    fn grid(&self, params: &[u32], active: Active) -> [u32; 2] {
        let params = RmsnormParams::from_words(params);
        [active.of(params.at_head) as u32, 1]
    }

    fn work(&self, params: &[u32], active: Active) -> u64 {
        let params = RmsnormParams::from_words(params);
        let k = params.vec4s as usize * 4;
        active.of(params.at_head) as u64 * (2 * k as u64 + self.store.work(k))
    }

    /// The worst on lavapipe 22.3 is 1e-14: f32 rounding.
    fn tolerance(&self) -> f64 {
        self.store.tolerance().max(1e-13)
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
            self.store.store(call, 2, t, &y, params.stored());
        }
    }
}
