//! The methods of Python's texts, lists, dicts and numbers. Nothing can be changed in place: `transformers` does not
//! allow it either.

use minijinja::value::{Tuple, ValueKind};
use minijinja::{Error, ErrorKind, State, Value};

use super::arguments::Arguments;
use super::globals::View;
use super::numbers::Number;
use super::strings::{self, Ends};
use super::text::{is_dict, is_printable, is_sequence};
use super::{fields, items, wrong};
use crate::text::chat::budget::{charge, charge_items};

/// Calls a method of a value.
pub(super) fn call(state: &mut State, value: &Value, method: &str, given: &[Value]) -> Result<Value, Error> {
    match value.kind() {
        ValueKind::String => text_method(state, value.as_str().unwrap_or_default(), method, given),
        ValueKind::Bytes if method == "decode" => Ok(Value::from(value.as_str().unwrap_or_default())),
        ValueKind::Number | ValueKind::Bool => number_method(value, method, given),
        _ if is_dict(value) => dict_method(state, value, method, given),
        _ if is_sequence(value) => list_method(state, value, method, given),
        _ => Err(Error::from(ErrorKind::UnknownMethod)),
    }
}

fn list_method(state: &State, value: &Value, method: &str, given: &[Value]) -> Result<Value, Error> {
    match method {
        "count" => {
            let given = Arguments::new("count", &["value"], given)?;
            let sought = given.need(0)?;
            Ok(Value::from(items(state, value)?.iter().filter(|item| *item == sought).count()))
        }
        "index" => {
            let given = Arguments::new("index", &["value", "start", "stop"], given)?;
            let all = items(state, value)?;
            let place = |place: i64| {
                let place = if place < 0 { place.saturating_add(all.len() as i64) } else { place };
                usize::try_from(place).unwrap_or(0)
            };
            let begin = place(given.integer(1)?.unwrap_or(0));
            let end = given.integer(2)?.map_or(all.len(), place);
            let sought = given.need(0)?;
            let found = all.iter().take(end).enumerate().skip(begin).find(|(_, item)| *item == sought);
            found.map(|(at, _)| Value::from(at)).ok_or_else(|| wrong("index: the list does not have the value"))
        }
        "copy" if !value.is_tuple() => items(state, value).map(Value::from),
        _ => Err(Error::from(ErrorKind::UnknownMethod)),
    }
}

fn dict_method(state: &State, value: &Value, method: &str, given: &[Value]) -> Result<Value, Error> {
    let pairs = || -> Result<Vec<(Value, Value)>, Error> {
        charge_items(state, 2 * value.len().unwrap_or(0))?;
        value.try_iter()?.map(|key| value.get_item(&key).map(|value| (key, value))).collect()
    };
    match method {
        "get" => {
            let given = Arguments::new("get", &["key", "default"], given)?;
            let found = value.get_item(given.need(0)?)?;
            let default = || given.get(1).cloned().unwrap_or_else(|| Value::from(()));
            Ok(if found.is_undefined() { default() } else { found })
        }
        "items" | "keys" | "values" | "copy" => {
            Arguments::new("items, keys, values and copy", &[], given)?;
            let pairs = pairs()?;
            let view = |name, values: Vec<Value>| Value::from_object(View { name, values });
            Ok(match method {
                "items" => {
                    let pair = |(key, value)| Value::from(Tuple::from([key, value]));
                    view("dict_items", pairs.into_iter().map(pair).collect())
                }
                "keys" => view("dict_keys", pairs.into_iter().map(|(key, _)| key).collect()),
                "values" => view("dict_values", pairs.into_iter().map(|(_, value)| value).collect()),
                _ => Value::from_pairs(pairs),
            })
        }
        "fromkeys" => {
            let given = Arguments::new("fromkeys", &["iterable", "value"], given)?;
            let filled = given.get(1).cloned().unwrap_or_else(|| Value::from(()));
            let keys = items(state, given.need(0)?)?;
            Ok(Value::from_pairs(keys.into_iter().map(|key| (key, filled.clone()))))
        }
        _ => Err(Error::from(ErrorKind::UnknownMethod)),
    }
}

fn number_method(value: &Value, method: &str, given: &[Value]) -> Result<Value, Error> {
    Arguments::new("a method of a number", &[], given)?;
    match (method, Number::of(value)) {
        ("bit_length", Some(Number::Int(number))) => Ok(Value::from(128 - number.unsigned_abs().leading_zeros())),
        ("bit_count", Some(Number::Int(number))) => Ok(Value::from(number.unsigned_abs().count_ones())),
        ("is_integer", Some(Number::Float(number))) => Ok(Value::from(number.is_finite() && number.fract() == 0.0)),
        ("is_integer", Some(Number::Int(_))) => Ok(Value::from(true)),
        ("conjugate", Some(number)) => Ok(number.value()),
        _ => Err(Error::from(ErrorKind::UnknownMethod)),
    }
}

fn text_method(state: &State, text: &str, method: &str, given: &[Value]) -> Result<Value, Error> {
    if method == "format" {
        return fields::format(state, text, given).map(Value::from);
    }
    let every = |test: fn(char) -> bool| !text.is_empty() && text.chars().all(test);
    let simple = match method {
        "upper" => Value::from(text.to_uppercase()),
        "lower" => Value::from(text.to_lowercase()),
        "title" => Value::from(strings::title(text)),
        "capitalize" => Value::from(strings::capitalize(text)),
        "swapcase" => Value::from(strings::swap_case(text)),
        "casefold" => Value::from(strings::case_fold(text)),
        "isalpha" => Value::from(every(|character| character.is_alphabetic() && !character.is_numeric())),
        "isalnum" => Value::from(every(char::is_alphanumeric)),
        "isdigit" => Value::from(every(strings::is_digit)),
        "isdecimal" => Value::from(every(strings::is_decimal)),
        "isnumeric" => Value::from(every(|character| character.is_numeric() || strings::is_digit(character))),
        "isspace" => Value::from(every(strings::is_space)),
        "isascii" => Value::from(text.is_ascii()),
        "islower" => Value::from(strings::is_all(text, true)),
        "isupper" => Value::from(strings::is_all(text, false)),
        "istitle" => Value::from(strings::is_title(text)),
        "isprintable" => Value::from(text.chars().all(is_printable)),
        "isidentifier" => {
            let begins = text.chars().next().is_some_and(|character| character.is_alphabetic() || character == '_');
            Value::from(begins && text.chars().all(|character| character.is_alphanumeric() || character == '_'))
        }
        _ => return text_method_with(state, text, method, given),
    };
    Arguments::new("a method of a text", &[], given)?;
    Ok(simple)
}

/// The methods that take arguments.
fn text_method_with(state: &State, text: &str, method: &str, given: &[Value]) -> Result<Value, Error> {
    match method {
        "strip" | "lstrip" | "rstrip" => {
            let given = Arguments::new("strip", &["chars"], given)?;
            let ends = match method {
                "lstrip" => Ends::Left,
                "rstrip" => Ends::Right,
                _ => Ends::Both,
            };
            Ok(Value::from(strings::strip(text, given.text(0)?, ends)))
        }
        "split" | "rsplit" => split(state, text, method == "rsplit", given),
        "partition" | "rpartition" => {
            let given = Arguments::new("partition", &["sep"], given)?;
            let separator = separator(&given)?.unwrap_or_default();
            let found = if method == "partition" { text.split_once(separator) } else { text.rsplit_once(separator) };
            let parts = match found {
                Some((before, behind)) => [before, separator, behind],
                None if method == "partition" => [text, "", ""],
                None => ["", "", text],
            };
            Ok(Value::from(Tuple::from(parts.map(Value::from))))
        }
        "splitlines" => {
            let given = Arguments::new("splitlines", &["keepends"], given)?;
            list(state, strings::lines(text, given.flag(0, false)))
        }
        "removeprefix" | "removesuffix" => {
            let given = Arguments::new("removeprefix and removesuffix", &["affix"], given)?;
            let affix = given.need_text(0)?;
            let cut = if method == "removeprefix" { text.strip_prefix(affix) } else { text.strip_suffix(affix) };
            Ok(Value::from(cut.unwrap_or(text)))
        }
        "startswith" | "endswith" => {
            let given = Arguments::new("startswith and endswith", &["affix", "start", "end"], given)?;
            let part = strings::range(text, given.integer(1)?, given.integer(2)?).map(|range| &text[range]);
            let fits = |affix: &Value| {
                let affix =
                    affix.as_str().ok_or_else(|| wrong(format!("{method} takes a text, or a tuple of texts")))?;
                let fits = |part: &str| {
                    if method == "startswith" { part.starts_with(affix) } else { part.ends_with(affix) }
                };
                Ok(part.is_some_and(fits))
            };
            let affix = given.need(0)?;
            if !affix.is_tuple() {
                return fits(affix).map(Value::from);
            }
            let mut any = false;
            for affix in items(state, affix)? {
                any |= fits(&affix)?;
            }
            Ok(Value::from(any))
        }
        "find" | "rfind" | "index" | "rindex" => {
            let given = Arguments::new("find", &["sub", "start", "end"], given)?;
            let sought = given.need_text(0)?;
            let range = strings::range(text, given.integer(1)?, given.integer(2)?);
            let found = range.and_then(|range| {
                let part = &text[range.clone()];
                let found = if method.starts_with('r') { part.rfind(sought) } else { part.find(sought) };
                found.map(|at| strings::characters_before(text, range.start + at))
            });
            match found {
                Some(at) => Ok(Value::from(at)),
                None if method.ends_with("find") => Ok(Value::from(-1)),
                None => Err(wrong(format!("{method}: the text does not have {sought:?}"))),
            }
        }
        "count" => {
            let given = Arguments::new("count", &["sub", "start", "end"], given)?;
            let sought = given.need_text(0)?;
            let range = strings::range(text, given.integer(1)?, given.integer(2)?);
            Ok(Value::from(range.map_or(0, |range| text[range].matches(sought).count())))
        }
        "replace" => {
            let given = Arguments::new("replace", &["old", "new", "count"], given)?;
            let most = given.integer(2)?;
            replaced(state, text, given.need_text(0)?, given.need_text(1)?, most).map(Value::from)
        }
        "join" => {
            let given = Arguments::new("join", &["iterable"], given)?;
            let mut out = String::new();
            for (i, item) in items(state, given.need(0)?)?.iter().enumerate() {
                let item = item.as_str().ok_or_else(|| wrong("join takes texts"))?;
                let between = if i > 0 { text } else { "" };
                charge(state, between.len() + item.len())?;
                out += between;
                out += item;
            }
            Ok(Value::from(out))
        }
        "center" | "ljust" | "rjust" => {
            let given = Arguments::new("center, ljust and rjust", &["width", "fillchar"], given)?;
            given.need(0)?;
            let width = given.size(0, 0)?;
            charge(state, width.saturating_add(text.len()))?;
            let mut characters = given.text(1)?.unwrap_or(" ").chars();
            let (Some(fill), None) = (characters.next(), characters.next()) else {
                return Err(wrong(format!("{method} fills with one character")));
            };
            let missing = width.saturating_sub(text.chars().count());
            let filled = || std::iter::repeat_n(fill, missing).collect::<String>();
            Ok(Value::from(match method {
                "ljust" => text.to_owned() + &filled(),
                "rjust" => filled() + text,
                _ => strings::center(text, width, fill),
            }))
        }
        "zfill" => {
            let given = Arguments::new("zfill", &["width"], given)?;
            given.need(0)?;
            let width = given.size(0, 0)?;
            charge(state, width)?;
            Ok(Value::from(strings::zero_fill(text, width)))
        }
        "expandtabs" => {
            let given = Arguments::new("expandtabs", &["tabsize"], given)?;
            let size = given.size(0, 8)?;
            charge(state, text.matches('\t').count().saturating_mul(size))?;
            Ok(Value::from(strings::expand_tabs(text, size)))
        }
        "format_map" => {
            let given = Arguments::new("format_map", &["mapping"], given)?;
            fields::format_map(state, text, given.need(0)?).map(Value::from)
        }
        "encode" => {
            let given = Arguments::new("encode", &["encoding", "errors"], given)?;
            let encoding = given.text(0)?.unwrap_or("utf-8").to_lowercase();
            if !matches!(&*encoding, "utf-8" | "utf8" | "utf_8") {
                return Err(wrong(format!("encode knows utf-8 alone, and not {encoding:?}")));
            }
            Ok(Value::from_bytes(text.as_bytes().to_vec()))
        }
        _ => Err(Error::from(ErrorKind::UnknownMethod)),
    }
}

/// The separator that a text is split at; none means white space.
fn separator(given: &Arguments) -> Result<Option<&str>, Error> {
    match given.text(0)? {
        Some("") => Err(wrong("empty separator")),
        separator => Ok(separator),
    }
}

fn split(state: &State, text: &str, right: bool, given: &[Value]) -> Result<Value, Error> {
    let given = Arguments::new("split", &["sep", "maxsplit"], given)?;
    let splits = given.integer(1)?.and_then(|splits| usize::try_from(splits).ok());
    let most = splits.unwrap_or(usize::MAX);
    let parts = match (separator(&given)?, right) {
        (None, false) => strings::words(text, most),
        (None, true) => strings::words_from_right(text, most),
        (Some(separator), false) => text.splitn(most.saturating_add(1), separator).collect(),
        (Some(separator), true) => {
            let mut parts: Vec<&str> = text.rsplitn(most.saturating_add(1), separator).collect();
            parts.reverse();
            parts
        }
    };
    list(state, parts)
}

fn list(state: &State, parts: Vec<&str>) -> Result<Value, Error> {
    charge_items(state, parts.len())?;
    charge(state, parts.iter().map(|part| part.len()).sum())?;
    Ok(parts.into_iter().map(Value::from).collect())
}

/// A text with another in the place of some of its parts: of all where `most` is none or negative.
pub(super) fn replaced(state: &State, text: &str, old: &str, new: &str, most: Option<i64>) -> Result<String, Error> {
    let most = most.and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX);
    let count = text.matches(old).take(most).count();
    charge(state, text.len().saturating_add(count.saturating_mul(new.len())))?;
    Ok(text.replacen(old, new, most))
}
