//! The ids of a slice whose adjusted logits reach a floor, and their amounts, for the cuts of `sample` to look at.

use std::ops::Range;

use super::argmax::{SamplerParams, allowed_keys};
use super::{RunShape, logit_of, order_key};
use crate::kernel::uniforms::RunSettings;
use crate::kernel::{Active, Arg, Call, Element, Kernel, Scalar, ShaderSource, Uniform};

/// One variant: the sizes of the workgroup and of its slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SampleList {
    /// Invocations of a workgroup.
    pub invocations: usize,
    /// Rows whose logits the plan keeps.
    pub head_rows: usize,
    /// Workgroups that share a row, as those of [`SampleMaxima`](super::SampleMaxima).
    pub slices: usize,
}

/// Most ids that `sample` looks at as a list: `LISTED` in `shaders/lib/sample_parts.wgsl`.
const LISTED: usize = 2048;

/// How many of the maxima of some streams are below a floor that about a thousand of a long list of numbers are above: a
/// stream has none above it with the probability `exp(-1000 / maxima)`.
fn floor_rank(maxima: usize) -> usize {
    (maxima as f64 * (-1000.0 / maxima as f64).exp()) as usize
}

/// Adds the list of likely ids, and how it is made of the maxima of so many streams, to a source.
pub(super) fn add_parts(source: ShaderSource, maxima: usize) -> ShaderSource {
    source
        .size("MAXIMA", maxima)
        .size("FLOOR_RANK", floor_rank(maxima))
        .with(include_str!("../../shaders/lib/sample_parts.wgsl"))
        .with(include_str!("../../shaders/lib/sample_weight.wgsl"))
}

/// Adds the ids of a slice to a source.
pub(super) fn add_span(source: ShaderSource, slices: usize) -> ShaderSource {
    source.size("SLICES", slices).with(include_str!("../../shaders/lib/sample_span.wgsl"))
}

/// Words of the amounts of a row: of each slice the largest logit of the row, the amount of its ids, and that of those
/// it lists. An amount is a number of ids where the top k are kept, else a mass.
pub const fn amount_words(slices: usize) -> usize {
    3 * slices
}

/// Most ids that a slice lists.
fn most_listed(vocabulary: usize, slices: usize) -> usize {
    LISTED.min(vocabulary.div_ceil(slices))
}

/// Words of the lists of a row: of each slice a number of ids, and room for them.
pub fn list_words(vocabulary: usize, slices: usize) -> usize {
    slices * (1 + most_listed(vocabulary, slices))
}

/// The neighbouring ids of a slice (`shaders/lib/sample_span.wgsl`).
fn span(slice: usize, vocabulary: usize, slices: usize) -> Range<usize> {
    let most = vocabulary.div_ceil(slices);
    (slice * most).min(vocabulary)..((slice + 1) * most).min(vocabulary)
}

/// The key that the ids of the list reach: so many of the maxima are below it.
fn floor_of(mut maxima: Vec<u32>, by_count: bool, top_k: u32) -> u32 {
    let (rank, above_k) = (floor_rank(maxima.len()), maxima.len().saturating_sub(top_k as usize));
    let below = if by_count { rank.max(above_k) } else { rank };
    maxima.sort_unstable();
    maxima[below].max(1)
}

impl Kernel for SampleList {
    fn name(&self) -> &'static str {
        "sample_list"
    }

    fn label(&self) -> String {
        format!("sample_list/{}x{}", self.invocations, self.slices)
    }

    fn source(&self) -> ShaderSource {
        let source = RunShape::FIRST
            .add_to(ShaderSource::new(include_str!("../../shaders/sample_list.wgsl")))
            .size("WORKGROUP_SIZE", self.invocations)
            .with(include_str!("../../shaders/lib/order_key.wgsl"))
            .with(include_str!("../../shaders/lib/allowed_keys.wgsl"));
        add_span(add_parts(source, self.invocations), self.slices)
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
            Arg::read("allowed", 3, Element::U32, vocabulary.div_ceil(32)),
            Arg::read("maxima", 4, Element::F32, self.head_rows * self.invocations),
            Arg::write("amounts", 5, Element::F32, self.head_rows * amount_words(self.slices)),
            Arg::write("lists", 6, Element::U32, self.head_rows * list_words(vocabulary, self.slices)),
        ]
    }

    fn grid(&self, _params: &[u32], active: Active) -> [u32; 2] {
        [active.head_rows as u32, self.slices as u32]
    }

    /// A pass over the logits for the amounts, and one for the list.
    fn work(&self, params: &[u32], active: Active) -> u64 {
        2 * u64::from(SamplerParams::from_words(params).vocabulary) * active.head_rows as u64
    }

    /// Ids are exact. The worst of the amounts on lavapipe (Mesa 22.3.6) is 9.5e-14: sums in f32, and `exp`.
    fn tolerance(&self) -> f64 {
        1e-12
    }

    fn oracle(&self, call: &Call) {
        let settings = call.uniforms.settings;
        for row in 0..settings.head_rows as usize {
            let keys = allowed_keys(call, row);
            let vocabulary = keys.len();
            let maxima = &call.words(2)[row * self.invocations..][..self.invocations];
            let maxima: Vec<u32> = maxima.iter().map(|bits| order_key(*bits, true)).collect();
            let top = logit_of(maxima.iter().copied().max().unwrap_or(0));
            let by_count = settings.top_k > 0 && (settings.top_k as usize) < vocabulary;
            let cut = by_count || settings.top_p < 1.0;
            let floor = floor_of(maxima, by_count, settings.top_k);
            for slice in 0..self.slices {
                let at = row * self.slices + slice;
                let of_slice = span(slice, vocabulary, self.slices);
                let listed: Vec<usize> = of_slice.clone().filter(|id| keys[*id] >= floor).collect();
                let amount = |id: usize| amount_of(keys[id], top, &settings, by_count, cut);
                let amounts = [of_slice.map(amount).sum(), listed.iter().map(|id| amount(*id)).sum::<f64>()];
                let amounts = [f64::from(top), amounts[0], amounts[1]].map(|number| number as f32);
                call.floats_mut(3)[3 * at..][..3].copy_from_slice(&amounts);
                let most = most_listed(vocabulary, self.slices);
                let list = &mut call.words_mut(4)[at * (1 + most)..][..1 + most];
                list[0] = listed.len() as u32;
                if cut && listed.len() <= most {
                    list[1..].iter_mut().zip(listed).for_each(|(to, id)| *to = id as u32);
                }
            }
        }
    }
}

/// What an id adds to the amounts of its slice: 1 where the top k are cut; its mass where masses are, or where it may be
/// sampled.
fn amount_of(key: u32, top: f32, settings: &RunSettings, by_count: bool, cut: bool) -> f64 {
    let exponent = (f64::from(logit_of(key)) - f64::from(top)) * f64::from(settings.inv_temperature);
    if key == 0 || !(cut || exponent >= f64::from(settings.ln_min_p)) {
        0.0
    } else if by_count {
        1.0
    } else {
        exponent.exp()
    }
}
