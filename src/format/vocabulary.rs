//! A vocabulary: everything that a tokenizer is built from, in the same form for every file format.

use std::collections::{BTreeSet, HashSet};

/// Most tokens; the largest vocabulary in use has 262 144.
pub(super) const MAX_TOKENS: usize = 1 << 20;

/// Most merges; Llama 3 has 280 147.
pub(super) const MAX_MERGES: usize = 1 << 22;

/// Tokens that end a generation by their text, whatever type and ids a file gives them: llama.cpp's `special_eog_ids`
/// (`llama_vocab::impl::load` in `llama-vocab.cpp`), which collects them so because many files name only one.
const END_OF_GENERATION: [&str; 33] = [
    "<|eot_id|>",
    "<|eom_id|>",
    "<|end_of_text|>",
    "<|endoftext|>",
    "<|im_end|>",
    "<|end|>",
    "<|return|>",
    "<|call|>",
    "<|calls|>",
    "<|flush|>",
    "<end_of_turn>",
    "<turn|>",
    "<|tool_response>",
    "<end_of_utterance>",
    "</s>",
    "<eos>",
    "<EOT>",
    "_<EOT>",
    "[EOT]",
    "[EOS]",
    "[e~[",
    "<｜end▁of▁sentence｜>",
    // Tokens between files and repositories in training, and tokens that fill gaps in code.
    "<|fim_pad|>",
    "<fim-pad>",
    "<fim_pad>",
    "<PAD>",
    "[PAD]",
    "<|fim_repo|>",
    "<|repo_name|>",
    "<fim-repo>",
    "<REPO>",
    "<reponame>",
    "<|file_sep|>",
];

/// The data that a tokenizer is built from.
#[derive(Clone, Debug, PartialEq)]
pub struct Vocabulary {
    /// How text is cut and merged.
    pub kind: VocabularyKind,
    /// Text of each token, as the file has it.
    pub tokens: Vec<String>,
    /// Kind of each token.
    pub token_types: Vec<TokenType>,
    /// The beginning-of-text token.
    pub bos: Option<u32>,
    /// The end-of-text token that the file names.
    pub eos: Option<u32>,
    /// The token for text that the vocabulary cannot spell.
    pub unknown: Option<u32>,
    /// All ids that end a generation: `eos`, and tokens that are known by their text.
    pub end_of_generation: Vec<u32>,
    /// Whether a text begins with `bos`.
    pub add_bos: bool,
    /// Whether a space is put before the text (sentencepiece).
    pub add_space_prefix: bool,
    /// Whether spaces around the text go and runs of them become one (sentencepiece).
    pub remove_extra_whitespaces: bool,
}

impl Vocabulary {
    /// A vocabulary without tokens, for a model that is given ids and no texts: no text has ids, and no id prints
    /// anything.
    pub fn none() -> Self {
        Self {
            kind: VocabularyKind::SentencePiece { order: MergeOrder::Scores(Vec::new()) },
            tokens: Vec::new(),
            token_types: Vec::new(),
            bos: None,
            eos: None,
            unknown: None,
            end_of_generation: Vec::new(),
            add_bos: false,
            add_space_prefix: false,
            remove_extra_whitespaces: false,
        }
    }
}

/// The two tokenizer families of Llama models.
#[derive(Clone, Debug, PartialEq)]
pub enum VocabularyKind {
    /// Byte-level BPE (`gpt2`).
    ByteLevelBpe {
        /// Patterns that cut a text into words, as [`PreTokenizer::split`](super::PreTokenizer::split) has them.
        split: &'static [&'static str],
        /// Pairs in order of rank, each "left right".
        merges: Vec<String>,
        /// Whether a stretch of text that is a token as a whole becomes it, also where no merges lead there. Llama 3's
        /// own tokenizer does so, and 588 of its tokens are reached in no other way.
        ignore_merges: bool,
    },
    /// sentencepiece BPE with byte fallback (`llama`).
    SentencePiece {
        /// Which neighbours merge first.
        order: MergeOrder,
    },
}

/// The rule that decides which neighbours merge first; of equals, the leftmost do.
#[derive(Clone, Debug, PartialEq)]
pub enum MergeOrder {
    /// A score per token: two neighbours merge where their joined text is a token, the highest score first. This is
    /// sentencepiece's own rule.
    Scores(Vec<f32>),
    /// Ids of left and right neighbour in order of rank: only these pairs merge, in this order. This is the rule of
    /// `tokenizer.json`.
    Ranks(Vec<[u32; 2]>),
}

/// llama.cpp's token kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenType {
    /// Plain text.
    Normal,
    /// The token for text that cannot be spelled.
    Unknown,
    /// Never printed, never parsed from user text.
    Control,
    /// Added by a user: matched before anything else.
    UserDefined,
    /// A reserved id.
    Unused,
    /// One raw byte, `<0x41>`.
    Byte,
}

impl TokenType {
    /// The type that GGUF and sentencepiece write as this number.
    pub(super) fn from_number(number: i64) -> Option<Self> {
        Some(match number {
            1 => Self::Normal,
            2 => Self::Unknown,
            3 => Self::Control,
            4 => Self::UserDefined,
            5 => Self::Unused,
            6 => Self::Byte,
            _ => return None,
        })
    }
}

/// Whether a merge is two tokens with one space between.
pub(super) fn is_merge(merge: &str) -> bool {
    merge.split_once(' ').is_some_and(|(left, right)| !left.is_empty() && !right.is_empty() && !right.contains(' '))
}

/// The byte that a token `<0x41>` stands for.
pub(crate) fn byte_of(token: &str) -> Option<u8> {
    let digits = token.strip_prefix("<0x")?.strip_suffix('>')?;
    // `from_str_radix` takes a sign too.
    let digits = Some(digits).filter(|digits| digits.len() == 2 && !digits.starts_with('+'))?;
    u8::from_str_radix(digits, 16).ok()
}

/// Finds byte tokens that lost their type: in a sentencepiece vocabulary `<0x0A>` is the byte, as in llama.cpp, unless
/// another token is of that type.
pub(super) fn find_bytes(tokens: &[String], types: &mut [TokenType]) {
    let mut known = [false; 256];
    for (token, kind) in tokens.iter().zip(&*types) {
        if let Some(byte) = byte_of(token).filter(|_| *kind == TokenType::Byte) {
            known[usize::from(byte)] = true;
        }
    }
    for (token, kind) in tokens.iter().zip(types) {
        if byte_of(token).is_some_and(|byte| !known[usize::from(byte)]) {
            *kind = TokenType::Byte;
        }
    }
}

/// The ids that a file names for special purposes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Named<'a> {
    /// Those that end a generation, the most usual first.
    pub(super) ends: &'a [Option<u32>],
    /// Beginning of text.
    pub(super) bos: Option<u32>,
}

/// All ids that end a generation, each once: those that a file names as such, in its order; BOS where it is a control
/// token; and those found by text, which become control tokens as in llama.cpp.
///
/// BOS is among them because a model that writes it has begun another text, and so models trained on concatenated texts
/// (llama2.c's, which GGUF carries with `eos` = 2) say that they are done. But many files name an ordinary token as
/// BOS.
///
/// A text that the `merges` of a byte-level vocabulary lead to was learned as text, such as `</s>` in Qwen's, and ends
/// nothing unless the file types it as control token.
pub(super) fn end_of_generation(
    tokens: &[String],
    named: Named<'_>,
    merges: &[String],
    types: &mut [TokenType],
) -> Vec<u32> {
    let ends = |token: &String| END_OF_GENERATION.contains(&token.as_str());
    let mut found: Vec<u32> = (0..).zip(tokens).filter(|(_, token)| ends(token)).map(|(id, _)| id).collect();
    if found.iter().any(|id| types[*id as usize] == TokenType::Normal) {
        let merged: HashSet<String> = merges.iter().map(|merge| merge.replacen(' ', "", 1)).filter(ends).collect();
        found.retain(|id| types[*id as usize] != TokenType::Normal || !merged.contains(&tokens[*id as usize]));
    }
    // In a vocabulary with these tokens, `<|end|>` ends a part of an answer and not the answer (`o200k_harmony`,
    // Solar).
    let has = |text: &str| found.iter().any(|id| tokens[*id as usize] == text);
    if (has("<|call|>") || has("<|calls|>")) && (has("<|return|>") || has("<|flush|>")) {
        found.retain(|id| tokens[*id as usize] != "<|end|>");
    }
    for id in &found {
        types[*id as usize] = TokenType::Control;
    }
    let mut ids: Vec<u32> = named.ends.iter().copied().flatten().collect();
    ids.extend(named.bos.filter(|id| types.get(*id as usize) == Some(&TokenType::Control)));
    ids.extend(found);
    let mut seen = BTreeSet::new();
    ids.retain(|id| seen.insert(*id));
    ids
}
