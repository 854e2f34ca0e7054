//! sentencepiece's BPE: merge the adjacent pair whose text has the highest score, leftmost first, until none is left.
//! The algorithm is `bpe_model.cc` of google/sentencepiece, and `llm_tokenizer_spm` of llama.cpp.
//!
//! A `tokenizer.json` has ranked pairs instead. The two are not the same: a rank belongs to a pair and a score to the
//! merged text, so `aaa` + `a` and `a` + `aaa` tie with scores and not with ranks. Each file is taken at its word.

use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, HashMap};

use crate::error::{Error, Result};
use crate::format::{MergeOrder, TokenType, Vocabulary, byte_of};

/// What stands for a space (U+2581).
pub(super) const SPACE: char = '▁';

/// A piece of the vocabulary that text can become.
#[derive(Clone, Copy, Debug)]
struct Piece {
    id: u32,
    score: f32,
    /// May be passed through by merging, but not stay.
    unused: bool,
}

#[derive(Debug)]
pub(super) struct SentencePiece {
    pieces: HashMap<String, Piece>,
    /// What two tokens become, where pairs are ranked; the score is the rank below zero.
    ranks: Option<HashMap<[u32; 2], Piece>>,
    /// The token of each byte, for characters that no piece spells.
    bytes: Vec<Option<u32>>,
    unknown: Option<u32>,
    add_space_prefix: bool,
    remove_extra_whitespaces: bool,
}

/// A stretch of the text, linked to its neighbours; an empty one was merged into the one on its left.
#[derive(Clone, Copy)]
struct Symbol {
    start: usize,
    len: usize,
    /// The token it is, if it is one.
    id: Option<u32>,
    previous: Option<usize>,
    next: Option<usize>,
}

/// Two neighbours that may merge. It is stale once either has changed, which its length tells.
struct Merge {
    score: f32,
    id: u32,
    left: usize,
    right: usize,
    len: usize,
}

impl Ord for Merge {
    fn cmp(&self, other: &Self) -> Ordering {
        self.score.total_cmp(&other.score).then(Reverse(self.left).cmp(&Reverse(other.left)))
    }
}

impl PartialOrd for Merge {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Merge {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Merge {}

impl SentencePiece {
    pub(super) fn new(vocabulary: &Vocabulary, order: &MergeOrder) -> Result<Self> {
        let count = vocabulary.tokens.len();
        let score_of = |id: usize| match order {
            // Adding zero makes -0.0 equal to 0.0, which `total_cmp` would tell apart.
            MergeOrder::Scores(scores) => scores[id] + 0.0,
            MergeOrder::Ranks(_) => 0.0,
        };
        match order {
            MergeOrder::Scores(scores) if scores.len() != count => {
                return Err(Error::Tokenizer(format!("{} scores for {count} tokens", scores.len())));
            }
            _ => {}
        }
        let mut pieces = HashMap::new();
        let mut bytes = vec![None; 256];
        for (id, token) in vocabulary.tokens.iter().enumerate() {
            let kind = vocabulary.token_types[id];
            match kind {
                TokenType::Byte => {
                    let byte = byte_of(token).ok_or_else(|| {
                        Error::Tokenizer(format!("byte token {id} is \"{token}\"; expected <0x00> to <0xFF>"))
                    })?;
                    bytes[byte as usize] = Some(id as u32);
                }
                TokenType::Normal | TokenType::Unused if !token.is_empty() => {
                    let piece = Piece { id: id as u32, score: score_of(id), unused: kind == TokenType::Unused };
                    pieces.entry(token.clone()).or_insert(piece);
                }
                _ => {}
            }
        }
        let ranks = match order {
            MergeOrder::Scores(_) => None,
            MergeOrder::Ranks(pairs) => Some(ranks(vocabulary, &pieces, pairs)?),
        };
        Ok(Self {
            pieces,
            ranks,
            bytes,
            unknown: vocabulary.unknown,
            add_space_prefix: vocabulary.add_space_prefix,
            remove_extra_whitespaces: vocabulary.remove_extra_whitespaces,
        })
    }

    pub(super) fn encode(&self, text: &str, ids: &mut Vec<u32>) -> Result<()> {
        let text = self.normalize(text);
        let (symbols, made_of) = self.merge(&text);
        let mut previous_unknown = false;
        let mut index = (!symbols.is_empty()).then_some(0);
        while let Some(symbol) = index.map(|index| symbols[index]) {
            self.push_ids(&text[symbol.start..symbol.start + symbol.len], &made_of, &mut previous_unknown, ids)?;
            index = symbol.next;
        }
        Ok(())
    }

    /// sentencepiece's normalizer with the identity map, which is what Llama's models were trained with.
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

    /// Merges until nothing merges; also says of which two parts each unused piece was made.
    fn merge<'t>(&self, text: &'t str) -> (Vec<Symbol>, HashMap<&'t str, usize>) {
        let mut symbols: Vec<Symbol> = Vec::with_capacity(text.len());
        for (start, character) in text.char_indices() {
            let index = symbols.len();
            if let Some(before) = symbols.last_mut() {
                before.next = Some(index);
            }
            let len = character.len_utf8();
            let id = self.pieces.get(&text[start..start + len]).map(|piece| piece.id);
            symbols.push(Symbol { start, len, id, previous: index.checked_sub(1), next: None });
        }
        let mut made_of = HashMap::new();
        let mut queue = BinaryHeap::new();
        for right in 1..symbols.len() {
            self.offer(text, &symbols, right - 1, right, &mut made_of, &mut queue);
        }
        while let Some(merge) = queue.pop() {
            let (left, right) = (symbols[merge.left], symbols[merge.right]);
            if left.len == 0 || right.len == 0 || left.len + right.len != merge.len {
                continue;
            }
            symbols[merge.left] = Symbol { len: merge.len, id: Some(merge.id), next: right.next, ..left };
            symbols[merge.right].len = 0;
            if let Some(next) = right.next {
                symbols[next].previous = Some(merge.left);
                self.offer(text, &symbols, merge.left, next, &mut made_of, &mut queue);
            }
            if let Some(previous) = left.previous {
                self.offer(text, &symbols, previous, merge.left, &mut made_of, &mut queue);
            }
        }
        (symbols, made_of)
    }

    fn offer<'t>(
        &self,
        text: &'t str,
        symbols: &[Symbol],
        left: usize,
        right: usize,
        made_of: &mut HashMap<&'t str, usize>,
        queue: &mut BinaryHeap<Merge>,
    ) {
        let (first, second) = (symbols[left], symbols[right]);
        let len = first.len + second.len;
        let merged = &text[first.start..first.start + len];
        let piece = match &self.ranks {
            None => self.pieces.get(merged),
            Some(ranks) => first.id.zip(second.id).and_then(|(first, second)| ranks.get(&[first, second])),
        };
        if let Some(piece) = piece {
            queue.push(Merge { score: piece.score, id: piece.id, left, right, len });
            if piece.unused {
                made_of.insert(merged, first.len);
            }
        }
    }

    /// The ids of one merged stretch: its piece, or its bytes, or one unknown token for a run of such.
    fn push_ids(
        &self,
        text: &str,
        made_of: &HashMap<&str, usize>,
        previous_unknown: &mut bool,
        ids: &mut Vec<u32>,
    ) -> Result<()> {
        let mut parts = vec![text];
        while let Some(part) = parts.pop() {
            let piece = self.pieces.get(part);
            if let Some(left) = made_of.get(part).filter(|_| piece.is_some_and(|piece| piece.unused)) {
                let (left, right) = part.split_at(*left);
                parts.extend([right, left]);
                continue;
            }
            let spelled: Option<Vec<u32>> = match piece {
                Some(piece) => Some(vec![piece.id]),
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

/// What each ranked pair becomes; where one appears twice its last rank counts, as in the `tokenizers` crate.
fn ranks(
    vocabulary: &Vocabulary,
    pieces: &HashMap<String, Piece>,
    pairs: &[[u32; 2]],
) -> Result<HashMap<[u32; 2], Piece>> {
    let mut ranks = HashMap::with_capacity(pairs.len());
    for (rank, pair) in pairs.iter().enumerate() {
        let mut merged = String::new();
        for id in pair {
            let count = vocabulary.tokens.len();
            merged.push_str(vocabulary.tokens.get(*id as usize).ok_or(Error::TokenId { id: *id, vocabulary: count })?);
        }
        let piece = pieces.get(&merged).ok_or_else(|| {
            Error::Tokenizer(format!("merge {rank} of the tokens {pair:?} gives \"{merged}\", which is no token"))
        })?;
        // An f32 holds ranks up to 2^24 exactly, and parsers stop at 2^22.
        ranks.insert(*pair, Piece { score: -(rank as f32), ..*piece });
    }
    Ok(ranks)
}
