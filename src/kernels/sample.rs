//! `id ~ softmax(l / T)` over the allowed ids, `l` being the logits with bias and penalties; cut to the top k, then to
//! mass p, then to min-p.

use super::argmax::{SamplerParams, TOLERANCE, adjusted_keys, put_id, sampler_args};
use super::{ADJUST_LOGITS, ORDER_KEY, RunShape};
use crate::kernel::uniforms::RunSettings;
use crate::kernel::{Active, Arg, Call, Kernel, Scalar, ShaderSource, Uniform};

/// One variant: the size of the workgroup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sample {
    /// Invocations of a workgroup.
    pub invocations: usize,
    /// Rows whose logits the plan keeps.
    pub head_rows: usize,
}

/// Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
pub fn philox4x32(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..10 {
        let a = u64::from(counter[0]) * 0xd251_1f53;
        let b = u64::from(counter[2]) * 0xcd9e_8d57;
        counter = [(b >> 32) as u32 ^ counter[1] ^ key[0], b as u32, (a >> 32) as u32 ^ counter[3] ^ key[1], a as u32];
        key = [key[0].wrapping_add(0x9e37_79b9), key[1].wrapping_add(0xbb67_ae85)];
    }
    counter
}

/// How many of the maxima of `4 * invocations` streams are below a floor that about a thousand of a long list of
/// numbers are above: a stream has none above it with the probability `exp(-1000 / (4 * invocations))`.
fn floor_rank(invocations: usize) -> usize {
    let maxima = 4.0 * invocations as f64;
    (maxima * (-1000.0 / maxima).exp()) as usize
}

impl Kernel for Sample {
    fn name(&self) -> &'static str {
        "sample"
    }

    fn label(&self) -> String {
        format!("sample/{}", self.invocations)
    }

    fn source(&self) -> ShaderSource {
        RunShape::FIRST
            .add_to(ShaderSource::new(include_str!("../../shaders/sample.wgsl")))
            .size("WORKGROUP_SIZE", self.invocations)
            .size("FLOOR_RANK", floor_rank(self.invocations))
            .with(ORDER_KEY)
            .with(ADJUST_LOGITS)
    }

    fn invocations(&self) -> u32 {
        self.invocations as u32
    }

    fn fields(&self) -> &'static [(&'static str, Scalar)] {
        SamplerParams::FIELDS
    }

    fn args(&self, params: &[u32]) -> Vec<Arg> {
        sampler_args(params, self.head_rows)
    }

    fn grid(&self, _params: &[u32], active: Active) -> [u32; 2] {
        [active.head_rows as u32, 1]
    }

    /// Four passes over the logits, and a list; a dozen where the list does not do.
    fn work(&self, params: &[u32], active: Active) -> u64 {
        4 * u64::from(SamplerParams::from_words(params).vocabulary) * active.head_rows as u64
    }

    /// Ids are exact unless the random number falls within rounding of a boundary, which the cases avoid; logits as in
    /// `argmax`.
    fn tolerance(&self) -> f64 {
        TOLERANCE
    }

    fn oracle(&self, call: &Call) {
        let settings = call.uniforms.settings;
        for row in 0..settings.head_rows as usize {
            let keys = adjusted_keys(call, row);
            let position = call.uniforms.rows[settings.head_first as usize + row].position;
            let draw = philox4x32([position, 0, 0, 0], [settings.seed_lo, settings.seed_hi])[0] >> 8;
            let logits = call.floats(0);
            let logits = &logits[row * keys.len()..][..keys.len()];
            put_id(call, row, choose(&keys, logits, &settings, f64::from(draw) / 16_777_216.0));
        }
    }
}

/// The id that a random number in [0, 1) falls on; none where no logit is a finite number.
fn choose(keys: &[u32], logits: &[f32], settings: &RunSettings, draw: f64) -> Option<usize> {
    let mut order: Vec<usize> = (0..keys.len()).filter(|i| keys[*i] > 0).collect();
    order.sort_by_key(|i| (std::cmp::Reverse(keys[*i]), *i));
    if settings.top_k > 0 {
        order.truncate(settings.top_k as usize);
    }
    let top = f64::from(logits[*order.first()?]);
    if !top.is_finite() {
        return None;
    }
    let weight = |i: usize| ((f64::from(logits[i]) - top) * f64::from(settings.inv_temperature)).exp();
    if settings.top_p < 1.0 {
        let goal = f64::from(settings.top_p) * order.iter().map(|i| weight(*i)).sum::<f64>();
        let (mut mass, mut kept) = (0.0, 0);
        while kept == 0 || (mass < goal && kept < order.len()) {
            mass += weight(order[kept]);
            kept += 1;
        }
        order.truncate(kept);
    }
    order.retain(|i| {
        (f64::from(logits[*i]) - top) * f64::from(settings.inv_temperature) >= f64::from(settings.ln_min_p)
    });
    order.sort_unstable();
    let mut goal = draw * order.iter().map(|i| weight(*i)).sum::<f64>();
    for i in &order {
        goal -= weight(*i);
        if goal < 0.0 {
            return Some(*i);
        }
    }
    order.last().copied()
}

#[cfg(test)]
mod tests {
    use super::philox4x32;

    /// Known answers of Random123's `kat_vectors`.
    #[test]
    fn philox_known_answers() {
        assert_eq!(philox4x32([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(philox4x32([u32::MAX; 4], [u32::MAX; 2]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
    }
}
