//! `y = x` in another format of activations, or with what adaptors make of it, as a dispatch of its own.

use super::RunShape;
use super::store::{RowParams, Store};
use crate::kernel::{Active, Arg, Call, Element, Kernel, Scalar, ShaderSource, Uniform};
use crate::weights::pack::BLOCK;

/// One variant: workgroup, and the format of the result.
#[derive(Clone, Copy, Debug)]
pub struct Quantize {
    /// Invocations of a workgroup.
    pub invocations: usize,
    /// How the result is stored.
    pub store: Store,
}

impl Quantize {
    /// Whether a workgroup stores a whole row.
    fn needs_whole_rows(&self) -> bool {
        self.store.format.needs_whole_rows() || self.store.lora.is_some()
    }
}

impl Kernel for Quantize {
    fn name(&self) -> &'static str {
        "quantize"
    }

    fn label(&self) -> String {
        format!("quantize/{}{}", self.invocations, self.store.suffix())
    }

    fn source(&self) -> ShaderSource {
        let source = RunShape::FIRST.add_to(ShaderSource::new(include_str!("../../shaders/quantize.wgsl")));
        let source = source.size("WORKGROUP_SIZE", self.invocations).with(super::invocations(false));
        self.store.add_to(source, 3).with(if self.needs_whole_rows() {
            include_str!("../../shaders/lib/share_rows.wgsl")
        } else {
            include_str!("../../shaders/lib/share_blocks.wgsl")
        })
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
        let mut args = vec![Arg::read("x", 2, Element::Vec4F32, self.store.rows * k)];
        args.extend(self.store.args(3, k));
        args
    }

    fn grid(&self, params: &[u32], active: Active) -> [u32; 2] {
        let params = RowParams::from_words(params);
        let shares =
            if self.needs_whole_rows() { 1 } else { (params.vec4s * 4).div_ceil((BLOCK * self.invocations) as u32) };
        [shares, active.rows as u32]
    }

    fn work(&self, params: &[u32], active: Active) -> u64 {
        let params = RowParams::from_words(params);
        let k = params.row_len();
        active.rows as u64 * (k as u64 + self.store.work(k))
    }

    fn tolerance(&self) -> f64 {
        self.store.tolerance()
    }

    fn oracle(&self, call: &Call) {
        let params: RowParams = call.params();
        let k = params.row_len();
        for t in 0..call.uniforms.settings.rows as usize {
            let x: Vec<f64> = call.floats(0)[t * k..][..k].iter().map(|v| f64::from(*v)).collect();
            self.store.store(call, 1, t, &x, params.stored());
        }
    }
}
