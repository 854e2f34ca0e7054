//! Kernel cases: a kernel's variant with seeded data and hard sizes, and the comparison of a device's results with the
//! oracle's. [`check`](crate::check) runs them.

mod attention;
mod embedding;
mod generator;
pub(crate) mod inputs;
pub mod llama;
mod products;
pub(crate) mod random;
pub mod samplers;

use std::sync::Arc;

use half::f16;

use crate::arch::shape::rope_frequencies;
use crate::kernel::uniforms::RunUniforms;
use crate::kernel::{Access, Arg, Content, Kernel};
use crate::kernels::linear::Output;
use crate::plan::tuning::Tuning;
use crate::weights::Packing;

pub(crate) use products::{Sizes, TINY, outputs, product, sizes};

/// Words after every buffer that no kernel may touch.
pub(crate) const GUARD_WORDS: usize = 64;
/// The value of guard words: a signalling NaN, so that reading them shows too.
pub(crate) const GUARD: u32 = 0x7fa5_a5a5;
/// f16 in the KV cache: WGSL leaves the rounding open, which is up to one unit in the last place (2^-10).
const F16_TOLERANCE: f64 = 1.0 / (1u64 << 20) as f64;

/// A scale is a largest number, divided by a constant: a few roundings, and the errors of what the number is made of.
const SCALE_TOLERANCE: f64 = 1e-4;

/// A kernel variant with params, run uniforms and the contents of its buffers.
#[derive(Clone, Debug)]
pub struct Case {
    /// The kernel's label, and what is special about the data.
    pub name: String,
    /// The kernel's variant.
    pub kernel: Arc<dyn Kernel>,
    /// Its params as words.
    pub params: Vec<u32>,
    /// The run uniforms.
    pub uniforms: RunUniforms,
    /// Contents, in the order of the binding table.
    pub buffers: Vec<Vec<u32>>,
}

/// How a case came out.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Report {
    /// The name of the case.
    pub name: String,
    /// The worst normalised mean squared error of an output.
    pub nmse: f64,
    /// The most it may be.
    pub tolerance: f64,
    /// Whether everything held.
    pub passed: bool,
    /// The first check that failed, in words; empty where none did.
    pub fault: String,
}

/// Cases of every kernel that all plans have, in the sizes of this one.
pub fn common(tuning: &Tuning, cases: &mut Vec<Case>) {
    products::all(tuning, cases);
    attention::all(tuning, cases);
    inputs::all(tuning, cases);
    embedding::all(tuning, cases);
    samplers::all(tuning, cases);
    generator::all(cases);
}

/// Cases of the kernels that read and write the KV cache.
pub fn cache(tuning: &Tuning, cases: &mut Vec<Case>) {
    for sizes in [products::TINY, products::ODD] {
        products::matvec(tuning, Packing::Q4_0, sizes, Output::Qkv(tuning.kv), cases);
        products::matmul(tuning, Packing::Q4_0, sizes, Output::Qkv(tuning.kv), cases);
    }
    attention::all(tuning, cases);
}

/// A case, named after its kernel and `name`.
pub(crate) fn case(
    name: &str,
    kernel: impl Kernel + 'static,
    params: Vec<u32>,
    uniforms: RunUniforms,
    buffers: Vec<Vec<u32>>,
) -> Case {
    case_of(name, Arc::new(kernel), params, uniforms, buffers)
}

/// The same for a kernel that a driver chose.
fn case_of(
    name: &str,
    kernel: Arc<dyn Kernel>,
    params: Vec<u32>,
    uniforms: RunUniforms,
    buffers: Vec<Vec<u32>>,
) -> Case {
    Case { name: format!("{}: {name}", kernel.label()), kernel, params, uniforms, buffers }
}

/// Positions of the KV cache in cases of products.
pub(crate) const CAPACITY: usize = 53;

/// The run uniforms of `active` of `rows` rows with heads of `d` elements, from position `first` on.
pub(crate) fn uniforms(rows: usize, active: usize, d: usize, first: usize, capacity: usize) -> RunUniforms {
    let mut uniforms = RunUniforms::new(rows, &rope_frequencies(d, 10_000.0), first..first + active);
    uniforms.settings.capacity = capacity as u32;
    uniforms
}

impl Content {
    fn numbers(self, words: &[u32]) -> Vec<f64> {
        match self {
            Self::F32 => words.iter().map(|w| f64::from(f32::from_bits(*w))).collect(),
            Self::F16 => {
                let halves = words.iter().flat_map(|w| [*w as u16, (*w >> 16) as u16]);
                halves.map(|bits| f16::from_bits(bits).to_f64()).collect()
            }
            Self::Exact => words.iter().map(|w| f64::from(*w)).collect(),
            Self::Blocks(blocks, behind) => {
                let (words, behind) = words.split_at(words.len() - behind);
                let numbers = words.chunks_exact(blocks.words).flat_map(blocks.numbers);
                numbers.chain(Self::F32.numbers(behind)).collect()
            }
        }
    }

    /// The scale of each number of blocks; nothing of other content.
    fn scales(self, words: &[u32]) -> Vec<f64> {
        let Self::Blocks(blocks, behind) = self else { return Vec::new() };
        let of_block =
            |block: &[u32]| vec![f64::from(f32::from_bits(block[blocks.scale_word])); (blocks.numbers)(block).len()];
        words[..words.len() - behind].chunks_exact(blocks.words).flat_map(of_block).collect()
    }
}

impl Case {
    /// Compares what a device made with what the oracle made.
    pub fn compare(&self, expected: &[Vec<u32>], measured: &[Vec<u32>]) -> Report {
        let mut report = Report {
            name: self.name.clone(),
            nmse: 0.0,
            tolerance: self.kernel.tolerance(),
            passed: true,
            fault: String::new(),
        };
        for (i, arg) in self.kernel.args(&self.params).iter().enumerate() {
            let words = self.buffers[i].len();
            let fault = self.fault(arg, &self.buffers[i], &expected[i][..words], &measured[i], &mut report);
            if let Some(fault) = fault {
                report.passed = false;
                report.fault = format!("{}: {fault}", arg.name);
                break;
            }
        }
        report
    }

    fn fault(
        &self,
        arg: &Arg,
        before: &[u32],
        expected: &[u32],
        measured: &[u32],
        report: &mut Report,
    ) -> Option<String> {
        if let Some(i) = measured[before.len()..].iter().position(|w| *w != GUARD) {
            return Some(format!("word {i} past its end was written"));
        }
        let measured = &measured[..before.len()];
        if arg.access == Access::Read {
            return (measured != before).then(|| "an input was written".to_owned());
        }
        let content = arg.content;
        if matches!(content, Content::Exact) {
            let differs = expected.iter().zip(measured).position(|(e, m)| e != m)?;
            return Some(format!("word {differs} is {} and should be {}", measured[differs], expected[differs]));
        }
        let tolerance = if matches!(content, Content::F16) { F16_TOLERANCE } else { self.kernel.tolerance() };
        let (scales, own) = (content.scales(expected), content.scales(measured));
        let off = |i: &usize| (own[*i] - scales[*i]).abs() > scales[*i] * SCALE_TOLERANCE;
        if let Some(i) = (0..scales.len()).find(off) {
            return Some(format!("the scale of element {i} is {} and should be {}", own[i], scales[i]));
        }
        let (expected, measured) = (content.numbers(expected), content.numbers(measured));
        if let Some(i) = (0..measured.len()).find(|i| expected[*i].is_finite() && !measured[*i].is_finite()) {
            return Some(format!("element {i} is {} and should be {}", measured[i], expected[i]));
        }
        if let Some(i) = (0..scales.len()).find(|i| expected[*i].is_nan() != measured[*i].is_nan()) {
            return Some(format!("element {i} is {} and should be {}", measured[i], expected[i]));
        }
        if let Some(i) = (0..measured.len()).find(|i| expected[*i].is_nan() && !measured[*i].is_nan()) {
            return Some(format!("element {i} is {} and should be no number", measured[i]));
        }
        // A number may be rounded to the other side, and a sum may be off by two of them.
        let far = |i: &usize| (expected[*i] - measured[*i]).abs() > 2.5 * scales[*i];
        if let Some(i) = (0..scales.len()).find(far) {
            return Some(format!(
                "element {i} is {} and should be {}, at a scale of {}",
                measured[i], expected[i], scales[i]
            ));
        }
        let pairs = || expected.iter().zip(&measured).filter(|(e, _)| e.is_finite());
        let error: f64 = pairs().map(|(e, m)| (e - m).powi(2)).sum();
        let power: f64 = pairs().map(|(e, _)| e.powi(2)).sum();
        let nmse = if error == 0.0 { 0.0 } else { error / power.max(1e-30) };
        if nmse >= report.nmse {
            (report.nmse, report.tolerance) = (nmse, tolerance);
        }
        // A sum of thousands of rounding errors would hide one wrong f16.
        let largest = pairs().fold(0.0, |most: f64, (e, _)| most.max(e.abs()));
        let off = |e: f64, m: f64| (e - m).abs() > e.abs() / 1000.0 + largest * 1e-6;
        let wrong_f16 = matches!(content, Content::F16) && pairs().any(|(e, m)| off(*e, *m));
        if nmse <= tolerance && !wrong_f16 {
            return None;
        }
        let worst = (0..measured.len()).max_by(|a, b| {
            let of = |i: usize| (expected[i] - measured[i]).abs();
            of(*a).total_cmp(&of(*b))
        })?;
        Some(format!(
            "NMSE {nmse:.3e} is above {tolerance:.1e}; the worst is element {worst}: {} should be {}",
            measured[worst], expected[worst]
        ))
    }

    /// A copy of the expected buffers with a fault of 1 % in the largest number of the first output (or another id): a
    /// check that passes this is no check.
    pub fn spoil(&self, expected: &[Vec<u32>]) -> Vec<Vec<u32>> {
        let mut spoiled = expected.to_vec();
        let args = self.kernel.args(&self.params);
        let is_result = |i: usize, arg: &Arg| arg.access == Access::ReadWrite && !self.buffers[i].is_empty();
        let Some((i, arg)) = args.iter().enumerate().rfind(|(i, arg)| is_result(*i, arg)) else {
            return spoiled;
        };
        let len = self.buffers[i].len();
        let content = arg.content;
        // A fault among numbers behind blocks would be looked for elsewhere.
        let behind = if let Content::Blocks(_, behind) = content { behind } else { 0 };
        let content = if let Content::Blocks(blocks, _) = content { Content::Blocks(blocks, 0) } else { content };
        let numbers = content.numbers(&spoiled[i][..len - behind]);
        let largest = (0..numbers.len())
            .filter(|i| numbers[*i].is_finite())
            .max_by(|a, b| numbers[*a].abs().total_cmp(&numbers[*b].abs()))
            .unwrap_or(0);
        match content {
            Content::F32 => {
                let word = &mut spoiled[i][largest];
                let number = f32::from_bits(*word);
                *word = if number.is_nan() { 1.0 } else { number * 1.01 + 1e-20 }.to_bits();
            }
            Content::Blocks(blocks, _) => {
                let of_block = (blocks.numbers)(&spoiled[i][..blocks.words]).len();
                let scale = largest / of_block * blocks.words + blocks.scale_word;
                spoiled[i][scale] = (f32::from_bits(spoiled[i][scale]) * 1.01 + 1e-20).to_bits();
            }
            Content::Exact => spoiled[i][largest] ^= 1,
            Content::F16 => {
                let (word, shift) = (&mut spoiled[i][largest / 2], 16 * (largest % 2));
                let changed = f16::from_f64(numbers[largest] * 0.99 + 1e-6).to_bits();
                *word = *word & !(0xffff << shift) | u32::from(changed) << shift;
            }
        }
        spoiled
    }
}
