//! Llama 3's byte-level BPE, on the `tokenizers` crate.

use tokenizers::SplitDelimiterBehavior;
use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::pre_tokenizers::byte_level::ByteLevel as ByteLevelAlphabet;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};

use crate::error::{Error, Result};
use crate::format::{Alphabet, LLAMA_3_SPLIT, TokenType};

/// Meta's `tokenizer.py` cuts texts to this many characters, and runs with or without white space to the next number,
/// before it splits. Here it also keeps the regular expression from running into its limit of 1 000 000 steps back,
/// after which the crate would silently leave the rest of the text unsplit.
const MAX_CHARS: usize = 400_000;
const MAX_RUN_CHARS: usize = 25_000;

#[derive(Debug)]
pub(super) struct ByteLevel {
    tokenizer: tokenizers::Tokenizer,
}

impl ByteLevel {
    /// Only plain tokens go into the model: no text a user writes can merge into a control token.
    pub(super) fn new(tokens: &[String], types: &[TokenType], merges: &[String], ignore_merges: bool) -> Result<Self> {
        let mut vocabulary = Vocab::with_capacity(tokens.len());
        for (id, token) in tokens.iter().enumerate() {
            if types[id] == TokenType::Normal && !token.is_empty() {
                vocabulary.entry(token.clone()).or_insert(id as u32);
            }
        }
        // What the model lacks it would skip in silence. The bytes C0, C1 and F5 to FF never occur in UTF-8.
        let alphabet = Alphabet::new();
        for byte in (0..=0xF4).filter(|byte| !matches!(byte, 0xC0 | 0xC1)) {
            if !vocabulary.contains_key(alphabet.character(byte).encode_utf8(&mut [0; 4]) as &str) {
                return Err(Error::Tokenizer(format!("no token spells the byte 0x{byte:02X}")));
            }
        }
        let mut pairs = Vec::with_capacity(merges.len());
        let mut merged = String::new();
        for (rank, merge) in merges.iter().enumerate() {
            let (left, right) = merge
                .split_once(' ')
                .ok_or_else(|| Error::Tokenizer(format!("merge {rank} is \"{merge}\"; expected two tokens")))?;
            merged.clear();
            merged.extend([left, right]);
            // The crate indexes past a buffer where the merged token does not exist, so this is checked here.
            if let Some(absent) = [left, right, &merged].into_iter().find(|token| !vocabulary.contains_key(*token)) {
                return Err(Error::Tokenizer(format!(
                    "merge {rank}, \"{merge}\", names \"{absent}\", which is no token"
                )));
            }
            pairs.push((left.to_owned(), right.to_owned()));
        }
        let model = BPE::builder()
            .vocab_and_merges(vocabulary, pairs)
            .ignore_merges(ignore_merges)
            .fuse_unk(false)
            .byte_fallback(false)
            .build()
            .map_err(crate_error)?;
        let split = Split::new(SplitPattern::Regex(LLAMA_3_SPLIT.to_owned()), SplitDelimiterBehavior::Isolated, false)
            .map_err(crate_error)?;
        let mut tokenizer = tokenizers::Tokenizer::new(model);
        let bytes = ByteLevelAlphabet::new(false, true, false);
        tokenizer.with_pre_tokenizer(Some(Sequence::new(vec![split.into(), bytes.into()])));
        Ok(Self { tokenizer })
    }

    pub(super) fn encode(&self, text: &str, ids: &mut Vec<u32>) -> Result<()> {
        for part in parts(text) {
            ids.extend_from_slice(self.tokenizer.encode_fast(part, false).map_err(crate_error)?.get_ids());
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
