//! `llamita inspect`: the contents of a checkpoint, the memory that it would take, and the plans that would run it.

mod memory;
mod plan;
mod report;

use std::path::PathBuf;

use clap::Args;
use half::f16;
use llamita::internals::arch::shape::Shape;
use llamita::internals::arch::tensors::TensorId;
use llamita::internals::drivers::DeviceOptions;
use llamita::internals::format::{Checkpoint, Encoding, Extent, ModelTensors, ReadScope, Tensor, Vocabulary, read};
use llamita::internals::model::budget::{BudgetInputs, HostBudget};
use llamita::internals::model::{FIRST_CAPACITY, rotate, session_context};
use llamita::internals::plan::Plan;
use llamita::internals::plan::limits::Profile;
use llamita::internals::plan::llama::session_plans;
use llamita::internals::plan::tuning::Tuning;
use llamita::internals::weights::pack::row_unit;
use llamita::internals::weights::{Matrices, Packing, Packings};
use llamita::source::{self, Source};
use llamita::{EmbeddingPlace, Error, KvType, PackingChoice, PlanChoice, Tier};
use pollster::block_on;

use super::args::{NumberArgs, embedding_parser, kv_parser, limits_parser, plan_parser, tier_parser};
use super::failure::Failure;
use super::output;

/// Show what a checkpoint holds, and the memory it takes
///
/// Opens no GPU, and works on files that hold a vocabulary alone.
#[derive(Args)]
#[command(after_help = "Examples:
  llamita inspect Llama-3.2-1B-Q4_0.gguf
  llamita inspect Llama3.2-1B-Instruct
  llamita inspect Llama-3.2-1B-Q4_0.gguf --context 8192 --json
  llamita inspect Llama-3.2-1B-Q4_0.gguf --memory --context 8192 --kv f32
  llamita inspect Llama-3.2-1B-Q4_0.gguf --plan --rows 128
  llamita inspect Llama-3.2-1B-Q4_0.gguf --wgsl sample")]
pub struct Inspect {
    /// GGUF file, any part of one that was split, or the folder or consolidated.00.pth of one of Meta's checkpoints
    #[arg(value_name = "FILE|FOLDER")]
    file: PathBuf,
    /// Context to count the bytes for; without it the model's own, up to 4096
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    context: Option<usize>,
    /// Type of the numbers in the KV cache to count the bytes for
    #[arg(long, value_parser = kv_parser(), default_value = "f16")]
    kv: KvType,
    #[command(flatten)]
    numbers: NumberArgs,
    /// Where the embedding is: on the device, or in the file, which --memory tells the saving of
    #[arg(long, value_parser = embedding_parser(), default_value = "device")]
    embedding: EmbeddingPlace,
    /// Lists every buffer on the device with its bytes, and what the host takes at most
    #[arg(long, conflicts_with = "wgsl")]
    memory: bool,
    /// Lists the dispatches of a run, with the kernel, workgroups, bytes and multiply-accumulates of each; the plan is
    /// that of real GPUs, or the one that is named, which --memory and --wgsl count and print for too
    #[arg(long, value_name = "PLAN", value_parser = plan_parser(), num_args = 0..=1, require_equals = true, default_missing_value = "gpu")]
    plan: Option<PlanChoice>,
    /// Tokens of the run that --plan lists: 1 is decode, more are a prefill
    #[arg(long, value_name = "R", default_value_t = 1, requires = "plan", allow_negative_numbers = true)]
    rows: usize,
    /// Prints the complete WGSL of a kernel that the plans use: its name, or a part of it that fits no other
    #[arg(long, value_name = "KERNEL", conflicts_with = "json")]
    wgsl: Option<String>,
    /// Shader features that the plans may use; without it the plainest, or with --limits the best that these have
    #[arg(long, value_parser = tier_parser())]
    tier: Option<Tier>,
    /// Counts as if on a kind of device, with its limits; `llamita devices --limits NAME` shows them
    #[arg(long, value_name = "NAME", value_parser = limits_parser())]
    limits: Option<&'static Profile>,
    /// Prints one JSON object
    #[arg(long)]
    json: bool,
}

/// A model, and the settings that its bytes are counted for.
struct Sized<'a> {
    shape: Shape,
    tensors: &'a ModelTensors,
    vocabulary: Option<&'a Vocabulary>,
    choice: PackingChoice,
    embedding: EmbeddingPlace,
    packings: Packings,
    tuning: Tuning,
    context: usize,
}

impl Sized<'_> {
    fn inputs(&self) -> BudgetInputs<'_> {
        let first_capacity = FIRST_CAPACITY.min(self.context);
        BudgetInputs {
            shape: &self.shape,
            packings: &self.packings,
            tuning: &self.tuning,
            context: self.context,
            first_capacity,
        }
    }

    /// Bytes of weights that the device does not take, since they stay in the file.
    fn saved_bytes(&self) -> u64 {
        let packings = Packings::of(self.tensors, self.choice, EmbeddingPlace::Device);
        let all = BudgetInputs { packings: &packings, ..self.inputs() };
        all.budget().weights - self.inputs().budget().weights
    }

    /// The activations that products of decode read, where any product reads others than f32.
    fn activations(&self) -> &'static str {
        let [decode, _] = self.plans();
        let read = decode.steps.iter().map(|step| step.kernel.activations());
        read.reduce(|a, b| if a == "f32" { b } else { a }).unwrap_or("f32")
    }

    /// The largest normalised mean squared error of a tensor of INT4 weights whose scales are rounded to f16, as if all
    /// its quants were alike; `None` where none is rounded.
    fn scales_nmse(&self, source: &dyn Source) -> llamita::Result<Option<f64>> {
        let rounded = |id: TensorId, tensor: &Tensor| {
            tensor.encoding == Encoding::INT4
                && self.packings.get(id).is_some_and(|packing| packing == Packing::INT4_F16)
        };
        let mut worst = None;
        for (_, tensor) in self.tensors.iter().filter(|(id, tensor)| rounded(*id, tensor)) {
            let Some(Extent { bytes, strides }) = &tensor.scales else { continue };
            let read = block_on(source.read_at(bytes.start, (bytes.end - bytes.start) as usize))?;
            let scales = read.as_chunks().0;
            let groups = tensor.encoding.scale_bytes(tensor.cols) / 4;
            let [next_row, next] = strides.map_or([groups, 1], |strides| strides.map(|stride| stride as usize));
            let (mut error, mut power) = (0.0, 0.0);
            for row in 0..tensor.rows {
                let scales = (0..groups).map(|g| f32::from_le_bytes(scales[row * next_row + g * next]));
                let unit = row_unit(scales.clone());
                for scale in scales {
                    error += f64::from(scale - f16::from_f32(scale / unit).to_f32() * unit).powi(2);
                    power += f64::from(scale).powi(2);
                }
            }
            if power > 0.0 {
                worst = Some(f64::max(worst.unwrap_or(0.0), error / power));
            }
        }
        Ok(worst)
    }

    fn host(&self) -> HostBudget {
        let matrices = Matrices::new(&self.shape, &self.packings, self.tuning.cut());
        HostBudget::new(self.tensors, &matrices, self.vocabulary)
    }

    /// The plans of decode and prefill.
    fn plans(&self) -> [Plan; 2] {
        let matrices = Matrices::new(&self.shape, &self.packings, self.tuning.cut());
        session_plans(&self.shape, &matrices, &self.tuning, self.context)
    }
}

impl Inspect {
    pub async fn run(self) -> Result<(), Failure> {
        let source = source::open(&self.file)?;
        let checkpoint = read(source.as_ref(), ReadScope::ModelFirst).await?;
        checkpoint.warnings.iter().for_each(|warning| log::warn!("{warning}"));
        let about = |error| Failure::with(source.name(), error);
        if !self.memory && self.plan.is_none() && self.wgsl.is_none() {
            let report = report::Report::new(&self, source.as_ref(), &checkpoint).map_err(about)?;
            return if self.json { output::print_json(&report) } else { output::print(&report.text()) };
        }
        let sized = self.sized(source.name(), &checkpoint).map_err(about)?;
        let sized =
            sized.ok_or_else(|| Failure::new(format!("{} holds a vocabulary and no weights", source.name())))?;
        if let Some(kernel) = &self.wgsl {
            return output::print(&plan::wgsl(&sized, kernel)?);
        }
        if self.memory {
            let report = memory::Report::new(&sized);
            return if self.json { output::print_json(&report) } else { output::print(&report.text()) };
        }
        let report = plan::Report::new(&sized, self.rows)?;
        if self.json { output::print_json(&report) } else { output::print(&report.text()) }
    }

    fn sized<'a>(&self, name: &str, checkpoint: &'a Checkpoint) -> llamita::Result<Option<Sized<'a>>> {
        let Some((shape, tensors)) = &checkpoint.model else { return Ok(None) };
        let mut shape = shape.clone();
        let unsupported = |reason| Error::Unsupported { name: name.to_owned(), reason };
        rotate(&mut shape, self.numbers.spinquant).map_err(unsupported)?;
        self.numbers.packing().check(tensors).map_err(unsupported)?;
        self.embedding.check(tensors).map_err(unsupported)?;
        let context = session_context(&shape, self.context, self.kv, self.limits)?;
        let plan = self.plan.unwrap_or(PlanChoice::Auto);
        let options = DeviceOptions { tier: self.tier, plan, limits: self.limits, ..DeviceOptions::default() };
        options.check()?;
        let tuning = options.counted().with(self.kv, self.numbers.activations);
        let vocabulary = checkpoint.vocabulary.as_ref();
        let (choice, embedding) = (self.numbers.packing(), self.embedding);
        let packings = Packings::of(tensors, choice, embedding);
        Ok(Some(Sized { shape, tensors, vocabulary, choice, embedding, packings, tuning, context }))
    }
}
