//! Where the tensors that a pickle describes lie in the file.

use crate::error::printable;
use crate::format::Strides;
use crate::format::meta::Stored;

use super::pickle::{Described, Storage, Tensor};
use super::zip::Archive;
use super::{Pieces, Stop};

/// Each tensor with its bytes, counted from the beginning of the file. Storages that no tensor needs are not looked at.
pub(super) fn placed(
    file: &Pieces<'_>,
    archive: &Archive<'_>,
    root: &str,
    described: Described,
) -> Result<Vec<Stored>, Stop> {
    let Described { storages, tensors } = described;
    let orders =
        tensors.iter().map(|(name, tensor)| check(file, archive, root, name, tensor, &storages[tensor.storage]));
    let orders = orders.collect::<Result<Vec<_>, _>>()?;
    let entries: Vec<String> = tensors.values().map(|tensor| entry(root, &storages[tensor.storage])).collect();
    let ranges = archive.data(file, &entries)?;
    let stored =
        tensors.into_iter().zip(ranges).zip(orders).map(|(((name, tensor), range), Order { span, strides })| {
            let dtype = storages[tensor.storage].dtype;
            let start = range.start + tensor.offset * dtype.bytes();
            Stored { name, dtype, dims: tensor.dims, bytes: start..start + span * dtype.bytes(), strides }
        });
    Ok(stored.collect())
}

/// The entry that holds a storage.
fn entry(root: &str, storage: &Storage) -> String {
    format!("{root}data/{}", storage.key)
}

/// Where the numbers of a tensor lie in its storage, from its offset on.
struct Order {
    /// Numbers of the storage from the first of the tensor to the last.
    span: u64,
    /// As in [`Stored`].
    strides: Option<Strides>,
}

/// The order of the numbers of a tensor; `None` where they overlap, or are in an order that no matrix needs.
fn order(dims: &[u64], strides: &[u64]) -> Option<Order> {
    // The stride of a dimension of 1 says nothing.
    let real: Vec<(u64, u64)> =
        dims.iter().copied().zip(strides.iter().copied()).filter(|(dim, _)| *dim != 1).collect();
    let mut expected = 1;
    let contiguous = real.iter().rev().all(|(dim, stride)| {
        let follows = *stride == expected;
        expected *= dim;
        follows
    });
    if contiguous {
        return Some(Order { span: expected, strides: None });
    }
    let strides = match real[..] {
        [(_, stride)] if stride > 0 => [stride, stride],
        // Rows within a wider matrix, or a matrix that is transposed.
        [(rows, row), (cols, col)] if row >= cols.checked_mul(col)? || col >= rows.checked_mul(row)? => [row, col],
        _ => return None,
    };
    let mut steps = real.iter().map(|(dim, stride)| (dim - 1).checked_mul(*stride));
    let span = steps.try_fold(1u64, |span, steps| span.checked_add(steps?))?;
    (strides[0] > 0 && strides[1] > 0).then_some(Order { span, strides: Some(strides) })
}

/// Checks that a tensor lies in its storage, which has the bytes that it claims; the answer is where.
fn check(
    file: &Pieces<'_>,
    archive: &Archive<'_>,
    root: &str,
    name: &str,
    tensor: &Tensor,
    storage: &Storage,
) -> Result<Order, Stop> {
    let name = printable(name, 80);
    let Tensor { offset, dims, strides, .. } = tensor;
    let elements = dims.iter().try_fold(1u64, |product, dim| product.checked_mul(*dim));
    if elements.is_none_or(|elements| elements == 0) {
        return Err(file.malformed(format!("tensor {name} has dimensions {dims:?}")));
    }
    let Some(order) = order(dims, strides) else {
        return Err(file.unsupported(format!(
            "tensor {name} of {dims:?} has strides {strides:?}; supported are rows or columns that do not overlap"
        )));
    };
    let bytes = storage.len.checked_mul(storage.dtype.bytes());
    let entry = entry(root, storage);
    match archive.find(&entry) {
        Some(len) if Some(len) == bytes => {}
        Some(len) => {
            let entry = entry.escape_debug();
            return Err(file.malformed(format!(
                "tensor {name}: the entry {entry} has {len} bytes, and {} numbers of type {} are said to be in it",
                storage.len,
                storage.dtype.name()
            )));
        }
        None => return Err(file.malformed(format!("tensor {name}: it has no entry {}", entry.escape_debug()))),
    }
    if offset.checked_add(order.span).is_none_or(|end| end > storage.len) {
        return Err(file.malformed(format!(
            "tensor {name} takes {} numbers from number {offset} of storage {} on, which holds {}",
            order.span, storage.key, storage.len
        )));
    }
    Ok(order)
}
