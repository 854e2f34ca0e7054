//! Where the tensors that a pickle describes lie in the file.

use crate::error::printable;
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
    for (name, tensor) in &tensors {
        check(file, archive, root, name, tensor, &storages[tensor.storage])?;
    }
    let entries: Vec<String> = tensors.values().map(|tensor| entry(root, &storages[tensor.storage])).collect();
    let ranges = archive.data(file, &entries)?;
    let stored = tensors.into_iter().zip(ranges).map(|((name, tensor), range)| {
        let dtype = storages[tensor.storage].dtype;
        let elements: u64 = tensor.dims.iter().product();
        let start = range.start + tensor.offset * dtype.bytes();
        Stored { name, dtype, dims: tensor.dims, bytes: start..start + elements * dtype.bytes() }
    });
    Ok(stored.collect())
}

/// The entry that holds a storage.
fn entry(root: &str, storage: &Storage) -> String {
    format!("{root}data/{}", storage.key)
}

/// A tensor has all its numbers one behind the other, inside its storage, which has the bytes that it claims.
fn check(
    file: &Pieces<'_>,
    archive: &Archive<'_>,
    root: &str,
    name: &str,
    tensor: &Tensor,
    storage: &Storage,
) -> Result<(), Stop> {
    let name = printable(name, 80);
    let Tensor { offset, dims, strides, .. } = tensor;
    let elements = dims.iter().try_fold(1u64, |product, dim| product.checked_mul(*dim));
    let Some(elements) = elements.filter(|elements| *elements > 0) else {
        return Err(file.malformed(format!("tensor {name} has dimensions {dims:?}")));
    };
    let mut expected = 1;
    for (dim, stride) in dims.iter().zip(strides).rev() {
        // The stride of a dimension of 1 says nothing.
        if *dim != 1 && *stride != expected {
            return Err(file.unsupported(format!(
                "tensor {name} of {dims:?} has strides {strides:?}; only rows that lie one behind the other are read"
            )));
        }
        expected *= dim;
    }
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
    if offset.checked_add(elements).is_none_or(|end| end > storage.len) {
        return Err(file.malformed(format!(
            "tensor {name} has {elements} numbers from number {offset} of storage {} on, which holds {}",
            storage.key, storage.len
        )));
    }
    Ok(())
}
