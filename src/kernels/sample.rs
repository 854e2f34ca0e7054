//! `id ~ softmax(l / T)` over the allowed ids, `l` being the logits with bias and penalties; cut to the top k, then to
//! mass p, then to min-p.

use super::RunShape;
use super::argmax::{SamplerParams, TOLERANCE, adjust_logits, adjusted_keys, adjusting_args, allowed_keys, put_id};
use super::sample_list::{add_parts, add_span, amount_words, list_words};
use crate::kernel::uniforms::{RunSettings, RunUniforms};
use crate::kernel::{Access, Active, Arg, Call, Cost, Element, Kernel, Scalar, ShaderSource, Uniform};

/// One variant: the size of the workgroup, and who makes the list that it looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sample {
    /// Invocations of a workgroup.
    pub invocations: usize,
    /// Rows whose logits the plan keeps.
    pub head_rows: usize,
    /// Workgroups of [`SampleList`](super::SampleList) that adjusted the logits of a row and listed the likeliest; with
    /// one slice, it does so itself.
    pub slices: usize,
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

impl Kernel for Sample {
    fn name(&self) -> &'static str {
        "sample"
    }

    fn label(&self) -> String {
        let Self { invocations, slices, .. } = self;
        if *slices == 1 { format!("sample/{invocations}") } else { format!("sample/slices/{invocations}x{slices}") }
    }

    fn source(&self) -> ShaderSource {
        let source = RunShape::FIRST
            .add_to(ShaderSource::new(include_str!("../../shaders/sample.wgsl")))
            .size("WORKGROUP_SIZE", self.invocations);
        if self.slices == 1 {
            let source = add_parts(source, 4 * self.invocations);
            return adjust_logits(source.with(include_str!("../../shaders/lib/sample_row.wgsl")), 1);
        }
        add_span(add_parts(source, self.invocations), self.slices)
            .with(include_str!("../../shaders/lib/sample_slices.wgsl"))
            .with(include_str!("../../shaders/lib/order_key.wgsl"))
            .with(include_str!("../../shaders/lib/allowed_keys.wgsl"))
    }

    fn invocations(&self) -> u32 {
        self.invocations as u32
    }

    fn fields(&self) -> &'static [(&'static str, Scalar)] {
        SamplerParams::FIELDS
    }

    fn args(&self, params: &[u32]) -> Vec<Arg> {
        if self.slices == 1 {
            return adjusting_args(params, self.head_rows, Access::ReadWrite);
        }
        let vocabulary = SamplerParams::from_words(params).vocabulary as usize;
        vec![
            Arg::read("logits", 2, Element::F32, self.head_rows * vocabulary),
            Arg::read("allowed", 3, Element::U32, vocabulary.div_ceil(32)),
            Arg::read("amounts", 4, Element::F32, self.head_rows * amount_words(self.slices)),
            Arg::write("ids", 5, Element::U32, 2),
            Arg::read("lists", 6, Element::U32, self.head_rows * list_words(vocabulary, self.slices)),
        ]
    }

    fn grid(&self, _params: &[u32], active: Active) -> [u32; 2] {
        [active.head_rows as u32, 1]
    }

    /// Passes over the logits, or a slice of them, and a list; a dozen where the list does not do.
    fn work(&self, params: &[u32], active: Active) -> u64 {
        let vocabulary = u64::from(SamplerParams::from_words(params).vocabulary);
        let passes = if self.slices == 1 { 4 * vocabulary } else { vocabulary.div_ceil(self.slices as u64) };
        passes * active.head_rows as u64
    }

    /// Of logits and lists, those of one slice or a list at most.
    fn cost(&self, params: &[u32], uniforms: &RunUniforms) -> Cost {
        let (work, rows) = (self.work(params, uniforms.active()), u64::from(uniforms.settings.head_rows));
        if self.slices == 1 {
            let words: usize = self.args(params).iter().map(|arg| arg.words).sum();
            return Cost { bytes: words as u64 * 4, work };
        }
        Cost { bytes: rows * (4 * amount_words(self.slices) as u64 + 4 * self.slices as u64) + 4 * work, work }
    }

    /// Ids are exact unless the random number falls within rounding of a boundary, which the cases avoid; logits as in
    /// `argmax`.
    fn tolerance(&self) -> f64 {
        TOLERANCE
    }

    fn oracle(&self, call: &Call) {
        let settings = call.uniforms.settings;
        for row in 0..settings.head_rows as usize {
            let keys = if self.slices == 1 { adjusted_keys(call, row) } else { allowed_keys(call, row) };
            let position = call.uniforms.rows[settings.head_first as usize + row].position;
            let draw = philox4x32([position, 0, 0, 0], [settings.seed_lo, settings.seed_hi])[0] >> 8;
            let logits = call.floats(0);
            let logits = &logits[row * keys.len()..][..keys.len()];
            let id = choose(&keys, logits, &settings, f64::from(draw) / 16_777_216.0);
            put_id(call, 3, row, id.map(|id| id as u32));
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
