//! What Meta's int4 checkpoints have beside the tensors of the originals: a byte per quant and scales in tensors of their
//! own, and low-rank adaptors. The names are those that ExecuTorch reads (`pre_quantization.py`, `lora.py`).
//!
//! The files do not say of which of the two kinds they are: QLoRA has adaptors, and the other is SpinQuant, whose down
//! projections are made for an input that a Hadamard matrix has rotated.

use crate::arch::shape::Scheme;
use crate::arch::tensors::TensorId;
use crate::error::{Error, Result};
use crate::format::{BLOCK, Encoding};
use crate::source::Source;

use super::model::listed;
use super::params::Params;
use super::{DType, Stored};

/// What stands between the name of a matrix and the name of an adaptor's part.
const ADAPTOR: &str = ".adaptor.";
const SCALES: &str = ".scales";

/// Bytes of zero points that are looked at at a time.
const ZEROS_READ: u64 = 1 << 20;

/// The name of a matrix without what all weights end with.
fn matrix(weight: &str) -> &str {
    weight.strip_suffix(".weight").unwrap_or(weight)
}

/// The name of a matrix's scales.
pub(super) fn scales(weight: &str) -> String {
    format!("{}{SCALES}", matrix(weight))
}

/// The names of an adaptor's matrices, A and B.
pub(super) fn lora_names(weight: &str) -> [String; 2] {
    ["A", "B"].map(|part| format!("{}{ADAPTOR}{part}.weight", matrix(weight)))
}

/// The name of the zero points beside scales of this name, and `None` for any other name. Meta stores none: all are 0.
pub(super) fn zeros(scales: &str) -> Option<String> {
    Some(format!("{}.zeros", scales.strip_suffix(SCALES)?))
}

/// The tensors that belong to the weights of a quantized model.
pub(super) fn parts(scheme: Scheme, id: TensorId, weight: &str) -> Vec<String> {
    if !id.spec().is_matrix() {
        return Vec::new();
    }
    let adaptor = scheme.lora.filter(|_| id.spec().in_block).map(|_| lora_names(weight));
    std::iter::once(scales(weight)).chain(adaptor.into_iter().flatten()).collect()
}

/// How the quants of a matrix are stored: those of blocks have four bits, those of embedding and head eight.
pub(super) fn encoding(id: TensorId, stored: &Stored) -> Option<Encoding> {
    let encoding = if id.spec().in_block { Encoding::INT4 } else { Encoding::INT8 };
    (stored.dtype == DType::I8).then_some(encoding)
}

/// Whether a tensor says that its file is an int4 checkpoint.
fn says_quantized(stored: &Stored) -> bool {
    stored.dtype == DType::I8 || stored.name.ends_with(SCALES) || stored.name.contains(ADAPTOR)
}

/// How the model is computed, or `None` where its tensors are those of an original.
///
/// # Errors
/// Where `params.json` contradicts the tensors.
pub(super) fn scheme(weights: &str, params: &Params, stored: &[Stored]) -> Result<Option<Scheme>> {
    let malformed = |reason: String| Err(Error::Malformed { name: weights.to_owned(), format: "Llama", reason });
    let quantized: Vec<&str> =
        stored.iter().filter(|stored| says_quantized(stored)).map(|stored| stored.name.as_str()).collect();
    let lora = params.shape.scheme.lora;
    if quantized.is_empty() {
        let key = if lora.is_some() { "lora_args" } else { "quantization_args" };
        return match lora.is_some() || params.quantization.is_some() {
            true => malformed(format!("{} has {key}, and none of its tensors is quantized", params.file)),
            false => Ok(None),
        };
    }
    let adaptors: Vec<&str> = quantized.iter().copied().filter(|name| name.contains(ADAPTOR)).collect();
    if lora.is_none() && !adaptors.is_empty() {
        return malformed(format!(
            "it has adaptors, {}, and {} has no lora_args, which say their rank and scale",
            listed(&adaptors),
            params.file
        ));
    }
    if lora.is_some() && adaptors.is_empty() {
        return malformed(format!("{} has lora_args, and the file has no adaptors", params.file));
    }
    let said = params.quantization.unwrap_or_default();
    if let Some(size) = said.group_size.filter(|size| *size != BLOCK) {
        let reason = format!("{} has groups of {size}; supported are groups of {BLOCK}", params.file);
        return Err(Error::Unsupported { name: weights.to_owned(), reason });
    }
    let hadamard = said.spinquant.unwrap_or(lora.is_none());
    Ok(Some(Scheme { hadamard, lora, int8_activations: true }))
}

/// Refuses zero points other than 0.
///
/// # Errors
/// Where there are some, and those of the source.
pub(super) async fn refuse_zero_points(source: &dyn Source, weights: &str, stored: &[Stored]) -> Result<()> {
    for zeros in stored.iter().filter(|stored| stored.name.ends_with(".zeros")) {
        let Stored { name, dtype, dims, bytes, strides } = zeros;
        let mut at = bytes.start;
        while at < bytes.end {
            let len = ZEROS_READ.min(bytes.end - at);
            let read = source.read_at(at, len as usize).await?;
            if let Some(i) = read.iter().position(|byte| *byte != 0) {
                let i = (at - bytes.start + i as u64) / dtype.bytes();
                let place = match dims[..] {
                    [_, cols] if cols > 1 && strides.is_none() => format!(" (row {}, column {})", i / cols, i % cols),
                    _ => String::new(),
                };
                let reason = format!("tensor {name}: zero point {i}{place} is not 0; int4 weights are read around 0");
                return Err(Error::Unsupported { name: weights.to_owned(), reason });
            }
            at += len;
        }
    }
    Ok(())
}
