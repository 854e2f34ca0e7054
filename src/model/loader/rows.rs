//! Rows of a tensor as they are packed: scales from a tensor of their own stand behind the quants, and rows that are
//! quantized while they are loaded are quantized.

use std::borrow::Cow;
use std::ops::Range;

use crate::arch::tensors::TensorId;
use crate::error::{Error, Result};
use crate::format::{Encoding, Extent, Tensor, quantize_row};
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
    let scale_bytes = tensor.encoding.scale_bytes(tensor.cols);
    let own = Extent { bytes: tensor.bytes.clone(), strides: tensor.strides };
    let row = (tensor.row_bytes() - scale_bytes, tensor.encoding.item_bytes());
    let quants = part(source, &own, rows.clone(), row).await?;
    let whole = match &tensor.scales {
        None => quants,
        Some(scales) => {
            let scales = part(source, scales, rows.clone(), (scale_bytes, 4)).await?;
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

/// Consecutive rows of an extent, one behind the other: `row_bytes` each, of numbers of `item` bytes.
///
/// # Errors
/// Those of the source.
pub(super) async fn part<'s>(
    source: &'s dyn Source,
    extent: &Extent,
    rows: Range<usize>,
    (row_bytes, item): (usize, usize),
) -> Result<Cow<'s, [u8]>> {
    let start = extent.bytes.start;
    let Some(strides) = extent.strides else {
        return source.read_at(start + (rows.start * row_bytes) as u64, rows.len() * row_bytes).await;
    };
    let [row_stride, col_stride] = strides.map(|stride| stride * item as u64);
    let cols = row_bytes / item;
    let mut whole = vec![0; rows.len() * row_bytes];
    // Whichever lies together is read together: rows of a wider matrix, or columns of one that is transposed.
    if row_stride >= col_stride {
        for (to, row) in whole.chunks_exact_mut(row_bytes).zip(rows) {
            let span = (cols as u64 - 1) * col_stride + item as u64;
            let from = source.read_at(start + row as u64 * row_stride, span as usize).await?;
            for (to, from) in to.chunks_exact_mut(item).zip(from.chunks(col_stride as usize)) {
                to.copy_from_slice(&from[..item]);
            }
        }
        return Ok(Cow::Owned(whole));
    }
    for col in 0..cols {
        let first = start + col as u64 * col_stride + rows.start as u64 * row_stride;
        let span = (rows.len() as u64 - 1) * row_stride + item as u64;
        let from = source.read_at(first, span as usize).await?;
        for (to, from) in whole.chunks_exact_mut(row_bytes).zip(from.chunks(row_stride as usize)) {
            to[col * item..][..item].copy_from_slice(&from[..item]);
        }
    }
    Ok(Cow::Owned(whole))
}

/// Says that rows, and their scales, will not be read again.
pub(super) fn release(source: &dyn Source, tensor: &Tensor, rows: Range<usize>) {
    let scale_bytes = tensor.encoding.scale_bytes(tensor.cols);
    let own = (tensor.strides.is_none()).then_some((tensor.bytes.start, tensor.row_bytes() - scale_bytes));
    let scales = tensor.scales.as_ref().filter(|scales| scales.strides.is_none());
    for (start, row_bytes) in own.into_iter().chain(scales.map(|scales| (scales.bytes.start, scale_bytes))) {
        source.release(start + (rows.start * row_bytes) as u64, (rows.len() * row_bytes) as u64);
    }
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
