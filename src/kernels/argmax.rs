//! `id = argmax` of the logits with bias and penalties over the allowed ids; the lowest id wins a tie.

use std::collections::BTreeMap;

use super::{RunShape, best, order_key, subgroup_suffix};
use crate::kernel::{Access, Active, Arg, Call, Element, Kernel, Scalar, ShaderSource, Uniform, uniform};

uniform! {
    /// Params of the samplers.
    pub struct SamplerParams {
        /// Logits of a row.
        vocabulary: u32,
        /// Positions from one row to the next: 1 where they are of one text.
        step: u32,
    }
}

/// Most positions whose ids are penalised: `penalty_last_n` is at most this.
pub const MOST_PENALISED: usize = 1024;

/// Tolerance of the adjusted logits.
pub(super) const TOLERANCE: f64 = 1e-13;

/// One variant: the sizes of the workgroup and of its slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Argmax {
    /// Invocations of a workgroup.
    pub invocations: usize,
    /// Whether invocations compare within subgroups.
    pub subgroups: bool,
    /// Rows whose logits the plan keeps.
    pub head_rows: usize,
    /// Workgroups that share a row. With one it writes the next id, else the best id of each slice, for
    /// [`ArgmaxReduce`](super::ArgmaxReduce).
    pub slices: usize,
}

/// The bindings of kernels that adjust logits, and use the ids in this way.
pub(super) fn adjusting_args(params: &[u32], head_rows: usize, ids: Access) -> Vec<Arg> {
    let params = SamplerParams::from_words(params);
    let vocabulary = params.vocabulary as usize;
    vec![
        Arg::write("logits", 2, Element::F32, head_rows * vocabulary),
        Arg::read("allowed", 3, Element::U32, vocabulary.div_ceil(32)),
        Arg::read("bias", 4, Element::Vec2U32, 2),
        Arg { access: ids, ..Arg::write("ids", 5, Element::U32, 2) },
    ]
}

/// Adds what such kernels are composed of to a source.
pub(super) fn adjust_logits(source: ShaderSource, slices: usize) -> ShaderSource {
    source
        .size("MOST_PENALISED", MOST_PENALISED)
        .size("SLICES", slices)
        .with(include_str!("../../shaders/lib/slice.wgsl"))
        .with(include_str!("../../shaders/lib/order_key.wgsl"))
        .with(include_str!("../../shaders/lib/allowed_keys.wgsl"))
        .with(include_str!("../../shaders/lib/penalty.wgsl"))
        .with(if slices == 1 {
            include_str!("../../shaders/lib/adjust_row.wgsl")
        } else {
            include_str!("../../shaders/lib/adjust_slice.wgsl")
        })
}

/// The slice of an id: every `slices`-th run of ids, as long as a workgroup (`shaders/lib/slice.wgsl`).
pub(super) const fn slice_of(id: usize, invocations: usize, slices: usize) -> usize {
    id / invocations % slices
}

/// Adds bias and penalties to row `row` of the logits in place (`shaders/lib/adjust_row.wgsl`, `adjust_slice.wgsl`), and gives its
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
    keys(call, logits)
}

/// The ordered keys of logits of a row, in the words of [`Call`] 0, which are adjusted already.
pub(super) fn allowed_keys(call: &Call, row: usize) -> Vec<u32> {
    let vocabulary = call.params::<SamplerParams>().vocabulary as usize;
    keys(call, &call.floats(0)[row * vocabulary..][..vocabulary])
}

/// `shaders/lib/allowed_keys.wgsl`.
fn keys(call: &Call, logits: &[f32]) -> Vec<u32> {
    let mask = call.words(1);
    let allowed = |i: usize| call.uniforms.settings.masked == 0 || mask[i / 32] >> (i % 32) & 1 == 1;
    logits.iter().enumerate().map(|(i, v)| order_key(v.to_bits(), allowed(i))).collect()
}

/// Written in the place of an id where no allowed logit is a number.
pub const NO_ID: u32 = u32::MAX;

/// Writes the id that follows head row `row` to a buffer.
pub(super) fn put_id(call: &Call, ids: usize, row: usize, id: Option<u32>) {
    let position = call.uniforms.rows[call.uniforms.settings.head_first as usize + row].position as usize;
    call.words_mut(ids)[position + 1] = id.unwrap_or(NO_ID);
}

impl Kernel for Argmax {
    fn name(&self) -> &'static str {
        "argmax"
    }

    fn label(&self) -> String {
        let Self { invocations, slices, .. } = self;
        let suffix = subgroup_suffix(self.subgroups);
        if *slices == 1 {
            format!("argmax/{invocations}{suffix}")
        } else {
            format!("argmax/slices/{invocations}x{slices}{suffix}")
        }
    }

    fn source(&self) -> ShaderSource {
        let source = RunShape::FIRST
            .add_to(ShaderSource::new(include_str!("../../shaders/argmax.wgsl")))
            .size("WORKGROUP_SIZE", self.invocations)
            .with(super::invocations(self.subgroups))
            .with(best(self.subgroups))
            .with(if self.slices == 1 {
                include_str!("../../shaders/lib/best_next.wgsl")
            } else {
                include_str!("../../shaders/lib/best_slice.wgsl")
            });
        adjust_logits(source, self.slices)
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
        let mut args = adjusting_args(params, self.head_rows, Access::Read);
        args.push(Arg::write("bests", 6, Element::U32, self.head_rows * self.slices));
        args
    }

    fn grid(&self, _params: &[u32], active: Active) -> [u32; 2] {
        [active.head_rows as u32, self.slices as u32]
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
            let mut bests = vec![(0, None); self.slices];
            for (id, key) in adjusted_keys(call, row).into_iter().enumerate() {
                let best = &mut bests[slice_of(id, self.invocations, self.slices)];
                if key > best.0 {
                    *best = (key, Some(id as u32));
                }
            }
            if self.slices == 1 {
                put_id(call, 3, row, bests[0].1);
                continue;
            }
            for (slice, (_, id)) in bests.into_iter().enumerate() {
                call.words_mut(4)[row * self.slices + slice] = id.unwrap_or(NO_ID);
            }
        }
    }
}
