//! sentencepiece's `tokenizer.model`, as of Llama 2: the fields of `sentencepiece_model.proto` that decide about ids.

use std::collections::HashSet;

use crate::error::{Error, Result};
use crate::format::vocabulary::{MAX_TOKENS, Named, end_of_generation};
use crate::format::{MergeOrder, TokenType, Vocabulary, VocabularyKind, byte_of};

use super::{shown, unsupported};

/// The name of this format in messages.
const FORMAT: &str = "sentencepiece";

/// Whether the first field is a piece: every file of this format begins so.
pub(super) fn is(bytes: &[u8]) -> bool {
    bytes.first() == Some(&0x0A)
}

/// A value as protobuf carries it.
#[derive(Clone, Copy, Debug)]
enum Value<'a> {
    Number(u64),
    Float(f32),
    Wide,
    Bytes(&'a [u8]),
}

/// A protobuf message: fields in any order, each as often as it likes.
struct Message<'a> {
    /// Its name in messages.
    what: &'static str,
    rest: &'a [u8],
}

impl<'a> Message<'a> {
    fn new(what: &'static str, bytes: &'a [u8]) -> Self {
        Self { what, rest: bytes }
    }

    fn take(&mut self, len: u64) -> Result<&'a [u8], String> {
        let left = self.rest.len();
        let len = usize::try_from(len).ok().filter(|len| *len <= left);
        let (taken, rest) = self.rest.split_at(len.ok_or_else(|| self.cut_off())?);
        self.rest = rest;
        Ok(taken)
    }

    fn cut_off(&self) -> String {
        format!("{} is cut off: a field passes its end", self.what)
    }

    fn varint(&mut self) -> Result<u64, String> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            value |= u64::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(format!("{} has a number of more than ten bytes", self.what))
    }

    /// Number and value of the next field, or `None` at the end.
    fn next(&mut self) -> Result<Option<(u64, Value<'a>)>, String> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let value = match tag & 7 {
            0 => Value::Number(self.varint()?),
            1 => self.take(8).map(|_| Value::Wide)?,
            2 => {
                let len = self.varint()?;
                Value::Bytes(self.take(len)?)
            }
            5 => {
                let bytes = self.take(4)?;
                Value::Float(f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
            }
            other => return Err(format!("{} has a field of wire type {other}", self.what)),
        };
        Ok(Some((tag >> 3, value)))
    }
}

/// `TrainerSpec` and `NormalizerSpec`, with their defaults.
struct Settings {
    /// 1 unigram, 2 BPE, 3 word, 4 character.
    model_type: u64,
    byte_fallback: bool,
    space_as_suffix: bool,
    bos: i32,
    eos: i32,
    normalization_bytes: usize,
    add_space_prefix: bool,
    remove_extra_whitespaces: bool,
    escape_whitespaces: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            model_type: 1,
            byte_fallback: false,
            space_as_suffix: false,
            bos: 1,
            eos: 2,
            normalization_bytes: 0,
            add_space_prefix: true,
            remove_extra_whitespaces: true,
            escape_whitespaces: true,
        }
    }
}

impl Settings {
    fn read_trainer(&mut self, bytes: &[u8]) -> Result<(), String> {
        let mut message = Message::new("its TrainerSpec", bytes);
        while let Some(field) = message.next()? {
            match field {
                (3, Value::Number(value)) => self.model_type = value,
                (24, Value::Number(value)) => self.space_as_suffix = value != 0,
                (35, Value::Number(value)) => self.byte_fallback = value != 0,
                // Negative numbers are written in 64 bits.
                (41, Value::Number(value)) => self.bos = value as i32,
                (42, Value::Number(value)) => self.eos = value as i32,
                _ => {}
            }
        }
        Ok(())
    }

    fn read_normalizer(&mut self, bytes: &[u8]) -> Result<(), String> {
        let mut message = Message::new("its NormalizerSpec", bytes);
        while let Some(field) = message.next()? {
            match field {
                (2, Value::Bytes(map)) => self.normalization_bytes = map.len(),
                (3, Value::Number(value)) => self.add_space_prefix = value != 0,
                (4, Value::Number(value)) => self.remove_extra_whitespaces = value != 0,
                (5, Value::Number(value)) => self.escape_whitespaces = value != 0,
                _ => {}
            }
        }
        Ok(())
    }

    /// A setting that this engine's tokenizer does not have, in words, or `None`.
    fn unsupported(&self) -> Option<String> {
        if self.model_type != 2 {
            let name = match self.model_type {
                1 => "unigram",
                3 => "word",
                4 => "char",
                _ => "unknown",
            };
            return Some(format!("it is of model type {} ({name}); supported is 2 (BPE)", self.model_type));
        }
        if self.normalization_bytes > 0 {
            let reason = "supported is the identity, which has none";
            return Some(format!("it normalizes text by a map of {} bytes; {reason}", self.normalization_bytes));
        }
        if self.space_as_suffix {
            return Some("it treats white space as a suffix; supported is a prefix".to_owned());
        }
        (!self.escape_whitespaces).then(|| "it does not escape white space; supported is with U+2581".to_owned())
    }
}

pub(super) fn parse(name: &str, bytes: &[u8]) -> Result<Vocabulary> {
    let malformed = |reason: String| Error::Malformed { name: name.to_owned(), format: FORMAT, reason };
    let mut pieces = Pieces::default();
    let mut settings = Settings::default();
    let mut message = Message::new("it", bytes);
    while let Some(field) = message.next().map_err(malformed)? {
        match field {
            (1, Value::Bytes(_)) if pieces.tokens.len() == MAX_TOKENS => {
                return Err(malformed(format!("it has more than {MAX_TOKENS} pieces")));
            }
            (1, Value::Bytes(piece)) => pieces.read(piece).map_err(malformed)?,
            (2, Value::Bytes(trainer)) => settings.read_trainer(trainer).map_err(malformed)?,
            (3, Value::Bytes(normalizer)) => settings.read_normalizer(normalizer).map_err(malformed)?,
            _ => {}
        }
    }
    if let Some(reason) = settings.unsupported() {
        return Err(unsupported(name, reason));
    }
    if let Some(id) = pieces.types.iter().position(|kind| *kind == TokenType::UserDefined) {
        let text = shown(&pieces.tokens[id]);
        return Err(unsupported(name, format!("piece {id}, {text}, is user-defined, which is not supported")));
    }
    pieces.check(settings.byte_fallback).map_err(malformed)?;
    let Pieces { tokens, scores, mut types } = pieces;
    let named = |what: &str, id: i32| match usize::try_from(id) {
        // -1 says that there is none.
        Err(_) => Ok(None),
        Ok(index) if types.get(index) == Some(&TokenType::Control) => Ok(Some(id as u32)),
        Ok(_) => Err(malformed(format!("its {what} is {id}, which is no control piece of its {}", tokens.len()))),
    };
    let (bos, eos) = (named("bos_id", settings.bos)?, named("eos_id", settings.eos)?);
    let unknown = types.iter().position(|kind| *kind == TokenType::Unknown).map(|id| id as u32);
    let end_of_generation = end_of_generation(&tokens, Named { ends: &[eos], bos }, &[], &mut types);
    Ok(Vocabulary {
        kind: VocabularyKind::SentencePiece { order: MergeOrder::Scores(scores) },
        tokens,
        token_types: types,
        bos,
        eos,
        unknown,
        end_of_generation,
        // The file does not say it; Meta's `tokenizer.py` of Llama 2 begins with BOS, and so do llama.cpp's
        // conversions.
        add_bos: true,
        add_space_prefix: settings.add_space_prefix,
        remove_extra_whitespaces: settings.remove_extra_whitespaces,
    })
}

#[derive(Default)]
struct Pieces {
    tokens: Vec<String>,
    scores: Vec<f32>,
    types: Vec<TokenType>,
}

impl Pieces {
    fn read(&mut self, bytes: &[u8]) -> Result<(), String> {
        let id = self.tokens.len();
        let (mut text, mut score, mut kind) = (&[][..], 0.0, 1);
        let mut message = Message::new("a piece", bytes);
        while let Some(field) = message.next().map_err(|reason| format!("at piece {id}, {reason}"))? {
            match field {
                (1, Value::Bytes(value)) => text = value,
                (2, Value::Float(value)) => score = value,
                (3, Value::Number(value)) => kind = value,
                _ => {}
            }
        }
        let text = std::str::from_utf8(text).map_err(|error| format!("piece {id} is not UTF-8: {error}"))?;
        if text.is_empty() {
            return Err(format!("piece {id} is empty"));
        }
        if score.is_nan() {
            return Err(format!("the score of piece {id}, {}, is not a number", shown(text)));
        }
        let kind = i64::try_from(kind).ok().and_then(TokenType::from_number);
        self.types.push(kind.ok_or_else(|| format!("piece {id}, {}, has no type from 1 to 6", shown(text)))?);
        self.scores.push(score);
        self.tokens.push(text.to_owned());
        Ok(())
    }

    /// Checks the pieces as sentencepiece does (`ModelInterface::InitializePieces`).
    fn check(&self, byte_fallback: bool) -> Result<(), String> {
        let mut seen = HashSet::with_capacity(self.tokens.len());
        if let Some(twice) = self.tokens.iter().find(|token| !seen.insert(token.as_str())) {
            return Err(format!("the piece {} appears twice", shown(twice)));
        }
        let count = |wanted| self.types.iter().filter(|kind| **kind == wanted).count();
        if count(TokenType::Unknown) != 1 {
            return Err(format!("it has {} unknown pieces; expected one", count(TokenType::Unknown)));
        }
        let bytes = self.tokens.iter().zip(&self.types).filter(|(_, kind)| **kind == TokenType::Byte);
        if let Some((token, _)) = bytes.clone().find(|(token, _)| byte_of(token).is_none()) {
            return Err(format!("the byte piece {} is none of <0x00> to <0xFF>", shown(token)));
        }
        let expected = if byte_fallback { 256 } else { 0 };
        if bytes.count() != expected {
            return Err(format!("it has {} byte pieces; expected {expected}", count(TokenType::Byte)));
        }
        Ok(())
    }
}
