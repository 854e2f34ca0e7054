//! Jinja2's filters of HTML and addresses.

use std::fmt::Write;

use minijinja::{Error, State, Value};

use super::arguments::Arguments;
use super::text::{is_dict, text};
use super::{Filter, items, strings, wrong};
use crate::text::chat::budget::charge;

pub(super) const FILTERS: &[Filter] = &[
    ("escape", &[], escape),
    ("e", &[], escape),
    ("forceescape", &[], |state, value, _| {
        charge(state, 5 * text(value).len())?;
        Ok(Value::from_safe_string(escaped(&text(value))))
    }),
    ("safe", &[], |_, value, _| Ok(Value::from_safe_string(text(value).into_owned()))),
    ("striptags", &[], |_, value, _| Ok(Value::from(without_tags(&text(value))))),
    ("xmlattr", &["autospace"], attributes),
    ("urlencode", &[], url_encode),
];

fn escape(state: &mut State, value: &Value, _: &Arguments) -> Result<Value, Error> {
    if value.is_safe() {
        return Ok(value.clone());
    }
    charge(state, 5 * text(value).len())?;
    Ok(Value::from_safe_string(escaped(&text(value))))
}

/// A text with its HTML characters escaped.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(character),
        }
    }
    out
}

/// A text without comments and tags, white space drawn together, and the usual signs unescaped.
fn without_tags(text: &str) -> String {
    let without = |text: &str, open: &str, close: &str| {
        let (mut out, mut rest) = (String::new(), text);
        while let Some(at) = rest.find(open) {
            let Some(end) = rest[at..].find(close) else { break };
            out += &rest[..at];
            rest = &rest[at + end + close.len()..];
        }
        out + rest
    };
    let plain = without(&without(text, "<!--", "-->"), "<", ">");
    let mut out = strings::words(&plain, usize::MAX).join(" ");
    let signs = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#34;", "\""), ("&#39;", "'"), ("&nbsp;", "\u{a0}")];
    for (sign, character) in signs.into_iter().chain([("&amp;", "&")]) {
        out = out.replace(sign, character);
    }
    out
}

fn attributes(state: &mut State, value: &Value, given: &Arguments) -> Result<Value, Error> {
    let mut written = Vec::new();
    for key in items(state, value)? {
        let value = value.get_item(&key)?;
        if value.is_none() || value.is_undefined() {
            continue;
        }
        let (key, value) = (text(&key), text(&value));
        if key.contains(|character: char| character.is_whitespace() || "/>=".contains(character)) {
            return Err(wrong(format!("{key:?} is no name of an attribute")));
        }
        charge(state, 5 * (key.len() + value.len()))?;
        written.push(format!("{}=\"{}\"", escaped(&key), escaped(&value)));
    }
    let joined = written.join(" ");
    let spaced = given.flag(0, true) && !joined.is_empty();
    Ok(Value::from(if spaced { format!(" {joined}") } else { joined }))
}

fn url_encode(state: &mut State, value: &Value, _: &Arguments) -> Result<Value, Error> {
    if value.as_str().is_some() || value.as_object().is_none() {
        charge(state, 3 * text(value).len())?;
        return Ok(Value::from(quoted(&text(value), false)));
    }
    let mut parts = Vec::new();
    for item in items(state, value)? {
        let (key, value) = if is_dict(value) {
            (item.clone(), value.get_item(&item)?)
        } else {
            (item.get_item_by_index(0)?, item.get_item_by_index(1)?)
        };
        let (key, value) = (text(&key), text(&value));
        charge(state, 3 * (key.len() + value.len()))?;
        parts.push(format!("{}={}", quoted(&key, true), quoted(&value, true)));
    }
    Ok(Value::from(parts.join("&")))
}

/// A part of an address; in a query, spaces are plus signs and slashes are escaped.
fn quoted(text: &str, query: bool) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        match byte {
            b'/' if !query => out.push('/'),
            b' ' if query => out.push('+'),
            b'_' | b'.' | b'-' | b'~' => out.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => out.push(char::from(byte)),
            _ => write!(out, "%{byte:02X}").unwrap_or_default(),
        }
        out
    })
}
