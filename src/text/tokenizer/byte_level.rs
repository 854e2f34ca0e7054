//! Byte-level BPE. The `tokenizers` crate cuts a text into words; the merging by rank is done here, since the crate's
//! tables for it take three times the memory.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer, SplitDelimiterBehavior};

use crate::error::{Error, Result};
use crate::format::{Alphabet, TokenType, Vocabulary};

use super::merging::{Ranks, merge};
use super::tokens::Tokens;

/// Most characters of a part of a text that is cut into words at once, and most characters of a run with or without
/// white space in it, as in Meta's `tokenizer.py`. They also keep regular expressions below their limit of 1 000 000
/// backtracking steps, behind which the crate would leave the rest of the text in one piece without an error.
const MAX_CHARS: usize = 400_000;
const MAX_RUN_CHARS: usize = 25_000;

#[derive(Debug)]
pub(super) struct ByteLevel {
    /// The patterns that cut a text, in order. Each cuts the pieces that the one before it made.
    splits: Vec<Split>,
    alphabet: Alphabet,
    ranks: Ranks,
    ignore_merges: bool,
    /// Whether the warning about a byte without a token was given.
    said: AtomicBool,
}

impl ByteLevel {
    pub(super) fn new(
        vocabulary: &Vocabulary,
        tokens: &Tokens,
        split: &[&str],
        merges: &[String],
        ignore_merges: bool,
    ) -> Result<Self> {
        let others: HashMap<&str, u32> = (0..)
            .zip(vocabulary.tokens.iter().zip(&vocabulary.token_types))
            .filter(|(_, (_, kind))| **kind != TokenType::Normal)
            .map(|(id, (token, _))| (token.as_str(), id))
            .collect();
        let mut ranked = Vec::with_capacity(merges.len());
        let mut merged = String::new();
        for (rank, merge) in merges.iter().enumerate() {
            let (left, right) = merge
                .split_once(' ')
                .ok_or_else(|| Error::Tokenizer(format!("merge {rank} is \"{merge}\"; expected two tokens")))?;
            merged.clear();
            merged.extend([left, right]);
            let id = |token: &str| {
                tokens.find(token).or_else(|| others.get(token).copied()).ok_or_else(|| {
                    Error::Tokenizer(format!("merge {rank}, \"{merge}\", names \"{token}\", which is no token"))
                })
            };
            let ids = [id(left)?, id(right)?, id(&merged)?];
            // User-defined tokens may take part in merges. Control tokens may not: text would become one.
            let is_text =
                |id: &u32| matches!(vocabulary.token_types[*id as usize], TokenType::Normal | TokenType::UserDefined);
            if ids.iter().all(is_text) {
                ranked.push(ids);
            }
        }
        let regex = |pattern: &&str| SplitPattern::Regex((*pattern).to_owned());
        let isolated =
            |pattern| Split::new(regex(pattern), SplitDelimiterBehavior::Isolated, false).map_err(crate_error);
        Ok(Self {
            splits: split.iter().map(isolated).collect::<Result<_>>()?,
            alphabet: Alphabet::new(),
            ranks: Ranks::new(ranked),
            ignore_merges,
            said: AtomicBool::new(false),
        })
    }

    /// The words of a text: merges stay within a word.
    pub(super) fn words(&self, text: &str) -> Result<Vec<String>> {
        let mut found = Vec::new();
        self.for_words(text, |word| found.push(word.to_owned()))?;
        Ok(found)
    }

    fn for_words(&self, text: &str, mut each: impl FnMut(&str)) -> Result<()> {
        for part in parts(text) {
            let mut words = PreTokenizedString::from(part);
            for split in &self.splits {
                split.pre_tokenize(&mut words).map_err(crate_error)?;
            }
            for (word, ..) in words.get_splits(OffsetReferential::Original, OffsetType::None) {
                each(word);
            }
        }
        Ok(())
    }

    pub(super) fn encode(&self, text: &str, tokens: &Tokens, ids: &mut Vec<u32>) -> Result<()> {
        self.for_words(text, |word| {
            let word = self.alphabet.spell(word.as_bytes());
            if let Some(whole) = tokens.find(&word).filter(|_| self.ignore_merges) {
                ids.push(whole);
                return;
            }
            let merged = merge(&word, |text| tokens.find(text), |left, right, _| self.ranks.join(left, right));
            for symbol in merged {
                match symbol.id {
                    Some(id) => ids.push(id),
                    None => self.say_missing(&word[symbol.start..symbol.start + symbol.len]),
                }
            }
        })
    }

    /// Warns once that a byte is left out. A vocabulary need not have a token for every byte.
    fn say_missing(&self, character: &str) {
        if self.said.swap(true, Ordering::Relaxed) {
            return;
        }
        let mut bytes = Vec::new();
        self.alphabet.extend_bytes(character, &mut bytes);
        let byte = bytes.first().copied().unwrap_or_default();
        log::warn!("the tokenizer has no token for the byte 0x{byte:02X}: such bytes are left out of texts");
    }
}

fn crate_error(error: tokenizers::Error) -> Error {
    Error::Tokenizer(error.to_string())
}

/// Cuts a text as Meta's `tokenizer.py` does (`_split_whitespaces_or_nonwhitespaces`).
fn parts(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut chars, mut run, mut run_is_space) = (0, 0, 0, None);
    for (at, character) in text.char_indices() {
        let is_space = Some(character.is_whitespace());
        run = if is_space == run_is_space { run + 1 } else { 1 };
        if run > MAX_RUN_CHARS || chars == MAX_CHARS {
            parts.push(&text[start..at]);
            (start, run) = (at, 1);
            chars = if chars == MAX_CHARS { 0 } else { chars };
        }
        run_is_space = is_space;
        chars += 1;
    }
    if start < text.len() {
        parts.push(&text[start..]);
    }
    parts
}
