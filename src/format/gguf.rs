//! GGUF versions 2 and 3 (`docs/gguf.md` of ggml): a header of metadata and tensor descriptions, then aligned data.
//!
//! [`parse`] does no reading: it gets the first bytes of a file and answers with a checkpoint, or with how many bytes it
//! still lacks. [`read`] is the loop around it. Every count and length is checked against the bytes that the file still
//! has before anything is allocated, so a hostile file costs no more memory than a small multiple of its own header.

mod model;
mod reader;
mod tensors;
mod vocabulary;

use std::ops::Range;

use crate::error::{Error, Result};
use crate::format::{Checkpoint, ModelTensors, SamplingDefaults, Vocabulary};
use crate::shape::Shape;
use crate::source::{MAX_READ_BYTES, Source};

use reader::{Cursor, Metadata, Stop};
use tensors::Tensors;
pub(crate) use vocabulary::byte_of;

/// What messages call this format.
const FORMAT: &str = "GGUF";

/// Bytes that the first read asks for.
const FIRST_READ_BYTES: u64 = 1 << 20;

/// Longest header that is read, in bytes. The 128 256 tokens and 280 147 merges of Llama 3 take 8 MB.
const MAX_HEADER_BYTES: u64 = 128 << 20;

/// Most metadata entries; real files have about 40.
const MAX_METADATA: u64 = 4096;

/// Most tensors; Llama 3.1 405B has 1138.
const MAX_TENSORS: u64 = 8192;

/// What [`parse`] made of the first bytes of a file.
#[derive(Debug)]
pub enum Step {
    /// The whole checkpoint.
    Done(Box<Checkpoint>),
    /// The header goes on: ask again with the first `end` bytes of the file. Never more than the file has, and always
    /// at least twice what was given (or all there is), so that few rounds suffice.
    Need {
        /// Bytes from the beginning of the file.
        end: u64,
    },
    /// The header is whole, and the values of one small tensor are wanted too.
    Factors(Box<Unscaled>),
}

/// A checkpoint that lacks the values of `rope_freqs.weight`, which lie behind the header.
#[derive(Debug)]
pub struct Unscaled {
    file: String,
    checkpoint: Checkpoint,
    bytes: Range<u64>,
}

impl Unscaled {
    /// The bytes of the file that [`Self::finish`] takes: one `f32` per rotated pair, so 512 at most.
    pub fn range(&self) -> Range<u64> {
        self.bytes.clone()
    }

    /// Divides the rotation frequencies by the values of `rope_freqs.weight`.
    ///
    /// # Errors
    /// Where `bytes` is not as long as [`Self::range`], or a value is not finite and positive.
    pub fn finish(mut self, bytes: &[u8]) -> Result<Checkpoint> {
        if let Some((shape, _)) = &mut self.checkpoint.model {
            model::divide_frequencies(&self.file, shape, bytes)?;
        }
        Ok(self.checkpoint)
    }
}

/// Parses the first bytes of a GGUF file of `file_len` bytes; `name` appears in messages.
///
/// # Errors
/// [`Error::Malformed`] where the bytes break the format or the file is cut off, [`Error::Unsupported`] where they ask
/// for something that this engine does not compute.
pub fn parse(name: &str, prefix: &[u8], file_len: u64) -> Result<Step> {
    let prefix = &prefix[..prefix.len().min(usize::try_from(file_len).unwrap_or(usize::MAX))];
    match header(name, prefix, file_len) {
        Ok((checkpoint, None)) => Ok(Step::Done(Box::new(checkpoint))),
        Ok((checkpoint, Some(bytes))) => {
            let unscaled = Unscaled { file: name.to_owned(), checkpoint, bytes };
            let range = unscaled.bytes.start as usize..unscaled.bytes.end as usize;
            match prefix.get(range) {
                Some(values) => Ok(Step::Done(Box::new(unscaled.finish(values)?))),
                None => Ok(Step::Factors(Box::new(unscaled))),
            }
        }
        Err(Stop::Failed(error)) => Err(error),
        Err(Stop::Need(end)) if end > MAX_HEADER_BYTES => Err(Error::Malformed {
            name: name.to_owned(),
            format: FORMAT,
            reason: format!("its header needs {end} bytes, and at most {MAX_HEADER_BYTES} are read"),
        }),
        Err(Stop::Need(end)) => {
            let comfortable = (2 * prefix.len() as u64).min(MAX_HEADER_BYTES);
            Ok(Step::Need { end: end.max(comfortable).min(file_len) })
        }
    }
}

/// Reads the header of a GGUF file, in pieces of at most [`MAX_READ_BYTES`].
///
/// # Errors
/// Those of [`parse`], and those of the source.
pub async fn read(source: &dyn Source) -> Result<Checkpoint> {
    let mut prefix = Vec::new();
    let mut end = FIRST_READ_BYTES.min(source.len());
    loop {
        prefix.reserve_exact(end as usize - prefix.len());
        while (prefix.len() as u64) < end {
            let len = (end as usize - prefix.len()).min(MAX_READ_BYTES);
            prefix.extend_from_slice(&source.read_at(prefix.len() as u64, len).await?);
        }
        match parse(source.name(), &prefix, source.len())? {
            Step::Done(checkpoint) => return Ok(*checkpoint),
            Step::Factors(unscaled) => {
                let Range { start, end } = unscaled.range();
                let values = source.read_at(start, (end - start) as usize).await?;
                return unscaled.finish(&values);
            }
            Step::Need { end: more } => end = more,
        }
    }
}

/// The checkpoint of a whole header, and where the values of `rope_freqs.weight` lie if there are any.
fn header(name: &str, prefix: &[u8], file_len: u64) -> Result<(Checkpoint, Option<Range<u64>>), Stop> {
    let mut cursor = Cursor::new(name, prefix, file_len);
    let version = version(&mut cursor)?;
    let tensor_count = cursor.u64("the tensor count")?;
    let metadata_count = cursor.u64("the metadata count")?;
    if metadata_count > MAX_METADATA {
        return Err(cursor
            .malformed(format!("it announces {metadata_count} metadata entries; at most {MAX_METADATA} are read")));
    }
    if tensor_count > MAX_TENSORS {
        return Err(cursor.malformed(format!("it announces {tensor_count} tensors; at most {MAX_TENSORS} are read")));
    }
    let metadata = Metadata::read(&mut cursor, metadata_count)?;
    check_kind_of_file(&metadata)?;
    let tensors = Tensors::read(&mut cursor, tensor_count, metadata.alignment()?)?;

    let vocabulary = vocabulary::vocabulary(&metadata)?;
    let model = if tensor_count == 0 { None } else { Some(model::model(&metadata, &tensors, vocabulary.as_ref())?) };
    if model.is_none() && vocabulary.is_none() {
        return Err(metadata.malformed("it holds neither tensors nor a vocabulary".to_owned()).into());
    }
    let factors = tensors.get(model::ROPE_FREQS).map(|tensor| tensor.bytes.clone());
    Ok((checkpoint(name, version, &metadata, &tensors, vocabulary, model)?, factors))
}

fn checkpoint(
    name: &str,
    version: u32,
    metadata: &Metadata<'_>,
    tensors: &Tensors,
    vocabulary: Option<Vocabulary>,
    model: Option<(Shape, ModelTensors)>,
) -> Result<Checkpoint> {
    let own_name = metadata.string("general.name")?.filter(|own| !own.is_empty());
    let file_name = name.rsplit(['/', '\\']).next().unwrap_or(name);
    Ok(Checkpoint {
        name: own_name.unwrap_or(file_name).to_owned(),
        format: format!("{FORMAT} v{version}"),
        model,
        vocabulary,
        chat_template: metadata.string("tokenizer.chat_template")?.map(str::to_owned),
        sampling: sampling(metadata)?,
        tensors: tensors.summaries(),
    })
}

/// Reads magic and version; what cannot be read is refused by name.
fn version(cursor: &mut Cursor<'_>) -> Result<u32, Stop> {
    let magic = cursor.take(4, "the magic number")?;
    match magic {
        b"GGUF" => {}
        b"FUGG" => {
            return Err(
                cursor.unsupported("a byte-swapped (big-endian) GGUF file; only little-endian is read".to_owned())
            );
        }
        _ => {
            let shown = magic.escape_ascii();
            return Err(cursor.malformed(format!("it begins with \"{shown}\" instead of \"GGUF\"")));
        }
    }
    match cursor.u32("the version")? {
        version @ (2 | 3) => Ok(version),
        swapped if matches!(swapped.swap_bytes(), 1..=3) => Err(cursor.unsupported(format!(
            "a byte-swapped (big-endian) GGUF file of version {}; only little-endian is read",
            swapped.swap_bytes()
        ))),
        1 => Err(cursor.unsupported("GGUF version 1; versions 2 and 3 are read".to_owned())),
        other => Err(cursor.unsupported(format!("GGUF version {other}; versions 2 and 3 are read"))),
    }
}

/// Refuses other architectures and split files before anything else can be wrong with them.
fn check_kind_of_file(metadata: &Metadata<'_>) -> Result<()> {
    let architecture = metadata.require_string("general.architecture")?;
    if architecture != "llama" {
        return Err(
            metadata.unsupported(format!("general.architecture is \"{architecture}\"; only \"llama\" is supported"))
        );
    }
    match metadata.integer("split.count")? {
        Some(count) if count > 1 => Err(metadata.unsupported(format!(
            "it is one of {count} parts (split.count); join them first, with llama-gguf-split --merge"
        ))),
        _ => Ok(()),
    }
}

fn sampling(metadata: &Metadata<'_>) -> Result<SamplingDefaults> {
    let temperature = metadata.float("general.sampling.temp")?;
    if let Some(value) = temperature.filter(|value| !value.is_finite() || *value < 0.0) {
        return Err(metadata.malformed(format!("general.sampling.temp is {value}; expected a number from 0")));
    }
    let top_p = metadata.float("general.sampling.top_p")?;
    if let Some(value) = top_p.filter(|value| !(*value > 0.0 && *value <= 1.0)) {
        return Err(
            metadata.malformed(format!("general.sampling.top_p is {value}; expected a number above 0, up to 1"))
        );
    }
    // llama.cpp reads a `top_k` of zero or less as "all".
    let top_k = metadata.integer("general.sampling.top_k")?.filter(|value| *value > 0);
    Ok(SamplingDefaults { temperature, top_k: top_k.map(|value| value.try_into().unwrap_or(u32::MAX)), top_p })
}
