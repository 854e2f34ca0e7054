//! `id = argmax` over the best ids of the slices of a row; the lowest id wins a tie.

use std::cmp::Reverse;

use super::argmax::{SamplerParams, TOLERANCE, put_id};
use super::{NO_ID, RunShape, best, order_key, subgroup_suffix};
use crate::kernel::uniforms::RunUniforms;
use crate::kernel::{Active, Arg, Call, Cost, Element, Kernel, Scalar, ShaderSource, Uniform};

/// One variant: the size of the workgroup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ArgmaxReduce {
    /// Invocations of a workgroup.
    pub invocations: usize,
    /// Whether invocations compare within subgroups.
    pub subgroups: bool,
    /// Rows whose logits the plan keeps.
    pub head_rows: usize,
    /// Slices of a row.
    pub slices: usize,
}

impl Kernel for ArgmaxReduce {
    fn name(&self) -> &'static str {
        "argmax_reduce"
    }

    fn label(&self) -> String {
        format!("argmax_reduce/{}x{}{}", self.invocations, self.slices, subgroup_suffix(self.subgroups))
    }

    fn source(&self) -> ShaderSource {
        RunShape::FIRST
            .add_to(ShaderSource::new(include_str!("../../shaders/argmax_reduce.wgsl")))
            .size("WORKGROUP_SIZE", self.invocations)
            .size("SLICES", self.slices)
            .with(super::invocations(self.subgroups))
            .with(best(self.subgroups))
            .with(include_str!("../../shaders/lib/order_key.wgsl"))
    }

    fn invocations(&self) -> u32 {
        self.invocations as u32
    }

    fn fields(&self) -> &'static [(&'static str, Scalar)] {
        SamplerParams::FIELDS
    }

    fn args(&self, params: &[u32]) -> Vec<Arg> {
        let vocabulary = SamplerParams::from_words(params).vocabulary as usize;
        vec![
            Arg::read("logits", 2, Element::F32, self.head_rows * vocabulary),
            Arg::read("bests", 3, Element::U32, self.head_rows * self.slices),
            Arg::write("ids", 4, Element::U32, 2),
        ]
    }

    fn grid(&self, _params: &[u32], active: Active) -> [u32; 2] {
        [active.head_rows as u32, 1]
    }

    fn work(&self, _params: &[u32], active: Active) -> u64 {
        (self.slices * active.head_rows) as u64
    }

    /// Of the logits, those of the bests.
    fn cost(&self, params: &[u32], uniforms: &RunUniforms) -> Cost {
        let work = self.work(params, uniforms.active());
        Cost { bytes: 8 * work + 4 * u64::from(uniforms.settings.head_rows), work }
    }

    /// Ids are exact.
    fn tolerance(&self) -> f64 {
        TOLERANCE
    }

    fn oracle(&self, call: &Call) {
        let vocabulary = call.params::<SamplerParams>().vocabulary as usize;
        for row in 0..call.uniforms.settings.head_rows as usize {
            let logits = call.words(0);
            let bests = call.words(1)[row * self.slices..][..self.slices].to_vec();
            let key = |id: u32| order_key(logits[row * vocabulary + id as usize], true);
            let best = bests.into_iter().filter(|id| *id != NO_ID).min_by_key(|id| (Reverse(key(*id)), *id));
            put_id(call, 2, row, best);
        }
    }
}
