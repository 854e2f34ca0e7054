//! `y = x` in fixed point, as a dispatch of its own: for one token.

use super::SlotShape;
use super::fixed::Vector;
use crate::kernel::{Active, Arg, Call, Element, Kernel, Scalar, Source, Uniform, uniform};
use crate::weights::pack::BLOCK;

uniform! {
    /// Params of the quantization.
    pub struct QuantizeParams {
        /// Quads of x, padded.
        quads: u32,
        /// [`Vector::most`]
        most: f32,
        /// [`Vector::apart`]
        apart: u32,
    }
}

/// The kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Quantize {
    /// Lanes of a workgroup.
    pub lanes: usize,
    /// Half the range of the widest weights that read it.
    pub middle: u32,
}

impl Quantize {
    fn vector(&self) -> Vector {
        Vector::Fixed { middle: self.middle }
    }
}

impl Kernel for Quantize {
    fn name(&self) -> &'static str {
        "quantize"
    }

    fn label(&self) -> String {
        format!("quantize/{}{}", self.lanes, self.vector().mark())
    }

    fn source(&self) -> Source {
        let source = SlotShape::FIRST.add_to(Source::new(include_str!("../../shaders/quantize.wgsl")));
        self.vector().add_to(source.size("LANES", self.lanes).with(super::lanes(false)), 3)
    }

    fn lanes(&self) -> u32 {
        self.lanes as u32
    }

    fn fields(&self) -> &'static [(&'static str, Scalar)] {
        QuantizeParams::FIELDS
    }

    fn args(&self, params: &[u32]) -> Vec<Arg> {
        let params: QuantizeParams = *bytemuck::from_bytes(bytemuck::cast_slice(params));
        let k = params.quads as usize * 4;
        vec![Arg::read("x", 2, Element::Vec4F32, k), self.vector().arg(3, 1, k)]
    }

    fn grid(&self, params: &[u32], _active: Active) -> [u32; 2] {
        let params: QuantizeParams = *bytemuck::from_bytes(bytemuck::cast_slice(params));
        [(params.quads * 4).div_ceil((BLOCK * self.lanes) as u32), 1]
    }

    fn work(&self, params: &[u32], _active: Active) -> u64 {
        let params: QuantizeParams = *bytemuck::from_bytes(bytemuck::cast_slice(params));
        u64::from(params.quads) * 4
    }

    fn tolerance(&self) -> f64 {
        super::fixed::TOLERANCE
    }

    fn oracle(&self, call: &Call) {
        let params: QuantizeParams = call.params();
        let x: Vec<f64> = call.floats(0)[..params.quads as usize * 4].iter().map(|v| f64::from(*v)).collect();
        self.vector().store(call, 1, 0, &x);
    }
}
