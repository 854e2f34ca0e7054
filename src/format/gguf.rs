//! GGUF versions 2 and 3 (`docs/gguf.md` of ggml): a header of metadata and tensor descriptions, then aligned data.
//!
//! [`parse`] does no reading: it takes the first bytes of a file, or of every part of a split file, and gives a
//! checkpoint, or the number of bytes that it needs. [`read`] is the loop around it. Every count and length is checked
//! against the bytes that the file still has before anything is allocated, so a hostile file costs no more memory than
//! a small multiple of its own header.

mod model;
mod reader;
mod split;
mod tensors;
mod vocabulary;

use std::ops::Range;

use crate::arch::family::Arch;
use crate::arch::tensors::Role;
use crate::error::{Error, Result, printable};
use crate::format::{Checkpoint, Encoding, FIRST_READ_BYTES, ReadScope, SamplingDefaults};
use crate::source::{MAX_READ_BYTES, Source};

use reader::{Cursor, Metadata, Stop};
use tensors::Tensors;

/// The name of this format in messages.
const FORMAT: &str = "GGUF";

/// The first bytes of every GGUF file.
pub(super) const MAGIC: &[u8] = b"GGUF";

/// The key of the family of the model.
const ARCHITECTURE: &str = "general.architecture";

/// Most characters of a model's name; the rest is cut off.
const MAX_NAME: usize = 200;

/// Bytes of the first read of every part of a split file but the first, whose header holds only descriptions of
/// tensors.
const PART_READ_BYTES: u64 = 1 << 16;

/// Longest header that is read, in bytes. The 128 256 tokens and 280 147 merges of Llama 3 take 8 MB.
const MAX_HEADER_BYTES: u64 = 128 << 20;

/// Most metadata entries; real files have about 40.
const MAX_METADATA: u64 = 4096;

/// Most tensors; Llama 3.1 405B has 1138.
const MAX_TENSORS: u64 = 8192;

/// The beginning of a file, or of one part of a split file.
#[derive(Clone, Copy, Debug)]
pub struct Beginning<'a> {
    /// The file's name, for messages.
    pub name: &'a str,
    /// Its first bytes.
    pub bytes: &'a [u8],
    /// Bytes of the whole file.
    pub file_len: u64,
}

/// The result of [`parse`] for the first bytes of a file.
#[derive(Debug)]
pub enum Step {
    /// The whole checkpoint.
    Done(Box<Checkpoint>),
    /// The header is longer than the bytes that were given: parse again with the first `end` bytes of the file. `end`
    /// is at least twice the bytes that were given, so that few rounds suffice, and at most the length of the file.
    Need {
        /// Index of the part whose header is longer; 0 where there is one file.
        part: usize,
        /// Bytes from the beginning of that part.
        end: u64,
    },
    /// The header is complete, and the values of `rope_freqs.weight` are needed too.
    Factors(Box<Unscaled>),
}

/// A checkpoint that lacks the values of `rope_freqs.weight`, which lie behind the header.
#[derive(Debug)]
pub struct Unscaled {
    file: String,
    checkpoint: Checkpoint,
    factors: Factors,
}

/// The place and the encoding of the values of `rope_freqs.weight`.
#[derive(Clone, Debug)]
struct Factors {
    encoding: Encoding,
    bytes: Range<u64>,
}

impl Unscaled {
    /// The range of bytes that [`Self::finish`] takes, from the beginning of the file or of the first part: one number
    /// per rotated pair, 512 bytes at most.
    pub fn range(&self) -> Range<u64> {
        self.factors.bytes.clone()
    }

    /// Divides the rotation frequencies by the values of `rope_freqs.weight`.
    ///
    /// # Errors
    /// [`Error::Malformed`] where `bytes` is not as long as [`Self::range`], or a value is not finite and positive.
    pub fn finish(mut self, bytes: &[u8]) -> Result<Checkpoint> {
        if let Some((shape, _)) = &mut self.checkpoint.model {
            model::divide_frequencies(&self.file, shape, self.factors.encoding, bytes)?;
        }
        Ok(self.checkpoint)
    }
}

/// Parses the first bytes of a GGUF file, or of all parts of a split file in their order.
///
/// Positions of tensors count from the beginning of the first part, as if the parts were one file.
///
/// # Errors
/// [`Error::Malformed`] where the bytes break the format or a file is cut off, or parts do not belong together;
/// [`Error::Unsupported`] where they ask for something that this engine does not compute.
pub fn parse(parts: &[Beginning<'_>]) -> Result<Step> {
    step(parts, ReadScope::Everything)
}

fn step(parts: &[Beginning<'_>], scope: ReadScope) -> Result<Step> {
    let (part, stop) = match header(parts, scope) {
        Ok((checkpoint, None)) => return Ok(Step::Done(Box::new(checkpoint))),
        Ok((checkpoint, Some(factors))) => {
            let unscaled = Unscaled { file: parts[0].name.to_owned(), checkpoint, factors };
            return match given(parts, unscaled.range()) {
                Some(values) => Ok(Step::Done(Box::new(unscaled.finish(values)?))),
                None => Ok(Step::Factors(Box::new(unscaled))),
            };
        }
        Err(stopped) => stopped,
    };
    let Beginning { name, bytes, file_len } = parts[part];
    match stop {
        Stop::Failed(error) => Err(error),
        Stop::Need(end) if end > MAX_HEADER_BYTES => Err(Error::Malformed {
            name: name.to_owned(),
            format: FORMAT,
            reason: format!("its header needs {end} bytes, and at most {MAX_HEADER_BYTES} are read"),
        }),
        Stop::Need(end) => {
            let comfortable = (2 * bytes.len() as u64).min(MAX_HEADER_BYTES);
            Ok(Step::Need { part, end: end.max(comfortable).min(file_len) })
        }
    }
}

/// The bytes of a range, which counts over all parts, or `None` where they were not given.
fn given<'a>(parts: &[Beginning<'a>], range: Range<u64>) -> Option<&'a [u8]> {
    let mut start = 0;
    for part in parts {
        if range.start < start + part.file_len {
            return part.bytes.get((range.start - start) as usize..(range.end - start) as usize);
        }
        start += part.file_len;
    }
    None
}

/// Reads the header of a GGUF file, or of each of its parts, in pieces of at most [`MAX_READ_BYTES`]. `first` are the
/// bytes that were read already, from the beginning on.
///
/// # Errors
/// Those of [`parse`] for what `scope` names, and those of the source.
pub async fn read(source: &dyn Source, first: Vec<u8>, scope: ReadScope) -> Result<Checkpoint> {
    let parts = source.parts();
    let mut prefixes = vec![Vec::new(); parts.len()];
    if let Some(prefix) = prefixes.first_mut() {
        *prefix = first;
    }
    let mut starts = Vec::with_capacity(parts.len());
    let mut start = 0;
    for (i, part) in parts.iter().enumerate() {
        let first = if i == 0 { FIRST_READ_BYTES } else { PART_READ_BYTES };
        extend(source, &mut prefixes[i], start, first.min(part.len)).await?;
        starts.push(start);
        start += part.len;
    }
    loop {
        let beginnings = parts.iter().zip(&prefixes);
        let beginnings = beginnings.map(|(part, bytes)| Beginning { name: part.name, bytes, file_len: part.len });
        let beginnings: Vec<_> = beginnings.collect();
        match step(&beginnings, scope)? {
            Step::Done(checkpoint) => return Ok(*checkpoint),
            Step::Factors(unscaled) => {
                let Range { start, end } = unscaled.range();
                let values = source.read_at(start, (end - start) as usize).await?;
                return unscaled.finish(&values);
            }
            Step::Need { part, end } => extend(source, &mut prefixes[part], starts[part], end).await?,
        }
    }
}

/// Reads until the prefix of a part has `end` bytes. The part begins at byte `start` of the source.
async fn extend(source: &dyn Source, prefix: &mut Vec<u8>, start: u64, end: u64) -> Result<()> {
    prefix.reserve_exact((end as usize).saturating_sub(prefix.len()));
    while (prefix.len() as u64) < end {
        let len = (end as usize - prefix.len()).min(MAX_READ_BYTES);
        prefix.extend_from_slice(&source.read_at(start + prefix.len() as u64, len).await?);
    }
    Ok(())
}

/// A checkpoint, and the place of the values of `rope_freqs.weight` in a file that has them.
type Whole = (Checkpoint, Option<Factors>);

/// The checkpoint of the headers of all parts, or the index of the part that stopped it and the reason.
fn header(parts: &[Beginning<'_>], scope: ReadScope) -> Result<Whole, (usize, Stop)> {
    // A tokenizer is in the first part.
    let needed = if scope == ReadScope::TokenizerOnly { 1 } else { parts.len() };
    let mut headers = Vec::with_capacity(needed);
    let mut tensors = Tensors::default();
    let mut start = 0;
    for (i, part) in parts[..needed].iter().enumerate() {
        let header = one_header(*part, (i, parts.len()), scope, start, &mut tensors).map_err(|stop| (i, stop))?;
        headers.push(header);
        start += part.file_len;
    }
    let (version, metadata) = headers.first().expect("a checkpoint has a file");
    whole((*version, metadata), tensors, parts, scope).map_err(|error| (0, error.into()))
}

/// Version and metadata of one part. Its tensors are added to those of the other parts.
fn one_header<'a>(
    part: Beginning<'a>,
    (index, count): (usize, usize),
    scope: ReadScope,
    start: u64,
    tensors: &mut Tensors,
) -> Result<(u32, Metadata<'a>), Stop> {
    let Beginning { name, bytes, file_len } = part;
    let bytes = &bytes[..bytes.len().min(usize::try_from(file_len).unwrap_or(usize::MAX))];
    let mut cursor = Cursor::new(name, bytes, file_len);
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
    if scope == ReadScope::TokenizerOnly {
        split::check(&metadata, index, count)?;
        return Ok((version, metadata));
    }
    // A file of another family is refused as such, whichever part of a split file it is. Parts after the first need not
    // name the family.
    let named = metadata.has(ARCHITECTURE);
    if named {
        architecture(&metadata)?;
    }
    split::check_alone(&metadata, &mut cursor, tensor_count, count)?;
    split::check(&metadata, index, count)?;
    if index == 0 && !named {
        architecture(&metadata)?;
    }
    let own = Tensors::read(&mut cursor, tensor_count, metadata.alignment()?)?;
    tensors.append(&cursor, own, start)?;
    Ok((version, metadata))
}

/// The checkpoint that the first part's metadata and the tensors of all parts make.
fn whole(
    (version, metadata): (u32, &Metadata<'_>),
    tensors: Tensors,
    parts: &[Beginning<'_>],
    scope: ReadScope,
) -> Result<Whole> {
    let found = tensors.names().count();
    if scope != ReadScope::TokenizerOnly {
        split::check_tensors(metadata, found, parts.len())?;
    }
    let mut vocabulary = match scope {
        ReadScope::ModelOnly => None,
        ReadScope::ModelFirst if found > 0 => metadata.hint(vocabulary::vocabulary(metadata)),
        _ => vocabulary::vocabulary(metadata)?,
    };
    let of_tokenizer = metadata.warnings();
    let model = if found == 0 { None } else { Some(model::model(metadata, &tensors, architecture(metadata)?)?) };
    if model.is_none() && vocabulary.is_none() && matches!(scope, ReadScope::Everything | ReadScope::ModelFirst) {
        return Err(metadata.malformed("it holds neither tensors nor a vocabulary".to_owned()));
    }
    if let (Some((shape, _)), Some(tokens)) = (&model, vocabulary.as_ref().map(|vocabulary| vocabulary.tokens.len()))
        && tokens != shape.vocabulary
    {
        let (rows, name) = (shape.vocabulary, model::name_of(Role::TokenEmbd.of_model()));
        let error = metadata.malformed(format!("{name} has {rows} rows, and the vocabulary has {tokens} tokens"));
        if scope != ReadScope::ModelFirst {
            return Err(error);
        }
        metadata.warn(&error);
        vocabulary = None;
    }
    let own_name = metadata.hint(metadata.string("general.name")).filter(|own| !own.is_empty());
    let file_name = parts[0].name.rsplit(['/', '\\']).next().unwrap_or(parts[0].name);
    let factors = tensors.get(model::ROPE_FREQS);
    let factors = factors.map(|tensor| Factors { encoding: tensor.encoding, bytes: tensor.bytes.clone() });
    let checkpoint = Checkpoint {
        name: printable(own_name.unwrap_or(file_name), MAX_NAME),
        format: format!("{FORMAT} v{version}"),
        model,
        vocabulary,
        // A template of nothing but white space is none, as in llama.cpp.
        chat_template: metadata
            .hint(metadata.string("tokenizer.chat_template"))
            .filter(|template| !template.trim().is_empty())
            .map(str::to_owned),
        sampling: sampling(metadata),
        tensors: tensors.summaries(),
        warnings: if scope == ReadScope::TokenizerOnly { of_tokenizer } else { metadata.warnings() },
    };
    Ok((checkpoint, factors))
}

/// Reads the magic number and the version. Other byte orders and versions are refused by name.
fn version(cursor: &mut Cursor<'_>) -> Result<u32, Stop> {
    let magic = cursor.take(4, "the magic number")?;
    match magic {
        magic if magic == MAGIC => {}
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

/// The family of the model. Others are refused before anything else can be wrong with them.
fn architecture(metadata: &Metadata<'_>) -> Result<&'static Arch> {
    let name = metadata.require_string(ARCHITECTURE)?;
    Arch::find(name).ok_or_else(|| {
        let known = Arch::ALL.map(|arch| format!("\"{}\"", arch.name)).join(", ");
        metadata.unsupported(format!("general.architecture is \"{name}\"; only {known} is supported"))
    })
}

/// The settings that a file recommends. A wrong one is a warning and no error, since users may choose their own.
fn sampling(metadata: &Metadata<'_>) -> SamplingDefaults {
    let number = |key, holds: fn(f32) -> bool, expected| {
        let value = metadata.hint(metadata.float(key))?;
        if holds(value) {
            return Some(value);
        }
        metadata.warn(&metadata.malformed(format!("{key} is {value}; expected {expected}")));
        None
    };
    let integer = |key| metadata.hint(metadata.integer(key));
    // llama.cpp reads a `top_k` of zero or less as "all", and a `penalty_last_n` below zero as "the whole context".
    let all = |value: i128| value.try_into().unwrap_or(u32::MAX);
    SamplingDefaults {
        temperature: number(
            "general.sampling.temp",
            |value| value.is_finite() && value >= 0.0,
            "a finite number from 0",
        ),
        top_k: integer("general.sampling.top_k").filter(|value| *value > 0).map(all),
        top_p: number("general.sampling.top_p", |value| value > 0.0 && value <= 1.0, "a number above 0, up to 1"),
        min_p: number("general.sampling.min_p", |value| (0.0..=1.0).contains(&value), "a number from 0 to 1"),
        repetition_penalty: number(
            "general.sampling.penalty_repeat",
            |value| (0.01..=100.0).contains(&value),
            "a number from 0.01 to 100",
        ),
        penalty_last_n: integer("general.sampling.penalty_last_n").map(all),
    }
}
