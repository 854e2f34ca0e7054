//! A model: a checkpoint that was checked, packed and brought to its device.

pub mod budget;
mod candidates;
mod embedding;
pub(crate) mod generated;
mod loader;
mod opening;
mod resuming;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use crate::arch::shape::Shape;
use crate::backend::{Device, DeviceChoice, Executor, Weights};
use crate::drivers::PlanChoice;
use crate::drivers::fault::MadeFault;
use crate::error::Result;
use crate::format::{ModelTensors, SamplingDefaults};
use crate::kernels::{KvType, Tier};
use crate::model::budget::{Budget, HostBudget, capacity_for};
use crate::plan::Plan;
use crate::plan::limits::Profile;
use crate::plan::llama;
use crate::plan::tuning::{Activations, Tuning};
use crate::quarantine::{DeviceId, Quarantine};
use crate::source::Source;
use crate::text::chat::{ChatTemplate, Date};
use crate::text::tokenizer::Tokenizer;
use crate::weights::{EmbeddingPlace, Matrices, PackingChoice};
use embedding::HostEmbedding;
use loader::Loader;
pub(crate) use loader::WeightsArrive;
pub(crate) use opening::Opened;
pub use opening::{rotate, session_context};

/// Most rows that a model's vocabulary may have beyond the tokens of a tokenizer that is given to it.
pub const MAX_PADDING: usize = 511;
/// The first capacity of a session in tokens, unless the options name one.
pub const FIRST_CAPACITY: usize = 512;

/// The options of loading a model.
#[derive(Default)]
pub struct LoadOptions<'a> {
    /// The device to run on.
    pub device: DeviceChoice,
    /// A file with the tokenizer to use instead of the checkpoint's: any that [`read`](crate::format::tokenizer::read)
    /// takes. It may have up to [`MAX_PADDING`] tokens fewer than the model has rows, as padded models do, and never
    /// more.
    pub tokenizer: Option<&'a dyn Source>,
    /// Whether the model will be given ids and no texts. Then a checkpoint without a tokenizer is loaded too, and one
    /// whose tokenizer is broken or not supported, with a warning.
    pub ids_only: bool,
    /// The shader features to use; `None` is the best tier of the device.
    pub tier: Option<Tier>,
    /// The plan, which fixes kernels, layout of the weights and default tier.
    pub plan: PlanChoice,
    /// The limits of the kind of device to run as if on: the device is requested with them, weights are cut into shards
    /// by them, and they bound the memory. `None` is the default WebGPU limits, without a bound on the memory.
    pub limits: Option<&'static Profile>,
    /// Tokens that a session holds; `None` is the model's own context, up to 4096.
    pub context: Option<usize>,
    /// Tokens that a session has room for at first, up to the context; its KV cache doubles as it fills. `None` is 512.
    pub first_capacity: Option<usize>,
    /// The number type of the KV cache.
    pub kv: KvType,
    /// The number type of the activations that products read.
    pub activations: Activations,
    /// How weights are packed, where it is not as the file has them; what concerns none of its weights is refused.
    pub packing: PackingChoice,
    /// Where the embedding is: on the device, or in the file, whose rows the host decodes. The latter saves the bytes of
    /// the embedding on the device, and decodes one token after the other instead of several in flight. It takes a model
    /// whose head is a matrix of its own, and files that are mapped ([`open`](crate::source::open)). The model keeps the
    /// map, so the file must stay as it is while the model lives.
    pub embedding: EmbeddingPlace,
    /// Whether the input of the down projections of one of Meta's int4 checkpoints is rotated, as SpinQuant does; `None`
    /// is as the file says.
    pub spinquant: Option<bool>,
    /// Most bytes to use on the device; `None` sets no bound.
    pub memory: Option<u64>,
    /// Bytes that the system has left, for the device and the host together. It is the bound where `memory` is `None`
    /// and the device has no memory of its own.
    pub shared_memory: Option<u64>,
    /// The date that chat templates may write; without one they write none, or a date of their own.
    pub date: Option<Date>,
    /// The kernels that failed on this device before, which are not used: a plainer tier or another plan takes their place.
    /// A kernel that the device refuses while the model loads is added. `None` is none, and forgets.
    #[doc(hidden)]
    pub quarantine: Option<&'a mut Quarantine>,
    /// The id under which the quarantine has the device, where its driver tells none.
    #[doc(hidden)]
    pub id: Option<&'static DeviceId>,
    /// A fault that is made on purpose, for tests.
    #[doc(hidden)]
    pub fault: Option<MadeFault>,
    /// Is called with the bytes of the weights that are loaded, and with all bytes of the weights.
    pub progress: Option<&'a mut dyn FnMut(u64, u64)>,
}

/// A loaded model: packed weights on a device, the tokenizer and the chat template. Clones share all of it.
///
/// A model is not `Send`. It stays on the thread that loaded it, with its sessions, replies and scorers, which share
/// the model without locks. A program with several threads gives the model a thread of its own that the others send
/// prompts to: `examples/threads.rs` is one.
#[derive(Clone)]
pub struct Model {
    inner: Rc<Inner>,
}

struct Inner {
    name: String,
    format: String,
    parameters: u64,
    shape: Shape,
    matrices: Matrices,
    tuning: Tuning,
    live: RefCell<Live>,
    /// Locked while a device that was lost is replaced.
    resuming: futures::lock::Mutex<()>,
    tokenizer: Tokenizer,
    chat_template: Option<String>,
    sampling: SamplingDefaults,
    context: usize,
    first_capacity: usize,
    packing: PackingChoice,
    /// The embedding, where it is not on the device.
    embedding: Option<HostEmbedding>,
    spinquant: Option<bool>,
    budget: Budget,
    host: HostBudget,
    date: Option<Date>,
}

/// The things that are lost with a device.
struct Live {
    device: Device,
    weights: Weights,
}

impl Live {
    fn is_lost(&self) -> bool {
        matches!(&self.weights, Weights::Gpu(gpu, _) if gpu.is_lost())
    }
}

impl Model {
    /// Reads a checkpoint, opens a device and brings the weights there, in slices of whole rows.
    ///
    /// # Errors
    /// Where the source cannot be read or is malformed, asks for something unsupported, has no weights or (unless
    /// [`LoadOptions::ids_only`]) no tokenizer, does not fit the memory, the device fails, or everything that it could run
    /// needs a kernel in quarantine.
    pub async fn load(source: &dyn Source, options: LoadOptions<'_>) -> Result<Self> {
        Self::open_and(source, options, async |Opened { model, tensors, compiling }, progress| {
            model.load_weights(source, &tensors, progress, None).await?;
            compiling.finish().await?;
            Ok(model)
        })
        .await
    }

    /// Brings every weight from `source` to the buffers that were reserved, and tells `hook` of each that has arrived.
    ///
    /// # Errors
    /// Where the source cannot be read, the device is lost, or the hook fails.
    pub(crate) async fn load_weights(
        &self,
        source: &dyn Source,
        tensors: &ModelTensors,
        progress: Option<&mut dyn FnMut(u64, u64)>,
        hook: Option<&mut dyn WeightsArrive>,
    ) -> Result<()> {
        let weights = self.inner.live.borrow().weights.clone();
        let mut loader = Loader::new(source, self.shape().arch, tensors, &self.inner.matrices, weights, progress);
        if let Some(embedding) = &self.inner.embedding {
            loader.check(embedding).await?;
        }
        loader.all(hook).await
    }

    /// File format with its version, e.g. `GGUF v3`.
    pub fn format(&self) -> &str {
        &self.inner.format
    }

    /// The name that the file gives its model, or the name of the file.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The kind of quantized checkpoint that it is, of those that Meta released: `SpinQuant`, `QLoRA`, or `int4` without
    /// either.
    pub fn kind(&self) -> Option<&'static str> {
        self.shape().scheme.kind()
    }

    /// Number of parameters: the elements of all tensors but scales.
    pub fn parameters(&self) -> u64 {
        self.inner.parameters
    }

    /// The sizes of the model.
    pub fn shape(&self) -> &Shape {
        &self.inner.shape
    }

    /// The device that it runs on; after [`Self::resume`], the fresh one.
    pub fn device(&self) -> Device {
        self.inner.live.borrow().device.clone()
    }

    /// Whether its device was lost. Then it and its sessions need [`Self::resume`] or
    /// [`Session::resume`](crate::Session::resume).
    pub fn is_lost(&self) -> bool {
        self.inner.live.borrow().is_lost()
    }

    /// The sizes of kernels and layouts that its plan uses on this device.
    #[doc(hidden)]
    pub fn tuning(&self) -> &Tuning {
        &self.inner.tuning
    }

    /// The tokenizer, which turns text into ids and back.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.inner.tokenizer
    }

    /// The template that turns messages into a prompt: the file's own, or Llama 3's where the file has none and the
    /// vocabulary is Llama 3's.
    ///
    /// # Errors
    /// [`Error::Template`](crate::Error::Template) where the file's own is broken,
    /// [`Error::NoChatTemplate`](crate::Error::NoChatTemplate) where there is none.
    pub fn chat_template(&self) -> Result<ChatTemplate> {
        let template = ChatTemplate::of(self.inner.chat_template.as_deref(), &self.inner.tokenizer)?;
        Ok(match self.inner.date {
            Some(date) => template.with_date(date),
            None => template,
        })
    }

    /// Most tokens that a session holds.
    pub fn context(&self) -> usize {
        self.inner.context
    }

    /// Bytes that the model and one session take on the device.
    pub fn budget(&self) -> Budget {
        self.inner.budget
    }

    /// Upper bounds of the bytes that the model takes on the host.
    pub fn host(&self) -> &HostBudget {
        &self.inner.host
    }

    /// The sampling settings that the file recommends.
    pub(crate) fn recommended_sampling(&self) -> SamplingDefaults {
        self.inner.sampling
    }

    /// Where its embedding is.
    pub fn embedding(&self) -> EmbeddingPlace {
        if self.inner.embedding.is_some() { EmbeddingPlace::Host } else { EmbeddingPlace::Device }
    }

    /// Most tokens of one run of prefill.
    pub fn prefill_rows(&self) -> usize {
        llama::prefill_rows(self.shape())
    }

    /// The plans (decode, prefill) of a session whose KV cache has room for `capacity` positions.
    pub(crate) fn session_plans(&self, capacity: usize) -> [Plan; 2] {
        llama::session_plans(self.shape(), &self.inner.matrices, self.tuning(), capacity)
    }

    /// The capacity of a session that needs `positions` positions: the first capacity, doubled until they fit.
    pub(crate) fn capacity_for(&self, positions: usize) -> usize {
        capacity_for(positions, self.inner.first_capacity, self.context())
    }

    /// An executor that runs plans over this model's weights.
    ///
    /// # Errors
    /// Where the device is lost or out of memory.
    #[doc(hidden)]
    pub fn executor(&self, plans: Vec<Arc<Plan>>) -> Result<Executor> {
        Executor::new(&self.inner.live.borrow().weights, plans)
    }

    /// The matrices of the model as they are packed.
    #[doc(hidden)]
    pub fn matrices(&self) -> &Matrices {
        &self.inner.matrices
    }
}
