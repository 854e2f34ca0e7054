//! A stream of tokens to a stream of text, in whole characters.

use std::sync::Arc;

use super::pieces::Pieces;

/// Turns a stream of tokens into a stream of text. A character whose bytes come in several tokens comes with the last
/// of them.
#[derive(Clone, Debug)]
pub struct Decoder {
    pieces: Arc<Pieces>,
    /// The bytes of a character that is not whole yet: at most three.
    waiting: Vec<u8>,
    strip_space: bool,
}

impl Decoder {
    pub(super) fn new(pieces: Arc<Pieces>, strip_space: bool) -> Self {
        Self { pieces, waiting: Vec::new(), strip_space }
    }

    /// The text that this token completes: empty for control tokens, and while a character waits for more bytes.
    pub fn push(&mut self, id: u32) -> String {
        let mut bytes = self.pieces.get(id);
        if self.strip_space && !bytes.is_empty() {
            bytes = bytes.strip_prefix(b" ").unwrap_or(bytes);
            self.strip_space = false;
        }
        self.waiting.extend_from_slice(bytes);
        let (text, used) = whole_characters(&self.waiting);
        self.waiting.drain(..used);
        text
    }

    /// How many bytes wait for the rest of their character.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// The end of the text: U+FFFD for a character that is not whole, or nothing.
    pub fn finish(&mut self) -> String {
        let text = String::from_utf8_lossy(&self.waiting).into_owned();
        self.waiting.clear();
        text
    }
}

/// The text of all whole characters, and the number of bytes that it is made of. Bytes that can no longer become a
/// character give U+FFFD.
///
/// Joined over any division of the same bytes, this is [`String::from_utf8_lossy`]: both replace the longest prefix of
/// a valid sequence.
fn whole_characters(bytes: &[u8]) -> (String, usize) {
    let mut text = String::new();
    let mut at = 0;
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        at += chunk.valid().len();
        let invalid = chunk.invalid();
        // Only the last chunk can be cut short, and then its length is not known yet.
        let unfinished = std::str::from_utf8(invalid).is_err_and(|error| error.error_len().is_none());
        if at + invalid.len() == bytes.len() && unfinished {
            break;
        }
        if !invalid.is_empty() {
            text.push(char::REPLACEMENT_CHARACTER);
            at += invalid.len();
        }
    }
    (text, at)
}
