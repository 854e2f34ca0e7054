//! Text to token ids and back, for both tokenizer families of Llama models.

mod byte_level;
mod decoder;
mod merging;
mod pieces;
mod sentence_piece;
mod sentinel;
mod tokens;

use std::collections::HashMap;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::format::{TokenType, Vocabulary, VocabularyKind};

use byte_level::ByteLevel;
pub use decoder::Decoder;
use pieces::Pieces;
use sentence_piece::SentencePiece;
use tokens::Tokens;

/// How a text is encoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Encode {
    /// Puts the beginning-of-text token first, where the vocabulary asks for one.
    pub bos: bool,
    /// Finds control tokens that the text spells (`<|eot_id|>`), and the unknown token (`<unk>`). It is off for text
    /// that a user typed, so that the text cannot pretend to be structure.
    pub special: bool,
}

/// A tokenizer: byte-level BPE, as Llama 3 has it, or sentencepiece's BPE, as Llama 2 has it.
#[derive(Debug)]
pub struct Tokenizer {
    family: Family,
    pieces: Arc<Pieces>,
    tokens: Tokens,
    special: SpecialTexts,
    bos: Option<u32>,
    eos: Option<u32>,
    add_bos: bool,
    end_of_generation: Vec<u32>,
}

#[derive(Debug)]
enum Family {
    ByteLevel(Box<ByteLevel>),
    SentencePiece(Box<SentencePiece>),
}

impl Tokenizer {
    /// Builds the tokenizer of a vocabulary. Llama 3's 128 256 tokens take a fraction of a second.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] where lengths or ids of the vocabulary contradict each other, or a merge names a token that
    /// does not exist.
    pub fn from_vocabulary(vocabulary: &Vocabulary) -> Result<Self> {
        let count = vocabulary.tokens.len();
        if vocabulary.token_types.len() != count {
            return Err(Error::Tokenizer(format!("{} token types for {count} tokens", vocabulary.token_types.len())));
        }
        let ids = [vocabulary.bos, vocabulary.eos, vocabulary.unknown].into_iter().flatten();
        if let Some(id) = ids.chain(vocabulary.end_of_generation.iter().copied()).find(|id| *id as usize >= count) {
            return Err(Error::TokenId { id, vocabulary: count });
        }
        let tokens = Tokens::new(vocabulary)?;
        let family = match &vocabulary.kind {
            VocabularyKind::ByteLevelBpe { split, merges, ignore_merges } => {
                Family::ByteLevel(Box::new(ByteLevel::new(vocabulary, &tokens, split, merges, *ignore_merges)?))
            }
            VocabularyKind::SentencePiece { order } => {
                Family::SentencePiece(Box::new(SentencePiece::new(vocabulary, order, &tokens)?))
            }
        };
        Ok(Self {
            family,
            pieces: Arc::new(Pieces::new(vocabulary)),
            tokens,
            special: SpecialTexts::new(&vocabulary.tokens, &vocabulary.token_types),
            bos: vocabulary.bos,
            eos: vocabulary.eos,
            add_bos: vocabulary.add_bos,
            end_of_generation: vocabulary.end_of_generation.clone(),
        })
    }

    /// The ids of a text. With [`Encode::bos`] they begin with exactly one beginning-of-text token where the vocabulary
    /// asks for one, also where [`Encode::special`] finds that token at the beginning of the text.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] where the vocabulary cannot spell a character and has no unknown token.
    pub fn encode(&self, text: &str, options: Encode) -> Result<Vec<u32>> {
        let mut ids = Vec::new();
        if options.bos && self.add_bos {
            ids.extend(self.bos);
        }
        self.extend(&mut ids, text, options.special, None)?;
        Ok(ids)
    }

    /// The words that a text is cut into before anything merges; tokens merge within a word only. Control tokens are
    /// taken for plain text. A sentencepiece tokenizer takes the whole text for one word.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] where the `tokenizers` crate fails.
    pub fn words(&self, text: &str) -> Result<Vec<String>> {
        match &self.family {
            Family::ByteLevel(family) => family.words(text),
            Family::SentencePiece(_) => Ok(vec![text.to_owned()]),
        }
    }

    /// The ids of a rendered chat template. Control tokens are found where no sentinel stands before or in them.
    /// Sentinels are left out of the ids.
    pub(crate) fn encode_guarded(&self, text: &str, sentinel: char) -> Result<Vec<u32>> {
        let mut ids: Vec<u32> = self.bos.filter(|_| self.add_bos).into_iter().collect();
        self.extend(&mut ids, text, true, Some(sentinel))?;
        Ok(ids)
    }

    /// A user's text with sentinels, so that [`Self::encode_guarded`] finds no control token in it.
    pub(crate) fn guard(&self, text: &str, sentinel: char) -> String {
        self.special.guard(text, sentinel)
    }

    /// The texts of all control tokens.
    pub(crate) fn control_texts(&self) -> impl Iterator<Item = &str> {
        self.special.control()
    }

    /// Appends the ids of a text. A beginning-of-text token that the text begins with is not repeated.
    fn extend(&self, ids: &mut Vec<u32>, text: &str, special: bool, sentinel: Option<char>) -> Result<()> {
        for (index, fragment) in self.special.split(text, special, sentinel).into_iter().enumerate() {
            match (fragment, sentinel, &self.family) {
                (Fragment::Token(id), ..) if index == 0 && ids.first() == Some(&id) => {}
                (Fragment::Token(id), ..) => ids.push(id),
                // A user-defined token may have a sentinel in it, and is then found once the sentinels are gone.
                (Fragment::Text(text), Some(sentinel), _) if text.contains(sentinel) => {
                    self.extend(ids, &text.replace(sentinel, ""), false, None)?;
                }
                (Fragment::Text(text), _, Family::ByteLevel(family)) => family.encode(text, &self.tokens, ids)?,
                (Fragment::Text(text), _, Family::SentencePiece(family)) => family.encode(text, &self.tokens, ids)?,
            }
        }
        Ok(())
    }

    /// The text of ids. Control tokens print nothing, and invalid UTF-8 becomes U+FFFD as in
    /// [`String::from_utf8_lossy`]. The space that a sentencepiece vocabulary puts before a text is left out.
    pub fn decode(&self, ids: &[u32]) -> String {
        let mut decoder = self.decoder_at_start();
        let mut text: String = ids.iter().map(|id| decoder.push(*id)).collect();
        text.push_str(&decoder.finish());
        text
    }

    /// A decoder for the continuation of a text: the first token `▁was` gives ` was`.
    pub fn decoder(&self) -> Decoder {
        Decoder::new(Arc::clone(&self.pieces), false)
    }

    /// A decoder for a text from its beginning: the first token `▁Once` gives `Once`, where the vocabulary puts that
    /// space there.
    pub fn decoder_at_start(&self) -> Decoder {
        Decoder::new(Arc::clone(&self.pieces), self.pieces.begins_with_space())
    }

    /// The number of ids: they run from 0 to this number, exclusive.
    pub fn vocabulary_size(&self) -> usize {
        self.tokens.len()
    }

    /// The beginning-of-text token, also where [`Self::encode`] does not add it.
    pub fn bos(&self) -> Option<u32> {
        self.bos
    }

    /// The end-of-text token that the vocabulary names.
    pub fn eos(&self) -> Option<u32> {
        self.eos
    }

    /// The first token with this text in the vocabulary's own spelling, such as `<|eot_id|>`.
    pub fn token_id(&self, token: &str) -> Option<u32> {
        (0..self.tokens.len() as u32).find(|id| self.tokens.get(*id) == Some(token))
    }

    /// A token in the vocabulary's own spelling; `None` outside the vocabulary.
    pub(crate) fn token(&self, id: u32) -> Option<&str> {
        self.tokens.get(id)
    }

    /// Whether this token ends a generation.
    pub fn is_end_of_generation(&self, id: u32) -> bool {
        self.end_of_generation.contains(&id)
    }

    /// All tokens that end a generation.
    pub fn end_of_generation(&self) -> &[u32] {
        &self.end_of_generation
    }

    /// A token for display: control tokens by name (`<|eot_id|>`), everything else as the text it prints, with U+FFFD
    /// for bytes that are no whole character. `None` outside the vocabulary.
    pub fn token_text(&self, id: u32) -> Option<String> {
        let token = self.tokens.get(id)?;
        let bytes = self.pieces.get(id);
        Some(if bytes.is_empty() { token.to_owned() } else { String::from_utf8_lossy(bytes).into_owned() })
    }

    /// The bytes that a token prints: none for control tokens, or outside the vocabulary.
    pub fn token_bytes(&self, id: u32) -> Vec<u8> {
        self.pieces.get(id).to_vec()
    }
}

/// A stretch of text between tokens that are matched as they are written.
enum Fragment<'a> {
    Text(&'a str),
    Token(u32),
}

/// Tokens that are found in a text by their own text, before anything is split or merged.
#[derive(Debug)]
struct SpecialTexts {
    /// By first byte, longest first: text, id, and whether it is a user's own token, which always counts.
    by_first_byte: HashMap<u8, Vec<(String, u32, bool)>>,
}

impl SpecialTexts {
    fn new(tokens: &[String], types: &[TokenType]) -> Self {
        let mut by_first_byte: HashMap<u8, Vec<_>> = HashMap::new();
        for (id, (token, kind)) in tokens.iter().zip(types).enumerate() {
            let always = *kind == TokenType::UserDefined;
            if !(always || matches!(kind, TokenType::Control | TokenType::Unknown)) {
                continue;
            }
            if let Some(first) = token.bytes().next() {
                by_first_byte.entry(first).or_default().push((token.clone(), id as u32, always));
            }
        }
        for candidates in by_first_byte.values_mut() {
            candidates.sort_by_key(|(token, ..)| std::cmp::Reverse(token.len()));
        }
        Self { by_first_byte }
    }

    /// Cuts a text at the leftmost, longest tokens. A control token behind a sentinel is text.
    fn split<'a>(&self, text: &'a str, control: bool, sentinel: Option<char>) -> Vec<Fragment<'a>> {
        let mut fragments = Vec::new();
        let mut start = 0;
        let mut at = 0;
        while at < text.len() {
            let rest = &text.as_bytes()[at..];
            let control = control
                && !sentinel.is_some_and(|sentinel| text.is_char_boundary(at) && text[..at].ends_with(sentinel));
            let found = self.by_first_byte.get(&rest[0]).and_then(|candidates| {
                candidates.iter().find(|(token, _, always)| (control || *always) && rest.starts_with(token.as_bytes()))
            });
            // A token is whole UTF-8, so where one begins in UTF-8 there is a boundary, and where it ends too.
            if let Some((token, id, _)) = found {
                if start < at {
                    fragments.push(Fragment::Text(&text[start..at]));
                }
                fragments.push(Fragment::Token(*id));
                at += token.len();
                start = at;
            } else {
                at += 1;
            }
        }
        if start < at {
            fragments.push(Fragment::Text(&text[start..at]));
        }
        fragments
    }
}
