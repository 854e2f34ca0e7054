//! `id = argmax` of the logits with bias and penalties over the allowed ids; the lowest id wins a tie.

use std::collections::BTreeMap;

use super::{ADJUST_LOGITS, ORDER_KEY, RunShape, order_key};
use crate::kernel::{Active, Arg, Call, Element, Kernel, Scalar, ShaderSource, Uniform, uniform};

uniform! {
    /// Params of both samplers.
    pub struct SamplerParams {
        /// Logits of a row.
        vocabulary: u32,
        /// Positions from one row to the next: 1 where they are of one text.
        step: u32,
    }
}

/// Tolerance of the adjusted logits of both samplers.
pub(super) const TOLERANCE: f64 = 1e-13;

/// One variant: the size of the workgroup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Argmax {
    /// Invocations of a workgroup.
    pub invocations: usize,
    /// Whether invocations compare within subgroups.
    pub subgroups: bool,
    /// Rows whose logits the plan keeps.
    pub head_rows: usize,
}

/// The bindings of both samplers.
pub(super) fn sampler_args(params: &[u32], head_rows: usize) -> Vec<Arg> {
    let params = SamplerParams::from_words(params);
    let vocabulary = params.vocabulary as usize;
    vec![
        Arg::write("logits", 2, Element::F32, head_rows * vocabulary),
        Arg::read("allowed", 3, Element::U32, vocabulary.div_ceil(32)),
        Arg::read("bias", 4, Element::Vec2U32, 2),
        Arg::write("ids", 5, Element::U32, 2),
    ]
}

/// Adds bias and penalties to row `row` of the logits in place (`shaders/lib/adjust_logits.wgsl`), and gives its
/// ordered keys.
pub(super) fn adjusted_keys(call: &Call, row: usize) -> Vec<u32> {
    let params: SamplerParams = call.params();
    let vocabulary = params.vocabulary as usize;
    let settings = call.uniforms.settings;
    let mut logits = call.floats_mut(0);
    let logits = &mut logits[row * vocabulary..][..vocabulary];
    for entry in call.words(2).chunks_exact(2).take(settings.biases as usize) {
        logits[entry[0] as usize] += f32::from_bits(entry[1]);
    }
    let end = call.uniforms.rows[settings.head_first as usize + row].position as usize + 1;
    let mut counts = BTreeMap::new();
    for id in &call.words(3)[end.saturating_sub(settings.penalty_last_n as usize)..end] {
        *counts.entry(*id as usize).or_insert(0.0) += 1.0;
    }
    for (id, count) in counts {
        let logit = f64::from(logits[id]);
        let penalty = f64::from(settings.repetition_penalty);
        let repeated = if logit > 0.0 { logit / penalty } else { logit * penalty };
        logits[id] =
            (repeated - count * f64::from(settings.frequency_penalty) - f64::from(settings.presence_penalty)) as f32;
    }
    let mask = call.words(1);
    let allowed = |i: usize| settings.masked == 0 || mask[i / 32] >> (i % 32) & 1 == 1;
    logits.iter().enumerate().map(|(i, v)| order_key(v.to_bits(), allowed(i))).collect()
}

/// Written in the place of an id where no allowed logit is a number.
pub const NO_ID: u32 = u32::MAX;

/// Writes the id that follows head row `row`.
pub(super) fn put_id(call: &Call, row: usize, id: Option<usize>) {
    let position = call.uniforms.rows[call.uniforms.settings.head_first as usize + row].position as usize;
    call.words_mut(3)[position + 1] = id.map_or(NO_ID, |id| id as u32);
}

impl Kernel for Argmax {
    fn name(&self) -> &'static str {
        "argmax"
    }

    fn label(&self) -> String {
        format!("argmax/{}{}", self.invocations, super::subgroup_suffix(self.subgroups))
    }

    fn source(&self) -> ShaderSource {
        let best = if self.subgroups {
            include_str!("../../shaders/lib/best_subgroup.wgsl")
        } else {
            include_str!("../../shaders/lib/best.wgsl")
        };
        RunShape::FIRST
            .add_to(ShaderSource::new(include_str!("../../shaders/argmax.wgsl")))
            .size("WORKGROUP_SIZE", self.invocations)
            .with(super::invocations(self.subgroups))
            .with(best)
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

    fn work(&self, params: &[u32], active: Active) -> u64 {
        u64::from(SamplerParams::from_words(params).vocabulary) * active.head_rows as u64
    }

    /// Ids are exact. Penalised logits are rounded after each operation: at most 1.0e-14 on lavapipe (Mesa 22.3.6).
    fn tolerance(&self) -> f64 {
        TOLERANCE
    }

    fn oracle(&self, call: &Call) {
        for row in 0..call.uniforms.settings.head_rows as usize {
            let keys = adjusted_keys(call, row);
            let best = keys.iter().copied().max().unwrap_or(0);
            put_id(call, row, keys.iter().position(|key| *key == best && best > 0));
        }
    }
}
