//! Meta's `tokenizer.model` of Llama 3: a line `BASE64 RANK` per token, as tiktoken reads it. The rank is the id.
//!
//! The file holds neither the pattern that splits text nor the special tokens: both stand in Meta's `tokenizer.py`.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::error::{Error, Result};
use crate::format::vocabulary::{Named, end_of_generation};
use crate::format::{Alphabet, PreTokenizer, TokenType, Vocabulary, VocabularyKind};

use super::{shown, unsupported};

/// The name of this format in messages.
const FORMAT: &str = "tokenizer.model (ranks)";

/// Tokens of Llama 3 before the special ones. Other models write this format too, with other patterns to split by.
const LLAMA_3_RANKS: usize = 128_000;

/// Special tokens of Llama 3, from the first id after the ranks.
const LLAMA_3_SPECIAL: usize = 256;

/// Special tokens with a name of their own, by index (`llama_models/llama3/tokenizer.py` and Hugging Face's
/// `tokenizer.json` of Llama 3.1 and 3.2); the others are reserved, and numbered from 0.
const LLAMA_3_NAMED: [(usize, &str); 8] = [
    (0, "<|begin_of_text|>"),
    (1, "<|end_of_text|>"),
    (4, "<|finetune_right_pad_id|>"),
    (6, "<|start_header_id|>"),
    (7, "<|end_header_id|>"),
    (8, "<|eom_id|>"),
    (9, "<|eot_id|>"),
    (10, "<|python_tag|>"),
];

/// Longest token in bytes, that of Llama 3: the search for merges takes time that grows with its square.
const MAX_TOKEN_BYTES: usize = 128;

/// Most merges; Llama 3 has 280 147.
const MAX_MERGES: usize = 1 << 19;

/// Whether the first line is base64, a space and a number.
pub(super) fn is(bytes: &[u8]) -> bool {
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let Some((token, rank)) = halves(line) else { return false };
    !token.is_empty()
        && !rank.is_empty()
        && token.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(byte))
        && rank.iter().all(u8::is_ascii_digit)
}

/// The text before and after the only space of a line.
fn halves(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let mut halves = line.splitn(2, |byte| *byte == b' ');
    Some((halves.next()?, halves.next()?))
}

pub(super) fn parse(name: &str, bytes: &[u8]) -> Result<Vocabulary> {
    let malformed = |reason: String| Error::Malformed { name: name.to_owned(), format: FORMAT, reason };
    let mut texts: Vec<Vec<u8>> = Vec::new();
    let lines = bytes.strip_suffix(b"\n").unwrap_or(bytes).split(|byte| *byte == b'\n');
    for (index, line) in lines.enumerate() {
        let wrong = |what: &str| {
            let line = shown(&String::from_utf8_lossy(&line[..line.len().min(200)]));
            malformed(format!("line {} is {line}; {what}", index + 1))
        };
        if index == LLAMA_3_RANKS {
            return Err(unsupported(
                name,
                format!("it has more than {LLAMA_3_RANKS} ranks; this format is known for Llama 3, which has so many"),
            ));
        }
        let (token, rank) = halves(line).ok_or_else(|| wrong("expected base64, a space and a rank"))?;
        let rank = std::str::from_utf8(rank).ok().and_then(|digits| digits.parse::<usize>().ok());
        if rank != Some(index) {
            return Err(wrong(&format!("expected the rank {index}")));
        }
        if token.len() > MAX_TOKEN_BYTES.div_ceil(3) * 4 {
            return Err(wrong(&format!("tokens of at most {MAX_TOKEN_BYTES} bytes are read")));
        }
        let text = STANDARD.decode(token).map_err(|error| wrong(&format!("its base64 is wrong: {error}")))?;
        if text.is_empty() {
            return Err(wrong("its token is empty"));
        }
        texts.push(text);
    }
    if texts.len() != LLAMA_3_RANKS {
        return Err(unsupported(
            name,
            format!("it has {} ranks; this format is known for Llama 3, which has {LLAMA_3_RANKS}", texts.len()),
        ));
    }
    let mut ranks: HashMap<&[u8], u32> = HashMap::with_capacity(texts.len());
    for (rank, text) in texts.iter().enumerate() {
        if let Some(first) = ranks.insert(text, rank as u32) {
            return Err(malformed(format!("the ranks {first} and {rank} are the same token, {}", text.escape_ascii())));
        }
    }
    let alphabet = Alphabet::new();
    let merges = merges(&texts, &ranks, &alphabet)
        .ok_or_else(|| malformed(format!("its tokens are made of each other in more than {MAX_MERGES} ways")))?;
    let mut tokens: Vec<String> = texts.iter().map(|text| alphabet.spell(text)).collect();
    tokens.extend(special_tokens());
    let mut token_types = vec![TokenType::Normal; LLAMA_3_RANKS];
    token_types.resize(tokens.len(), TokenType::Control);
    let [bos, eos] = [0, 1].map(|index| Some((LLAMA_3_RANKS + index) as u32));
    let end_of_generation = end_of_generation(&tokens, Named { ends: &[eos], bos }, &[], &mut token_types);
    Ok(Vocabulary {
        kind: VocabularyKind::ByteLevelBpe { split: PreTokenizer::LLAMA_3, merges, ignore_merges: true },
        tokens,
        token_types,
        bos,
        eos,
        unknown: None,
        end_of_generation,
        add_bos: true,
        add_space_prefix: false,
        remove_extra_whitespaces: false,
    })
}

/// The pairs that tiktoken would merge, in order: for each token every way to cut it into two, the lower ranks first.
/// On text they give what tiktoken's own rule gives, which is to merge the neighbours whose text has the lowest rank.
/// `None` where there are more than [`MAX_MERGES`].
fn merges(texts: &[Vec<u8>], ranks: &HashMap<&[u8], u32>, alphabet: &Alphabet) -> Option<Vec<String>> {
    let mut merges = Vec::new();
    let mut cuts: Vec<[u32; 2]> = Vec::new();
    for text in texts {
        cuts.clear();
        cuts.extend((1..text.len()).filter_map(|at| {
            let (left, right) = text.split_at(at);
            Some([*ranks.get(left)?, *ranks.get(right)?])
        }));
        if merges.len() + cuts.len() > MAX_MERGES {
            return None;
        }
        cuts.sort_unstable();
        merges.extend(cuts.iter().map(|cut| cut.map(|rank| alphabet.spell(&texts[rank as usize])).join(" ")));
    }
    Some(merges)
}

fn special_tokens() -> impl Iterator<Item = String> {
    let mut reserved = 0..;
    (0..LLAMA_3_SPECIAL).map(move |index| match LLAMA_3_NAMED.iter().find(|(named, _)| *named == index) {
        Some((_, name)) => (*name).to_owned(),
        None => format!("<|reserved_special_token_{}|>", reserved.next().unwrap_or(index)),
    })
}
