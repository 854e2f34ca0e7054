//! The `tokenizer.*` keys.

use crate::error::Result;
use crate::format::vocabulary::{MAX_MERGES, MAX_TOKENS, end_of_generation, is_merge};
use crate::format::{MergeOrder, TokenType, Vocabulary, VocabularyKind, byte_of};

use super::reader::Metadata;

/// Names of Llama 3's pre-tokenizer (`llama-vocab.cpp`).
const LLAMA_3_PRE: [&str; 3] = ["llama-bpe", "llama3", "llama-v3"];

/// The vocabulary of a file, or `None` where it has no tokenizer.
pub(super) fn vocabulary(metadata: &Metadata<'_>) -> Result<Option<Vocabulary>> {
    let family = match metadata.string("tokenizer.ggml.model")? {
        None | Some("none" | "no_vocab") => return Ok(None),
        Some(family @ ("gpt2" | "llama")) => family,
        Some(other) => {
            return Err(metadata.unsupported(format!(
                "tokenizer.ggml.model is \"{other}\"; supported are \"gpt2\" (with Llama 3's splitting) and \"llama\" \
                 (--tokenizer FILE gives another)"
            )));
        }
    };
    let count = metadata.count("tokenizer.ggml.tokens")?.unwrap_or(0);
    if count > MAX_TOKENS {
        return Err(metadata.malformed(format!("it has {count} tokens; at most {MAX_TOKENS} are read")));
    }
    let tokens = metadata.require_strings("tokenizer.ggml.tokens")?;
    if tokens.is_empty() {
        return Err(metadata.malformed("tokenizer.ggml.tokens is empty".to_owned()));
    }
    let kind = if family == "gpt2" { byte_level(metadata)? } else { sentence_piece(metadata, tokens.len())? };
    let sentence_piece = matches!(kind, VocabularyKind::SentencePiece { .. });

    let id = |key: &str| token_id(metadata, key, tokens.len());
    let mut special = SpecialIds {
        bos: id("tokenizer.ggml.bos_token_id")?,
        eos: id("tokenizer.ggml.eos_token_id")?,
        eot: id("tokenizer.ggml.eot_token_id")?,
        eom: id("tokenizer.ggml.eom_token_id")?,
        unknown: id("tokenizer.ggml.unknown_token_id")?,
    };
    if sentence_piece {
        special.fill_sentence_piece_defaults(&tokens);
    }
    check_one_per_token(metadata, "tokenizer.ggml.token_type", tokens.len())?;
    let mut token_types = match metadata.integers("tokenizer.ggml.token_type")? {
        Some(numbers) => token_types(metadata, &numbers)?,
        None => guessed_types(&tokens, &special, sentence_piece),
    };
    // BOS is among them: a model that writes it has begun another text, and so models trained on concatenated texts
    // (llama2.c's, which this format carries with `eos` = 2) say that they are done.
    let named = [special.eos, special.eot, special.eom, special.bos];
    let end_of_generation = end_of_generation(&tokens, &named, &mut token_types);
    Ok(Some(Vocabulary {
        kind,
        tokens,
        token_types,
        bos: special.bos,
        eos: special.eos,
        unknown: special.unknown,
        end_of_generation,
        // Both families begin with BOS unless the file says otherwise (`add_bos` in llama-vocab.cpp).
        add_bos: metadata.boolean("tokenizer.ggml.add_bos_token")?.unwrap_or(true),
        add_space_prefix: metadata.boolean("tokenizer.ggml.add_space_prefix")?.unwrap_or(sentence_piece),
        remove_extra_whitespaces: metadata.boolean("tokenizer.ggml.remove_extra_whitespaces")?.unwrap_or(false),
    }))
}

fn byte_level(metadata: &Metadata<'_>) -> Result<VocabularyKind> {
    match metadata.string("tokenizer.ggml.pre")? {
        Some(pre) if LLAMA_3_PRE.contains(&pre) => {}
        found => {
            let found = found.map_or("missing".to_owned(), |pre| format!("\"{pre}\""));
            return Err(metadata.unsupported(format!(
                "tokenizer.ggml.pre is {found}; how to split text for a \"gpt2\" tokenizer is known for {} \
                 (--tokenizer FILE gives another)",
                LLAMA_3_PRE.join(", ")
            )));
        }
    }
    if let Some(count) = metadata.count("tokenizer.ggml.merges")?.filter(|count| *count > MAX_MERGES) {
        return Err(metadata.malformed(format!("it has {count} merges; at most {MAX_MERGES} are read")));
    }
    let merges = metadata.require_strings("tokenizer.ggml.merges")?;
    for (index, merge) in merges.iter().enumerate() {
        if !is_merge(merge) {
            return Err(metadata.malformed(format!(
                "element {index} of tokenizer.ggml.merges is \"{merge}\"; expected two tokens with one space between"
            )));
        }
    }
    Ok(VocabularyKind::ByteLevelBpe { merges, ignore_merges: true })
}

fn sentence_piece(metadata: &Metadata<'_>, tokens: usize) -> Result<VocabularyKind> {
    check_one_per_token(metadata, "tokenizer.ggml.scores", tokens)?;
    let scores = metadata.require_floats("tokenizer.ggml.scores")?;
    if let Some(index) = scores.iter().position(|score| score.is_nan()) {
        return Err(metadata.malformed(format!("element {index} of tokenizer.ggml.scores is not a number")));
    }
    Ok(VocabularyKind::SentencePiece { order: MergeOrder::Scores(scores) })
}

/// The ids that a file names.
struct SpecialIds {
    bos: Option<u32>,
    eos: Option<u32>,
    eot: Option<u32>,
    eom: Option<u32>,
    unknown: Option<u32>,
}

impl SpecialIds {
    /// sentencepiece writes these three first unless told otherwise; old files rely on it (llama-vocab.cpp).
    fn fill_sentence_piece_defaults(&mut self, tokens: &[String]) {
        let default = |slot: &mut Option<u32>, id: u32, text: &str| {
            if slot.is_none() && tokens.get(id as usize).is_some_and(|token| token == text) {
                *slot = Some(id);
            }
        };
        default(&mut self.unknown, 0, "<unk>");
        default(&mut self.bos, 1, "<s>");
        default(&mut self.eos, 2, "</s>");
    }
}

/// An id that the file names. What a text begins with must be right; without any other the model still says what it would,
/// and as in llama.cpp one that is wrong only warns.
fn token_id(metadata: &Metadata<'_>, key: &str, tokens: usize) -> Result<Option<u32>> {
    let read = || {
        let Some(value) = metadata.integer(key)? else { return Ok(None) };
        match u32::try_from(value) {
            Ok(id) if (id as usize) < tokens => Ok(Some(id)),
            _ => Err(metadata.malformed(format!("{key} is {value}; the vocabulary has {tokens} tokens"))),
        }
    };
    if key == "tokenizer.ggml.bos_token_id" { read() } else { Ok(metadata.hint(read())) }
}

/// Before an array is read, so that a long one costs nothing.
fn check_one_per_token(metadata: &Metadata<'_>, key: &str, tokens: usize) -> Result<()> {
    match metadata.count(key)? {
        Some(count) if count != tokens => {
            Err(metadata.malformed(format!("{key} has {count} elements for {tokens} tokens")))
        }
        _ => Ok(()),
    }
}

fn token_types(metadata: &Metadata<'_>, numbers: &[i64]) -> Result<Vec<TokenType>> {
    let convert = |(index, number): (usize, &i64)| {
        TokenType::from_number(*number)
            .ok_or_else(|| metadata.malformed(format!("token {index} has type {number}; expected 1 to 6")))
    };
    numbers.iter().enumerate().map(convert).collect()
}

/// What the types must be where a file does not list them.
fn guessed_types(tokens: &[String], special: &SpecialIds, sentence_piece: bool) -> Vec<TokenType> {
    let mut types: Vec<_> = tokens
        .iter()
        .map(|token| match byte_of(token) {
            Some(_) if sentence_piece => TokenType::Byte,
            _ => TokenType::Normal,
        })
        .collect();
    for id in [special.bos, special.eos, special.eot, special.eom].into_iter().flatten() {
        types[id as usize] = TokenType::Control;
    }
    if let Some(id) = special.unknown {
        types[id as usize] = TokenType::Unknown;
    }
    types
}
