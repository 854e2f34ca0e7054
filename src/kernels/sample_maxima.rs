//! The largest adjusted logits of interleaved streams of ids: from these the floor of the list of likely ids is taken.

use super::argmax::{SamplerParams, TOLERANCE, adjust_logits, adjusted_keys, adjusting_args, slice_of};
use super::{RunShape, logit_of};
use crate::kernel::{Access, Active, Arg, Call, Element, Kernel, Scalar, ShaderSource, Uniform};

/// One variant: the sizes of the workgroup and of its slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SampleMaxima {
    /// Invocations of a workgroup.
    pub invocations: usize,
    /// Rows whose logits the plan keeps.
    pub head_rows: usize,
    /// Workgroups that share a row: a divisor of `invocations`.
    pub slices: usize,
}

impl SampleMaxima {
    /// The streams of a slice; a row has as many as a workgroup has invocations.
    fn slice_streams(&self) -> usize {
        assert!(self.invocations.is_multiple_of(self.slices), "{}", self.label());
        self.invocations / self.slices
    }
}

impl Kernel for SampleMaxima {
    fn name(&self) -> &'static str {
        "sample_maxima"
    }

    fn label(&self) -> String {
        format!("sample_maxima/{}x{}", self.invocations, self.slices)
    }

    fn source(&self) -> ShaderSource {
        let source = RunShape::FIRST
            .add_to(ShaderSource::new(include_str!("../../shaders/sample_maxima.wgsl")))
            .size("WORKGROUP_SIZE", self.invocations)
            .size("SLICE_MAXIMA", self.slice_streams())
            .with(include_str!("../../shaders/lib/sample_weight.wgsl"));
        adjust_logits(source, self.slices)
    }

    fn invocations(&self) -> u32 {
        self.invocations as u32
    }

    fn fields(&self) -> &'static [(&'static str, Scalar)] {
        SamplerParams::FIELDS
    }

    fn args(&self, params: &[u32]) -> Vec<Arg> {
        let mut args = adjusting_args(params, self.head_rows, Access::Read);
        args.push(Arg::write("maxima", 6, Element::F32, self.head_rows * self.invocations));
        args
    }

    fn grid(&self, _params: &[u32], active: Active) -> [u32; 2] {
        [active.head_rows as u32, self.slices as u32]
    }

    fn work(&self, params: &[u32], active: Active) -> u64 {
        u64::from(SamplerParams::from_words(params).vocabulary) * active.head_rows as u64
    }

    /// Logits as in `argmax`.
    fn tolerance(&self) -> f64 {
        TOLERANCE
    }

    fn oracle(&self, call: &Call) {
        let (of_row, of_slice) = (self.invocations, self.slice_streams());
        for row in 0..call.uniforms.settings.head_rows as usize {
            let mut maxima = vec![0; of_row];
            for (id, key) in adjusted_keys(call, row).into_iter().enumerate() {
                let stream = slice_of(id, self.invocations, self.slices) * of_slice + id % of_slice;
                maxima[stream] = key.max(maxima[stream]);
            }
            let maxima = maxima.into_iter().map(logit_of);
            call.floats_mut(4)[row * of_row..].iter_mut().zip(maxima).for_each(|(to, logit)| *to = logit);
        }
    }
}
