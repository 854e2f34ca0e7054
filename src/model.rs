//! A model: a checkpoint, checked, packed and brought to its device.

pub mod budget;
mod loader;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use crate::arch::shape::Shape;
use crate::backend::{Compiling, Device, DeviceChoice, Machine, Weights};
use crate::error::{Error, Result};
use crate::format::{Checkpoint, ModelTensors, SamplingDefaults, Vocabulary, gguf, tokenizer};
use crate::kernels::{KvType, Tier};
use crate::model::budget::{Budget, Host, Sizes, capacity_for};
use crate::plan::Plan;
use crate::plan::limits::{Profile, WEBGPU_BINDING_BYTES};
use crate::plan::llama;
use crate::plan::tuning::{Activations, DeviceOptions, PlanChoice, Tuning};
use crate::source::Source;
use crate::text::chat::{ChatTemplate, Date};
use crate::text::tokenizer::Tokenizer;
use crate::weights::pack::MAX_TEXELS_BYTES;
use crate::weights::{Matrices, WeightTypes};
pub(crate) use loader::WeightsArrive;
use loader::{Loader, reserve};

/// The context of a session where nobody asks for one, in tokens.
const DEFAULT_CONTEXT: usize = 4096;
/// Rows of a model beyond the tokens of a tokenizer that is given to it.
pub const MAX_PADDING: usize = 511;
/// The first capacity of a session where nobody asks for one, in tokens.
pub const FIRST_CAPACITY: usize = 512;
/// The samplers sum masses of so many tokens without overflow.
const MAX_VOCABULARY: usize = (1 << 18) - 1;

/// How a model is loaded.
#[derive(Default)]
pub struct LoadOptions<'a> {
    /// What to run on.
    pub device: DeviceChoice,
    /// Where the tokenizer comes from, instead of the checkpoint: any file that [`format::tokenizer`](tokenizer::read)
    /// reads. It may have up to [`MAX_PADDING`] tokens fewer than the model has rows, as padded models do, and never more.
    pub tokenizer: Option<&'a dyn Source>,
    /// Whether ids are all that the model will be given, so that a checkpoint without a tokenizer will do, and one whose
    /// tokenizer is broken or not supported, with a warning.
    pub ids_only: bool,
    /// The tier, where it is not the device's best.
    pub tier: Option<Tier>,
    /// The plan: kernels, layout and default tier.
    pub plan: PlanChoice,
    /// The limits to run as if under: what the device is requested with, parts of weights are cut by, and the memory that may
    /// be taken. `None` is the default WebGPU limits, without a bound on the memory.
    pub limits: Option<&'static Profile>,
    /// Tokens that a session holds; `None` is the model's own context, up to 4096.
    pub context: Option<usize>,
    /// Tokens that a session has room for at first, up to the context; its KV cache doubles as it fills. `None` is 512.
    pub first_capacity: Option<usize>,
    /// What the KV cache holds.
    pub kv: KvType,
    /// What products of a single row read.
    pub activations: Activations,
    /// Most bytes to use on the device; `None` does not check.
    pub memory: Option<u64>,
    /// The same, where `memory` is `None` and the device has no memory of its own: what the system has left, for the device
    /// and the host's own copies.
    pub shared_memory: Option<u64>,
    /// The date that chat templates may tell; without one they tell none, or their own.
    pub date: Option<Date>,
    /// Told the bytes that are loaded, and all bytes.
    pub progress: Option<&'a mut dyn FnMut(u64, u64)>,
}

/// A loaded model: packed weights on a device, the tokenizer and the chat template. Clones share all of it.
///
/// A model is not `Send`. It stays on the thread that loaded it, with its sessions, replies and scorers, which share the
/// model without locks. A program with several threads gives the model a thread of its own that the others send prompts to:
/// `examples/threads.rs` is one.
#[derive(Clone)]
pub struct Model {
    inner: Rc<Inner>,
}

struct Inner {
    name: String,
    parameters: u64,
    shape: Shape,
    matrices: Matrices,
    tuning: Tuning,
    live: RefCell<Live>,
    /// Held while a device that was lost is replaced.
    resuming: futures::lock::Mutex<()>,
    tokenizer: Tokenizer,
    chat_template: Option<String>,
    sampling: SamplingDefaults,
    context: usize,
    first_capacity: usize,
    budget: Budget,
    host: Host,
    date: Option<Date>,
}

/// What a device that is lost takes with it.
struct Live {
    device: Device,
    weights: Weights,
}

impl Live {
    fn is_lost(&self) -> bool {
        matches!(&self.weights, Weights::Gpu(gpu, _) if gpu.is_lost())
    }
}

/// A model whose weights are still to come.
pub(crate) struct Begun {
    pub model: Model,
    /// Where the weights lie in the file.
    pub tensors: ModelTensors,
    /// The compilation of its kernels, under way.
    pub compiling: Compiling,
}

impl Model {
    /// Reads a checkpoint, opens a device and brings the weights there, in slices of whole rows.
    ///
    /// # Errors
    /// Where the source cannot be read or is malformed, asks for something unsupported, has no weights or (unless
    /// [`LoadOptions::ids_only`]) no tokenizer, does not fit the memory, or the device fails.
    pub async fn load(source: &dyn Source, mut options: LoadOptions<'_>) -> Result<Self> {
        let progress = options.progress.take();
        let Begun { model, tensors, compiling } = Self::begin(source, options).await?;
        model.load_weights(source, &tensors, progress, None).await?;
        compiling.finish().await;
        Ok(model)
    }

    /// Reads and checks everything but the weights, opens the device, and reserves room there for the weights.
    ///
    /// # Errors
    /// As [`Self::load`], without those of reading weights.
    pub(crate) async fn begin(source: &dyn Source, options: LoadOptions<'_>) -> Result<Begun> {
        // What is wrong with the file's own tokenizer does not matter where another takes its place.
        let checkpoint = match options.tokenizer {
            Some(_) => gguf::read_model(source).await?,
            None if options.ids_only => gguf::read_model_first(source).await?,
            None => gguf::read(source).await?,
        };
        checkpoint.warnings.iter().for_each(|warning| log::warn!("{warning}"));
        let unsupported = |reason: String| Error::Unsupported { name: source.name().to_owned(), reason };
        let parameters = checkpoint.parameters();
        let Checkpoint { name, model, vocabulary, sampling, chat_template, .. } = checkpoint;
        let (shape, tensors) = model.ok_or_else(|| unsupported("it holds no weights".to_owned()))?;
        let vocabulary = match (options.tokenizer, vocabulary) {
            (Some(file), _) => other_vocabulary(file, &shape).await?,
            (None, Some(own)) => own,
            (None, None) if options.ids_only => Vocabulary::none(),
            _ => return Err(unsupported("it holds no tokenizer (--tokenizer FILE gives one)".to_owned())),
        };
        if shape.vocabulary > MAX_VOCABULARY {
            return Err(unsupported(format!("a vocabulary of {} (at most {MAX_VOCABULARY})", shape.vocabulary)));
        }
        let LoadOptions { tier, plan, limits, .. } = options;
        let context = session_context(&shape, options.context, options.kv, limits)?;
        let device = Device::open(&options.device, DeviceOptions { tier, plan, limits }).await?;
        let tuning = device.tuning().with(options.kv, options.activations);
        if let Device::Gpu(_) = &device {
            tuning.check_heads(shape.heads).map_err(unsupported)?;
        }
        let types = WeightTypes::of(&tensors);
        let matrices = Matrices::new(&shape, &types, tuning.cut());
        let host = Host::new(&tensors, &matrices, Some(&vocabulary));
        let shared = options.shared_memory.filter(|_| device.shares_memory());
        let memory = options.memory.or(shared.map(|left| left.saturating_sub(host.total())));
        let memory = memory.into_iter().chain(limits.and_then(|profile| profile.memory.value)).min();
        if let (Device::Gpu(gpu), Some(bytes)) = (&device, memory) {
            gpu.limit_memory(bytes);
        }
        let first_capacity = options.first_capacity.unwrap_or(FIRST_CAPACITY).clamp(1, context);
        let sizes = Sizes { shape: &shape, types: &types, tuning: &tuning, context, first_capacity };
        let budget = sizes.check(memory)?;
        let capacity = capacity_for(0, first_capacity, context);
        let compiling = device.compile(&llama::session_plans(&shape, &matrices, &tuning, capacity)).await;
        let tokenizer = match Tokenizer::from_vocabulary(&vocabulary) {
            Err(error) if options.ids_only && options.tokenizer.is_none() => {
                log::warn!("{}: {error} (ignored)", source.name());
                Tokenizer::from_vocabulary(&Vocabulary::none())?
            }
            built => built?,
        };
        drop(vocabulary);
        let weights = reserve(&device, &matrices, shape.dim).await?;
        let inner = Inner {
            name,
            parameters,
            shape,
            matrices,
            tuning,
            live: RefCell::new(Live { device, weights }),
            resuming: futures::lock::Mutex::new(()),
            tokenizer,
            chat_template,
            sampling,
            context,
            first_capacity,
            budget,
            host,
            date: options.date,
        };
        Ok(Begun { model: Self { inner: Rc::new(inner) }, tensors, compiling })
    }

    /// Brings every weight from `source` to the room that was reserved, and tells `hook` of what has arrived.
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
        Loader::new(source, tensors, &self.inner.matrices, weights, progress).all(hook).await
    }

    /// The model's own name, or the file's.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Numbers of all its tensors.
    pub fn parameters(&self) -> u64 {
        self.inner.parameters
    }

    /// The numbers that fix it.
    pub fn shape(&self) -> &Shape {
        &self.inner.shape
    }

    /// What it runs on; after [`Self::resume`], the fresh device.
    pub fn device(&self) -> Device {
        self.inner.live.borrow().device.clone()
    }

    /// Whether its device was lost, so that it and its sessions need [`Self::resume`] or [`Session::resume`].
    pub fn is_lost(&self) -> bool {
        self.inner.live.borrow().is_lost()
    }

    /// Where the device was lost, opens a fresh one and brings the weights there; elsewhere this does nothing. `source` is
    /// the file that the model was loaded from, since no copy of the weights is kept. Sessions go on with
    /// [`Session::resume`], which calls this; a scorer has to be made again.
    ///
    /// # Errors
    /// Where no device can be opened or the new one is of another kind, or `source` cannot be read or holds another
    /// model. It may be called again.
    pub async fn resume(&self, source: &dyn Source) -> Result<()> {
        // Sessions that resume at once wait for each other, and one of them does the work.
        let _turn = self.inner.resuming.lock().await;
        if !self.is_lost() {
            return Ok(());
        }
        let checkpoint = gguf::read_model(source).await?;
        let other = |reason: &str| Error::Unsupported { name: source.name().to_owned(), reason: reason.to_owned() };
        let (shape, tensors) = checkpoint.model.ok_or_else(|| other("it holds no weights"))?;
        let Inner { matrices, tuning, live, .. } = &*self.inner;
        if shape != *self.shape() || Matrices::new(&shape, &WeightTypes::of(&tensors), tuning.cut()) != *matrices {
            return Err(other("it is not the file that the model was loaded from"));
        }
        let lost = match &live.borrow().weights {
            Weights::Gpu(gpu, weights) => {
                weights.destroy();
                gpu.clone()
            }
            Weights::Cpu(_) => return Ok(()),
        };
        let device = Device::Gpu(lost.reopen().await?);
        if (Tuning { kv: tuning.kv, fixed_from: tuning.fixed_from, ..device.tuning() }) != *tuning {
            return Err(Error::NoDevice(format!("{} is another kind of device than before", device.name())));
        }
        let weights = reserve(&device, matrices, shape.dim).await?;
        Loader::new(source, &tensors, matrices, weights.clone(), None).all(None).await?;
        *live.borrow_mut() = Live { device, weights };
        Ok(())
    }

    /// The sizes in use.
    pub fn tuning(&self) -> &Tuning {
        &self.inner.tuning
    }

    /// Text to ids and back.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.inner.tokenizer
    }

    /// How this model's conversations are written: the file's own template, or Llama 3's where the file has none and
    /// the vocabulary is Llama 3's.
    ///
    /// # Errors
    /// [`Error::Template`] where the file's own is broken, [`Error::NoChatTemplate`] where there is none.
    pub fn chat_template(&self) -> Result<ChatTemplate> {
        let template = ChatTemplate::of(self.inner.chat_template.as_deref(), &self.inner.tokenizer)?;
        Ok(match self.inner.date {
            Some(date) => template.with_date(date),
            None => template,
        })
    }

    /// Tokens that a session holds.
    pub fn context(&self) -> usize {
        self.inner.context
    }

    /// Bytes that the model and a session take.
    pub fn budget(&self) -> Budget {
        self.inner.budget
    }

    /// Bytes that the host takes beside those, at most.
    pub fn host(&self) -> &Host {
        &self.inner.host
    }

    /// The sampling settings that the file recommends.
    pub(crate) fn recommended_sampling(&self) -> SamplingDefaults {
        self.inner.sampling
    }

    /// Most tokens of one run of a prompt.
    pub fn prefill_rows(&self) -> usize {
        llama::prefill_rows(self.shape())
    }

    /// The plans of a session whose KV cache has room for so many positions.
    pub(crate) fn session_plans(&self, capacity: usize) -> [Plan; 2] {
        llama::session_plans(self.shape(), &self.inner.matrices, self.tuning(), capacity)
    }

    /// The capacity of a session that needs so many positions: its first one, doubled until they fit.
    pub(crate) fn capacity_for(&self, positions: usize) -> usize {
        capacity_for(positions, self.inner.first_capacity, self.context())
    }

    /// A machine for plans over this model's weights.
    ///
    /// # Errors
    /// Where the device is lost or out of memory.
    pub fn machine(&self, plans: Vec<Arc<Plan>>) -> Result<Machine> {
        Machine::new(&self.inner.live.borrow().weights, plans)
    }

    /// The matrices as they are packed.
    pub fn matrices(&self) -> &Matrices {
        &self.inner.matrices
    }
}

/// The tokens that a session holds: what was asked for, or the model's own context, up to 4096.
///
/// # Errors
/// Where more is asked for than the model was trained for or than fits a binding, or nothing.
pub fn session_context(shape: &Shape, asked: Option<usize>, kv: KvType, limits: Option<&Profile>) -> Result<usize> {
    // Of the strictest plan, so that no choice of a plan refuses a context.
    let bytes = limits.map_or(WEBGPU_BINDING_BYTES, |profile| profile.binding_bytes.value.min(MAX_TEXELS_BYTES));
    let most = bytes as usize / (kv.words(shape.kv_dim()) * 4);
    let context = asked.unwrap_or_else(|| shape.context.min(DEFAULT_CONTEXT).min(most));
    let wrong = |value, expected| Err(Error::Setting { name: "context", value, expected });
    if context == 0 {
        return wrong(context.to_string(), "at least 1 token");
    }
    if context > shape.context {
        let value = format!("{context} (the model was trained for {})", shape.context);
        return wrong(value, "no more than the model's own context");
    }
    if context > most {
        return wrong(
            format!("{context} ({most} fit)"),
            "a KV cache that fits a binding per layer and side: 128 MiB, or less under --limits",
        );
    }
    Ok(context)
}

/// A vocabulary from a file of its own, which must be of this model's size.
async fn other_vocabulary(source: &dyn Source, shape: &Shape) -> Result<Vocabulary> {
    let vocabulary = tokenizer::read(source).await?;
    let (tokens, rows) = (vocabulary.tokens.len(), shape.vocabulary);
    if tokens > rows || rows - tokens > MAX_PADDING {
        let reason = format!(
            "it has {tokens} tokens, and the model's vocabulary has {rows} (up to {MAX_PADDING} more than the tokenizer \
             can be padding)"
        );
        return Err(Error::Unsupported { name: source.name().to_owned(), reason });
    }
    if tokens < rows {
        log::warn!(
            "{}: {tokens} tokens for {rows} rows of the model; ids from {tokens} on print nothing",
            source.name()
        );
    }
    Ok(vocabulary)
}
