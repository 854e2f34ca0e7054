//! The tokens of a vocabulary in little memory, by id and by text.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::error::{Error, Result};
use crate::format::{TokenType, Vocabulary, VocabularyKind};

/// Most bytes of text that a vocabulary may have: half of the largest end in [`Strings`], since a printed token may be
/// longer.
const MAX_TEXT_BYTES: usize = u32::MAX as usize / 2;

/// Byte strings by number, stored one behind the other. 128 256 small vectors would take five times the memory.
#[derive(Debug)]
pub(super) struct Strings {
    bytes: Vec<u8>,
    /// The position in `bytes` at which each string ends.
    ends: Vec<u32>,
}

impl Strings {
    /// No strings yet, and room for `count` of them with `bytes` bytes in all.
    pub(super) fn with_capacity(count: usize, bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), ends: Vec::with_capacity(count) }
    }

    /// Adds a string; `write` appends its bytes.
    pub(super) fn push(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.bytes);
        self.ends.push(self.bytes.len() as u32);
    }

    pub(super) fn get(&self, number: u32) -> Option<&[u8]> {
        let number = number as usize;
        let end = *self.ends.get(number)? as usize;
        let start = if number == 0 { 0 } else { self.ends[number - 1] as usize };
        Some(&self.bytes[start..end])
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }
}

/// The tokens of a vocabulary in its own spelling, by id and by text.
#[derive(Debug)]
pub(super) struct Tokens {
    texts: Strings,
    /// Ids of the tokens that plain text can become.
    by_text: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl Tokens {
    /// The tokens of a vocabulary.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] where the texts are too long.
    pub(super) fn new(vocabulary: &Vocabulary) -> Result<Self> {
        let bytes: usize = vocabulary.tokens.iter().map(String::len).sum();
        if bytes > MAX_TEXT_BYTES {
            return Err(Error::Tokenizer(format!("its tokens have {bytes} bytes; at most {MAX_TEXT_BYTES} are read")));
        }
        let mut texts = Strings::with_capacity(vocabulary.tokens.len(), bytes);
        for token in &vocabulary.tokens {
            texts.push(|text| text.extend_from_slice(token.as_bytes()));
        }
        let unused = matches!(vocabulary.kind, VocabularyKind::SentencePiece { .. });
        let found = |kind| kind == TokenType::Normal || (kind == TokenType::Unused && unused);
        let hasher = DefaultHashBuilder::default();
        let mut by_text = HashTable::with_capacity(vocabulary.tokens.len());
        for (id, token) in vocabulary.tokens.iter().enumerate() {
            if token.is_empty() || !found(vocabulary.token_types[id]) {
                continue;
            }
            // Of two tokens with the same text the first one counts.
            let hash = |id: &u32| hasher.hash_one(texts.get(*id));
            let same = |id: &u32| texts.get(*id) == Some(token.as_bytes());
            by_text.entry(hasher.hash_one(Some(token.as_bytes())), same, hash).or_insert(id as u32);
        }
        Ok(Self { texts, by_text, hasher })
    }

    /// The token with exactly this text. Control tokens and user-defined tokens are left out: no text may merge into
    /// one.
    pub(super) fn find(&self, text: &str) -> Option<u32> {
        let text = Some(text.as_bytes());
        self.by_text.find(self.hasher.hash_one(text), |id| self.texts.get(*id) == text).copied()
    }

    /// A token in the vocabulary's own spelling; `None` outside the vocabulary.
    pub(super) fn get(&self, id: u32) -> Option<&str> {
        self.texts.get(id).and_then(|bytes| str::from_utf8(bytes).ok())
    }

    pub(super) fn len(&self) -> usize {
        self.texts.len()
    }
}
