//! Rows of a tensor as they are packed: scales from a tensor of their own stand behind the quants, and rows that are
//! quantized while they are loaded are quantized.

use std::borrow::Cow;
use std::ops::Range;

use half::{bf16, f16};

use crate::arch::tensors::TensorId;
use crate::error::{Error, Result};
use crate::format::{self, BLOCK, Encoding, Extent, LoraTensors, Tensor, quantize_row};
use crate::source::Source;
use crate::weights::Packing;
use crate::weights::pack::decode_row;

/// Bytes of a row or column of a matrix whose numbers do not lie together that are read at a time.
const MAX_LINE_BYTES: u64 = 1 << 20;

/// The encoding that rows of `encoding` are packed from: their own, or the one that they are quantized to.
pub(in crate::model) fn packed_from(encoding: Encoding, packing: Packing) -> Encoding {
    match packing {
        _ if packing.takes(encoding) => encoding,
        Packing::Q4_0 => Encoding::Q4_0,
        Packing::Q8_0 => Encoding::Q8_0,
        _ => unreachable!("{} is not packed as {}", encoding.name(), packing.name()),
    }
}

/// Consecutive rows of a tensor as [`packed_from`] says, of whole blocks where they are quantized.
///
/// # Errors
/// Where quants or scales are none, or --quantize has no room for a number, and those of the source.
pub(in crate::model) async fn read<'s>(
    source: &'s dyn Source,
    id: TensorId,
    tensor: &Tensor,
    rows: Range<usize>,
    packing: Packing,
) -> Result<Cow<'s, [u8]>> {
    let scale_bytes = tensor.encoding.scale_bytes(tensor.cols);
    let own = Extent { bytes: tensor.bytes.clone(), strides: tensor.strides };
    let row = (tensor.row_bytes() - scale_bytes, tensor.encoding.item_bytes());
    let quants = part(source, &own, rows.clone(), row).await?;
    let whole = match &tensor.scales {
        None => quants,
        Some(scales) => {
            let scales = part(source, scales, rows.clone(), (scale_bytes, 4)).await?;
            match joined(tensor, &quants, &scales) {
                Ok(joined) => Cow::Owned(joined),
                Err(fault) => return Err(fault.named(source, id, rows.start).await),
            }
        }
    };
    let to = packed_from(tensor.encoding, packing);
    if to == tensor.encoding {
        return Ok(whole);
    }
    match quantized(tensor, to, &whole) {
        Ok(quantized) => Ok(Cow::Owned(quantized)),
        Err(fault) => Err(fault.named(source, id, rows.start).await),
    }
}

/// Both matrices of a tensor's adaptor, A and B, in BF16.
///
/// # Errors
/// Where a number is none, and those of the source.
pub(super) async fn adaptor<'s>(
    source: &'s dyn Source,
    id: TensorId,
    tensor: &Tensor,
    lora: &LoraTensors,
) -> Result<[Cow<'s, [u8]>; 2]> {
    let a = part(source, &lora.a, 0..lora.rank, (2 * tensor.cols, 2)).await?;
    let b = part(source, &lora.b, 0..tensor.rows, (2 * lora.rank, 2)).await?;
    for (part, bytes, cols) in [("adaptor.A.weight", &a, tensor.cols), ("adaptor.B.weight", &b, lora.rank)] {
        let number = |bytes: &[u8; 2]| bf16::from_le_bytes(*bytes);
        let numbers = bytes.as_chunks().0;
        if let Some(at) = numbers.iter().position(|bytes| !number(bytes).is_finite()) {
            let reason = format!("the number of column {} is {}; adaptors are finite", at % cols, number(&numbers[at]));
            return Err(Fault { part, row: at / cols, reason }.named(source, id, 0).await);
        }
    }
    Ok([a, b])
}

/// What is wrong with a tensor, or with one that belongs to it.
struct Fault {
    /// What stands for `weight` at the end of the tensor's name.
    part: &'static str,
    /// The row, from the first that was read.
    row: usize,
    reason: String,
}

impl Fault {
    /// The error, with the names in the file. Rows were read from `first` on.
    async fn named(self, source: &dyn Source, id: TensorId, first: usize) -> Error {
        let Self { part, row, reason } = self;
        let weight = format::name_in(source, id).await;
        let tensor = format!("{}.{part}", weight.strip_suffix(".weight").unwrap_or(&weight));
        let name = source.parts().first().map_or(source.name(), |part| part.name).to_owned();
        let reason = format!("tensor {tensor}, row {}: {reason}", first + row);
        Error::Malformed { name, format: "Llama", reason }
    }
}

/// Rows of numbers, quantized.
fn quantized(tensor: &Tensor, to: Encoding, whole: &[u8]) -> std::result::Result<Vec<u8>, Fault> {
    // A scale is the number of largest magnitude, divided by this.
    let divisor = if to == Encoding::Q4_0 { 8.0 } else { 127.0 };
    let row_bytes = to.row_bytes(tensor.cols.next_multiple_of(BLOCK));
    let mut quantized = Vec::with_capacity(whole.len() / tensor.row_bytes() * row_bytes);
    for (row, bytes) in whole.chunks_exact(tensor.row_bytes()).enumerate() {
        let numbers = decode_row(tensor.encoding, bytes, tensor.cols);
        if let Some(col) = numbers.iter().position(|number| !f16::from_f32(number / divisor).is_finite()) {
            let (number, name) = (numbers[col], to.name());
            let reason = format!("the number of column {col} is {number}, which {name} does not hold (--quantize)");
            return Err(Fault { part: "weight", row, reason });
        }
        quantized.extend(quantize_row(to, &numbers));
    }
    Ok(quantized)
}

/// Consecutive rows of an extent, one behind the other: `row_bytes` each, of numbers of `item` bytes.
///
/// # Errors
/// Those of the source.
async fn part<'s>(
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
    let start = start + rows.start as u64 * row_stride;
    // Whichever lies together is read together: rows of a wider matrix, or columns of one that is transposed.
    let by_rows = row_stride >= col_stride;
    let (rows, cols) = ((rows.len(), row_stride), (cols, col_stride));
    let ((lines, line_stride), (numbers, stride)) = if by_rows { (rows, cols) } else { (cols, rows) };
    // Numbers may lie so far apart that a line is longer than what may be read.
    let most = (MAX_LINE_BYTES / stride).max(1) as usize;
    for line in 0..lines {
        for first in (0..numbers).step_by(most) {
            let count = most.min(numbers - first);
            let at = start + line as u64 * line_stride + first as u64 * stride;
            let from = source.read_at(at, (count - 1) * stride as usize + item).await?;
            for (i, from) in from.chunks(stride as usize).enumerate() {
                let (row, col) = if by_rows { (line, first + i) } else { (first + i, line) };
                whole[row * row_bytes + col * item..][..item].copy_from_slice(&from[..item]);
            }
        }
    }
    Ok(Cow::Owned(whole))
}

/// Says that rows, and their scales, will not be read again.
pub(in crate::model) fn release(source: &dyn Source, tensor: &Tensor, rows: Range<usize>) {
    let scale_bytes = tensor.encoding.scale_bytes(tensor.cols);
    let own = (tensor.strides.is_none()).then_some((tensor.bytes.start, tensor.row_bytes() - scale_bytes));
    let scales = tensor.scales.as_ref().filter(|scales| scales.strides.is_none());
    for (start, row_bytes) in own.into_iter().chain(scales.map(|scales| (scales.bytes.start, scale_bytes))) {
        source.release(start + (rows.start * row_bytes) as u64, (rows.len() * row_bytes) as u64);
    }
}

/// Rows of quants, each with its scales behind it.
fn joined(tensor: &Tensor, quants: &[u8], scales: &[u8]) -> std::result::Result<Vec<u8>, Fault> {
    let Tensor { cols, encoding, .. } = *tensor;
    let mut joined = Vec::with_capacity(quants.len() + scales.len());
    let both = quants.chunks_exact(cols).zip(scales.chunks_exact(encoding.scale_bytes(cols)));
    for (row, (quants, scales)) in both.enumerate() {
        let outside = |quant: &u8| encoding == Encoding::INT4 && !(-8..8).contains(&(*quant as i8));
        if let Some(col) = quants.iter().position(outside) {
            let quant = quants[col] as i8;
            let reason = format!("the quant of column {col} is {quant}; those of four bits are from -8 to 7");
            return Err(Fault { part: "weight", row, reason });
        }
        for (i, bytes) in scales.as_chunks().0.iter().enumerate() {
            let scale = f32::from_le_bytes(*bytes);
            if !scale.is_finite() {
                let reason = format!("scale {i} is {scale}; scales are finite");
                return Err(Fault { part: "scales", row, reason });
            }
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
