//! `y[t] = H x[t] / sqrt(n)`, where `H` is the Hadamard matrix of Sylvester: element `(i, j)` is `(-1)^popcount(i & j)`.
//! SpinQuant (arXiv 2405.16406) rotates the input of the down projection so.

use super::RunShape;
use super::store::{RowParams, Store};
use crate::kernel::{Active, Arg, Call, Element, Kernel, Scalar, ShaderSource, Uniform};

/// Numbers that are transformed in workgroup memory at a time: 8 KiB, so that storing has room beside them.
const MOST_AT_ONCE: usize = 2048;

/// One variant: size, workgroup, and how the result is stored.
#[derive(Clone, Copy, Debug)]
pub struct Hadamard {
    /// Numbers of a row, `n`.
    pub n: usize,
    /// Invocations of a workgroup.
    pub invocations: usize,
    /// How the result is stored.
    pub store: Store,
}

impl Hadamard {
    /// Whether rows of `n` numbers can be transformed: powers of two from 64 to 65 536.
    pub const fn takes(n: usize) -> bool {
        n.is_power_of_two() && n >= 64 && n <= 1 << 16
    }

    /// Whether the transform is stored in f32 as it is; else `rotated` holds it until it is stored.
    fn is_plain(&self) -> bool {
        self.store.format.is_f32() && self.store.lora.is_none()
    }
}

impl Kernel for Hadamard {
    fn name(&self) -> &'static str {
        "hadamard"
    }

    fn label(&self) -> String {
        format!("hadamard/{}/{}-rows{}{}", self.n, self.invocations, self.store.rows, self.store.suffix())
    }

    fn source(&self) -> ShaderSource {
        let source = RunShape::FIRST
            .add_to(ShaderSource::new(include_str!("../../shaders/hadamard.wgsl")))
            .size("N", self.n)
            .size("AT_ONCE", self.n.min(MOST_AT_ONCE))
            .size("STAGES", self.n.min(MOST_AT_ONCE).ilog2() as usize)
            .size("WORKGROUP_SIZE", self.invocations)
            .with(super::invocations(false));
        match self.is_plain() {
            true => source.with(include_str!("../../shaders/lib/hadamard_plain.wgsl")),
            false => self.store.add_to(source, 4).with(include_str!("../../shaders/lib/hadamard_store.wgsl")),
        }
    }

    fn invocations(&self) -> u32 {
        self.invocations as u32
    }

    fn fields(&self) -> &'static [(&'static str, Scalar)] {
        RowParams::FIELDS
    }

    fn args(&self, _params: &[u32]) -> Vec<Arg> {
        let words = self.store.rows * self.n;
        let mut args =
            vec![Arg::read("x", 2, Element::Vec4F32, words), Arg::write("rotated", 3, Element::Vec4F32, words)];
        if !self.is_plain() {
            args.extend(self.store.args(4, self.n));
        }
        args
    }

    fn grid(&self, _params: &[u32], active: Active) -> [u32; 2] {
        [1, active.rows as u32]
    }

    fn work(&self, _params: &[u32], active: Active) -> u64 {
        let n = self.n as u64;
        active.rows as u64 * (n * u64::from(n.ilog2()) + self.store.work(self.n))
    }

    /// The worst on lavapipe 22.3 is 9.6e-15: f32 rounding of sums of 8192 numbers.
    fn tolerance(&self) -> f64 {
        self.store.tolerance().max(1e-13)
    }

    fn oracle(&self, call: &Call) {
        let params: RowParams = call.params();
        let n = self.n;
        for t in 0..call.uniforms.settings.rows as usize {
            let x: Vec<f64> = call.floats(0)[t * n..][..n].iter().map(|v| f64::from(*v)).collect();
            let y: Vec<f64> = (0..n)
                .map(|i| {
                    let sign = |j: usize| if (i & j).count_ones().is_multiple_of(2) { 1.0 } else { -1.0 };
                    x.iter().enumerate().map(|(j, v)| sign(j) * v).sum::<f64>() / (n as f64).sqrt()
                })
                .collect();
            call.floats_mut(1)[t * n..][..n].iter_mut().zip(&y).for_each(|(out, v)| *out = *v as f32);
            if !self.is_plain() {
                self.store.store(call, 2, t, &y, params.stored());
            }
        }
    }
}
