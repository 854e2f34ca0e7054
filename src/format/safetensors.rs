//! `safetensors` files: the length of a header, a header in JSON that describes tensors, and their bytes. Only the
//! header is read.

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
            let cut = if end > len - data { "; was the file downloaded or copied to the end?" } else { "" };
            return Err(malformed(format!(
                "tensor {shown} of {} numbers of type {} lies at bytes {start} to {end} of {}{cut}",
                dims.iter().take(MAX_DIMS + 1).map(u64::to_string).collect::<Vec<_>>().join(" x "),
                dtype.name(),
                len - data
            )));
        }
        tensors.push(Stored { name: tensor, dtype, dims, bytes: data + start..data + end, strides: None });
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Bytes;

    fn file(header: &str, data: usize) -> Vec<u8> {
        [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &vec![0; data]].concat()
    }

    fn open(file: &[u8]) -> Result<Vec<Stored>> {
        let source = Bytes::new("dir/tiny.safetensors", file);
        pollster::block_on(read(&source, "dir/tiny.safetensors", file.len() as u64))
    }

    #[test]
    fn tensors_are_found() {
        let header = r#"{"__metadata__": {"format": "pt"}, "b": {"dtype": "BF16", "shape": [2, 3], "data_offsets": [4, 16]},
            "a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}, "scalar": {"dtype": "I8", "shape": [],
            "data_offsets": [16, 17]}}"#;
        let found = open(&file(header, 17)).expect("it is valid");
        let start = 8 + header.len() as u64;
        let expected =
            [("a", DType::F32, &[1][..], 0..4), ("b", DType::BF16, &[2, 3], 4..16), ("scalar", DType::I8, &[], 16..17)];
        assert_eq!(found.len(), expected.len());
        for (found, (name, dtype, dims, bytes)) in found.iter().zip(expected) {
            let bytes = start + bytes.start..start + bytes.end;
            assert_eq!(*found, Stored { name: name.to_owned(), dtype, dims: dims.to_vec(), bytes, strides: None });
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let one = |tensor: &str| file(&format!("{{\"a\": {tensor}}}"), 8);
        let huge = u64::MAX;
        for (file, words) in [
            (vec![1, 2, 3], "it has 3 bytes"),
            (file("{", 0), "its header: EOF"),
            (file("[]", 0), "its header: "),
            ([&100u64.to_le_bytes()[..], b"{}"].concat(), "its header has 100 bytes, and the file 10"),
            (file(&format!("{{{}}}", " ".repeat(5 << 20)), 0), "at most 4194304 are read"),
            (one("1"), "tensor a: "),
            (one(r#"{"dtype": "F32", "shape": [2]}"#), "missing field `data_offsets`"),
            (one(r#"{"dtype": "F4", "shape": [2], "data_offsets": [0, 8]}"#), "has type F4, which is not known"),
            (one(r#"{"dtype": "F32", "shape": [-2], "data_offsets": [0, 8]}"#), "tensor a: "),
            (
                one(r#"{"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}"#),
                "of 2 numbers of type F32 lies at bytes 0 to 4",
            ),
            (one(r#"{"dtype": "F32", "shape": [2], "data_offsets": [4, 12]}"#), "at bytes 4 to 12 of 8"),
            (one(r#"{"dtype": "F32", "shape": [2], "data_offsets": [8, 0]}"#), "at bytes 8 to 0"),
            (one(r#"{"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}"#), "of 0 numbers"),
            (one(&format!(r#"{{"dtype": "F32", "shape": [{huge}, {huge}], "data_offsets": [0, 8]}}"#)), "lies at"),
            (one(&format!(r#"{{"dtype": "F32", "shape": [{huge}], "data_offsets": [0, {huge}]}}"#)), "lies at"),
            (one(r#"{"dtype": "F32", "shape": [1,1,1,1,1,1,1,1,2], "data_offsets": [0, 8]}"#), "1 x 2 numbers"),
            (
                one(r#"{"dtype": "I8", "shape": [2], "data_offsets": [0, 2]}, "b": {"dtype": "I8", "shape": [2],
                    "data_offsets": [1, 3]}"#),
                "tensors a and b overlap",
            ),
        ] {
            let error = open(&file).expect_err("it is refused").to_string();
            assert!(
                error.starts_with("dir/tiny.safetensors") && error.contains(words),
                "{error} does not say {words:?}"
            );
        }
    }
}
