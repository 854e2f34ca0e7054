//! Cases of the samplers: every cut and penalty, on logits with ties, masked rows and numbers that are none.

use super::random::Random;
use super::{Case, case, uniforms};
use crate::kernel::Uniform;
use crate::kernel::uniforms::RunUniforms;
use crate::kernels::argmax::SamplerParams;
use crate::kernels::{Argmax, Sample};
use crate::plan::tuning::Tuning;

pub(super) fn all(tuning: &Tuning, cases: &mut Vec<Case>) {
    let invocations = tuning.sampler_invocations;
    for vocabulary in [1, 37, 5003] {
        for (name, logits) in hard_logits(vocabulary) {
            let (mut uniforms, buffers) = sampler_buffers(vocabulary, logits);
            uniforms.settings.masked = u32::from(name != "ties");
            let params = (SamplerParams { vocabulary: vocabulary as u32, step: 1 }).to_words();
            for penalties in &PENALTIES {
                let kernel = Argmax { invocations, subgroups: tuning.tier.subgroups(), head_rows: 1 };
                let name = format!("{name} of {vocabulary}, {}", penalties.name());
                cases.push(case(&name, kernel, params.clone(), penalties.with(&uniforms), buffers.clone()));
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
                let mut uniforms = penalties.with(&uniforms);
                uniforms.settings.top_k = top_k;
                uniforms.settings.top_p = top_p;
                uniforms.settings.ln_min_p = f32::ln(min_p).max(f32::MIN);
                uniforms.settings.inv_temperature = 1.0 / temperature;
                let kernel = Sample { invocations, head_rows: 1 };
                let cut = format!("k {top_k} p {top_p} min-p {min_p} T {temperature}");
                let name = format!("{name} of {vocabulary}, {cut}, {}", penalties.name());
                (uniforms.settings.seed_lo, uniforms.settings.seed_hi) = (Random::of(&name).word(), 77);
                cases.push(case(&name, kernel, params.clone(), uniforms, buffers.clone()));
            }
        }
        // A model that computes no number is told of.
        let (mut uniforms, buffers) = sampler_buffers(vocabulary, vec![f32::NAN; vocabulary]);
        let params = (SamplerParams { vocabulary: vocabulary as u32, step: 1 }).to_words();
        let (name, subgroups) = (format!("only NaNs of {vocabulary}"), tuning.tier.subgroups());
        let kernel = Argmax { invocations, subgroups, head_rows: 1 };
        cases.push(case(&name, kernel, params.clone(), uniforms.clone(), buffers.clone()));
        for top_p in [1.0, 0.9] {
            uniforms.settings.top_p = top_p;
            let name = format!("{name}, p {top_p}");
            cases.push(case(
                &name,
                Sample { invocations, head_rows: 1 },
                params.clone(),
                uniforms.clone(),
                buffers.clone(),
            ));
        }
    }
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

    fn with(&self, uniforms: &RunUniforms) -> RunUniforms {
        let mut uniforms = uniforms.clone();
        uniforms.settings.penalty_last_n = self.last_n;
        uniforms.settings.repetition_penalty = self.repetition;
        uniforms.settings.presence_penalty = self.presence;
        uniforms.settings.frequency_penalty = self.frequency;
        uniforms
    }
}

/// Logits with ties, masked rows and numbers that are none.
fn hard_logits(vocabulary: usize) -> Vec<(&'static str, Vec<f32>)> {
    let random = &mut Random::of(&format!("logits {vocabulary}"));
    let plain: Vec<f32> = (0..vocabulary).map(|_| random.number() * 8.0).collect();
    let ties = plain.iter().map(|v| (v / 4.0).round() * 4.0).collect();
    let nans = plain.iter().enumerate().map(|(i, v)| if i % 3 == 1 { f32::NAN } else { *v }).collect();
    vec![("plain", plain), ("ties", ties), ("NaNs", nans)]
}

fn sampler_buffers(vocabulary: usize, logits: Vec<f32>) -> (RunUniforms, Vec<Vec<u32>>) {
    let rows = 2;
    let position = 299;
    let mut uniforms = uniforms(rows, rows, 8, position - 1, position + 2);
    (uniforms.settings.head_first, uniforms.settings.head_rows) = (1, 1);
    // Every seventh id is forbidden, unless it is the only one.
    let allowed = (0..vocabulary.div_ceil(32)).map(|word| {
        (0..32).filter(|bit| vocabulary == 1 || (32 * word + bit) % 7 != 3).fold(0u32, |bits, bit| bits | 1 << bit)
    });
    let bias = [[0, (-2.5f32).to_bits()], [(vocabulary - 1) as u32, 3.25f32.to_bits()]];
    uniforms.settings.biases = if vocabulary == 1 { 1 } else { 2 };
    let logits = logits.into_iter().map(f32::to_bits).collect();
    // Ids of the text repeat, some of them often.
    let mut random = Random::of(&format!("text {vocabulary}"));
    let mut text: Vec<u32> = (0..=position).map(|_| random.word() % (random.word() % vocabulary as u32 + 1)).collect();
    text.resize(position + 3, 0);
    let buffers = vec![logits, allowed.collect(), bias.concat(), text];
    (uniforms, buffers)
}
