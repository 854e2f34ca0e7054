//! The report of a probe: one JSON object, of which `docs/devices/` collects some. A field that is not known, or not yet,
//! is `null`.

use serde::Serialize;

use crate::quarantine::Entry;

/// What a device can do, and how fast it is.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// [`Report::FORMAT`]
    pub format: &'static str,
    /// [`Report::VERSION`]
    pub version: u32,
    /// What measured.
    pub engine: Engine,
    /// The day, as `2026-11-30`.
    pub date: Option<String>,
    /// What was measured.
    pub device: DeviceFacts,
    /// What its shaders may use.
    pub features: Features,
    /// What it can be asked for.
    pub limits: Limits,
    /// How long it takes to answer.
    pub latency: Option<Latency>,
    /// How fast it copies.
    pub copy: Option<CopySpeed>,
    /// Every kernel of the plans, against its oracle and against itself.
    pub kernels: Vec<KernelCheck>,
    /// How fast Llama 3.2 1B runs.
    pub speed: Option<Speed>,
    /// How much memory it grants.
    pub memory: Option<Memory>,
    /// The speed over minutes, where that was asked for.
    pub sustained: Option<Sustained>,
    /// The variants of kernels that are not used on this device.
    pub quarantined: Vec<Quarantined>,
    /// All of it in a sentence.
    pub verdict: Option<Verdict>,
}

impl Report {
    /// What the object is.
    pub const FORMAT: &'static str = "llamita-probe";
    /// The version of its fields.
    pub const VERSION: u32 = 1;
}

/// The engine that measured.
#[derive(Clone, Debug, Serialize)]
pub struct Engine {
    /// Its version.
    pub version: &'static str,
    /// The commit that it was built from.
    pub commit: Option<&'static str>,
    /// `native` or `web`.
    pub platform: &'static str,
}

/// A device.
#[derive(Clone, Debug, Serialize)]
pub struct DeviceFacts {
    /// The adapter's own name.
    pub name: String,
    /// Who makes it.
    pub vendor: Option<String>,
    /// Discrete GPU, integrated GPU, CPU …
    pub kind: String,
    /// vulkan, metal …
    pub backend: String,
    /// Driver name and version.
    pub driver: Option<String>,
    /// Operating system and processor.
    pub system: Option<String>,
    /// The browser, with its version.
    pub browser: Option<String>,
    /// Whether its driver runs shaders on the CPU.
    pub software: bool,
    /// The plan that was measured.
    pub plan: &'static str,
    /// The tier that was measured.
    pub tier: &'static str,
}

/// What shaders may use.
#[derive(Clone, Debug, Serialize)]
pub struct Features {
    /// f16.
    pub shader_f16: bool,
    /// The smallest and the largest subgroup; `null` without subgroups.
    pub subgroup_sizes: Option<[u32; 2]>,
    /// Dot products of four bytes.
    pub packed_dot: bool,
    /// Timestamps.
    pub timestamps: bool,
}

/// What the adapter can be asked for; the engine keeps to the defaults of WebGPU.
#[derive(Clone, Debug, Serialize)]
pub struct Limits {
    /// Most bytes of a storage binding.
    pub binding_bytes: u64,
    /// Most bytes of a buffer.
    pub buffer_bytes: u64,
    /// Bytes of workgroup memory.
    pub workgroup_bytes: u32,
    /// Invocations of a workgroup.
    pub workgroup_invocations: u32,
    /// Storage buffers of a kernel.
    pub storage_buffers: u32,
}

/// How long the device takes to answer, in microseconds: medians.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Latency {
    /// An empty submit, until the host knows that it is done.
    pub submit_us: f64,
    /// A dispatch among others that wait for each other.
    pub dispatch_us: f64,
    /// A dispatch, until the host has four words of its result.
    pub readback_us: f64,
}

/// How fast the device copies one buffer to another.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct CopySpeed {
    /// Bytes that are read and written in a second, in thousands of millions.
    pub gb_per_second: f64,
    /// Bytes of each of the two buffers.
    pub buffer_bytes: u64,
}

/// A kernel at its place in a plan of Llama 3.2 1B.
#[derive(Clone, Debug, Serialize)]
pub struct KernelCheck {
    /// The kernel's label.
    pub kernel: String,
    /// The kind of run, and the step in it.
    pub place: String,
    /// Rows of a matrix that were compared with the oracle; `null` where the whole result was.
    pub rows_checked: Option<usize>,
    /// The worst normalised mean squared error of an output; `null` where the kernel did not run.
    pub nmse: Option<f64>,
    /// The most it may be.
    pub tolerance: f64,
    /// Runs that were compared with each other.
    pub runs: usize,
    /// Whether all of them gave the same bits; `null` where the kernel did not run.
    pub identical: Option<bool>,
    /// Whether everything held.
    pub passed: bool,
    /// What did not.
    pub fault: Option<String>,
}

/// How fast Llama 3.2 1B runs. The rates are those of the whole model; where fewer layers ran, they follow from the time
/// of a layer and that of the rest.
#[derive(Clone, Debug, Serialize)]
pub struct Speed {
    /// Layers that ran.
    pub layers: usize,
    /// Layers of the model.
    pub of_layers: usize,
    /// One per depth.
    pub runs: Vec<SpeedRun>,
}

/// Speeds behind some tokens.
#[derive(Clone, Debug, Serialize)]
pub struct SpeedRun {
    /// Tokens in the KV cache before.
    pub depth: usize,
    /// Tokens of the prompt.
    pub prefill_tokens: usize,
    /// Their rate.
    pub prefill_tokens_per_second: f64,
    /// Tokens that were generated.
    pub decode_tokens: usize,
    /// Their rate.
    pub decode_tokens_per_second: f64,
    /// Bytes of weights that decode reads in a second, in thousands of millions.
    pub weight_gb_per_second: f64,
    /// Their share of the bytes that copies move in a second.
    pub share_of_copy: Option<f64>,
}

/// How much memory the device grants.
#[derive(Clone, Debug, Serialize)]
pub struct Memory {
    /// Step by step, each with all before it.
    pub steps: Vec<MemoryStep>,
    /// The most bytes that were granted at once.
    pub most_bytes: u64,
    /// Why there is no further step.
    pub end: MemoryEnd,
}

/// A step of the ladder.
#[derive(Clone, Debug, Serialize)]
pub struct MemoryStep {
    /// Bytes in all.
    pub bytes: u64,
    /// Whether they were there, and could be written.
    pub granted: bool,
    /// Who refused, or what happened.
    pub reason: Option<String>,
}

/// Why a ladder ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MemoryEnd {
    /// It reached what 3B needs, or the bytes that it was allowed.
    Cap,
    /// The device refused.
    Refused,
    /// The step took an earlier probe down.
    Killed,
    /// The system has no more to give.
    Budget,
}

/// Decode over minutes.
#[derive(Clone, Debug, Serialize)]
pub struct Sustained {
    /// Seconds that it took.
    pub seconds: f64,
    /// Tokens per second, of every ten seconds.
    pub tokens_per_second: Vec<f64>,
}

/// A variant of a kernel that is not used on this device.
#[derive(Clone, Debug, Serialize)]
pub struct Quarantined {
    /// The kernel's label.
    pub kernel: String,
    /// The tier that it belongs to.
    pub tier: String,
    /// The plan that it belongs to.
    pub plan: String,
    /// What kind of fault it has.
    pub fault: String,
    /// The fault in words.
    pub error: String,
}

impl From<&Entry> for Quarantined {
    fn from(entry: &Entry) -> Self {
        let Entry { kernel, tier, plan, error, .. } = entry.clone();
        Self { kernel, tier, plan, fault: entry.fault.to_string(), error }
    }
}

/// What it all means.
#[derive(Clone, Debug, Serialize)]
pub struct Verdict {
    /// Whether models compute rightly here.
    pub works: bool,
    /// In plain words.
    pub text: String,
    /// Models of two sizes.
    pub models: Vec<ModelVerdict>,
}

/// Whether a model runs here.
#[derive(Clone, Debug, Serialize)]
pub struct ModelVerdict {
    /// `1B` or `3B`: Llama 3.2 in Q4_0.
    pub model: &'static str,
    /// Whether the memory that was granted holds it.
    pub fits: bool,
    /// Tokens per second: measured, or by its bytes from what was measured.
    pub decode_tokens_per_second: Option<f64>,
    /// Bytes that it takes on the device, with a context of 4096 tokens.
    pub bytes_needed: u64,
    /// Why it does not fit, or is not usable.
    pub reason: Option<String>,
}
