//! Writing a GGUF v3 header, and taking the vocabulary out of another file (`docs/gguf.md` of ggml).

use std::{
    fs::File,
    io::{BufReader, Read},
    path::Path,
};

use anyhow::{Context, Result, bail, ensure};

use super::recipe::Tensor;

/// Where tensor data may begin.
pub const ALIGNMENT: u64 = 32;
/// Longest string that is copied, in bytes: a chat template has a few thousand.
const MAX_STRING: u64 = 1 << 24;

const STRING: u32 = 8;
const ARRAY: u32 = 9;

/// A metadata value: GGUF's number of its type, and its bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    kind: u32,
    bytes: Vec<u8>,
}

impl Value {
    pub fn u32(value: u32) -> Self {
        Self { kind: 4, bytes: value.to_le_bytes().into() }
    }

    pub fn f32(value: f32) -> Self {
        Self { kind: 6, bytes: value.to_le_bytes().into() }
    }

    pub fn string(text: &str) -> Self {
        let mut bytes = Vec::new();
        put_string(&mut bytes, text);
        Self { kind: STRING, bytes }
    }

    pub fn strings(items: &[String]) -> Self {
        let mut bytes = STRING.to_le_bytes().to_vec();
        bytes.extend((items.len() as u64).to_le_bytes());
        items.iter().for_each(|item| put_string(&mut bytes, item));
        Self { kind: ARRAY, bytes }
    }

    pub fn i32s(items: &[i32]) -> Self {
        let mut bytes = 5u32.to_le_bytes().to_vec();
        bytes.extend((items.len() as u64).to_le_bytes());
        bytes.extend(items.iter().flat_map(|item| item.to_le_bytes()));
        Self { kind: ARRAY, bytes }
    }

    /// Elements of an array.
    fn count(&self) -> Option<u64> {
        let count = self.bytes.get(4..12).filter(|_| self.kind == ARRAY)?;
        Some(u64::from_le_bytes(count.try_into().ok()?))
    }
}

fn put_string(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend((text.len() as u64).to_le_bytes());
    bytes.extend(text.as_bytes());
}

/// Everything in front of the tensor data.
pub fn header(metadata: &[(String, Value)], tensors: &[Tensor]) -> Vec<u8> {
    let mut bytes = b"GGUF".to_vec();
    bytes.extend(3u32.to_le_bytes());
    bytes.extend((tensors.len() as u64).to_le_bytes());
    bytes.extend((metadata.len() as u64).to_le_bytes());
    for (key, value) in metadata {
        put_string(&mut bytes, key);
        bytes.extend(value.kind.to_le_bytes());
        bytes.extend(&value.bytes);
    }
    let mut offset = 0u64;
    for tensor in tensors {
        put_string(&mut bytes, &tensor.name);
        // Dimensions stand fastest first, and a vector has one.
        let dims = [tensor.cols as u64, tensor.rows as u64];
        let dims = if tensor.rows == 1 { &dims[..1] } else { &dims };
        bytes.extend((dims.len() as u32).to_le_bytes());
        bytes.extend(dims.iter().flat_map(|dim| dim.to_le_bytes()));
        bytes.extend(tensor.block.id().to_le_bytes());
        bytes.extend(offset.to_le_bytes());
        offset = (offset + tensor.bytes()).next_multiple_of(ALIGNMENT);
    }
    bytes.resize(bytes.len().next_multiple_of(ALIGNMENT as usize), 0);
    bytes
}

/// The `tokenizer.*` entries of a GGUF file, which must have `tokens` tokens.
pub fn vocabulary(path: &Path, tokens: usize) -> Result<Vec<(String, Value)>> {
    let about = || format!("cannot take the vocabulary of {}", path.display());
    let file = File::open(path).with_context(about)?;
    let entries = entries(BufReader::with_capacity(1 << 20, file)).with_context(about)?;
    let found = entries.iter().find(|(key, _)| key == "tokenizer.ggml.tokens").and_then(|(_, value)| value.count());
    match found {
        Some(count) => {
            ensure!(count == tokens as u64, "{}: {count} tokens, and the shape has {tokens}", path.display());
            Ok(entries)
        }
        None => bail!("{}: no list tokenizer.ggml.tokens", path.display()),
    }
}

fn entries(mut file: impl Read) -> Result<Vec<(String, Value)>> {
    let mut start = [0; 8];
    file.read_exact(&mut start)?;
    ensure!(start == *b"GGUF\x03\0\0\0" || start == *b"GGUF\x02\0\0\0", "it is no GGUF file of version 2 or 3");
    let _tensors = number::<8>(&mut file, &mut Vec::new())?;
    let mut entries = Vec::new();
    for _ in 0..number::<8>(&mut file, &mut Vec::new())? {
        let mut key = Vec::new();
        string(&mut file, &mut key)?;
        let key = String::from_utf8_lossy(&key[8..]).into_owned();
        let kind = number::<4>(&mut file, &mut Vec::new())? as u32;
        let mut bytes = Vec::new();
        value(&mut file, kind, &mut bytes).with_context(|| key.clone())?;
        if key.starts_with("tokenizer.") {
            entries.push((key, Value { kind, bytes }));
        }
    }
    Ok(entries)
}

/// Appends a little-endian number of `N` bytes, and answers with it.
fn number<const N: usize>(file: &mut impl Read, bytes: &mut Vec<u8>) -> Result<u64> {
    let mut own = [0; N];
    file.read_exact(&mut own)?;
    bytes.extend(own);
    Ok(own.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

fn string(file: &mut impl Read, bytes: &mut Vec<u8>) -> Result<()> {
    let len = number::<8>(file, bytes)?;
    ensure!(len <= MAX_STRING, "a string of {len} bytes; at most {MAX_STRING} are copied");
    let read = file.take(len).read_to_end(bytes)? as u64;
    ensure!(read == len, "the file ends within a string of {len} bytes");
    Ok(())
}

fn value(file: &mut impl Read, kind: u32, bytes: &mut Vec<u8>) -> Result<()> {
    match kind {
        0 | 1 | 7 => number::<1>(file, bytes).map(|_| ()),
        2 | 3 => number::<2>(file, bytes).map(|_| ()),
        4..=6 => number::<4>(file, bytes).map(|_| ()),
        10..=12 => number::<8>(file, bytes).map(|_| ()),
        STRING => string(file, bytes),
        ARRAY => {
            let kind = number::<4>(file, bytes)? as u32;
            ensure!(kind != ARRAY, "arrays of arrays are not copied");
            let count = number::<8>(file, bytes)?;
            (0..count).try_for_each(|_| value(file, kind, bytes))
        }
        other => bail!("a value of the unknown type {other}"),
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// The offsets of a file's tensors, and where the data begins.
    pub fn offsets(file: &[u8]) -> (Vec<u64>, u64) {
        let mut rest = &file[8..];
        let next = |rest: &mut &[u8]| number::<8>(rest, &mut Vec::new()).expect("a number");
        let (tensors, metadata) = (next(&mut rest), next(&mut rest));
        for _ in 0..metadata {
            string(&mut rest, &mut Vec::new()).expect("a key");
            let kind = number::<4>(&mut rest, &mut Vec::new()).expect("a type") as u32;
            value(&mut rest, kind, &mut Vec::new()).expect("a value");
        }
        let mut offsets = Vec::new();
        for _ in 0..tensors {
            string(&mut rest, &mut Vec::new()).expect("a name");
            for _ in 0..number::<4>(&mut rest, &mut Vec::new()).expect("dimensions") {
                next(&mut rest);
            }
            number::<4>(&mut rest, &mut Vec::new()).expect("a type");
            offsets.push(next(&mut rest));
        }
        (offsets, ((file.len() - rest.len()) as u64).next_multiple_of(ALIGNMENT))
    }

    #[test]
    fn the_vocabulary_of_a_file_is_copied_byte_by_byte() {
        let tokens = ["a".to_owned(), "\u{120}b".to_owned()];
        let metadata = [
            ("general.name".to_owned(), Value::string("name")),
            ("tokenizer.ggml.tokens".to_owned(), Value::strings(&tokens)),
            ("tokenizer.ggml.token_type".to_owned(), Value::i32s(&[1, 3])),
            ("tokenizer.ggml.bos_token_id".to_owned(), Value::u32(1)),
        ];
        let file = header(&metadata, &[]);
        assert_eq!(entries(&*file).expect("it is whole"), metadata[1..]);
        assert_eq!(metadata[1].1.count(), Some(2));
        assert!(entries(&file[..file.len() - 40]).is_err());
        assert!(entries(&b"GGUF\x01\0\0\0"[..]).is_err());
    }
}
