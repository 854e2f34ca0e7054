//! `safetensors` files: the length of a header, a header in JSON that describes tensors, and their bytes. Only the header is
//! read.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::error::{Error, Result, printable};
use crate::format::meta::{DType, Stored};
use crate::source::{MAX_READ_BYTES, Source};

/// What messages call this format.
pub(crate) const FORMAT: &str = "safetensors";

/// Longest header that is read, in bytes. A model of 300 tensors has about 40 000.
const MAX_HEADER_BYTES: u64 = 4 << 20;

/// Bytes of the header's length.
const LENGTH_BYTES: u64 = 8;

/// Most dimensions.
const MAX_DIMS: usize = 8;

/// A description of a tensor.
#[derive(Deserialize)]
struct Description<'a> {
    #[serde(borrow)]
    dtype: std::borrow::Cow<'a, str>,
    shape: Vec<u64>,
    /// From the end of the header.
    data_offsets: [u64; 2],
}

/// Whether a length that such headers have and the beginning of a JSON object come first.
pub(crate) fn is(first: &[u8]) -> bool {
    let length = first.first_chunk().map(|length| u64::from_le_bytes(*length));
    length.is_some_and(|length| length < 1 << 32) && first.get(LENGTH_BYTES as usize) == Some(&b'{')
}

/// Describes the tensors of a file of `len` bytes that begins at the beginning of `source`.
///
/// # Errors
/// Where the header breaks the format or is too long, and those of the source.
pub(crate) async fn read(source: &dyn Source, name: &str, len: u64) -> Result<Vec<Stored>> {
    let malformed = |reason: String| Error::Malformed { name: name.to_owned(), format: FORMAT, reason };
    if len < LENGTH_BYTES {
        return Err(malformed(format!("it has {len} bytes")));
    }
    let length = source.read_at(0, LENGTH_BYTES as usize).await?;
    let length = length.first_chunk().map_or(0, |length| u64::from_le_bytes(*length));
    if length > len - LENGTH_BYTES {
        return Err(malformed(format!("its header has {length} bytes, and the file {len}")));
    }
    if length > MAX_HEADER_BYTES {
        let reason = format!("its header has {length} bytes; at most {MAX_HEADER_BYTES} are read");
        return Err(Error::Unsupported { name: name.to_owned(), reason });
    }
    const { assert!(MAX_HEADER_BYTES <= MAX_READ_BYTES as u64) };
    let header = source.read_at(LENGTH_BYTES, length as usize).await?;
    parse(name, &header, len)
}

/// Parses a whole header of a file of `len` bytes.
///
/// # Errors
/// As [`read`].
pub(crate) fn parse(name: &str, header: &[u8], len: u64) -> Result<Vec<Stored>> {
    let malformed = |reason: String| Error::Malformed { name: name.to_owned(), format: FORMAT, reason };
    let described: BTreeMap<String, &RawValue> =
        serde_json::from_slice(header).map_err(|error| malformed(format!("its header: {error}")))?;
    let data = LENGTH_BYTES + header.len() as u64;
    let mut tensors = Vec::with_capacity(described.len());
    for (tensor, description) in described.into_iter().filter(|(tensor, _)| tensor != "__metadata__") {
        let shown = printable(&tensor, 80);
        let Description { dtype, shape: dims, data_offsets: [start, end] } =
            serde_json::from_str(description.get()).map_err(|error| malformed(format!("tensor {shown}: {error}")))?;
        let Some(dtype) = DType::of_name(&dtype) else {
            let reason = format!("tensor {shown} has type {}, which is not known", printable(&dtype, 40));
            return Err(Error::Unsupported { name: name.to_owned(), reason });
        };
        let elements = dims.iter().try_fold(1u64, |product, dim| product.checked_mul(*dim));
        let bytes = elements.filter(|elements| *elements > 0 && dims.len() <= MAX_DIMS);
        let bytes = bytes.and_then(|elements| elements.checked_mul(dtype.bytes()));
        if bytes.is_none() || bytes != end.checked_sub(start) || end > len - data {
            return Err(malformed(format!(
                "tensor {shown} of {} numbers of type {} lies at bytes {start} to {end} of {}",
                dims.iter().take(MAX_DIMS + 1).map(u64::to_string).collect::<Vec<_>>().join(" x "),
                dtype.name(),
                len - data
            )));
        }
        tensors.push(Stored { name: tensor, dtype, dims, bytes: data + start..data + end });
    }
    let mut in_order: Vec<&Stored> = tensors.iter().collect();
    in_order.sort_by_key(|stored| stored.bytes.start);
    for pair in in_order.windows(2) {
        if pair[1].bytes.start < pair[0].bytes.end {
            let [first, second] = [pair[0], pair[1]].map(|stored| printable(&stored.name, 80));
            return Err(malformed(format!("tensors {first} and {second} overlap")));
        }
    }
    Ok(tensors)
}
