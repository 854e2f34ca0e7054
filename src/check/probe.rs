//! The probe: what a device can do for Llama 3.2, without a model. Its weights come from a counter, on the device itself.
//!
//! The report grows phase by phase, so that a probe that is cut short still tells what it saw.

mod device;
mod kernels;
mod latency;
pub mod memory;
pub mod report;
mod speed;
mod sustained;
mod verdict;

use web_time::Duration;

use crate::arch::shape::{Scheme, Shape};
use crate::backend::Device;
use crate::backend::gpu::Gpu;
use crate::cases::llama;
use crate::check::journal::Journal;
use crate::drivers;
use crate::error::{Error, Result};
use crate::kernel::Element;
use crate::kernels::KvType;
use crate::model::budget::{Budget, BudgetInputs};
use crate::model::{FIRST_CAPACITY, LoadOptions, Model, generated};
use crate::plan::llama::session_plans;
use crate::plan::tuning::{Activations, Tuning};
use crate::quarantine::Quarantine;
use crate::weights::{EmbeddingPlace, Matrices, PackingChoice, Packings};
use report::{CopySpeed, Engine, Quarantined, Report, Speed};

/// Tokens of the context that models are judged with, and that the ladder of memory goes for.
const CONTEXT: usize = 4096;
const LONG_CONTEXT: usize = 8192;

/// What the caller knows of its surroundings, and wants.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The day, as `2026-11-30`.
    pub date: Option<String>,
    /// Operating system and processor.
    pub system: Option<String>,
    /// The browser, with its version.
    pub browser: Option<String>,
    /// Who makes the device, where the platform tells the caller and not this library.
    pub vendor: Option<String>,
    /// Most layers that run; without it all, or as many as memory and time allow.
    pub layers: Option<usize>,
    /// Most bytes to take on the device.
    pub memory: Option<u64>,
    /// Tells the bytes that programs can still have, where the system does.
    pub free: Option<fn() -> Option<u64>>,
    /// Parts to leave out: kernels, speed, memory. Without the ladder, what ended an earlier one is the answer of memory.
    pub skip: Vec<Phase>,
    /// For how long decode is watched, beside all else.
    pub sustained: Option<Duration>,
    /// Kernels that are known to fail. Where the plan dispatches one, no model runs.
    pub quarantine: Quarantine,
    /// A model of a few megabytes instead, for tests of the probe itself.
    pub small: bool,
}

/// How long a probe takes, in minutes, where that is more than the one of GPUs: on drivers that run shaders on the CPU.
pub fn expected_minutes(gpu: &Gpu) -> Option<u32> {
    drivers::is_software(gpu.driver()).then_some(3)
}

/// A part of the probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Device, features, limits, latency, copies.
    Device,
    /// Weights are made.
    Weights,
    /// Every kernel against its oracle.
    Kernels,
    /// Prompts and tokens.
    Speed,
    /// The ladder of memory.
    Memory,
    /// Decode over minutes.
    Sustained,
}

impl Phase {
    /// Its name in reports of progress.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Weights => "weights",
            Self::Kernels => "kernels",
            Self::Speed => "speed",
            Self::Memory => "memory",
            Self::Sustained => "sustained",
        }
    }
}

/// Whom the probe tells how far it is: the phase, the share of it that is done, and the report so far.
pub type Progress<'a> = dyn FnMut(Phase, f64, &Report) + 'a;

/// A probe under way.
struct Probe<'a, 'p> {
    gpu: &'a Gpu,
    settings: &'a Settings,
    tuning: Tuning,
    /// What is measured: Llama 3.2 1B.
    shape: Shape,
    report: Report,
    progress: &'a mut Progress<'p>,
}

/// Probes a device. The journal gets a marker before each step of memory.
///
/// # Errors
/// Where the device is lost. What it refuses, or computes wrongly, is in the report.
pub async fn run<'p>(
    gpu: &Gpu,
    settings: &Settings,
    journal: &dyn Journal,
    progress: &mut Progress<'p>,
) -> Result<Report> {
    let report = begun(gpu, settings).await?;
    let shape = if settings.small { small() } else { Shape::llama_3_2_1b(Scheme::default()) };
    let tuning = gpu.tuning().with(KvType::default(), Activations::default());
    let mut probe = Probe { gpu, settings, tuning, shape, report, progress };
    probe.device().await?;
    let runs = probe.wants(Phase::Speed) || settings.sustained.is_some();
    if (runs || probe.wants(Phase::Kernels))
        && let Some(model) = probe.model(1).await?
    {
        if probe.wants(Phase::Kernels) {
            probe.kernels(&model).await?;
        }
        if runs {
            probe.runs(model).await?;
        }
    }
    if probe.wants(Phase::Memory) {
        probe.memory(journal).await?;
    } else {
        probe.report.memory = memory::ended(journal).map(memory::remembered);
    }
    if probe.wants(Phase::Kernels) && probe.wants(Phase::Speed) {
        probe.verdict();
    }
    Ok(probe.report)
}

/// A report of which only the facts are known.
async fn begun(gpu: &Gpu, settings: &Settings) -> Result<Report> {
    let facts = device::facts(gpu, settings).await?;
    let platform = if cfg!(target_arch = "wasm32") { "web" } else { "native" };
    Ok(Report {
        format: Report::FORMAT,
        version: Report::VERSION,
        engine: Engine { version: env!("CARGO_PKG_VERSION"), commit: option_env!("LLAMITA_COMMIT"), platform },
        date: settings.date.clone(),
        device: facts.device,
        features: facts.features,
        limits: facts.limits,
        latency: None,
        copy: None,
        kernels: Vec::new(),
        speed: None,
        memory: None,
        sustained: None,
        quarantined: settings.quarantine.of(&gpu.id()).iter().map(Quarantined::from).collect(),
        verdict: None,
    })
}

/// A Llama of a few megabytes.
fn small() -> Shape {
    let whole = Shape::llama_3_2_1b(Scheme::default());
    Shape { dim: 512, ffn: 1024, layers: 4, heads: 8, kv_heads: 2, vocabulary: 4096, ..whole }
}

/// The packings of a generated model of a shape.
fn packings(shape: &Shape) -> Packings {
    Packings::of(&generated::tensors(shape), PackingChoice::default(), EmbeddingPlace::Device)
}

impl Probe<'_, '_> {
    fn told(&mut self, phase: Phase, share: f64) {
        (self.progress)(phase, share.clamp(0.0, 1.0), &self.report);
    }

    /// Whether a part is not left out.
    fn wants(&self, phase: Phase) -> bool {
        !self.settings.skip.contains(&phase)
    }

    async fn device(&mut self) -> Result<()> {
        self.told(Phase::Device, 0.0);
        self.report.latency = Some(latency::measure(self.gpu).await?);
        self.told(Phase::Device, 0.3);
        self.report.copy = match self.gpu.copy_speed().await {
            Ok(copies) => Some(CopySpeed { gb_per_second: copies.gb_per_second, buffer_bytes: copies.buffer_bytes }),
            Err(Error::OutOfMemory { .. }) => None,
            Err(error) => return Err(error),
        };
        self.told(Phase::Device, 1.0);
        Ok(())
    }

    /// Bytes that a model of a shape takes with a session of that context.
    fn budget(&self, shape: &Shape, context: usize) -> Budget {
        let (packings, tuning) = (packings(shape), &self.tuning);
        let first_capacity = FIRST_CAPACITY.min(context);
        BudgetInputs { shape, packings: &packings, tuning, context, first_capacity }.budget()
    }

    /// Bytes that programs can still have, where the device takes them from the system's memory.
    fn free(&self) -> Option<u64> {
        self.settings.free.filter(|_| self.gpu.shares_memory())?()
    }

    /// Bytes that may be taken on the device now.
    fn allowed(&self) -> Option<u64> {
        self.settings.memory.into_iter().chain(self.free()).min()
    }

    /// The first kernel of the plan that is in quarantine.
    fn quarantined(&self) -> Option<Quarantined> {
        let shape = Shape { layers: 1, ..self.shape.clone() };
        let matrices = Matrices::new(&shape, &packings(&shape), self.tuning.cut());
        let plans = session_plans(&shape, &matrices, &self.tuning, FIRST_CAPACITY);
        let entries = self.settings.quarantine.entries(&self.gpu.id(), &plans);
        entries.first().map(|entry| Quarantined::from(*entry))
    }

    /// A model with the first layers; none where there is no room for it, or a kernel of it is in quarantine.
    async fn model(&mut self, layers: usize) -> Result<Option<Model>> {
        if self.quarantined().is_some() {
            return Ok(None);
        }
        let shape = Shape { layers, ..self.shape.clone() };
        let memory = self.allowed();
        let (report, callback) = (&self.report, &mut *self.progress);
        let mut progress = |done: u64, total: u64| callback(Phase::Weights, done as f64 / total as f64, report);
        let options =
            LoadOptions { context: Some(speed::CONTEXT), memory, progress: Some(&mut progress), ..Default::default() };
        match Model::generated("generated", Device::Gpu(self.gpu.clone()), shape, options).await {
            Ok(model) => Ok(Some(model)),
            Err(Error::Memory { .. } | Error::OutOfMemory { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn kernels(&mut self, model: &Model) -> Result<()> {
        let cases = llama::of_shape(&self.tuning, &self.shape);
        for (i, case) in cases.iter().enumerate() {
            self.told(Phase::Kernels, i as f64 / cases.len() as f64);
            let check = kernels::check(model, self.gpu, case).await?;
            self.report.kernels.push(check);
        }
        self.told(Phase::Kernels, 1.0);
        Ok(())
    }

    /// Speeds, by a model of one layer, which gives its place to one of as many as memory and time allow.
    async fn runs(&mut self, one: Model) -> Result<()> {
        let extent = self.extent(&one).await?;
        drop(one);
        if let Some(model) = self.model(extent.layers).await? {
            if self.wants(Phase::Speed) {
                self.speed(&model, extent.repeat).await?;
            }
            self.sustained(&model).await?;
        }
        Ok(())
    }

    /// How many layers run, and how often: as many as memory and time allow, by a model of one layer.
    async fn extent(&mut self, one: &Model) -> Result<speed::Extent> {
        let most = self.settings.layers.unwrap_or(self.shape.layers).clamp(1, self.shape.layers);
        // A texture is made by way of a buffer.
        let shards = one.matrices().iter().flat_map(|matrix| &matrix.shards);
        let making = match self.tuning.storage.weights {
            Element::Texture(_) => shards.map(|shard| shard.layout.words() as u64 * 4).max().unwrap_or(0),
            _ => 0,
        };
        let room = |layers: &usize| match self.allowed() {
            // The model of one layer gives its own bytes back.
            Some(allowed) => {
                let bytes = self.budget(&Shape { layers: *layers, ..self.shape.clone() }, speed::CONTEXT).total();
                bytes + making <= allowed + one.budget().weights
            }
            None => true,
        };
        let most = (1..=most).rev().find(room).unwrap_or(1);
        let one_layer = speed::times(one, 0, 1).await;
        match (one_layer, speed::times(&one.first_layers(0)?, 0, 1).await) {
            (Ok(one), Ok(none)) => Ok(speed::extent(one, none, most)),
            // A kernel is wrong, as the report says.
            (Err(Error::NotFinite { .. } | Error::Kernel { .. }), _)
            | (_, Err(Error::NotFinite { .. } | Error::Kernel { .. })) => Ok(speed::Extent { layers: 1, repeat: 1 }),
            (Err(error), _) | (_, Err(error)) => Err(error),
        }
    }

    async fn speed(&mut self, model: &Model, repeat: usize) -> Result<()> {
        let copy = self.report.copy.map(|copy| copy.gb_per_second);
        let (report, callback) = (&mut self.report, &mut *self.progress);
        let told = |done: usize, speed: &Speed| {
            report.speed = Some(speed.clone()).filter(|speed| !speed.runs.is_empty());
            callback(Phase::Speed, done as f64 / speed::DEPTHS.len() as f64, report);
        };
        unless_wrong(speed::measure(model, &self.shape, repeat, copy, told).await)
    }

    /// Decode over minutes, but where the speeds before say that a kernel is wrong.
    async fn sustained(&mut self, model: &Model) -> Result<()> {
        let wrong = self.wants(Phase::Speed) && self.report.speed.is_none();
        let Some(length) = self.settings.sustained.filter(|_| !wrong) else { return Ok(()) };
        // Of some layers the rate is that of all, as of the speeds before.
        let layers = model.shape().layers;
        let factor = match layers == self.shape.layers {
            true => 1.0,
            false => {
                let (own, none) =
                    (speed::times(model, 0, 1).await?, speed::times(&model.first_layers(0)?, 0, 1).await?);
                own.decode / own.scaled(none, layers, self.shape.layers).decode
            }
        };
        let (report, callback) = (&mut self.report, &mut *self.progress);
        let told = |share: f64, sustained: &report::Sustained| {
            report.sustained = Some(sustained.clone());
            callback(Phase::Sustained, share, report);
        };
        unless_wrong(sustained::measure(model, length, factor, told).await)
    }

    async fn memory(&mut self, journal: &dyn Journal) -> Result<()> {
        self.gpu.limit_memory(u64::MAX);
        let enough = self.budget(&Shape::llama_3_2_3b(), LONG_CONTEXT).total();
        let free = self.settings.free.filter(|_| self.gpu.shares_memory());
        let bounds = memory::Bounds { enough, cap: self.settings.memory, free };
        let (report, callback) = (&mut self.report, &mut *self.progress);
        let told = |memory: &report::Memory| {
            report.memory = Some(memory.clone());
            callback(Phase::Memory, memory.most_bytes as f64 / enough as f64, report);
        };
        let memory = memory::ladder(self.gpu, journal, bounds, told).await?;
        self.report.memory = Some(memory);
        self.told(Phase::Memory, 1.0);
        Ok(())
    }

    fn verdict(&mut self) {
        let size = |model: &'static str, shape: &Shape| {
            let matrices = Matrices::new(shape, &packings(shape), self.tuning.cut());
            let weight_bytes = speed::weight_bytes(&matrices, shape.layers);
            verdict::Size { model, bytes_needed: self.budget(shape, CONTEXT).total(), weight_bytes }
        };
        let sizes = [size("1B", &self.shape), size("3B", &Shape::llama_3_2_3b())];
        self.report.verdict = Some(verdict::of(&self.report, &sizes, self.quarantined().as_ref()));
    }
}

/// Where numbers were none or a kernel was refused, a kernel is wrong, as the report says.
fn unless_wrong<T>(result: Result<T>) -> Result<()> {
    match result {
        Ok(_) | Err(Error::NotFinite { .. } | Error::Kernel { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}
