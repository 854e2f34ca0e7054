//! `id = argmax(logits + bias)` over the allowed ids; the lowest id wins a tie.

use super::{ORDER_KEY, SlotShape, order_key};
use crate::kernel::{Active, Arg, Call, Element, Kernel, Scalar, Source, Uniform, uniform};

uniform! {
    /// Params of both samplers.
    pub struct SamplerParams {
        /// Logits of a row.
        vocabulary: u32,
    }
}

/// The kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Argmax {
    /// Lanes of a workgroup.
    pub lanes: usize,
    /// Rows whose logits the plan keeps.
    pub head_rows: usize,
    /// The slot.
    pub slot: SlotShape,
}

/// The bindings of both samplers.
pub(super) fn sampler_args(params: &[u32], head_rows: usize) -> Vec<Arg> {
    let params: SamplerParams = *bytemuck::from_bytes(bytemuck::cast_slice(params));
    let vocabulary = params.vocabulary as usize;
    vec![
        Arg::write("logits", 2, Element::F32, head_rows * vocabulary),
        Arg::read("allowed", 3, Element::U32, vocabulary.div_ceil(32)),
        Arg::read("bias", 4, Element::Vec2U32, 2),
        Arg::write("ids", 5, Element::U32, 2),
    ]
}

/// Adds the bias to row `row` of the logits in place, and gives its ordered keys.
pub(super) fn biased_keys(call: &Call, row: usize) -> Vec<u32> {
    let params: SamplerParams = call.params();
    let vocabulary = params.vocabulary as usize;
    let mut logits = call.floats_mut(0);
    let logits = &mut logits[row * vocabulary..][..vocabulary];
    for entry in call.words(2).chunks_exact(2).take(call.slot.head.biases as usize) {
        logits[entry[0] as usize] += f32::from_bits(entry[1]);
    }
    let allowed = call.words(1);
    logits.iter().enumerate().map(|(i, v)| order_key(v.to_bits(), allowed[i / 32] >> (i % 32) & 1 == 1)).collect()
}

/// Writes the id that follows head row `row`.
pub(super) fn put_id(call: &Call, row: usize, id: usize) {
    let position = call.slot.rows[call.slot.head.head_first as usize + row].position as usize;
    call.words_mut(3)[position + 1] = id as u32;
}

impl Kernel for Argmax {
    fn name(&self) -> &'static str {
        "argmax"
    }

    fn label(&self) -> String {
        format!("argmax/{}-rows{}", self.lanes, self.slot.rows)
    }

    fn source(&self) -> Source {
        self.slot
            .add_to(Source::new(include_str!("../../shaders/argmax.wgsl")))
            .size("LANES", self.lanes)
            .with(ORDER_KEY)
    }

    fn lanes(&self) -> u32 {
        self.lanes as u32
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
        u64::from(params[0]) * active.head_rows as u64
    }

    /// Ids and sums of two numbers are exact.
    fn tolerance(&self) -> f64 {
        0.0
    }

    fn oracle(&self, call: &Call) {
        for row in 0..call.slot.head.head_rows as usize {
            let keys = biased_keys(call, row);
            let best = keys.iter().copied().max().unwrap_or(0);
            put_id(call, row, keys.iter().position(|key| *key == best).unwrap_or(0));
        }
    }
}
