//! Hugging Face's `tokenizer.json`: BPE as Llama 3 has it (byte-level, with any rule for words that llama.cpp has a
//! name for) and as Llama 2 has it (sentencepiece's pieces with ranked pairs). Steps that would give other ids are
//! refused.

mod parts;
mod pipeline;

use std::borrow::Cow;
use std::collections::HashMap;

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::format::vocabulary::{MAX_TOKENS, Named, end_of_generation};
use crate::format::{MergeOrder, TokenType, Vocabulary, VocabularyKind, byte_of};

use super::{shortened, shown, unsupported};
use parts::{AddedToken, File, Model, Vocab};
use pipeline::{Family, Pipeline};

/// The name of this format in messages.
const FORMAT: &str = "tokenizer.json";

/// Texts of the beginning-of-text token, for files without a step that puts one in front.
const BEGIN_OF_TEXT: [&str; 2] = ["<|begin_of_text|>", "<s>"];

/// Texts of the end-of-text token, which this format does not name.
const END_OF_TEXT: [&str; 3] = ["<|end_of_text|>", "</s>", "<|endoftext|>"];

/// Whether a JSON object begins here.
pub(super) fn is(bytes: &[u8]) -> bool {
    let text = bytes.trim_ascii_start();
    // sentencepiece's first byte is white space too, and its second can be a brace.
    text.starts_with(b"{") && text[1..].trim_ascii_start().first().is_none_or(|byte| b"\"}".contains(byte))
}

pub(super) fn parse(name: &str, bytes: &[u8]) -> Result<Vocabulary> {
    let file: File<'_> = serde_json::from_slice(bytes).map_err(|error| refused(name, bytes, &error))?;
    let malformed = |reason: String| Error::Malformed { name: name.to_owned(), format: FORMAT, reason };
    let pipeline = Pipeline::new(&file).map_err(|reason| unsupported(name, reason))?;
    if let Some(reason) = file.model.unsupported(pipeline.family) {
        return Err(unsupported(name, reason));
    }
    let added = file.added_tokens.as_deref().unwrap_or_default();
    if let Some(reason) = added.iter().find_map(|token| token.unsupported(pipeline.family)) {
        return Err(unsupported(name, reason));
    }
    let Tokens { texts, ids } = Tokens::new(&file.model.vocab, added).map_err(malformed)?;
    let mut types = token_types(&file.model, added, &texts);
    let unknown = match &file.model.unk_token {
        Some(text) => Some(
            *ids.get(text.as_str()).ok_or_else(|| malformed(format!("its unk_token, {}, is no token", shown(text))))?,
        ),
        None => None,
    };
    if let Some(id) = unknown {
        types[id as usize] = TokenType::Unknown;
    }
    let control = |text: &&str| ids.get(*text).copied().filter(|id| types[*id as usize] == TokenType::Control);
    let bos = match pipeline.begin {
        Some(id) if types.get(id as usize) != Some(&TokenType::Control) => {
            return Err(malformed(format!("its post_processor puts {id} in front, which is no special token")));
        }
        Some(id) => Some(id),
        None => BEGIN_OF_TEXT.iter().find_map(control),
    };
    let eos = END_OF_TEXT.iter().find_map(control);
    let kind = match pipeline.family {
        Family::ByteLevel { split } => VocabularyKind::ByteLevelBpe {
            split,
            ignore_merges: file.model.ignore_merges.unwrap_or(false),
            merges: file.model.merges.0.into_iter().map(Cow::into_owned).collect(),
        },
        Family::SentencePiece { .. } => {
            VocabularyKind::SentencePiece { order: MergeOrder::Ranks(pairs(&file.model, &ids).map_err(malformed)?) }
        }
    };
    drop(ids);
    let tokens: Vec<String> = texts.into_iter().map(str::to_owned).collect();
    let merges = match &kind {
        VocabularyKind::ByteLevelBpe { merges, .. } => &merges[..],
        VocabularyKind::SentencePiece { .. } => &[],
    };
    let end_of_generation = end_of_generation(&tokens, Named { ends: &[eos], bos }, merges, &mut types);
    let (add_space_prefix, remove_extra_whitespaces) = match pipeline.family {
        Family::ByteLevel { .. } => (false, false),
        Family::SentencePiece { space_prefix, trimmed } => (space_prefix, trimmed),
    };
    Ok(Vocabulary {
        kind,
        tokens,
        token_types: types,
        bos,
        eos,
        unknown,
        end_of_generation,
        add_bos: pipeline.begin.is_some(),
        add_space_prefix,
        remove_extra_whitespaces,
    })
}

/// The reason why a file is not as expected. That it holds another kind of model says more than the first difference.
fn refused(name: &str, bytes: &[u8], error: &serde_json::Error) -> Error {
    #[derive(Deserialize)]
    struct Only {
        model: Named,
    }
    #[derive(Deserialize)]
    struct Named {
        r#type: String,
    }
    match serde_json::from_slice(bytes) {
        Ok(Only { model: Named { r#type: kind } }) if kind != "BPE" => {
            unsupported(name, format!("its model is {}; supported is \"BPE\"", shown(&kind)))
        }
        _ => Error::Malformed { name: name.to_owned(), format: FORMAT, reason: shortened(&error.to_string()) },
    }
}

/// The texts of all tokens by id, and the other way round.
struct Tokens<'f> {
    texts: Vec<&'f str>,
    ids: HashMap<&'f str, u32>,
}

impl<'f> Tokens<'f> {
    /// Every id from 0 must be there once; a token may stand both in the model's vocabulary and among the added ones.
    fn new(vocab: &'f Vocab<'_>, added: &'f [AddedToken<'_>]) -> Result<Self, String> {
        let mut ids: HashMap<&str, u32> = HashMap::with_capacity(vocab.0.len() + added.len());
        for (text, id) in &vocab.0 {
            if let Some(first) = ids.insert(text, *id) {
                return Err(format!("the token {} has two ids, {first} and {id}", shown(text)));
            }
        }
        for token in added {
            let first = *ids.entry(&token.content).or_insert(token.id);
            if first != token.id {
                return Err(format!("the token {} has two ids, {first} and {}", shown(&token.content), token.id));
            }
        }
        let count = ids.len();
        if count > MAX_TOKENS {
            return Err(format!("it has {count} tokens; at most {MAX_TOKENS} are read"));
        }
        let mut texts: Vec<Option<&str>> = vec![None; count];
        for (text, id) in &ids {
            let Some(slot) = texts.get_mut(*id as usize) else {
                return Err(format!(
                    "the token {} has the id {id}, and there are {count} tokens: ids run from 0 without a gap",
                    shown(text)
                ));
            };
            if let Some(other) = slot.replace(text) {
                let mut both = [other, *text];
                both.sort_unstable();
                return Err(format!("the tokens {} and {} both have the id {id}", shown(both[0]), shown(both[1])));
            }
        }
        // As many ids as tokens, none twice and none too large: every place is taken.
        Ok(Self { texts: texts.into_iter().flatten().collect(), ids })
    }
}

/// Special tokens are control tokens, other added ones are always matched.
fn token_types(model: &Model<'_>, added: &[AddedToken<'_>], texts: &[&str]) -> Vec<TokenType> {
    let bytes = model.byte_fallback.unwrap_or(false);
    let kind = |text: &&str| if bytes && byte_of(text).is_some() { TokenType::Byte } else { TokenType::Normal };
    let mut types: Vec<TokenType> = texts.iter().map(kind).collect();
    for token in added.iter().filter(|token| !(bytes && byte_of(&token.content).is_some())) {
        types[token.id as usize] = if token.special { TokenType::Control } else { TokenType::UserDefined };
    }
    types
}

/// Merges as pairs of ids.
fn pairs(model: &Model<'_>, ids: &HashMap<&str, u32>) -> Result<Vec<[u32; 2]>, String> {
    let mut pairs = Vec::with_capacity(model.merges.0.len());
    for (rank, merge) in model.merges.0.iter().enumerate() {
        let id = |text: &str| {
            let wrong = || format!("merge {rank}, {}, names {}, which is no token", shown(merge), shown(text));
            ids.get(text).copied().ok_or_else(wrong)
        };
        let (left, right) = merge.split_once(' ').unwrap_or((merge, ""));
        pairs.push([id(left)?, id(right)?]);
    }
    Ok(pairs)
}
