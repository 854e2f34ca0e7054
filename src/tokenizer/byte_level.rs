//! Llama 3's byte-level BPE: the `tokenizers` crate splits a text, and neighbours merge by rank. The crate's own tables for
//! that take three times the memory.

use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer, SplitDelimiterBehavior};

use crate::error::{Error, Result};
use crate::format::{Alphabet, LLAMA_3_SPLIT};

use super::merging::{Ranks, merge};
use super::tokens::Tokens;

/// Meta's `tokenizer.py` cuts texts to this many characters, and runs with or without white space to the next number,
/// before it splits. Here it also keeps the regular expression from running into its limit of 1 000 000 steps back,
/// after which the crate would silently leave the rest of the text unsplit.
const MAX_CHARS: usize = 400_000;
const MAX_RUN_CHARS: usize = 25_000;

#[derive(Debug)]
pub(super) struct ByteLevel {
    split: Split,
    alphabet: Alphabet,
    ranks: Ranks,
    ignore_merges: bool,
}

impl ByteLevel {
    pub(super) fn new(tokens: &Tokens, merges: &[String], ignore_merges: bool) -> Result<Self> {
        // Without these a text could not be spelled. The bytes C0, C1 and F5 to FF never occur in UTF-8.
        let alphabet = Alphabet::new();
        for byte in (0..=0xF4).filter(|byte| !matches!(byte, 0xC0 | 0xC1)) {
            if tokens.find(alphabet.character(byte).encode_utf8(&mut [0; 4])).is_none() {
                return Err(Error::Tokenizer(format!("no token spells the byte 0x{byte:02X}")));
            }
        }
        let mut ranked = Vec::with_capacity(merges.len());
        let mut merged = String::new();
        for (rank, merge) in merges.iter().enumerate() {
            let (left, right) = merge
                .split_once(' ')
                .ok_or_else(|| Error::Tokenizer(format!("merge {rank} is \"{merge}\"; expected two tokens")))?;
            merged.clear();
            merged.extend([left, right]);
            let id = |token: &str| {
                tokens.find(token).ok_or_else(|| {
                    Error::Tokenizer(format!("merge {rank}, \"{merge}\", names \"{token}\", which is no token"))
                })
            };
            ranked.push([id(left)?, id(right)?, id(&merged)?]);
        }
        let split = Split::new(SplitPattern::Regex(LLAMA_3_SPLIT.to_owned()), SplitDelimiterBehavior::Isolated, false)
            .map_err(crate_error)?;
        Ok(Self { split, alphabet, ranks: Ranks::new(ranked), ignore_merges })
    }

    pub(super) fn encode(&self, text: &str, tokens: &Tokens, ids: &mut Vec<u32>) -> Result<()> {
        for part in parts(text) {
            let mut words = PreTokenizedString::from(part);
            self.split.pre_tokenize(&mut words).map_err(crate_error)?;
            for (word, ..) in words.get_splits(OffsetReferential::Original, OffsetType::None) {
                let word = self.alphabet.spell(word.as_bytes());
                if let Some(whole) = tokens.find(&word).filter(|_| self.ignore_merges) {
                    ids.push(whole);
                    continue;
                }
                let merged = merge(&word, |text| tokens.find(text), |left, right, _| self.ranks.join(left, right));
                ids.extend(merged.filter_map(|symbol| symbol.id));
            }
        }
        Ok(())
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
