//! sentencepiece's BPE: merge the adjacent pair whose text has the highest score, leftmost first, until none is left.
//! The algorithm is `bpe_model.cc` of google/sentencepiece, and `llm_tokenizer_spm` of llama.cpp.
//!
//! A `tokenizer.json` has ranked pairs instead of scores. A rank belongs to a pair and a score to the merged text, so
//! `aaa` + `a` and `a` + `aaa` are equal by score and not by rank. Each file is merged by the order that it has.

use std::collections::{HashMap, HashSet};

use crate::error::{Error, Result};
use crate::format::{MergeOrder, TokenType, Vocabulary, byte_of};

use super::merging::{Joined, Ranks, merge};
use super::tokens::Tokens;

/// The character that stands for a space in the tokens (U+2581).
pub(super) const SPACE: char = '▁';

#[derive(Debug)]
pub(super) struct SentencePiece {
    order: Order,
    /// Unused tokens: merging may make them on its way, and those that are left are taken apart again.
    unused: HashSet<u32>,
    /// The token of each byte, for characters that no token spells.
    bytes: Vec<Option<u32>>,
    unknown: Option<u32>,
    add_space_prefix: bool,
    remove_extra_whitespaces: bool,
    /// Whether tokens merge within words only. Then each word is merged alone, and a text takes no more memory than its
    /// longest word.
    by_words: bool,
}

/// The order of merges, made from a [`MergeOrder`].
#[derive(Debug)]
enum Order {
    Scores(Vec<f32>),
    Ranks(Ranks),
}

impl SentencePiece {
    pub(super) fn new(vocabulary: &Vocabulary, order: &MergeOrder, tokens: &Tokens) -> Result<Self> {
        let mut unused = HashSet::new();
        let mut bytes = vec![None; 256];
        for (id, (token, kind)) in (0..).zip(vocabulary.tokens.iter().zip(&vocabulary.token_types)) {
            match kind {
                TokenType::Byte => {
                    let byte = byte_of(token).ok_or_else(|| {
                        Error::Tokenizer(format!("byte token {id} is \"{token}\"; expected <0x00> to <0xFF>"))
                    })?;
                    bytes[byte as usize] = Some(id);
                }
                TokenType::Unused => {
                    unused.insert(id);
                }
                _ => {}
            }
        }
        let order = match order {
            MergeOrder::Scores(scores) if scores.len() != tokens.len() => {
                return Err(Error::Tokenizer(format!("{} scores for {} tokens", scores.len(), tokens.len())));
            }
            // Adding zero makes -0.0 equal to 0.0, which `total_cmp` would tell apart.
            MergeOrder::Scores(scores) => Order::Scores(scores.iter().map(|score| score + 0.0).collect()),
            MergeOrder::Ranks(pairs) => Order::Ranks(ranks(tokens, pairs)?),
        };
        // An unused token is taken apart into the two parts that it was made of last, anywhere in the text. So a text
        // with unused tokens cannot be cut.
        let by_words = unused.is_empty() && !vocabulary.tokens.iter().any(|token| word_end(token) < token.len());
        Ok(Self {
            order,
            by_words,
            unused,
            bytes,
            unknown: vocabulary.unknown,
            add_space_prefix: vocabulary.add_space_prefix,
            remove_extra_whitespaces: vocabulary.remove_extra_whitespaces,
        })
    }

    pub(super) fn encode(&self, text: &str, tokens: &Tokens, ids: &mut Vec<u32>) -> Result<()> {
        let text = self.normalize(text);
        let mut previous_unknown = false;
        let mut rest = &text[..];
        while !rest.is_empty() {
            let (first, others) = rest.split_at(if self.by_words { word_end(rest) } else { rest.len() });
            self.merge_into(first, tokens, &mut previous_unknown, ids)?;
            rest = others;
        }
        Ok(())
    }

    fn merge_into(&self, text: &str, tokens: &Tokens, previous_unknown: &mut bool, ids: &mut Vec<u32>) -> Result<()> {
        // For each unused token that was made: the length of the first of its two parts.
        let mut made_of = HashMap::new();
        let merged = merge(
            text,
            |text| tokens.find(text),
            |left, right, merged| {
                let joined = match &self.order {
                    Order::Scores(scores) => tokens.find(merged).map(|id| Joined { id, score: scores[id as usize] }),
                    Order::Ranks(ranks) => ranks.join(left, right),
                }?;
                if self.unused.contains(&joined.id) {
                    made_of.insert(merged, left.len);
                }
                Some(joined)
            },
        );
        let merged: Vec<&str> = merged.map(|symbol| &text[symbol.start..symbol.start + symbol.len]).collect();
        for part in merged {
            self.push_ids(part, tokens, &made_of, previous_unknown, ids)?;
        }
        Ok(())
    }

    /// sentencepiece's normalizer with the identity map, as Llama's models were trained with.
    fn normalize(&self, text: &str) -> String {
        let mut normal = String::with_capacity(text.len() + 2 * text.len() / 8 + SPACE.len_utf8());
        let text = if self.remove_extra_whitespaces { text.trim_matches(' ') } else { text };
        if self.add_space_prefix && !text.is_empty() {
            normal.push(SPACE);
        }
        let mut after_space = false;
        for character in text.chars() {
            let space = character == ' ';
            if !(space && after_space && self.remove_extra_whitespaces) {
                normal.push(if space { SPACE } else { character });
            }
            after_space = space;
        }
        normal
    }

    /// Appends the ids of one merged stretch: its token, or the tokens of its bytes, or an unknown token. Stretches
    /// without a token that follow each other give one unknown token in all.
    fn push_ids(
        &self,
        text: &str,
        tokens: &Tokens,
        made_of: &HashMap<&str, usize>,
        previous_unknown: &mut bool,
        ids: &mut Vec<u32>,
    ) -> Result<()> {
        let mut parts = vec![text];
        while let Some(part) = parts.pop() {
            let token = tokens.find(part);
            if let Some(left) = made_of.get(part).filter(|_| token.is_some_and(|id| self.unused.contains(&id))) {
                let (left, right) = part.split_at(*left);
                parts.extend([right, left]);
                continue;
            }
            let spelled: Option<Vec<u32>> = match token {
                Some(id) => Some(vec![id]),
                None => part.bytes().map(|byte| self.bytes[byte as usize]).collect(),
            };
            match (spelled, self.unknown) {
                (Some(spelled), _) => {
                    ids.extend(spelled);
                    *previous_unknown = false;
                }
                (None, Some(unknown)) => {
                    if !*previous_unknown {
                        ids.push(unknown);
                    }
                    *previous_unknown = true;
                }
                (None, None) => {
                    return Err(Error::Tokenizer(format!(
                        "no token spells {part:?}, and the vocabulary has none for the unknown"
                    )));
                }
            }
        }
        Ok(())
    }
}

/// The end of the first word, in bytes: the first space behind a character that is none.
fn word_end(text: &str) -> usize {
    let mut within = false;
    for (at, character) in text.char_indices() {
        if within && character == SPACE {
            return at;
        }
        within |= character != SPACE;
    }
    text.len()
}

/// The ranks of a vocabulary's pairs, with the token that each merges into.
fn ranks(tokens: &Tokens, pairs: &[[u32; 2]]) -> Result<Ranks> {
    let mut merges = Vec::with_capacity(pairs.len());
    for (rank, pair @ [left, right]) in pairs.iter().enumerate() {
        let text = |id: u32| tokens.get(id).ok_or(Error::TokenId { id, vocabulary: tokens.len() });
        let merged = [text(*left)?, text(*right)?].concat();
        let id = tokens.find(&merged).ok_or_else(|| {
            Error::Tokenizer(format!("merge {rank} of the tokens {pair:?} gives \"{merged}\", which is no token"))
        })?;
        merges.push([*left, *right, id]);
    }
    Ok(Ranks::new(merges))
}
