//! What a tokenizer is built from, whatever file it came in.

use std::collections::BTreeSet;

/// Most tokens; the largest vocabulary in use has 262 144.
pub(super) const MAX_TOKENS: usize = 1 << 20;

/// Most merges; Llama 3 has 280 147.
pub(super) const MAX_MERGES: usize = 1 << 22;

/// Llama 3's splitting, from Meta's `tokenizer.py`, verbatim.
pub(crate) const LLAMA_3_SPLIT: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// Tokens that end a generation, whatever the file says about them: llama.cpp's `special_eog_ids`
/// (`llama_vocab::impl::load` in `llama-vocab.cpp`), which collects them by text because many files name only one.
const END_OF_GENERATION: [&str; 15] = [
    "<|eot_id|>",
    "<|eom_id|>",
    "<|end_of_text|>",
    "<|endoftext|>",
    "<|im_end|>",
    "<|end|>",
    "<|return|>",
    "<|call|>",
    "<end_of_turn>",
    "<end_of_utterance>",
    "<EOT>",
    "_<EOT>",
    "[EOT]",
    "[EOS]",
    "<｜end▁of▁sentence｜>",
];

/// What a tokenizer is built from.
#[derive(Clone, Debug, PartialEq)]
pub struct Vocabulary {
    /// How text is cut and merged.
    pub kind: VocabularyKind,
    /// Text of each token, as the file has it.
    pub tokens: Vec<String>,
    /// Kind of each token.
    pub token_types: Vec<TokenType>,
    /// Put before every text when `add_bos`.
    pub bos: Option<u32>,
    /// The end-of-text token that the file names.
    pub eos: Option<u32>,
    /// Stands for what the vocabulary cannot spell.
    pub unknown: Option<u32>,
    /// All ids that end a generation: `eos`, and those known by their text.
    pub end_of_generation: Vec<u32>,
    /// Whether a text begins with `bos`.
    pub add_bos: bool,
    /// Whether a space is put before the text (sentencepiece).
    pub add_space_prefix: bool,
    /// Whether spaces around the text go and runs of them become one (sentencepiece).
    pub remove_extra_whitespaces: bool,
}

impl Vocabulary {
    /// A vocabulary without a token, for who works with ids alone: no text has ids in it, and no id prints anything.
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
    /// Byte-level BPE with Llama 3's pre-tokenizer (`gpt2` / `llama-bpe`).
    ByteLevelBpe {
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

/// What decides between neighbours that could merge, leftmost first among equals.
#[derive(Clone, Debug, PartialEq)]
pub enum MergeOrder {
    /// A score per token: two neighbours merge where their joined text is a token, the highest score first. This is
    /// sentencepiece's own rule.
    Scores(Vec<f32>),
    /// Ids of left and right neighbour in order of rank: only these pairs merge, the first first. This is the rule of
    /// `tokenizer.json`.
    Ranks(Vec<[u32; 2]>),
}

/// llama.cpp's token kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenType {
    /// Plain text.
    Normal,
    /// Stands for what cannot be spelled.
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
    /// The number that GGUF and sentencepiece write for it.
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

/// All ids that end a generation: those that a file `named`, in that order, and those found by text, which become control
/// tokens as in llama.cpp.
pub(super) fn end_of_generation(tokens: &[String], named: &[Option<u32>], types: &mut [TokenType]) -> Vec<u32> {
    let mut ids: Vec<u32> = named.iter().copied().flatten().collect();
    for (id, token) in tokens.iter().enumerate() {
        if END_OF_GENERATION.contains(&token.as_str()) {
            types[id] = TokenType::Control;
            ids.push(id as u32);
        }
    }
    let mut seen = BTreeSet::new();
    ids.retain(|id| seen.insert(*id));
    ids
}
