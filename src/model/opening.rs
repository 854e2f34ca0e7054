//! Opening a model: from a checkpoint and options to a model whose weights have room on the device.

use std::cell::RefCell;
use std::rc::Rc;

use crate::arch::shape::Shape;
use crate::backend::Compiling;
use crate::error::{Error, Result};
use crate::format::{self, Checkpoint, ModelTensors, ReadScope, SamplingDefaults, Vocabulary, tokenizer};
use crate::kernel::MAX_TEXTURE_BYTES;
use crate::kernels::{Hadamard, KvType};
use crate::plan::limits::{Profile, WEBGPU_BINDING_BYTES};
use crate::quarantine::Quarantine;
use crate::source::Source;
use crate::text::tokenizer::Tokenizer;
use crate::weights::EmbeddingPlace;

use super::candidates::Chosen;
use super::embedding::HostEmbedding;
use super::loader::reserve;
use super::{Inner, Live, LoadOptions, MAX_PADDING, Model};

/// Longest context of a session, in tokens, unless the options name one; and of the int4 checkpoints that Meta released
/// for 8K.
const DEFAULT_CONTEXT: usize = 4096;
const INT4_CONTEXT: usize = 8192;
/// Largest vocabulary: the samplers add up probabilities of this many tokens in integers that do not overflow.
const MAX_SAMPLED_TOKENS: usize = (1 << 18) - 1;

/// A checkpoint that was read and checked, before there is a device.
pub(super) struct Described {
    /// The name of its source, for messages.
    pub source: String,
    /// The name of the model.
    pub name: String,
    /// File format with its version.
    pub format: String,
    /// Number of parameters.
    pub parameters: u64,
    /// Most tokens of a session.
    pub context: usize,
    /// The sizes of the model.
    pub shape: Shape,
    /// Where the weights lie.
    pub tensors: ModelTensors,
    /// The tokenizer.
    pub vocabulary: Vocabulary,
    /// Sampling settings that the file recommends.
    pub sampling: SamplingDefaults,
    /// Jinja source of the chat template.
    pub chat_template: Option<String>,
    /// The embedding, where it is not on the device.
    pub embedding: Option<HostEmbedding>,
}

/// A model whose weights are still to come.
pub(crate) struct Opened {
    pub model: Model,
    /// Where the weights lie in the file.
    pub tensors: ModelTensors,
    /// The compilation of its kernels, which is running.
    pub compiling: Compiling,
}

impl Model {
    /// Reads and checks everything but the weights, opens the device, and reserves room there for the weights.
    ///
    /// # Errors
    /// As [`Self::load`], without those of reading weights.
    pub(super) async fn open(
        source: &dyn Source,
        options: &LoadOptions<'_>,
        quarantine: &Quarantine,
    ) -> Result<Opened> {
        // A fault in the file's own tokenizer does not matter where another takes its place.
        let scope = match options.tokenizer {
            Some(_) => ReadScope::ModelOnly,
            None if options.ids_only => ReadScope::ModelFirst,
            None => ReadScope::Everything,
        };
        let checkpoint = format::read(source, scope).await?;
        checkpoint.warnings.iter().for_each(|warning| log::warn!("{warning}"));
        let unsupported = |reason: String| Error::Unsupported { name: source.name().to_owned(), reason };
        let parameters = checkpoint.parameters();
        let Checkpoint { name, format, model, vocabulary, sampling, chat_template, .. } = checkpoint;
        let (mut shape, tensors) = model.ok_or_else(|| unsupported("it holds no weights".to_owned()))?;
        rotate(&mut shape, options.spinquant).map_err(unsupported)?;
        options.packing.check(&tensors).map_err(unsupported)?;
        options.embedding.check(&tensors).map_err(unsupported)?;
        let embedding = match options.embedding {
            EmbeddingPlace::Device => None,
            EmbeddingPlace::Host => Some(HostEmbedding::new(source, &tensors, options.packing)?),
        };
        let vocabulary = match (options.tokenizer, vocabulary) {
            (Some(file), _) => other_vocabulary(file, &shape).await?,
            (None, Some(own)) => own,
            (None, None) if options.ids_only => Vocabulary::none(),
            _ => return Err(unsupported("it holds no tokenizer (--tokenizer FILE gives one)".to_owned())),
        };
        if shape.vocabulary > MAX_SAMPLED_TOKENS {
            return Err(unsupported(format!("a vocabulary of {} (at most {MAX_SAMPLED_TOKENS})", shape.vocabulary)));
        }
        let context = session_context(&shape, options.context, options.kv, options.limits)?;
        let source = source.name().to_owned();
        let described = Described {
            source,
            name,
            format,
            parameters,
            context,
            shape,
            tensors,
            vocabulary,
            sampling,
            chat_template,
            embedding,
        };
        let chosen = described.choose(options, quarantine).await?;
        Self::assemble(described, chosen, options).await
    }

    /// Reserves room on a device for the weights of a checkpoint, and has its kernels compiled.
    ///
    /// # Errors
    /// Where the device fails.
    pub(super) async fn assemble(described: Described, chosen: Chosen, options: &LoadOptions<'_>) -> Result<Opened> {
        let Described { source, name, format, parameters, context, shape, tensors, vocabulary, .. } = described;
        let Described { sampling, chat_template, embedding, .. } = described;
        let Chosen { device, tuning, matrices, host, budget, first_capacity, plans } = chosen;
        let compiling = device.compile(&plans).await;
        let tokenizer = match Tokenizer::from_vocabulary(&vocabulary) {
            Err(error) if options.ids_only && options.tokenizer.is_none() => {
                log::warn!("{source}: {error} (ignored)");
                Tokenizer::from_vocabulary(&Vocabulary::none())?
            }
            built => built?,
        };
        drop(vocabulary);
        let weights = reserve(&device, &matrices, &shape).await?;
        let inner = Inner {
            name,
            format,
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
            packing: options.packing,
            embedding,
            spinquant: options.spinquant,
            budget,
            host,
            date: options.date,
        };
        Ok(Opened { model: Model { inner: Rc::new(inner) }, tensors, compiling })
    }
}

/// Whether the input of the down projection is rotated: as the file says, or as the caller does.
///
/// # Errors
/// In words, where the model is no int4 checkpoint of Meta's, or its width is not that of a rotation.
pub fn rotate(shape: &mut Shape, spinquant: Option<bool>) -> std::result::Result<(), String> {
    match spinquant {
        Some(_) if !shape.scheme.int8_activations => {
            return Err(
                "SpinQuant's rotation was turned on or off, and this is none of Meta's int4 checkpoints".to_owned()
            );
        }
        Some(on) => shape.scheme.hadamard = on,
        None => {}
    }
    if shape.scheme.hadamard && !Hadamard::takes(shape.ffn) {
        return Err(format!(
            "SpinQuant rotates the {} numbers before its down projections; rotations are supported of powers of two from 64 \
             to 65536 (--spinquant off leaves them out)",
            shape.ffn
        ));
    }
    Ok(())
}

/// Most tokens that a session holds: `asked`, or else the context that the model was trained for, up to 4096, or up to
/// 8192 for Meta's int4 checkpoints.
///
/// # Errors
/// [`Error::Setting`] where `asked` is 0, is longer than the context that the model was trained for, or makes a KV
/// cache that does not fit a binding.
pub fn session_context(shape: &Shape, asked: Option<usize>, kv: KvType, limits: Option<&Profile>) -> Result<usize> {
    // The bound of the strictest plan, so that no choice of a plan refuses a context.
    let bytes = limits.map_or(WEBGPU_BINDING_BYTES, |profile| profile.binding_bytes.value.min(MAX_TEXTURE_BYTES));
    let most = bytes as usize / (kv.words(shape.kv_dim()) * 4);
    let default = if shape.scheme.int8_activations { INT4_CONTEXT } else { DEFAULT_CONTEXT };
    let context = asked.unwrap_or_else(|| shape.context.min(default).min(most));
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

/// The vocabulary of a tokenizer in a file of its own, whose size must fit the model.
///
/// # Errors
/// Those of [`tokenizer::read`], and [`Error::Unsupported`] where the size does not fit.
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
