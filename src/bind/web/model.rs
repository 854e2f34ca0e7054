//! A model in a browser, and the facts about a checkpoint that are known before anything is allocated.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use js_sys::{Function, Promise};
use serde::Serialize;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen_futures::future_to_promise;

use crate::backend::Device;
use crate::backend::gpu;
use crate::check::bench::{self, Workload};
use crate::drivers::DeviceOptions;
use crate::error::Error;
use crate::format::{self, Checkpoint, ReadScope};
use crate::model::budget::{Budget, BudgetInputs};
use crate::model::{FIRST_CAPACITY, rotate, session_context};
use crate::plan::Plan;
use crate::plan::llama::session_plans;
use crate::session::sampling::Sampling;
use crate::source::Source;
use crate::text::chat::Message;
use crate::text::tokenizer::Encode;
use crate::weights::{EmbeddingPlace, Matrices, Packing, Packings};

use super::cancel::Cancel;
use super::failure::{aborted, failure};
use super::options::{Loading, parse};
use super::quarantine::{Kept, QuarantineFile};
use super::session::Session;
use super::source::{ByteSource, JsSource};

/// `ModelInfo` of the package.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Info<'a> {
    name: &'a str,
    format: &'a str,
    kind: Option<&'static str>,
    parameters: u64,
    layers: usize,
    dim: usize,
    vocabulary: usize,
    /// Tokens that a session holds, and tokens that the model was trained for.
    context: usize,
    trained_context: usize,
    /// Tier and device; none for a file that was only inspected.
    tier: Option<&'a str>,
    device: Option<&'a str>,
    /// The plan that runs, or that the bytes were counted for.
    plan: &'a str,
    bytes: Budget,
    /// Types of the matrices, most bytes first.
    types: Vec<&'static str>,
    dispatches_per_token: usize,
    /// The kernels that its plans dispatch.
    kernels: BTreeSet<String>,
    has_chat_template: bool,
}

impl Info<'_> {
    fn json(&self) -> String {
        serde_json::to_string(self).expect("numbers and strings are JSON")
    }
}

fn type_names(matrices: &Matrices) -> Vec<&'static str> {
    matrices.packings().into_iter().map(Packing::name).collect()
}

fn kernels(plans: &[Plan]) -> BTreeSet<String> {
    plans.iter().flat_map(|plan| plan.steps.iter().map(|step| step.kernel.label())).collect()
}

/// The adapters of this browser as a JSON array: one, or none without WebGPU.
#[wasm_bindgen]
pub async fn device_report() -> String {
    serde_json::to_string(&gpu::adapters(DeviceOptions::default()).await).expect("numbers and strings are JSON")
}

/// `ModelInfo` of a checkpoint in JSON: the facts of its header, and the bytes that it would take on this browser's
/// adapter, or on a real GPU where there is none. Nothing is allocated.
///
/// # Errors
/// Those of [`Model::load`] that come before a device is opened.
#[wasm_bindgen]
pub async fn inspect(source: ByteSource, options: String, cancel: &Cancel) -> Result<String, JsValue> {
    let source = JsSource::new(source);
    let loading: Loading = parse(&options)?;
    match cancel.attend(inspected(&source, &loading)).await {
        Some(info) => info.map_err(|error| source.failure(error)),
        None => Err(aborted()),
    }
}

async fn inspected(source: &JsSource, loading: &Loading) -> Result<String, Error> {
    let checkpoint = format::read(source, ReadScope::Everything).await?;
    let parameters = checkpoint.parameters();
    let Checkpoint { name, format, model, vocabulary, chat_template, .. } = checkpoint;
    let unsupported = |reason: &str| Error::Unsupported { name: source.name().to_owned(), reason: reason.to_owned() };
    let (mut shape, tensors) = model.ok_or_else(|| unsupported("it holds a vocabulary and no weights"))?;
    rotate(&mut shape, loading.spinquant()).map_err(|reason| unsupported(&reason))?;
    if vocabulary.is_none() {
        return Err(unsupported("it holds no tokenizer"));
    }
    let context = session_context(&shape, loading.context(), loading.kv()?, None)?;
    let options = DeviceOptions { tier: loading.tier()?, plan: loading.plan()?, ..DeviceOptions::default() };
    let tuning = match gpu::tuning(options).await {
        Some(tuning) => tuning,
        None => options.counted(),
    };
    let tuning = tuning.with(loading.kv()?, loading.activations()?);
    let packings = Packings::of(&tensors, loading.packing()?, EmbeddingPlace::Device);
    let first_capacity = FIRST_CAPACITY.min(context);
    let inputs = BudgetInputs { shape: &shape, packings: &packings, tuning: &tuning, context, first_capacity };
    let matrices = Matrices::new(&shape, &packings, tuning.cut());
    let plans = session_plans(&shape, &matrices, &tuning, first_capacity);
    let [decode, _] = &plans;
    let info = Info {
        name: &name,
        format: &format,
        kind: shape.scheme.kind(),
        parameters,
        layers: shape.layers,
        dim: shape.dim,
        vocabulary: shape.vocabulary,
        context,
        trained_context: shape.context,
        tier: None,
        device: None,
        plan: tuning.driver.name,
        bytes: inputs.budget(),
        types: type_names(&matrices),
        dispatches_per_token: decode.dispatches(Sampling::greedy().wanted()),
        kernels: kernels(&plans),
        has_chat_template: chat_template.is_some(),
    };
    Ok(info.json())
}

/// A loaded model, with the source that its weights are read from again where the device is lost.
#[wasm_bindgen]
pub struct Model {
    model: crate::Model,
    source: Rc<JsSource>,
    /// The first session, begun and warmed up while the model loaded.
    first: RefCell<Option<crate::Session>>,
}

/// Runs a short prompt and one token after it, and forgets both. A browser compiles a kernel when it first runs, and
/// the first answer would wait for that. On the CPU there is nothing to compile.
async fn warm_up(session: &mut crate::Session) -> Result<(), Error> {
    const PROMPT: usize = 2;
    let depth = session.tokens().len();
    if matches!(session.model().device(), Device::Cpu(_)) || depth + PROMPT + 1 > session.model().context() {
        return Ok(());
    }
    let ids = vec![0; depth + PROMPT];
    for (workload, tokens) in [(Workload::Prefill, PROMPT), (Workload::Decode, 1)] {
        bench::run(session, workload, tokens, depth, &ids).await?;
    }
    session.truncate(depth);
    Ok(())
}

#[wasm_bindgen]
impl Model {
    /// Loads a model. `progress` is called with the bytes of weights that are on the device, and with all bytes.
    /// `prime` is a JSON array of messages that the first session will begin with; they are computed while the weights
    /// arrive. Kernels in the quarantine are not used, and those that the device refuses are kept there.
    ///
    /// # Errors
    /// Those of [`crate::Model::load`], those of the source, and `Aborted`.
    pub async fn load(
        source: ByteSource,
        options: String,
        prime: String,
        progress: Function,
        quarantine: QuarantineFile,
        cancel: &Cancel,
    ) -> Result<Model, JsValue> {
        let source = Rc::new(JsSource::new(source));
        let (loading, prime): (Loading, Vec<Message>) = (parse(&options)?, parse(&prime)?);
        let mut options = loading.options()?;
        let mut kept = Kept::new(quarantine);
        options.id = Some(kept.id());
        options.quarantine = Some(&mut kept.quarantine);
        let mut tell = |loaded: u64, total: u64| {
            // An exception of the listener does not end the loading.
            progress.call2(&JsValue::NULL, &JsValue::from_f64(loaded as f64), &JsValue::from_f64(total as f64)).ok();
        };
        options.progress = Some(&mut tell);
        let load = async {
            let (model, mut session) = if prime.is_empty() {
                let model = crate::Model::load(source.as_ref(), options).await?;
                let mut session = model.session()?;
                session.ready().await?;
                (model, session)
            } else {
                crate::Model::load_primed(source.as_ref(), options, &prime).await?
            };
            warm_up(&mut session).await?;
            Ok((model, session))
        };
        let loaded = cancel.attend(load).await;
        kept.save().await;
        match loaded {
            Some(Ok((model, session))) => Ok(Self { model, source, first: RefCell::new(Some(session)) }),
            Some(Err(error)) => Err(source.failure(error)),
            None => Err(aborted()),
        }
    }

    /// `ModelInfo` in JSON.
    pub fn info(&self) -> String {
        let Self { model, .. } = self;
        let (shape, device) = (model.shape(), model.device());
        let info = Info {
            name: model.name(),
            format: model.format(),
            kind: model.kind(),
            parameters: model.parameters(),
            layers: shape.layers,
            dim: shape.dim,
            vocabulary: shape.vocabulary,
            context: model.context(),
            trained_context: shape.context,
            tier: Some(device.tier().name()),
            device: Some(device.name()),
            plan: device.plan().name,
            bytes: model.budget(),
            types: type_names(model.matrices()),
            kernels: kernels(&model.session_plans(model.capacity_for(0))),
            dispatches_per_token: model.dispatches_per_token(&Sampling::greedy()),
            has_chat_template: model.chat_template().is_ok(),
        };
        info.json()
    }

    /// A conversation. The first one holds the messages of `prime`.
    ///
    /// # Errors
    /// `DeviceLost`, `OutOfMemory`.
    pub async fn session(&self) -> Result<Session, JsValue> {
        if let Some(session) = self.first.take() {
            return Ok(Session::new(session, self.source.clone()));
        }
        let mut session = self.model.session()?;
        session.ready().await?;
        Ok(Session::new(session, self.source.clone()))
    }

    /// A promise of why the device was lost, kept once it is; never on the CPU.
    pub fn lost(&self) -> Promise {
        let lost = match self.model.device() {
            Device::Gpu(gpu) => Some(gpu.lost()),
            Device::Cpu(_) => None,
        };
        future_to_promise(async move {
            match lost {
                Some(lost) => lost.await.map(|text| JsValue::from_str(&text)).map_err(|_| aborted()),
                None => std::future::pending().await,
            }
        })
    }

    /// Opens a fresh device and brings the weights there, where the old one was lost.
    ///
    /// # Errors
    /// Those of [`crate::Model::resume`], and `Aborted` where it is cancelled; it may be called again.
    pub async fn resume(&self, cancel: &Cancel) -> Result<(), JsValue> {
        let resumed = cancel.attend(self.model.resume(self.source.as_ref())).await;
        resumed.ok_or_else(aborted)?.map_err(|error| self.source.failure(error))
    }

    /// Loses the device, as a failing driver would. Calls that run on it end with `DeviceLost`.
    pub fn destroy_device(&self) {
        if let Device::Gpu(gpu) = self.model.device() {
            gpu.destroy();
        }
    }

    /// How many tokens a user's text has: no beginning-of-text token is added, and control tokens spelled in it are
    /// text.
    ///
    /// # Errors
    /// `BadModel` where the vocabulary cannot spell a character and has no unknown token.
    pub fn count_tokens(&self, text: &str) -> Result<usize, JsValue> {
        Ok(self.model.tokenizer().encode(text, Encode { bos: false, special: false })?.len())
    }

    /// `Counters` of the package in JSON: submits, dispatches, bytes, buffers and bind groups so far.
    ///
    /// # Errors
    /// `Unsupported` on the CPU, which counts nothing.
    pub fn counters(&self) -> Result<String, JsValue> {
        match self.model.device() {
            Device::Gpu(gpu) => Ok(serde_json::to_string(&gpu.counters().now()).expect("numbers are JSON")),
            Device::Cpu(_) => Err(failure("Unsupported", "the CPU counts nothing: load the model on a GPU", [])),
        }
    }
}
