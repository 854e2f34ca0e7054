//! Many small texts in little memory, and their ids by text.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::error::{Error, Result};
use crate::format::{TokenType, Vocabulary, VocabularyKind};

/// Most bytes of text that a vocabulary may have: half of what an end in [`Strings`] can say, for what printing adds.
const MAX_TEXT_BYTES: usize = u32::MAX as usize / 2;

/// Strings of bytes by number, one after the other: 128 256 small vectors would take five times the memory.
#[derive(Debug)]
pub(super) struct Strings {
    bytes: Vec<u8>,
    /// Where each ends in `bytes`.
    ends: Vec<u32>,
}

impl Strings {
    /// With room for so many of so many bytes.
    pub(super) fn with_capacity(count: usize, bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), ends: Vec::with_capacity(count) }
    }

    /// One more, which is written to the end of those before.
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
    /// Ids of the tokens that text can become.
    by_text: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl Tokens {
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
            // Where a text appears twice, its first id counts.
            let hash = |id: &u32| hasher.hash_one(texts.get(*id));
            let same = |id: &u32| texts.get(*id) == Some(token.as_bytes());
            by_text.entry(hasher.hash_one(Some(token.as_bytes())), same, hash).or_insert(id as u32);
        }
        Ok(Self { texts, by_text, hasher })
    }

    /// The token that a text becomes as a whole. Control tokens and users' own are not among them: nothing that is written
    /// may merge into one.
    pub(super) fn find(&self, text: &str) -> Option<u32> {
        let text = Some(text.as_bytes());
        self.by_text.find(self.hasher.hash_one(text), |id| self.texts.get(*id) == text).copied()
    }

    /// `None` outside the vocabulary.
    pub(super) fn get(&self, id: u32) -> Option<&str> {
        self.texts.get(id).and_then(|bytes| str::from_utf8(bytes).ok())
    }

    pub(super) fn len(&self) -> usize {
        self.texts.len()
    }
}
