//! `y = x` in int16 block floating point, as a dispatch of its own: for one token.

use crate::kernel::{Active, Arg, Call, Element, Kernel, Scalar, ShaderSource, Uniform, uniform};
use crate::kernels::activations::ActivationFormat;
use crate::kernels::{self, RunShape};
use crate::weights::pack::BLOCK;

uniform! {
    /// Params of the quantization.
    pub struct QuantizeParams {
        /// vec4s of x, padded.
        vec4s: u32,
        /// [`ActivationFormat::max_sum`]
        max_sum: f32,
        /// [`ActivationFormat::pairwise`]
        pairwise: u32,
    }
}

/// One variant: workgroup, and the format of the result.
#[derive(Clone, Copy, Debug)]
pub struct Quantize {
    /// Invocations of a workgroup.
    pub invocations: usize,
    /// How the result is stored.
    pub format: &'static dyn ActivationFormat,
}

impl Kernel for Quantize {
    fn name(&self) -> &'static str {
        "quantize"
    }

    fn label(&self) -> String {
        format!("quantize/{}{}", self.invocations, self.format.suffix())
    }

    fn source(&self) -> ShaderSource {
        let source = RunShape::FIRST.add_to(ShaderSource::new(include_str!("../../../shaders/software/quantize.wgsl")));
        self.format.add_store(source.size("WORKGROUP_SIZE", self.invocations).with(kernels::invocations(false)), 3)
    }

    fn invocations(&self) -> u32 {
        self.invocations as u32
    }

    fn fields(&self) -> &'static [(&'static str, Scalar)] {
        QuantizeParams::FIELDS
    }

    fn args(&self, params: &[u32]) -> Vec<Arg> {
        let params = QuantizeParams::from_words(params);
        let k = params.vec4s as usize * 4;
        vec![Arg::read("x", 2, Element::Vec4F32, k), self.format.store_arg(3, 1, k)]
    }

    fn grid(&self, params: &[u32], _active: Active) -> [u32; 2] {
        let params = QuantizeParams::from_words(params);
        [(params.vec4s * 4).div_ceil((BLOCK * self.invocations) as u32), 1]
    }

    fn work(&self, params: &[u32], _active: Active) -> u64 {
        let params = QuantizeParams::from_words(params);
        u64::from(params.vec4s) * 4
    }

    fn tolerance(&self) -> f64 {
        self.format.tolerance()
    }

    fn oracle(&self, call: &Call) {
        let params: QuantizeParams = call.params();
        let x: Vec<f64> = call.floats(0)[..params.vec4s as usize * 4].iter().map(|v| f64::from(*v)).collect();
        self.format.store(call, 1, 0, &x);
    }
}
