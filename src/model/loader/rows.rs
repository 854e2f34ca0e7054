//! Rows of a tensor as they are packed: scales from a tensor of their own stand behind the quants, and rows that are
//! quantized while they are loaded are quantized.

use std::borrow::Cow;
use std::ops::Range;

use crate::arch::tensors::TensorId;
use crate::error::{Error, Result};
use crate::format::{Encoding, Tensor, quantize_row};
use crate::source::Source;
use crate::weights::pack::decode_row;

/// Consecutive rows of a tensor, [`Encoding::row_bytes`] of `to` each: `to` is the tensor's own encoding, or the one
/// that it is quantized to.
///
/// # Errors
/// Where quants or scales are none, and those of the source.
pub(super) async fn read<'s>(
    source: &'s dyn Source,
    id: TensorId,
    tensor: &Tensor,
    rows: Range<usize>,
    to: Encoding,
) -> Result<Cow<'s, [u8]>> {
    let (bytes, scales) = tensor.row_ranges(rows.clone());
    let quants = source.read_at(bytes.start, (bytes.end - bytes.start) as usize).await?;
    let whole = match scales {
        None => quants,
        Some(scales) => {
            let scales = source.read_at(scales.start, (scales.end - scales.start) as usize).await?;
            Cow::Owned(joined(source, (id, tensor, rows), &quants, &scales)?)
        }
    };
    if to == tensor.encoding {
        return Ok(whole);
    }
    let quantized = whole
        .chunks_exact(tensor.row_bytes())
        .flat_map(|row| quantize_row(to, &decode_row(tensor.encoding, row, tensor.cols)));
    Ok(Cow::Owned(quantized.collect()))
}

/// Rows of quants, each with its scales behind it.
fn joined(
    source: &dyn Source,
    (id, tensor, rows): (TensorId, &Tensor, Range<usize>),
    quants: &[u8],
    scales: &[u8],
) -> Result<Vec<u8>> {
    let (cols, scale_bytes) = (tensor.cols, tensor.encoding.scale_bytes(tensor.cols));
    let malformed = |row: usize, reason: String| {
        let name = source.parts().first().map_or(source.name(), |part| part.name).to_owned();
        let reason = format!("{id}, row {}: {reason}", rows.start + row);
        Err(Error::Malformed { name, format: "Llama", reason })
    };
    let mut joined = Vec::with_capacity(quants.len() + scales.len());
    let both = quants.chunks_exact(cols).zip(scales.chunks_exact(scale_bytes));
    for (row, (quants, scales)) in both.enumerate() {
        let outside = |quant: &u8| tensor.encoding == Encoding::INT4 && !(-8..8).contains(&(*quant as i8));
        if let Some(col) = quants.iter().position(outside) {
            let quant = quants[col] as i8;
            return malformed(
                row,
                format!("the quant of column {col} is {quant}; those of four bits are from -8 to 7"),
            );
        }
        let scale = |bytes: &[u8; 4]| f32::from_le_bytes(*bytes);
        if let Some(i) = scales.as_chunks().0.iter().position(|bytes| !scale(bytes).is_finite()) {
            return malformed(row, format!("scale {i} is {}, which is no number", scale(&scales.as_chunks().0[i])));
        }
        joined.extend_from_slice(quants);
        joined.extend_from_slice(scales);
    }
    Ok(joined)
}

/// The words of a row of numbers of 16 bits, filled up with zeros to `words` words.
pub(super) fn words(bytes: &[u8], words: usize) -> impl Iterator<Item = u32> {
    let own = bytes.as_chunks().0.iter().map(|word| u32::from_le_bytes(*word));
    own.chain(std::iter::repeat(0)).take(words)
}
