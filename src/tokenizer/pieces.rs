//! What every token prints.

use crate::format::{Alphabet, TokenType, Vocabulary, VocabularyKind, byte_of};

use super::sentence_piece::SPACE;

/// What sentencepiece prints for the unknown token (`unk_surface` of its `TrainerSpec`).
const UNKNOWN: &str = " \u{2047} ";

/// The bytes of every token, one after the other: 128 256 small vectors would take three times the memory.
#[derive(Debug)]
pub(super) struct Pieces {
    bytes: Vec<u8>,
    /// Where each token ends in `bytes`.
    ends: Vec<usize>,
    begins_with_space: bool,
}

impl Pieces {
    pub(super) fn new(vocabulary: &Vocabulary) -> Self {
        let sentence_piece = matches!(vocabulary.kind, VocabularyKind::SentencePiece { .. });
        let alphabet = Alphabet::new();
        let mut bytes = Vec::new();
        let mut ends = Vec::with_capacity(vocabulary.tokens.len());
        for (token, kind) in vocabulary.tokens.iter().zip(&vocabulary.token_types) {
            let byte = byte_of(token).filter(|_| *kind == TokenType::Byte);
            match (kind, sentence_piece) {
                _ if byte.is_some() => bytes.extend(byte),
                (TokenType::Control, _) | (TokenType::Unknown | TokenType::Unused, false) => {}
                (TokenType::Unknown, true) => bytes.extend_from_slice(UNKNOWN.as_bytes()),
                (TokenType::UserDefined, _) => bytes.extend_from_slice(token.as_bytes()),
                (_, true) => bytes.extend_from_slice(token.replace(SPACE, " ").as_bytes()),
                (_, false) => alphabet.extend_bytes(token, &mut bytes),
            }
            ends.push(bytes.len());
        }
        Self { bytes, ends, begins_with_space: sentence_piece && vocabulary.add_space_prefix }
    }

    /// The bytes of a token: none for control tokens, or outside the vocabulary.
    pub(super) fn get(&self, id: u32) -> &[u8] {
        let id = id as usize;
        let Some(end) = self.ends.get(id) else { return &[] };
        let start = if id == 0 { 0 } else { self.ends[id - 1] };
        &self.bytes[start..*end]
    }

    /// Whether encoding put a space before the text.
    pub(super) fn begins_with_space(&self) -> bool {
        self.begins_with_space
    }
}
