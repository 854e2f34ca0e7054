//! The splits of attention combined, as a dispatch of its own: for one token.

use super::fixed::{self, Vector};
use super::matvec::combined;
use super::{SlotShape, Splits};
use crate::kernel::{Active, Arg, Call, Element, Kernel, Scalar, Source, Uniform, uniform};

uniform! {
    /// Params of the combination.
    pub struct CombineParams {
        /// Quads of all heads, padded.
        quads: u32,
        /// In fixed point, [`Vector::most`]; 0 in f32.
        most: f32,
        /// And [`Vector::apart`].
        apart: u32,
    }
}

/// The kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Combine {
    /// Query heads.
    pub heads: usize,
    /// Elements of a head.
    pub head_dim: usize,
    /// The splits.
    pub splits: Splits,
    /// Lanes of the workgroup.
    pub lanes: usize,
    /// How the result is stored.
    pub vector: Vector,
    /// The slot.
    pub slot: SlotShape,
}

impl Kernel for Combine {
    fn name(&self) -> &'static str {
        "combine"
    }

    fn label(&self) -> String {
        let vector = self.vector.mark();
        format!("combine/{}xd{}/splits{}/{}{vector}", self.heads, self.head_dim, self.splits.most, self.lanes)
    }

    fn source(&self) -> Source {
        let source = self.slot.add_to(Source::new(include_str!("../../shaders/combine.wgsl")));
        let source = source.size("LANES", self.lanes).with(super::lanes(false));
        let source = super::matvec::add_combine_to(source, self.heads, self.head_dim, self.splits);
        self.vector.add_to(source, 5)
    }

    fn lanes(&self) -> u32 {
        self.lanes as u32
    }

    fn fields(&self) -> &'static [(&'static str, Scalar)] {
        CombineParams::FIELDS
    }

    fn args(&self, params: &[u32]) -> Vec<Arg> {
        let params: CombineParams = *bytemuck::from_bytes(bytemuck::cast_slice(params));
        let k = params.quads as usize * 4;
        vec![
            Arg::read("x", 3, Element::Vec4F32, self.splits.most * k),
            Arg::read("score", 4, Element::Vec2F32, self.splits.most * self.heads * 2),
            self.vector.arg(5, 1, k),
        ]
    }

    fn grid(&self, _params: &[u32], _active: Active) -> [u32; 2] {
        [1, 1]
    }

    fn work(&self, params: &[u32], _active: Active) -> u64 {
        let params: CombineParams = *bytemuck::from_bytes(bytemuck::cast_slice(params));
        self.splits.most as u64 * u64::from(params.quads) * 4
    }

    /// The worst on lavapipe 22.3 is that of its `exp`, as in [`Matvec`](super::Matvec).
    fn tolerance(&self) -> f64 {
        match self.vector {
            Vector::Floats => 3e-11,
            Vector::Fixed { .. } => fixed::TOLERANCE,
        }
    }

    fn oracle(&self, call: &Call) {
        let params: CombineParams = call.params();
        let sums = combined(call, [0, 1], (self.heads, self.head_dim, self.splits), params.quads as usize * 4);
        self.vector.store(call, 2, 0, &sums);
    }
}
