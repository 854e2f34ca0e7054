//! Tensors by Meta's names, checked against the shape. What the int4 checkpoints have beside is in `quantized.rs`.

use crate::arch::shape::limits::MAX_EMBEDDING_ROWS;
use crate::arch::shape::{Lora, Shape};
use crate::arch::tensors::{Role, TensorId};
use crate::error::{Error, Result, printable};
use crate::format::{BLOCK, Encoding, Extent, LoraTensors, ModelTensors, Tensor};

use super::params::{Params, QUANTIZED_CONTEXT};
use super::{DType, Stored, quantized};

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
pub(crate) fn name_of(id: TensorId) -> String {
    let stem = stem(id.role());
    match id.block() {
        Some(block) => format!("layers.{block}.{stem}.weight"),
        None => format!("{stem}.weight"),
    }
}

pub(super) fn find<'a>(stored: &'a [Stored], name: &str) -> Option<&'a Stored> {
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
/// Where a tensor is missing, of another size or type, or not known, or `params.json` contradicts the tensors.
pub(super) fn model(weights: &str, params: &Params, stored: &[Stored]) -> Result<(Shape, ModelTensors)> {
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
    let quantized = quantized::scheme(weights, params, stored)?;
    if let Some(scheme) = quantized {
        shape.scheme = scheme;
        shape.context = shape.context.min(QUANTIZED_CONTEXT);
    }
    let ids: Vec<(TensorId, String)> = TensorId::all(shape.arch, shape.layers).map(|id| (id, name_of(id))).collect();
    // Meta's quantized checkpoints have a head of their own; that of others may be the embedding.
    let needed = |id: &TensorId| quantized.is_some() || !id.spec().optional;
    let parts = |id: &TensorId, name: &String| -> Vec<String> {
        let parts = quantized.map_or(Vec::new(), |scheme| quantized::parts(scheme, *id, name));
        std::iter::once(name.clone()).chain(parts).collect()
    };
    let all: Vec<String> = ids.iter().filter(|(id, _)| needed(id)).flat_map(|(id, name)| parts(id, name)).collect();
    let missing: Vec<&str> = all.iter().map(String::as_str).filter(|name| find(stored, name).is_none()).collect();
    if !missing.is_empty() {
        return Err(malformed(format!("{} of its tensors are missing: {}", missing.len(), listed(&missing))));
    }
    let optional = |name: &str| ids.iter().any(|(id, known)| !needed(id) && known == name);
    let known = |name: &str| {
        name == ROPE_FREQS
            || optional(name)
            || all.iter().any(|known| known == name)
            || (quantized.is_some() && all.iter().any(|known| quantized::zeros(known).as_deref() == Some(name)))
    };
    let other = stored.iter().map(|stored| stored.name.as_str()).filter(|name| !known(name));
    let other: Vec<&str> = other.collect();
    if !other.is_empty() {
        let layers = shape.layers;
        let reason = format!("a Llama of {layers} blocks has no {}", listed(&other));
        return Err(Error::Unsupported { name: weights.to_owned(), reason });
    }
    let head = Role::Output.of_model();
    let embedded = find(stored, &embedding).map(|embedding| &embedding.bytes);
    let file = File { weights, params: &params.file, stored };
    let found = ids.iter().filter_map(|(id, name)| {
        let stored = find(stored, name)?;
        let tied = *id == head && quantized.is_none() && Some(&stored.bytes) == embedded;
        (!tied).then(|| file.tensor(&shape, *id, stored).map(|tensor| (*id, tensor)))
    });
    let tensors = found.collect::<Result<ModelTensors>>()?;
    Ok((shape, tensors))
}

/// Names for a message: all of them, or the first and how many more.
pub(super) fn listed(names: &[&str]) -> String {
    let shown: Vec<String> = names.iter().take(MAX_LISTED).map(|name| printable(name, 80)).collect();
    match names.len().checked_sub(MAX_LISTED) {
        None | Some(0) => shown.join(", "),
        Some(more) => format!("{}, and {more} more", shown.join(", ")),
    }
}

/// The tensors of a file, and the names that messages call its parts.
struct File<'a> {
    weights: &'a str,
    params: &'a str,
    stored: &'a [Stored],
}

impl File<'_> {
    /// A tensor of the model, with the tensors that belong to it.
    fn tensor(&self, shape: &Shape, id: TensorId, stored: &Stored) -> Result<Tensor> {
        let [rows, cols] = id.spec().size(shape);
        let expected = if id.spec().is_matrix() { vec![rows as u64, cols as u64] } else { vec![cols as u64] };
        self.has_dims(stored, &expected)?;
        let quantized = shape.scheme.int8_activations && id.spec().is_matrix();
        let Some(encoding) = (if quantized { quantized::encoding(id, stored) } else { stored.dtype.encoding() }) else {
            let supported =
                if quantized { "int4 checkpoints have I8" } else { "supported types are F32, F16 and BF16" };
            return Err(self.unsupported(format!(
                "tensor {} has type {}; {supported}",
                stored.name,
                stored.dtype.name()
            )));
        };
        let mut tensor = Tensor {
            rows,
            cols,
            encoding,
            bytes: stored.bytes.clone(),
            strides: stored.strides,
            scales: None,
            lora: None,
        };
        if quantized {
            tensor.scales = Some(self.scales(&tensor, &stored.name)?);
            if let Some(Lora { rank, .. }) = shape.scheme.lora.filter(|_| id.spec().in_block) {
                let [a, b] = quantized::lora_names(&stored.name);
                let [a, b] = [(a, [rank, cols]), (b, [rows, rank])].map(|(name, dims)| self.adaptor(&name, dims));
                tensor.lora = Some(LoraTensors { rank, a: a?, b: b? });
            }
        }
        Ok(tensor)
    }

    /// Where the scales of a quantized tensor lie.
    fn scales(&self, tensor: &Tensor, name: &str) -> Result<Extent> {
        let Tensor { rows, cols, encoding, .. } = *tensor;
        if encoding == Encoding::INT4 && !cols.is_multiple_of(BLOCK) {
            return Err(self.unsupported(format!("tensor {name} has rows of {cols}, and its scales groups of {BLOCK}")));
        }
        let scales = self.part(&quantized::scales(name));
        let groups = encoding.scale_bytes(cols) / 4;
        let per_row = match scales.dims[..] {
            [found] if found == rows as u64 => 1,
            [found, per_row] if found == rows as u64 => per_row,
            _ => groups as u64,
        };
        if per_row != groups as u64 {
            return Err(self.unsupported(format!(
                "tensor {} has {per_row} scales per row of {cols}; supported are {groups}, {}",
                scales.name,
                if groups == 1 { "one per row".to_owned() } else { format!("one per group of {BLOCK}") }
            )));
        }
        self.has_dims(scales, &[rows as u64, groups as u64])?;
        self.has_type(scales, DType::F32)?;
        if let Some(zeros) = quantized::zeros(&scales.name).and_then(|name| find(self.stored, &name)) {
            self.has_dims(zeros, &[rows as u64, groups as u64])?;
        }
        Ok(Extent { bytes: scales.bytes.clone(), strides: scales.strides })
    }

    fn adaptor(&self, name: &str, [rows, cols]: [usize; 2]) -> Result<Extent> {
        let stored = self.part(name);
        self.has_dims(stored, &[rows as u64, cols as u64])?;
        self.has_type(stored, DType::BF16)?;
        Ok(Extent { bytes: stored.bytes.clone(), strides: stored.strides })
    }

    /// A tensor that was found to be there.
    fn part(&self, name: &str) -> &Stored {
        find(self.stored, name).expect("a missing tensor was refused")
    }

    fn has_dims(&self, Stored { name, dims, .. }: &Stored, expected: &[u64]) -> Result<()> {
        if squeezed(dims) == squeezed(expected) {
            return Ok(());
        }
        let reason = format!("tensor {name} has dimensions {dims:?}; {} asks for {expected:?}", self.params);
        Err(Error::Malformed { name: self.weights.to_owned(), format: "Llama", reason })
    }

    fn has_type(&self, Stored { name, dtype, .. }: &Stored, expected: DType) -> Result<()> {
        if *dtype == expected {
            return Ok(());
        }
        Err(self.unsupported(format!("tensor {name} has type {}; supported is {}", dtype.name(), expected.name())))
    }

    fn unsupported(&self, reason: String) -> Error {
        Error::Unsupported { name: self.weights.to_owned(), reason }
    }
}
