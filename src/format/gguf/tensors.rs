//! Tensor descriptions: names, sizes, types, and where the data lies.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::error::Result;
use crate::format::{Encoding, TensorSummary};

use super::reader::{Cursor, Stop};

/// Longest tensor name in bytes (`docs/gguf.md`; `GGML_MAX_NAME` in ggml).
const MAX_NAME_BYTES: usize = 64;

/// Most dimensions (`GGML_MAX_DIMS` in ggml).
const MAX_DIMS: u32 = 4;

/// The names of `enum ggml_type` in ggml.h, by number. Types that are not read are here too, so that the error names
/// them.
const TYPE_NAMES: [&str; 40] = [
    "F32",
    "F16",
    "Q4_0",
    "Q4_1",
    "Q4_2",
    "Q4_3",
    "Q5_0",
    "Q5_1",
    "Q8_0",
    "Q8_1",
    "Q2_K",
    "Q3_K",
    "Q4_K",
    "Q5_K",
    "Q6_K",
    "Q8_K",
    "IQ2_XXS",
    "IQ2_XS",
    "IQ3_XXS",
    "IQ1_S",
    "IQ4_NL",
    "IQ3_S",
    "IQ2_S",
    "IQ4_XS",
    "I8",
    "I16",
    "I32",
    "I64",
    "F64",
    "IQ1_M",
    "BF16",
    "Q4_0_4_4",
    "Q4_0_4_8",
    "Q4_0_8_8",
    "TQ1_0",
    "TQ2_0",
    "IQ4_NL_4_4",
    "IQ4_NL_4_8",
    "IQ4_NL_8_8",
    "MXFP4",
];

/// The description of a tensor in its file.
pub(super) struct Described {
    /// Dimensions, the fastest-varying first, as in the file.
    pub(super) dims: Vec<u64>,
    pub(super) encoding: Encoding,
    /// Bytes from the beginning of the file.
    pub(super) bytes: Range<u64>,
}

/// All tensors of a file by name.
#[derive(Default)]
pub(super) struct Tensors {
    by_name: BTreeMap<String, Described>,
}

impl Tensors {
    /// Reads `count` descriptions, and checks that the data of each is inside the file and overlaps with no other.
    pub(super) fn read(cursor: &mut Cursor<'_>, count: u64, alignment: u64) -> Result<Self, Stop> {
        let mut by_name = BTreeMap::new();
        for index in 0..count {
            let (name, described) = describe(cursor, index, alignment)?;
            if by_name.contains_key(name) {
                return Err(cursor.malformed(format!("the tensor {name} appears twice")));
            }
            by_name.insert(name.to_owned(), described);
        }
        let mut tensors = Self { by_name };
        tensors.place(cursor, alignment)?;
        Ok(tensors)
    }

    /// Adds the tensors of another part of a split file, which begins at byte `start` of the whole.
    pub(super) fn append(&mut self, cursor: &Cursor<'_>, part: Self, start: u64) -> Result<(), Stop> {
        for (name, mut described) in part.by_name {
            if self.by_name.contains_key(&name) {
                return Err(cursor.malformed(format!("the tensor {name} is in a part before this one too")));
            }
            described.bytes = described.bytes.start + start..described.bytes.end + start;
            self.by_name.insert(name, described);
        }
        Ok(())
    }

    pub(super) fn get(&self, name: &str) -> Option<&Described> {
        self.by_name.get(name)
    }

    /// The end of the last tensor, in bytes from the beginning of the file.
    pub(super) fn end(&self) -> Option<u64> {
        self.by_name.values().map(|described| described.bytes.end).max()
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }

    pub(super) fn summaries(&self) -> BTreeMap<String, TensorSummary> {
        let summary = |described: &Described| TensorSummary {
            dims: described.dims.iter().rev().copied().collect(),
            kind: described.encoding.name().to_owned(),
            bytes: described.bytes.end - described.bytes.start,
        };
        self.by_name.iter().map(|(name, described)| (name.clone(), summary(described))).collect()
    }

    /// Turns offsets within the data into positions in the file. The data begins at the first multiple of the
    /// alignment.
    fn place(&mut self, cursor: &Cursor<'_>, alignment: u64) -> Result<(), Stop> {
        let start = cursor.position().next_multiple_of(alignment);
        for (name, described) in &mut self.by_name {
            let Range { start: offset, end } = described.bytes;
            match end.checked_add(start) {
                Some(end) if end <= cursor.file_len() => described.bytes = offset + start..end,
                _ => {
                    return Err(cursor.malformed(format!(
                        "tensor {name} has {} bytes at offset {offset} of the data, which begins at byte {start}; the \
                         file ends at byte {}",
                        end - offset,
                        cursor.file_len()
                    )));
                }
            }
        }
        let mut in_order: Vec<_> = self.by_name.iter().collect();
        in_order.sort_by_key(|(_, described)| described.bytes.start);
        for pair in in_order.windows(2) {
            let [(first, before), (second, after)] = [pair[0], pair[1]];
            if after.bytes.start < before.bytes.end {
                return Err(cursor.malformed(format!(
                    "tensors {first} and {second} overlap: bytes {}..{} and {}..{}",
                    before.bytes.start, before.bytes.end, after.bytes.start, after.bytes.end
                )));
            }
        }
        Ok(())
    }
}

/// Name and description of the next tensor; `bytes` count from the beginning of the data.
fn describe<'a>(cursor: &mut Cursor<'a>, index: u64, alignment: u64) -> Result<(&'a str, Described), Stop> {
    let name = cursor.string(&format!("the name of tensor {index}"))?;
    if name.is_empty() || name.len() > MAX_NAME_BYTES {
        return Err(cursor.malformed(format!(
            "the name of tensor {index} has {} bytes; expected 1 to {MAX_NAME_BYTES}",
            name.len()
        )));
    }
    let n_dims = cursor.u32(name)?;
    if !(1..=MAX_DIMS).contains(&n_dims) {
        return Err(cursor.malformed(format!("tensor {name} has {n_dims} dimensions; expected 1 to {MAX_DIMS}")));
    }
    let mut dims = Vec::with_capacity(n_dims as usize);
    let mut elements = 1u64;
    for _ in 0..n_dims {
        let dim = cursor.u64(name)?;
        dims.push(dim);
        if dim == 0 {
            return Err(cursor.malformed(format!("tensor {name} has a dimension of 0 in {dims:?}")));
        }
        elements = elements
            .checked_mul(dim)
            .ok_or_else(|| cursor.malformed(format!("tensor {name} has more than 2^64 elements in {dims:?}")))?;
    }
    let encoding = encoding_of(cursor, name)?;
    let offset = cursor.u64(name)?;
    if !offset.is_multiple_of(alignment) {
        return Err(
            cursor.malformed(format!("tensor {name} is at offset {offset}, which is no multiple of {alignment}"))
        );
    }
    let block = encoding.block_len() as u64;
    if !dims[0].is_multiple_of(block) {
        return Err(cursor.malformed(format!(
            "tensor {name} has rows of {} elements; type {} comes in blocks of {block}",
            dims[0],
            encoding.name()
        )));
    }
    let end = (elements / block)
        .checked_mul(encoding.block_bytes() as u64)
        .and_then(|bytes| offset.checked_add(bytes))
        .ok_or_else(|| cursor.malformed(format!("tensor {name} of {dims:?} at offset {offset} passes 2^64 bytes")))?;
    Ok((name, Described { dims, encoding, bytes: offset..end }))
}

fn encoding_of(cursor: &mut Cursor<'_>, tensor: &str) -> Result<Encoding, Stop> {
    let id = cursor.u32(tensor)?;
    let name = TYPE_NAMES.get(id as usize).copied();
    if let Some(encoding) = Encoding::GGUF.iter().find(|encoding| name == Some(encoding.name())) {
        return Ok(*encoding);
    }
    let supported = Encoding::GGUF.iter().map(|encoding| encoding.name()).collect::<Vec<_>>().join(", ");
    Err(cursor.unsupported(match name {
        Some(name) => format!("tensor {tensor} has type {name}; supported types are {supported}"),
        None => format!("tensor {tensor} has type number {id}, which is not known; supported types are {supported}"),
    }))
}
