//! From bytes to typed metadata: bounds, lengths, text. Of models this file knows only that they have layers.
//!
//! A fault in a single value is found when the value is asked for: a value that nobody asks for refuses no file.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::arch::family::Arch;
use crate::error::{Error, Result, printable};

use super::FORMAT;

/// Deepest nesting of arrays; ggml itself writes no arrays of arrays.
const MAX_ARRAY_DEPTH: u32 = 4;

/// Longest key in bytes (`docs/gguf.md`).
const MAX_KEY_BYTES: usize = 65_535;

/// Most characters of an error, which may quote keys and texts of a file.
const MAX_REASON: usize = 500;

/// The key of an architecture for the number of its layers. Any other key of it may be an array with an element per
/// layer.
pub(super) const BLOCK_COUNT: &str = "block_count";

/// Most layers whose values a message shows.
const SHOWN_LAYERS: usize = 16;

/// Why a header could not be read to its end.
pub(super) enum Stop {
    /// The prefix is too short: this many bytes from the beginning of the file are needed, and the file has them.
    Need(u64),
    /// The header is wrong, or not supported.
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// A position in the first bytes of a file.
pub(super) struct Cursor<'a> {
    name: &'a str,
    prefix: &'a [u8],
    file_len: u64,
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(name: &'a str, prefix: &'a [u8], file_len: u64) -> Self {
        Self { name, prefix, file_len, at: 0 }
    }

    /// Bytes from the beginning of the file to the position.
    pub(super) fn position(&self) -> u64 {
        self.at as u64
    }

    pub(super) fn file_len(&self) -> u64 {
        self.file_len
    }

    pub(super) fn malformed(&self, reason: String) -> Stop {
        Stop::Failed(malformed(self.name, reason))
    }

    pub(super) fn unsupported(&self, reason: String) -> Stop {
        Stop::Failed(unsupported(self.name, reason))
    }

    /// Fails unless `count` things of at least `each` bytes fit into the rest of the file.
    fn check_room(&self, count: u64, each: u64, what: &str) -> Result<(), Stop> {
        let left = self.file_len - self.position();
        if count.checked_mul(each).is_some_and(|needed| needed <= left) {
            return Ok(());
        }
        let needed = if each == 1 { format!("{count} bytes") } else { format!("{count} times at least {each} bytes") };
        Err(self
            .malformed(format!("at byte {}, {what} needs {needed}, and {left} are left of {}", self.at, self.file_len)))
    }

    pub(super) fn take(&mut self, len: u64, what: &str) -> Result<&'a [u8], Stop> {
        self.check_room(len, 1, what)?;
        let end = self.position() + len;
        let Some(bytes) = usize::try_from(end).ok().and_then(|end| self.prefix.get(self.at..end)) else {
            return Err(Stop::Need(end));
        };
        self.at += bytes.len();
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N], Stop> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N as u64, what)?);
        Ok(array)
    }

    pub(super) fn u32(&mut self, what: &str) -> Result<u32, Stop> {
        Ok(u32::from_le_bytes(self.array(what)?))
    }

    pub(super) fn u64(&mut self, what: &str) -> Result<u64, Stop> {
        Ok(u64::from_le_bytes(self.array(what)?))
    }

    /// A length in 8 bytes, then that many bytes.
    fn bytes(&mut self, what: &str) -> Result<&'a [u8], Stop> {
        let len = self.u64(what)?;
        self.take(len, what)
    }

    /// A length in 8 bytes, then a text of that many bytes in UTF-8.
    pub(super) fn string(&mut self, what: &str) -> Result<&'a str, Stop> {
        let bytes = self.bytes(what)?;
        let start = self.at - bytes.len();
        std::str::from_utf8(bytes)
            .map_err(|error| self.malformed(format!("{what} is not UTF-8 at byte {}", start + error.valid_up_to())))
    }

    fn value(&mut self, key: &str, kind: u32, depth: u32) -> Result<Value<'a>, Stop> {
        Ok(match kind {
            0 => Value::Integer(self.array::<1>(key)?[0].into()),
            1 => Value::Integer(i8::from_le_bytes(self.array(key)?).into()),
            2 => Value::Integer(u16::from_le_bytes(self.array(key)?).into()),
            3 => Value::Integer(i16::from_le_bytes(self.array(key)?).into()),
            4 => Value::Integer(self.u32(key)?.into()),
            5 => Value::Integer(i32::from_le_bytes(self.array(key)?).into()),
            6 => Value::Float(f32::from_le_bytes(self.array(key)?).into()),
            7 => Value::Bool(self.array::<1>(key)?[0]),
            8 => Value::String(self.bytes(key)?),
            9 => Value::Array(self.array_value(key, depth)?),
            10 => Value::Integer(self.u64(key)?.into()),
            11 => Value::Integer(i64::from_le_bytes(self.array(key)?).into()),
            12 => Value::Float(f64::from_le_bytes(self.array(key)?)),
            other => {
                return Err(self.malformed(format!("{key} has value type {other}; types 0 to 12 are known")));
            }
        })
    }

    /// Walks over an array once, so that an array that is cut off is found here; only its place is kept.
    fn array_value(&mut self, key: &str, depth: u32) -> Result<Array<'a>, Stop> {
        if depth >= MAX_ARRAY_DEPTH {
            return Err(self.malformed(format!("{key} nests arrays more than {MAX_ARRAY_DEPTH} deep")));
        }
        let element = self.u32(key)?;
        let count = self.u64(key)?;
        let each = match element {
            0 | 1 | 7 => 1,
            2 | 3 => 2,
            4..=6 => 4,
            8 | 10..=12 => 8,
            9 => 12,
            other => {
                return Err(self.malformed(format!("{key} is an array of type {other}; types 0 to 12 are known")));
            }
        };
        self.check_room(count, each, key)?;
        let start = self.at;
        match element {
            8 => {
                for _ in 0..count {
                    self.bytes(key)?;
                }
            }
            9 => {
                for _ in 0..count {
                    self.value(key, element, depth + 1)?;
                }
            }
            _ => {
                self.take(count * each, key)?;
            }
        }
        Ok(Array { element, count: count as usize, bytes: &self.prefix[start..self.at] })
    }
}

/// One metadata value, borrowed from the prefix.
#[derive(Clone, Copy)]
pub(super) enum Value<'a> {
    /// A number of any of the eight integer types; writers differ in the width that they choose.
    Integer(i128),
    Float(f64),
    /// The byte of the file: 0 or 1 in a correct one.
    Bool(u8),
    /// The bytes of the file: UTF-8 in a correct one.
    String(&'a [u8]),
    Array(Array<'a>),
    /// Two entries have this key, so there is no value.
    Twice,
}

impl<'a> Value<'a> {
    /// A whole number, whether it is written as an integer or as a float.
    fn integer(self) -> Option<i128> {
        match self {
            Self::Integer(value) => Some(value),
            Self::Float(value) if value.fract() == 0.0 && value.abs() < 2f64.powi(53) => Some(value as i128),
            _ => None,
        }
    }

    /// A number in single precision, in which the engine computes with it. A number that is too large is infinite; an
    /// integer must be exact.
    fn float(self) -> Option<f32> {
        match self {
            Self::Float(value) => Some(value as f32),
            Self::Integer(value) => Some(value as f32).filter(|float| *float as i128 == value),
            _ => None,
        }
    }

    fn boolean(self) -> Option<bool> {
        match self {
            Self::Bool(0) | Self::Integer(0) => Some(false),
            Self::Bool(1) | Self::Integer(1) => Some(true),
            _ => None,
        }
    }

    fn text(self) -> Option<&'a str> {
        match self {
            Self::String(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    fn describe(&self) -> String {
        match self {
            Self::Integer(value) => format!("the integer {value}"),
            // Most are f32 in the file; printed as f32 they look as their writer typed them.
            Self::Float(value) => format!("the number {}", *value as f32),
            Self::Bool(0) => "the boolean false".to_owned(),
            Self::Bool(1) => "the boolean true".to_owned(),
            Self::Bool(other) => format!("a boolean with value {other}"),
            Self::String(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => format!("the string \"{}\"", text.chars().take(40).collect::<String>()),
                Err(error) => format!("a string that is not UTF-8 at its byte {}", error.valid_up_to()),
            },
            Self::Array(array) => format!("an array of {} elements", array.count),
            Self::Twice => "there twice".to_owned(),
        }
    }
}

/// An array that was checked and not converted: its 280 147 merges take no memory until they are asked for.
#[derive(Clone, Copy)]
pub(super) struct Array<'a> {
    element: u32,
    pub(super) count: usize,
    bytes: &'a [u8],
}

impl<'a> Array<'a> {
    /// Every element in turn. All of them were checked before, so a failure only ends the iteration.
    fn values(self) -> impl Iterator<Item = Value<'a>> {
        let mut cursor = Cursor::new("", self.bytes, self.bytes.len() as u64);
        (0..self.count).map_while(move |_| cursor.value("an element", self.element, 0).ok())
    }
}

/// The metadata of a file by key.
pub(super) struct Metadata<'a> {
    name: &'a str,
    values: BTreeMap<&'a str, Value<'a>>,
    /// Faults that do not refuse the file, in sentences.
    warnings: RefCell<Vec<String>>,
}

impl<'a> Metadata<'a> {
    pub(super) fn read(cursor: &mut Cursor<'a>, count: u64) -> Result<Self, Stop> {
        let mut values = BTreeMap::new();
        for index in 0..count {
            let key = cursor.string(&format!("the key of metadata entry {index}"))?;
            if key.is_empty() || key.len() > MAX_KEY_BYTES {
                return Err(cursor.malformed(format!(
                    "the key of metadata entry {index} has {} bytes; expected 1 to {MAX_KEY_BYTES}",
                    key.len()
                )));
            }
            let kind = cursor.u32(key)?;
            let value = cursor.value(key, kind, 0)?;
            values.entry(key).and_modify(|value| *value = Value::Twice).or_insert(value);
        }
        Ok(Self { name: cursor.name, values, warnings: RefCell::default() })
    }

    pub(super) fn malformed(&self, reason: String) -> Error {
        malformed(self.name, reason)
    }

    pub(super) fn unsupported(&self, reason: String) -> Error {
        unsupported(self.name, reason)
    }

    fn missing(&self, key: &str) -> Error {
        self.malformed(format!("the key {key} is missing"))
    }

    fn wrong(&self, key: &str, value: &Value<'_>, expected: &str) -> Error {
        self.malformed(format!("{key} is {}; expected {expected}", value.describe()))
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }

    /// The value of a key that no result depends on, or `None` and a warning where the value is wrong.
    pub(super) fn hint<T>(&self, said: Result<Option<T>>) -> Option<T> {
        said.unwrap_or_else(|error| {
            self.warn(&error);
            None
        })
    }

    /// Keeps an error as a warning, since no result depends on it.
    pub(super) fn warn(&self, error: &Error) {
        let reason = match error {
            Error::Malformed { reason, .. } | Error::Unsupported { reason, .. } => reason.clone(),
            other => other.to_string(),
        };
        self.note(&format!("{reason} (ignored)"));
    }

    /// Keeps a sentence about the file as a warning.
    pub(super) fn note(&self, sentence: &str) {
        self.warnings.borrow_mut().push(format!("{}: {sentence}", printable(self.name, MAX_REASON)));
    }

    pub(super) fn warnings(&self) -> Vec<String> {
        self.warnings.borrow().clone()
    }

    pub(super) fn string(&self, key: &str) -> Result<Option<&'a str>> {
        let Some(value) = self.values.get(key) else { return Ok(None) };
        value.text().map(Some).ok_or_else(|| self.wrong(key, value, "a string"))
    }

    pub(super) fn require_string(&self, key: &str) -> Result<&'a str> {
        self.string(key)?.ok_or_else(|| self.missing(key))
    }

    /// The values of a key: none, one, or one per layer where the file has an array of them.
    fn values<T>(
        &self,
        key: &str,
        expected: &'static str,
        convert: fn(Value<'a>) -> Option<T>,
    ) -> Result<impl Iterator<Item = Result<T>>> {
        let value = self.values.get(key).copied();
        let block_count = Arch::of_key(key).map(|arch| arch.key(BLOCK_COUNT)).filter(|count| count != key);
        let list = match (value, block_count) {
            (Some(Value::Array(list)), Some(block_count)) => {
                let layers = self.integer(&block_count)?;
                if let Some(layers) = layers.filter(|layers| *layers != list.count as i128) {
                    return Err(self.malformed(format!("{key} has {} elements for {layers} layers", list.count)));
                }
                Some(list)
            }
            _ => None,
        };
        let in_list = list.is_some();
        let values = value.filter(|_| !in_list).into_iter().chain(list.into_iter().flat_map(Array::values));
        Ok(values.enumerate().map(move |(layer, value)| {
            convert(value).ok_or_else(|| match in_list {
                true => self.wrong(&format!("element {layer} of {key}"), &value, expected),
                false => self.wrong(key, &value, expected),
            })
        }))
    }

    /// The value of a key; an array per layer must have the same value for all layers.
    fn one<T: PartialEq + std::fmt::Display>(
        &self,
        key: &str,
        expected: &'static str,
        convert: fn(Value<'a>) -> Option<T>,
    ) -> Result<Option<T>> {
        let mut values = self.values(key, expected, convert)?;
        let Some(first) = values.next().transpose()? else { return Ok(None) };
        for value in values {
            if value? != first {
                let values = self.values(key, expected, convert)?.flatten();
                let mut shown: Vec<_> = values.take(SHOWN_LAYERS + 1).map(|value| value.to_string()).collect();
                if shown.len() > SHOWN_LAYERS {
                    shown[SHOWN_LAYERS] = "…".to_owned();
                }
                return Err(self.unsupported(format!(
                    "{key} is {} from layer to layer; only layers of one shape are computed",
                    shown.join(", ")
                )));
            }
        }
        Ok(Some(first))
    }

    pub(super) fn integer(&self, key: &str) -> Result<Option<i128>> {
        self.one(key, "one integer", Value::integer)
    }

    pub(super) fn float(&self, key: &str) -> Result<Option<f32>> {
        self.one(key, "one number", Value::float)
    }

    pub(super) fn require_float(&self, key: &str) -> Result<f32> {
        self.float(key)?.ok_or_else(|| self.missing(key))
    }

    pub(super) fn boolean(&self, key: &str) -> Result<Option<bool>> {
        self.one(key, "a boolean", Value::boolean)
    }

    /// The first integer of a key, one or per layer, for which `wanted` holds.
    pub(super) fn find_integer(&self, key: &str, wanted: impl Fn(i128) -> bool) -> Result<Option<i128>> {
        first(self.values(key, "one integer", Value::integer)?, |value| wanted(*value))
    }

    /// The first number of a key, one or per layer, for which `wanted` holds.
    pub(super) fn find_float(&self, key: &str, wanted: impl Fn(f32) -> bool) -> Result<Option<f32>> {
        first(self.values(key, "one number", Value::float)?, |value| wanted(*value))
    }

    /// The first boolean of a key, one or per layer, for which `wanted` holds.
    pub(super) fn find_boolean(&self, key: &str, wanted: impl Fn(bool) -> bool) -> Result<Option<bool>> {
        first(self.values(key, "a boolean", Value::boolean)?, |value| wanted(*value))
    }

    /// A size between 1 and `max`.
    pub(super) fn size(&self, key: &str, max: usize) -> Result<Option<usize>> {
        let Some(value) = self.integer(key)? else { return Ok(None) };
        match usize::try_from(value) {
            Ok(size) if (1..=max).contains(&size) => Ok(Some(size)),
            _ => Err(self.malformed(format!("{key} is {value}; expected 1 to {max}"))),
        }
    }

    pub(super) fn require_size(&self, key: &str, max: usize) -> Result<usize> {
        self.size(key, max)?.ok_or_else(|| self.missing(key))
    }

    fn array(&self, key: &str) -> Result<Option<&Array<'a>>> {
        match self.values.get(key) {
            None => Ok(None),
            Some(Value::Array(array)) => Ok(Some(array)),
            Some(other) => Err(self.wrong(key, other, "an array")),
        }
    }

    /// The elements of an array, converted by `convert`, which gives `None` for another kind than `expected`.
    fn elements<T>(
        &self,
        key: &str,
        expected: &str,
        convert: impl Fn(Value<'a>) -> Option<T>,
    ) -> Result<Option<Vec<T>>> {
        let Some(array) = self.array(key)? else { return Ok(None) };
        // Strings take at least 8 bytes each in the file. Smaller elements are not strings, and may not cost more
        // memory than they have bytes before that is found.
        let mut elements = Vec::with_capacity(array.count.min(array.bytes.len() / 8));
        for (index, value) in array.values().enumerate() {
            let Some(element) = convert(value) else {
                return Err(
                    self.malformed(format!("element {index} of {key} is {}; expected {expected}", value.describe()))
                );
            };
            elements.push(element);
        }
        Ok(Some(elements))
    }

    pub(super) fn strings(&self, key: &str) -> Result<Option<Vec<String>>> {
        self.elements(key, "a string", |value| value.text().map(str::to_owned))
    }

    pub(super) fn require_strings(&self, key: &str) -> Result<Vec<String>> {
        self.strings(key)?.ok_or_else(|| self.missing(key))
    }

    pub(super) fn floats(&self, key: &str) -> Result<Option<Vec<f32>>> {
        self.elements(key, "a number", Value::float)
    }

    pub(super) fn require_floats(&self, key: &str) -> Result<Vec<f32>> {
        self.floats(key)?.ok_or_else(|| self.missing(key))
    }

    pub(super) fn integers(&self, key: &str) -> Result<Option<Vec<i64>>> {
        self.elements(key, "a 64-bit integer", |value| i64::try_from(value.integer()?).ok())
    }

    /// The number of elements of an array, or `None` without the key.
    pub(super) fn count(&self, key: &str) -> Result<Option<usize>> {
        Ok(self.array(key)?.map(|array| array.count))
    }

    /// The alignment of tensor data in bytes: `general.alignment`, or 32 without that key.
    pub(super) fn alignment(&self) -> Result<u64> {
        let Some(value) = self.integer("general.alignment")? else { return Ok(32) };
        // docs/gguf.md asks for a multiple of 8, llama.cpp for a power of two; every writer does both.
        u32::try_from(value)
            .ok()
            .filter(|value| value.is_power_of_two() && value.is_multiple_of(8))
            .map(u64::from)
            .ok_or_else(|| {
                self.malformed(format!("general.alignment is {value}; expected a power of two from 8 to 2^31"))
            })
    }
}

/// The first value for which `wanted` holds. A wrong value before it is an error.
fn first<T>(values: impl Iterator<Item = Result<T>>, wanted: impl Fn(&T) -> bool) -> Result<Option<T>> {
    for value in values {
        let value = value?;
        if wanted(&value) {
            return Ok(Some(value));
        }
    }
    Ok(None)
}

fn malformed(name: &str, reason: String) -> Error {
    Error::Malformed { name: name.to_owned(), format: FORMAT, reason: printable(&reason, MAX_REASON) }
}

fn unsupported(name: &str, reason: String) -> Error {
    Error::Unsupported { name: name.to_owned(), reason: printable(&reason, MAX_REASON) }
}
