//! Tensors by Meta's names, checked against the shape.

use crate::arch::shape::Shape;
use crate::arch::shape::limits::MAX_EMBEDDING_ROWS;
use crate::arch::tensors::{Role, TensorId};
use crate::error::{Error, Result, printable};
use crate::format::{ModelTensors, Tensor};

use super::params::Params;
use super::{DType, Stored};

/// The numbers of the rotation, which follow from `params.json`.
const ROPE_FREQS: &str = "rope.freqs";

/// Most names that a message lists.
const MAX_LISTED: usize = 8;

/// What a role is called, without its block.
fn stem(role: Role) -> &'static str {
    match role {
        Role::TokenEmbd => "tok_embeddings",
        Role::AttnNorm => "attention_norm",
        Role::AttnQ => "attention.wq",
        #[cfg(test)]
        Role::AttnQNorm => "attention.q_norm",
        Role::AttnK => "attention.wk",
        Role::AttnV => "attention.wv",
        Role::AttnOutput => "attention.wo",
        Role::FfnNorm => "ffn_norm",
        Role::FfnGate => "feed_forward.w1",
        Role::FfnUp => "feed_forward.w3",
        Role::FfnDown => "feed_forward.w2",
        Role::OutputNorm => "norm",
        Role::Output => "output",
    }
}

/// The name of a tensor in Meta's files.
fn name_of(id: TensorId) -> String {
    let stem = stem(id.role());
    match id.block() {
        Some(block) => format!("layers.{block}.{stem}.weight"),
        None => format!("{stem}.weight"),
    }
}

fn find<'a>(stored: &'a [Stored], name: &str) -> Option<&'a Stored> {
    stored.iter().find(|stored| stored.name == name)
}

/// A tensor's dimensions, without those of 1, which say nothing.
fn squeezed(dims: &[u64]) -> Vec<u64> {
    dims.iter().copied().filter(|dim| *dim != 1).collect()
}

/// Whether a tensor is the head of a model that has no head of its own: the embedding by another name.
pub(super) fn is_tied(stored: &Stored, tensors: &ModelTensors) -> bool {
    let head = Role::Output.of_model();
    stored.name == name_of(head) && tensors.get(head).is_none()
}

/// The shape of a model and its tensors.
///
/// # Errors
/// Where weights are quantized, a tensor is missing, of another size or type, or not known, or `params.json`
/// contradicts them.
pub(super) fn model(weights: &str, params: &Params, stored: &[Stored]) -> Result<(Shape, ModelTensors)> {
    refuse_quantized(weights, Some(params), stored)?;
    let malformed = |reason| Error::Malformed { name: weights.to_owned(), format: "Llama", reason };
    let mut shape = params.shape.clone();
    let embedding = name_of(Role::TokenEmbd.of_model());
    if shape.vocabulary == 0
        && let Some([rows, _]) = find(stored, &embedding).map(|stored| &stored.dims[..])
    {
        shape.vocabulary = usize::try_from(*rows).unwrap_or(usize::MAX);
    }
    if shape.vocabulary > MAX_EMBEDDING_ROWS {
        let rows = shape.vocabulary;
        return Err(malformed(format!("a vocabulary of {rows}; at most {MAX_EMBEDDING_ROWS} are supported")));
    }
    let ids: Vec<(TensorId, String)> = TensorId::all(shape.arch, shape.layers).map(|id| (id, name_of(id))).collect();
    let missing = ids.iter().filter(|(id, name)| !id.spec().optional && find(stored, name).is_none());
    let missing: Vec<&str> = missing.map(|(_, name)| name.as_str()).collect();
    if !missing.is_empty() {
        return Err(malformed(format!("{} of its tensors are missing: {}", missing.len(), listed(&missing))));
    }
    let known = |name: &str| name == ROPE_FREQS || ids.iter().any(|(_, known)| known == name);
    let other = stored.iter().map(|stored| stored.name.as_str()).filter(|name| !known(name));
    let other: Vec<&str> = other.collect();
    if !other.is_empty() {
        let layers = shape.layers;
        let reason = format!("a Llama of {layers} blocks has no {}", listed(&other));
        return Err(Error::Unsupported { name: weights.to_owned(), reason });
    }
    let head = Role::Output.of_model();
    let embedded = find(stored, &embedding).map(|embedding| &embedding.bytes);
    let found = ids.iter().filter_map(|(id, name)| {
        let stored = find(stored, name)?;
        let tied = *id == head && Some(&stored.bytes) == embedded;
        (!tied).then(|| checked(weights, params, &shape, *id, stored).map(|tensor| (*id, tensor)))
    });
    let tensors = found.collect::<Result<ModelTensors>>()?;
    Ok((shape, tensors))
}

/// Names for a message: all of them, or the first and how many more.
fn listed(names: &[&str]) -> String {
    let shown: Vec<String> = names.iter().take(MAX_LISTED).map(|name| printable(name, 80)).collect();
    match names.len().checked_sub(MAX_LISTED) {
        None | Some(0) => shown.join(", "),
        Some(more) => format!("{}, and {more} more", shown.join(", ")),
    }
}

/// A tensor with the dimensions that the shape asks for.
fn checked(weights: &str, params: &Params, shape: &Shape, id: TensorId, stored: &Stored) -> Result<Tensor> {
    let [rows, cols] = id.spec().size(shape);
    let expected = if id.spec().is_matrix() { vec![rows as u64, cols as u64] } else { vec![cols as u64] };
    let Stored { name, dtype, dims, bytes } = stored;
    if squeezed(dims) != squeezed(&expected) {
        return Err(Error::Malformed {
            name: weights.to_owned(),
            format: "Llama",
            reason: format!("tensor {name} has dimensions {dims:?}; {} asks for {expected:?}", params.file),
        });
    }
    let Some(encoding) = dtype.encoding() else {
        let reason = format!("tensor {name} has type {}; supported types are F32, F16 and BF16", dtype.name());
        return Err(Error::Unsupported { name: weights.to_owned(), reason });
    };
    Ok(Tensor { rows, cols, encoding, bytes: bytes.clone() })
}

/// Refuses Meta's int4 checkpoints, with what says that it is one.
pub(super) fn refuse_quantized(weights: &str, params: Option<&Params>, stored: &[Stored]) -> Result<()> {
    let quantized = |stored: &&Stored| {
        let name = &stored.name;
        stored.dtype == DType::I8 || name.ends_with(".scales") || name.contains(".adaptor.")
    };
    let names: Vec<&str> = stored.iter().filter(quantized).map(|stored| stored.name.as_str()).collect();
    let key = params.and_then(|params| Some(format!("{} in {}", params.quantized?, params.file)));
    let tensors = (!names.is_empty()).then(|| format!("the tensors {}", listed(&names)));
    let evidence: Vec<String> = key.into_iter().chain(tensors).collect();
    if evidence.is_empty() {
        return Ok(());
    }
    let adapted = names.iter().any(|name| name.contains(".adaptor."))
        || params.is_some_and(|params| params.quantized == Some("lora_args"));
    let kind = if adapted { "QLoRA" } else { "SpinQuant" };
    Err(Error::Unsupported {
        name: weights.to_owned(),
        reason: format!(
            "Meta's int4 checkpoints ({kind}) are not read yet, and this is one, as {} say; the BF16 original of the same \
             model is read",
            evidence.join(" and ")
        ),
    })
}
