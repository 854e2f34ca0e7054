//! The bytes that every token prints.

use crate::format::{Alphabet, TokenType, Vocabulary, VocabularyKind, byte_of};

use super::sentence_piece::SPACE;
use super::tokens::Strings;

/// The text that sentencepiece prints for the unknown token (`unk_surface` of its `TrainerSpec`).
const UNKNOWN: &str = " \u{2047} ";

/// The bytes of every token.
#[derive(Debug)]
pub(super) struct Pieces {
    printed: Strings,
    begins_with_space: bool,
}

impl Pieces {
    pub(super) fn new(vocabulary: &Vocabulary) -> Self {
        let sentence_piece = matches!(vocabulary.kind, VocabularyKind::SentencePiece { .. });
        let alphabet = Alphabet::new();
        let bytes = vocabulary.tokens.iter().map(String::len).sum();
        let mut printed = Strings::with_capacity(vocabulary.tokens.len(), bytes);
        for (token, kind) in vocabulary.tokens.iter().zip(&vocabulary.token_types) {
            let byte = byte_of(token).filter(|_| *kind == TokenType::Byte);
            printed.push(|bytes| match (kind, sentence_piece) {
                _ if byte.is_some() => bytes.extend(byte),
                (TokenType::Control, _) | (TokenType::Unknown | TokenType::Unused, false) => {}
                (TokenType::Unknown, true) => bytes.extend_from_slice(UNKNOWN.as_bytes()),
                (TokenType::UserDefined, _) => bytes.extend_from_slice(token.as_bytes()),
                (_, true) => bytes.extend_from_slice(token.replace(SPACE, " ").as_bytes()),
                (_, false) => alphabet.extend_bytes(token, bytes),
            });
        }
        Self { printed, begins_with_space: sentence_piece && vocabulary.add_space_prefix }
    }

    /// The bytes of a token. They are empty for control tokens and outside the vocabulary.
    pub(super) fn get(&self, id: u32) -> &[u8] {
        self.printed.get(id).unwrap_or_default()
    }

    /// Whether encoding puts a space before a text.
    pub(super) fn begins_with_space(&self) -> bool {
        self.begins_with_space
    }
}
