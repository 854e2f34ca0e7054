//! Kernel cases with seeded data, and the check of a device against the oracles: in tests, and on a user's own device.

mod build;

use std::sync::Arc;

use half::f16;

use crate::backend::gpu::Gpu;
use crate::backend::{Device, Machine, Upload, Weights};
use crate::error::{Error, Result};
use crate::kernel::run::Slot;
use crate::kernel::{Access, Arg, Element, Kernel, Texels};
use crate::kernels::fixed::{self, BLOCK_WORDS, SCALE_WORD};
use crate::plan::{Copy, Kind, Plan, Stage, Wanted};
use crate::weights::pack::{BLOCK, Store};

pub use build::all;

/// Words after every buffer that no kernel may touch.
const GUARD_WORDS: usize = 64;
/// What guard words hold: a signalling pattern, so that reading them shows too.
const GUARD: u32 = 0x7fa5_a5a5;
/// Halves in the KV cache: WGSL leaves their rounding open, which is up to one unit in the last place (2^-10).
const HALF_TOLERANCE: f64 = 1.0 / (1u64 << 20) as f64;

/// A kernel variant with params, slot and the contents of its buffers.
#[derive(Clone, Debug)]
pub struct Case {
    /// The kernel's label, and what is special about the data.
    pub name: String,
    /// The variant.
    pub kernel: Arc<dyn Kernel>,
    /// Its params as words.
    pub params: Vec<u32>,
    /// The slot.
    pub slot: Slot,
    /// Contents, in the order of the binding table.
    pub buffers: Vec<Vec<u32>>,
}

/// How a case came out.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Report {
    /// The case.
    pub name: String,
    /// The worst normalised mean squared error of an output.
    pub nmse: f64,
    /// The most it may be.
    pub tolerance: f64,
    /// Whether everything held.
    pub passed: bool,
    /// What did not hold; empty where everything did.
    pub fault: String,
}

/// What a written buffer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    Floats,
    Halves,
    Fixed,
    Exact,
}

impl Content {
    fn of(arg: &Arg) -> Self {
        match (arg.element, arg.name) {
            (Element::U32, "keys" | "values") => Self::Halves,
            (Element::Vec4U32, "y") => Self::Fixed,
            (Element::U32 | Element::Vec2U32 | Element::Vec4U32, _) => Self::Exact,
            _ => Self::Floats,
        }
    }

    fn numbers(self, words: &[u32]) -> Vec<f64> {
        match self {
            Self::Floats => words.iter().map(|w| f64::from(f32::from_bits(*w))).collect(),
            // And the sums of each block, which must be those of its numbers.
            Self::Fixed => words.chunks_exact(BLOCK_WORDS).flat_map(fixed::numbers_and_sums).collect(),
            Self::Exact => words.iter().map(|w| f64::from(*w)).collect(),
            Self::Halves => words
                .iter()
                .flat_map(|w| [*w as u16, (*w >> 16) as u16])
                .map(|bits| f16::from_bits(bits).to_f64())
                .collect(),
        }
    }
}

impl Case {
    fn plan(&self) -> Plan {
        let rows = self.slot.rows.len();
        let mut plan = Plan::new(rows, rows, self.slot.rope.len() / rows);
        let buffers: Vec<_> = self
            .buffers
            .iter()
            .enumerate()
            .map(|(i, words)| {
                let kind = if self.texels(i) { Kind::Weight } else { Kind::State };
                plan.buffer(kind, format!("arg{i}"), words.len() + GUARD_WORDS)
            })
            .collect();
        plan.push_words(Stage::Body, self.name.clone(), self.kernel.clone(), self.params.clone(), &buffers);
        plan
    }

    /// Whether a buffer is a texture, which no kernel can write: it belongs to the weights, and is not read back.
    fn texels(&self, index: usize) -> bool {
        matches!(self.kernel.args(&self.params)[index].element, Element::Texels(_))
    }

    /// A buffer with guard words.
    fn guarded(&self, index: usize) -> Vec<u32> {
        let mut words = self.buffers[index].clone();
        words.resize(words.len() + GUARD_WORDS, GUARD);
        words
    }

    /// The textures.
    async fn weights(&self, mut upload: Upload) -> Result<Weights> {
        let texels =
            || (0..self.buffers.len()).filter(|i| self.texels(*i)).map(|i| (format!("arg{i}"), self.guarded(i)));
        for (name, words) in texels() {
            upload.reserve_matrix(&name, words.len(), Store::Texels(Texels::Sampled)).await?;
        }
        let weights = upload.finish();
        texels().for_each(|(name, words)| weights.write(&name, 0, &words));
        Ok(weights)
    }

    async fn run(&self, upload: Upload) -> Result<Vec<Vec<u32>>> {
        let machine = Machine::new(&self.weights(upload).await?, vec![Arc::new(self.plan())])?;
        for i in (0..self.buffers.len()).filter(|i| !self.texels(*i)) {
            machine.write(&format!("arg{i}"), 0, &self.guarded(i))?;
        }
        machine.run(0, 0..1, Wanted::Body, &self.slot, None)?.await?;
        let mut results = Vec::new();
        for (i, words) in self.buffers.iter().enumerate() {
            if self.texels(i) {
                results.push(self.guarded(i));
                continue;
            }
            let name = format!("arg{i}");
            let copy = Copy { name: &name, first: 0, words: words.len() + GUARD_WORDS };
            let mut read = machine.read(copy).await?;
            read.truncate(copy.words);
            results.push(read);
        }
        Ok(results)
    }

    /// What the oracle makes of the case: every buffer, with its guard words.
    ///
    /// # Errors
    /// Never, unless the case itself is broken.
    pub async fn expected(&self) -> Result<Vec<Vec<u32>>> {
        self.run(Upload::cpu()).await
    }

    /// What a device makes of the case.
    ///
    /// # Errors
    /// Where the device refuses the kernel or is lost.
    pub async fn measured(&self, gpu: &Gpu) -> Result<Vec<Vec<u32>>> {
        self.run(Upload::new(&Device::Gpu(gpu.clone()))).await
    }

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
        let content = Content::of(arg);
        if content == Content::Exact {
            let differs = expected.iter().zip(measured).position(|(e, m)| e != m)?;
            return Some(format!("word {differs} is {} and should be {}", measured[differs], expected[differs]));
        }
        let tolerance = if content == Content::Halves { HALF_TOLERANCE } else { self.kernel.tolerance() };
        let scales: Vec<f64> = match content {
            Content::Fixed => expected.chunks_exact(BLOCK_WORDS).flat_map(fixed::scales).collect(),
            _ => Vec::new(),
        };
        let (expected, measured) = (content.numbers(expected), content.numbers(measured));
        if let Some(i) = (0..measured.len()).find(|i| expected[*i].is_finite() && !measured[*i].is_finite()) {
            return Some(format!("element {i} is {} and should be {}", measured[i], expected[i]));
        }
        if let Some(i) =
            (0..measured.len()).find(|i| content == Content::Fixed && expected[*i].is_nan() != measured[*i].is_nan())
        {
            return Some(format!("element {i} is {} and should be {}", measured[i], expected[i]));
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
        // A sum of thousands of rounding errors would hide one wrong half.
        let largest = pairs().fold(0.0, |most: f64, (e, _)| most.max(e.abs()));
        let off = |e: f64, m: f64| (e - m).abs() > e.abs() / 1000.0 + largest * 1e-6;
        let wrong_half = content == Content::Halves && pairs().any(|(e, m)| off(*e, *m));
        if nmse <= tolerance && !wrong_half {
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
        let Some((i, arg)) = args.iter().enumerate().rfind(|(_, arg)| arg.access == Access::ReadWrite) else {
            return spoiled;
        };
        let len = self.buffers[i].len();
        let content = Content::of(arg);
        let numbers = content.numbers(&spoiled[i][..len]);
        let largest = (0..numbers.len())
            .filter(|i| numbers[*i].is_finite())
            .max_by(|a, b| numbers[*a].abs().total_cmp(&numbers[*b].abs()))
            .unwrap_or(0);
        match content {
            Content::Floats => {
                let word = &mut spoiled[i][largest];
                *word = (f32::from_bits(*word) * 1.01 + 1e-20).to_bits();
            }
            Content::Fixed => {
                let scale = largest / (BLOCK + 2) * BLOCK_WORDS + SCALE_WORD;
                spoiled[i][scale] = (f32::from_bits(spoiled[i][scale]) * 1.01 + 1e-20).to_bits();
            }
            Content::Exact => spoiled[i][largest] ^= 1,
            Content::Halves => {
                let (word, shift) = (&mut spoiled[i][largest / 2], 16 * (largest % 2));
                let changed = f16::from_f64(numbers[largest] * 0.99 + 1e-6).to_bits();
                *word = *word & !(0xffff << shift) | u32::from(changed) << shift;
            }
        }
        spoiled
    }

    /// Runs the case on a device and compares it with the oracle.
    ///
    /// # Errors
    /// Where the device refuses the kernel or is lost.
    pub async fn check(&self, gpu: &Gpu) -> Result<Report> {
        let expected = self.expected().await?;
        let measured = self.measured(gpu).await?;
        if self.compare(&expected, &self.spoil(&expected)).passed {
            return Err(Error::Internal(format!("{}: the check does not see a fault of 1 %", self.name)));
        }
        Ok(self.compare(&expected, &measured))
    }
}
