//! Cases of the samplers: every cut and penalty, on logits with ties, masked rows and numbers that are none.

use std::iter;
use std::sync::Arc;

use super::random::Random;
use super::{Case, case_of, uniforms};
use crate::kernel::uniforms::RunUniforms;
use crate::kernel::{Call, Kernel, Uniform, Words};
use crate::kernels::argmax::SamplerParams;
use crate::kernels::{Argmax, ArgmaxReduce, Sample, SampleList, SampleMaxima};
use crate::plan::tuning::Tuning;

pub(super) fn all(tuning: &Tuning, cases: &mut Vec<Case>) {
    for slices in slices(tuning) {
        all_in(tuning, slices, cases);
    }
}

fn all_in(tuning: &Tuning, slices: usize, cases: &mut Vec<Case>) {
    for vocabulary in [1, 37, 5003] {
        for (name, logits) in hard_logits(vocabulary) {
            let mut text = Text::new(vocabulary, &[logits]);
            text.uniforms.settings.masked = u32::from(name != "ties");
            for penalties in &PENALTIES {
                let name = format!("{name} of {vocabulary}, {}", penalties.name());
                cases.extend(greedy(tuning, slices, &name, &text.with(penalties)));
            }
            for (top_k, top_p, min_p, temperature, penalties) in [
                (0, 1.0, 0.0, 1.0, &PENALTIES[0]),
                (5, 1.0, 0.0, 0.7, &PENALTIES[0]),
                (0, 0.9, 0.0, 0.6, &PENALTIES[0]),
                (40, 0.5, 0.0, 2.0, &PENALTIES[0]),
                (1, 1.0, 0.0, 1.0, &PENALTIES[0]),
                (0, 1e-6, 0.0, 1.0, &PENALTIES[0]),
                (2000, 0.999, 0.0, 1.5, &PENALTIES[0]),
                (299, 0.3, 0.0, 1.0, &PENALTIES[0]),
                (1200, 1.0, 0.0, 8.0, &PENALTIES[0]),
                (0, 1.0, 0.3, 0.8, &PENALTIES[0]),
                (0, 1.0, 1.0, 1.0, &PENALTIES[0]),
                (30, 0.95, 0.05, 1.5, &PENALTIES[1]),
                (0, 0.9, 0.1, 0.6, &PENALTIES[2]),
            ] {
                let mut text = text.with(penalties);
                let settings = &mut text.uniforms.settings;
                settings.top_k = top_k;
                settings.top_p = top_p;
                settings.ln_min_p = f32::ln(min_p).max(f32::MIN);
                settings.inv_temperature = 1.0 / temperature;
                let cut = format!("k {top_k} p {top_p} min-p {min_p} T {temperature}");
                let name = format!("{name} of {vocabulary}, {cut}, {}", penalties.name());
                cases.extend(sampled(tuning, slices, &name, &text.seeded(&name)));
            }
        }
        // Two rows at once, in which no other logit is at the same place.
        let rows = hard_logits(vocabulary).map(|(_, logits)| logits);
        let mut text = Text::new(vocabulary, &[rows[0].clone(), rows[1].iter().rev().copied().collect()]);
        cases.extend(greedy(tuning, slices, &format!("two rows of {vocabulary}"), &text));
        for top_p in [1.0, 0.8] {
            text.uniforms.settings.top_p = top_p;
            let name = format!("two rows of {vocabulary}, p {top_p}");
            cases.extend(sampled(tuning, slices, &name, &text.seeded(&name)));
        }
        // A model that computes no number is told of.
        let mut text = Text::new(vocabulary, &[vec![f32::NAN; vocabulary]]);
        let name = format!("only NaNs of {vocabulary}");
        cases.extend(greedy(tuning, slices, &name, &text));
        for top_p in [1.0, 0.9] {
            text.uniforms.settings.top_p = top_p;
            cases.extend(sampled(tuning, slices, &format!("{name}, p {top_p}"), &text.seeded(&name)));
        }
    }
}

/// In how many slices the samplers of a plan look through a row: in one where the plan keeps several rows, too.
pub fn slices(tuning: &Tuning) -> impl Iterator<Item = usize> + use<> {
    let of_plan = tuning.sampler_slices;
    iter::once(1).chain((of_plan > 1).then_some(of_plan))
}

/// The likeliest id, by kernels that look through a row in so many slices, one after the other.
pub fn greedy(tuning: &Tuning, slices: usize, name: &str, text: &Text) -> Vec<Case> {
    let (invocations, subgroups, head_rows) = (tuning.sampler_invocations, tuning.tier.subgroups(), text.head_rows());
    let argmax = Argmax { invocations, subgroups, head_rows, slices };
    if slices == 1 {
        return vec![text.case(name, argmax, text.buffers())];
    }
    let bests = vec![0; head_rows * slices];
    let first = text.case(name, argmax, [text.buffers(), vec![bests]].concat());
    let [logits, _, _, ids, bests] = after(&first);
    let reduce = ArgmaxReduce { invocations: tuning.small_invocations, subgroups, head_rows, slices };
    vec![first, text.case(name, reduce, vec![logits, bests, ids])]
}

/// An id that is chosen at random, by kernels as those of [`greedy`].
pub fn sampled(tuning: &Tuning, slices: usize, name: &str, text: &Text) -> Vec<Case> {
    let (invocations, head_rows) = (tuning.sampler_invocations, text.head_rows());
    let sample = Sample { invocations, head_rows, slices };
    if slices == 1 {
        return vec![text.case(name, sample, text.buffers())];
    }
    let words = |kernel: &dyn Kernel, arg: &str| -> Vec<u32> {
        let args = kernel.args(&text.params().to_words());
        vec![0; args.iter().find(|other| other.name == arg).expect("an argument of the kernel").words]
    };
    let maxima = SampleMaxima { invocations, head_rows, slices };
    let first = text.case(name, maxima, [text.buffers(), vec![words(&maxima, "maxima")]].concat());
    let [logits, allowed, _, ids, maxima] = after(&first);
    let list = SampleList { invocations, head_rows, slices };
    let buffers = vec![logits, allowed, maxima, words(&list, "amounts"), words(&list, "lists")];
    let second = text.case(name, list, buffers);
    let [logits, allowed, _, amounts, lists] = after(&second);
    let third = text.case(name, sample, vec![logits, allowed, amounts, ids, lists]);
    vec![first, second, third]
}

/// The buffers of a case after its oracle ran.
fn after<const N: usize>(case: &Case) -> [Vec<u32>; N] {
    let buffers: Vec<Words> = case.buffers.iter().cloned().map(Words::new).collect();
    let grid = case.kernel.grid(&case.params, case.uniforms.active());
    let (params, uniforms) = (case.params.as_slice(), &case.uniforms);
    case.kernel.oracle(&Call { params, uniforms, buffers: buffers.iter().collect(), grid });
    let buffers: Vec<Vec<u32>> = buffers.into_iter().map(Words::into_inner).collect();
    buffers.try_into().expect("as many as the kernel has")
}

/// Penalties of a sampler case.
struct Penalties {
    last_n: u32,
    repetition: f32,
    presence: f32,
    frequency: f32,
}

/// None, a window that the text fills, and one that it does not.
const PENALTIES: [Penalties; 3] = [
    Penalties { last_n: 0, repetition: 1.0, presence: 0.0, frequency: 0.0 },
    Penalties { last_n: 5, repetition: 1.3, presence: 0.7, frequency: -0.3 },
    Penalties { last_n: 1024, repetition: 0.8, presence: -0.4, frequency: 0.15 },
];

impl Penalties {
    fn name(&self) -> String {
        let Self { last_n, repetition, presence, frequency } = self;
        format!("penalties {repetition} {presence} {frequency} of {last_n}")
    }
}

/// Logits with ties, masked rows and numbers that are none.
fn hard_logits(vocabulary: usize) -> [(&'static str, Vec<f32>); 3] {
    let random = &mut Random::of(&format!("logits {vocabulary}"));
    let plain: Vec<f32> = (0..vocabulary).map(|_| random.number() * 8.0).collect();
    let ties = plain.iter().map(|v| (v / 4.0).round() * 4.0).collect();
    let nans = plain.iter().enumerate().map(|(i, v)| if i % 3 == 1 { f32::NAN } else { *v }).collect();
    [("plain", plain), ("ties", ties), ("NaNs", nans)]
}

/// Logits of rows of a text, with a mask and a bias.
#[derive(Clone, Debug)]
pub struct Text {
    /// Ids.
    pub vocabulary: usize,
    /// Positions and settings.
    pub uniforms: RunUniforms,
    /// `[head rows][v]`
    pub logits: Vec<f32>,
    /// `[ceil(v / 32)]`
    pub allowed: Vec<u32>,
    /// `[biases]` of id and value
    pub bias: Vec<u32>,
    /// The id at each position, those that follow the rows included.
    pub ids: Vec<u32>,
}

impl Text {
    /// Two rows at the end of a text, of which the last ones have logits.
    fn new(vocabulary: usize, logits: &[Vec<f32>]) -> Self {
        let rows = 2;
        let position = 299;
        let mut uniforms = uniforms(rows, rows, 8, position - 1, position + 2);
        let head_rows = logits.len();
        (uniforms.settings.head_first, uniforms.settings.head_rows) = ((rows - head_rows) as u32, head_rows as u32);
        // Every seventh id is forbidden, unless it is the only one.
        let allowed = (0..vocabulary.div_ceil(32)).map(|word| {
            (0..32).filter(|bit| vocabulary == 1 || (32 * word + bit) % 7 != 3).fold(0u32, |bits, bit| bits | 1 << bit)
        });
        let bias = [[0, (-2.5f32).to_bits()], [(vocabulary - 1) as u32, 3.25f32.to_bits()]];
        uniforms.settings.biases = if vocabulary == 1 { 1 } else { 2 };
        // Ids of the text repeat, some of them often.
        let mut random = Random::of(&format!("text {vocabulary}"));
        let mut ids: Vec<u32> =
            (0..=position).map(|_| random.word() % (random.word() % vocabulary as u32 + 1)).collect();
        ids.resize(position + 3, 0);
        Self { vocabulary, uniforms, logits: logits.concat(), allowed: allowed.collect(), bias: bias.concat(), ids }
    }

    fn with(&self, penalties: &Penalties) -> Self {
        let mut text = self.clone();
        let settings = &mut text.uniforms.settings;
        settings.penalty_last_n = penalties.last_n;
        settings.repetition_penalty = penalties.repetition;
        settings.presence_penalty = penalties.presence;
        settings.frequency_penalty = penalties.frequency;
        text
    }

    /// With a seed that follows from a name.
    fn seeded(&self, name: &str) -> Self {
        let mut text = self.clone();
        (text.uniforms.settings.seed_lo, text.uniforms.settings.seed_hi) = (Random::of(name).word(), 77);
        text
    }

    fn head_rows(&self) -> usize {
        self.uniforms.settings.head_rows as usize
    }

    fn params(&self) -> SamplerParams {
        SamplerParams { vocabulary: self.vocabulary as u32, step: 1 }
    }

    /// The buffers of kernels that adjust logits.
    fn buffers(&self) -> Vec<Vec<u32>> {
        let logits = self.logits.iter().map(|logit| logit.to_bits()).collect();
        vec![logits, self.allowed.clone(), self.bias.clone(), self.ids.clone()]
    }

    fn case(&self, name: &str, kernel: impl Kernel + 'static, buffers: Vec<Vec<u32>>) -> Case {
        case_of(name, Arc::new(kernel), self.params().to_words(), self.uniforms.clone(), buffers)
    }
}
