//! The vocabulary that the `tokenizer.*` keys describe.

use crate::error::{Error, Result, printable};
use crate::format::vocabulary::{MAX_MERGES, MAX_TOKENS, Named, end_of_generation, find_bytes, is_merge};
use crate::format::{MergeOrder, PRE_TOKENIZERS, PreTokenizer, TokenType, Vocabulary, VocabularyKind, byte_of};

use super::reader::Metadata;

/// A token that only Llama 3's vocabulary has: it tells Llama 3 in files that are older than the key
/// `tokenizer.ggml.pre`.
const LLAMA_3_TOKEN: &str = "<|begin_of_text|>";

/// Most characters of the name of a pre-tokenizer that an error shows.
const SHOWN_NAME: usize = 60;

/// The vocabulary of a file, or `None` where it has no tokenizer.
pub(super) fn vocabulary(metadata: &Metadata<'_>) -> Result<Option<Vocabulary>> {
    let family = match metadata.string("tokenizer.ggml.model")? {
        None | Some("none" | "no_vocab") => return Ok(None),
        Some(family @ ("gpt2" | "llama")) => family,
        Some(other) => {
            return Err(metadata.unsupported(format!(
                "tokenizer.ggml.model is \"{other}\"; supported are \"gpt2\" and \"llama\" (--tokenizer FILE gives \
                 another)"
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
    let sentence_piece = family == "llama";
    let (kind, add_bos) = match sentence_piece {
        true => (sentence_piece_kind(metadata, tokens.len())?, true),
        false => {
            let pre = pre_tokenizer(metadata, &tokens)?;
            (byte_level_kind(metadata, pre)?, pre.add_bos)
        }
    };

    let id = |key: &str| token_id(metadata, key, tokens.len());
    let mut special = SpecialIds {
        bos: id("tokenizer.ggml.bos_token_id")?,
        eos: id("tokenizer.ggml.eos_token_id")?,
        eot: id("tokenizer.ggml.eot_token_id")?,
        eom: id("tokenizer.ggml.eom_token_id")?,
        between: [
            id("tokenizer.ggml.fim_pad_token_id")?,
            id("tokenizer.ggml.fim_rep_token_id")?,
            id("tokenizer.ggml.fim_sep_token_id")?,
        ],
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
    if sentence_piece {
        find_bytes(&tokens, &mut token_types);
    }
    let [padding, repository, file] = special.between;
    let ends = [special.eos, special.eot, special.eom, padding, repository, file];
    let merges = match &kind {
        VocabularyKind::ByteLevelBpe { merges, .. } => &merges[..],
        VocabularyKind::SentencePiece { .. } => &[],
    };
    let named = Named { ends: &ends, bos: special.bos };
    let end_of_generation = end_of_generation(&tokens, named, merges, &mut token_types);
    Ok(Some(Vocabulary {
        kind,
        tokens,
        token_types,
        bos: special.bos,
        eos: special.eos,
        unknown: special.unknown,
        end_of_generation,
        add_bos: metadata.boolean("tokenizer.ggml.add_bos_token")?.unwrap_or(add_bos),
        add_space_prefix: metadata.boolean("tokenizer.ggml.add_space_prefix")?.unwrap_or(sentence_piece),
        remove_extra_whitespaces: metadata.boolean("tokenizer.ggml.remove_extra_whitespaces")?.unwrap_or(false),
    }))
}

/// How words are cut: the rule that the file names. Without a name, llama.cpp takes its default rule and warns that the
/// text may get worse, and so does this function.
fn pre_tokenizer(metadata: &Metadata<'_>, tokens: &[String]) -> Result<&'static PreTokenizer> {
    let given = metadata.string("tokenizer.ggml.pre")?;
    let name = given.unwrap_or_else(|| match tokens.iter().any(|token| token == LLAMA_3_TOKEN) {
        true => "llama-bpe",
        false => "default",
    });
    let Some(pre) = PreTokenizer::of(name) else {
        let name = printable(name, SHOWN_NAME);
        let mut error = metadata.unsupported(format!(
            "tokenizer.ggml.pre is \"{name}\", and how that cuts text into words is not known (--tokenizer FILE gives \
             another tokenizer); known are "
        ));
        // The list of names is longer than the text of a file that an error may show.
        if let Error::Unsupported { reason, .. } = &mut error {
            let known: Vec<&str> = PRE_TOKENIZERS.iter().flat_map(PreTokenizer::names).collect();
            reason.push_str(&known.join(", "));
        }
        return Err(error);
    };
    if given.is_none() {
        metadata.note(&format!(
            "tokenizer.ggml.pre is missing: text is cut into words as by \"{name}\", and ids are wrong where the model \
             learned otherwise (--tokenizer FILE gives another tokenizer)"
        ));
    }
    Ok(pre)
}

fn byte_level_kind(metadata: &Metadata<'_>, pre: &PreTokenizer) -> Result<VocabularyKind> {
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
    Ok(VocabularyKind::ByteLevelBpe { split: pre.split, merges, ignore_merges: pre.ignore_merges })
}

fn sentence_piece_kind(metadata: &Metadata<'_>, tokens: usize) -> Result<VocabularyKind> {
    check_one_per_token(metadata, "tokenizer.ggml.scores", tokens)?;
    let scores = metadata.require_floats("tokenizer.ggml.scores")?;
    if let Some(index) = scores.iter().position(|score| score.is_nan()) {
        return Err(metadata.malformed(format!("element {index} of tokenizer.ggml.scores is not a number")));
    }
    Ok(VocabularyKind::SentencePiece { order: MergeOrder::Scores(scores) })
}

/// The ids that a file names for special purposes.
struct SpecialIds {
    bos: Option<u32>,
    eos: Option<u32>,
    eot: Option<u32>,
    eom: Option<u32>,
    /// Tokens that fill gaps in code, and tokens between repositories and between files.
    between: [Option<u32>; 3],
    unknown: Option<u32>,
}

impl SpecialIds {
    /// sentencepiece gives the first three ids to these tokens unless told otherwise; old files rely on it
    /// (llama-vocab.cpp).
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

/// An id that the file names. A wrong id of the token that texts begin with is an error. Any other wrong id is a
/// warning, as in llama.cpp, since the model's answers do not depend on it.
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

/// Checks the length of an array before it is read, so that a long one takes no memory.
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

/// The token types of a file that does not list them. An id that names an ordinary token, such as the comma that many
/// files name as BOS, makes no control token of it.
fn guessed_types(tokens: &[String], special: &SpecialIds, sentence_piece: bool) -> Vec<TokenType> {
    let mut types: Vec<_> = tokens
        .iter()
        .map(|token| match byte_of(token) {
            Some(_) if sentence_piece => TokenType::Byte,
            _ => TokenType::Normal,
        })
        .collect();
    let is_mark = |token: &str| {
        ["<>", "[]"].iter().any(|ends| token.len() > 2 && token.starts_with(&ends[..1]) && token.ends_with(&ends[1..]))
    };
    for id in [special.bos, special.eos, special.eot, special.eom].into_iter().flatten() {
        if is_mark(&tokens[id as usize]) {
            types[id as usize] = TokenType::Control;
        }
    }
    if let Some(id) = special.unknown {
        types[id as usize] = TokenType::Unknown;
    }
    types
}
