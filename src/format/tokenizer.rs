//! Tokenizers in files of their own: Hugging Face's `tokenizer.json`, and Meta's `tokenizer.model` of Llama 3 (ranks,
//! as tiktoken reads them) and of Llama 2 (sentencepiece). The first bytes of a file tell which one it is; its name
//! does not matter.

mod json;
mod ranks;
mod sentence_piece;

use std::borrow::Cow;

use crate::error::{Error, Result, printable};
use crate::source::{MAX_READ_BYTES, Source};

use super::meta::{Container, tokenizer_beside};
use super::{ReadScope, Vocabulary, gguf};

/// The character that editors of some systems put before a text in UTF-8.
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// Bytes that tell formats apart.
const FIRST_BYTES: u64 = 16;

/// Longest file that is read, in bytes; Llama 3's `tokenizer.json` has up to 17 MB.
const MAX_FILE_BYTES: u64 = 64 << 20;

/// Reads a vocabulary from any file that holds one, a GGUF file included, or from the tokenizer beside Meta's weights.
///
/// # Errors
/// Those of [`parse`] and of [`gguf::read`], and those of the source.
pub async fn read(source: &dyn Source) -> Result<Vocabulary> {
    let first = source.read_at(0, source.len().min(FIRST_BYTES) as usize).await?.into_owned();
    if Container::of(&first).is_some() {
        let file = tokenizer_beside(source)?;
        return read_alone(&file).await;
    }
    if first.starts_with(gguf::MAGIC) {
        let checkpoint = gguf::read(source, first, ReadScope::TokenizerOnly).await?;
        checkpoint.warnings.iter().for_each(|warning| log::warn!("{warning}"));
        return checkpoint.vocabulary.ok_or_else(|| unsupported(source.name(), "it holds no tokenizer".to_owned()));
    }
    read_alone(source).await
}

/// Reads a file that holds a vocabulary and nothing else.
///
/// # Errors
/// Those of [`parse`], and those of the source.
pub(super) async fn read_alone(source: &dyn Source) -> Result<Vocabulary> {
    if source.len() > MAX_FILE_BYTES {
        let reason = format!("it is no GGUF file, and of any other tokenizer at most {MAX_FILE_BYTES} bytes are read");
        return Err(unsupported(source.name(), format!("{reason}; it has {}", source.len())));
    }
    parse(source.name(), &all_bytes(source).await?)
}

async fn all_bytes(source: &dyn Source) -> Result<Cow<'_, [u8]>> {
    let len = source.len() as usize;
    if len <= MAX_READ_BYTES {
        return source.read_at(0, len).await;
    }
    let mut bytes = Vec::with_capacity(len);
    while bytes.len() < len {
        let next = MAX_READ_BYTES.min(len - bytes.len());
        bytes.extend_from_slice(&source.read_at(bytes.len() as u64, next).await?);
    }
    Ok(Cow::Owned(bytes))
}

/// Parses a whole `tokenizer.json` or `tokenizer.model`; `name` appears in messages.
///
/// # Errors
/// [`Error::Malformed`] where the bytes break their format or contradict each other, [`Error::Unsupported`] where they
/// ask for a tokenizer of another kind.
pub fn parse(name: &str, bytes: &[u8]) -> Result<Vocabulary> {
    // It is not part of the text.
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK.as_bytes()).unwrap_or(bytes);
    if json::is(bytes) {
        json::parse(name, bytes)
    } else if ranks::is(bytes) {
        ranks::parse(name, bytes)
    } else if sentence_piece::is(bytes) {
        sentence_piece::parse(name, bytes)
    } else if bytes.starts_with(b"\xFF\xFE") || bytes.starts_with(b"\xFE\xFF") {
        Err(unsupported(name, "it is UTF-16 text; a tokenizer.json is UTF-8".to_owned()))
    } else {
        let begin = bytes[..bytes.len().min(16)].escape_ascii();
        Err(unsupported(
            name,
            format!(
                "it begins with \"{begin}\"; tokenizers are read from GGUF, tokenizer.json, and the tokenizer.model of \
                 Llama 3 and Llama 2"
            ),
        ))
    }
}

fn unsupported(name: &str, reason: String) -> Error {
    Error::Unsupported { name: name.to_owned(), reason }
}

/// A text from a file, quoted, in one line and not too long for a message.
fn shown(text: &str) -> String {
    shortened(&format!("{text:?}"))
}

/// A text in one line, cut off where it is too long for a message.
fn shortened(text: &str) -> String {
    const MOST: usize = 160;
    printable(&text.split_whitespace().collect::<Vec<_>>().join(" "), MOST)
}
