//! Values as Python prints them: `str` and `repr`.

use std::borrow::Cow;
use std::fmt::Write;

use minijinja::Value;
use minijinja::value::ValueKind;

use super::globals::{NamedPair, Range, View};
use crate::text::chat::template::MAX_DEPTH;

/// `str(value)`.
pub(super) fn text(value: &Value) -> Cow<'_, str> {
    match value.kind() {
        ValueKind::String => Cow::Borrowed(value.as_str().unwrap_or_default()),
        ValueKind::Undefined => Cow::Borrowed(""),
        _ => Cow::Owned(repr(value)),
    }
}

/// `repr(value)`.
pub(super) fn repr(value: &Value) -> String {
    let mut out = String::new();
    write_repr(&mut out, value, 0);
    out
}

fn write_repr(out: &mut String, value: &Value, depth: usize) {
    if depth > MAX_DEPTH + 1 {
        out.push_str("...");
        return;
    }
    match value.kind() {
        ValueKind::Undefined => out.push_str("Undefined"),
        ValueKind::None => out.push_str("None"),
        ValueKind::Bool => out.push_str(if value.is_true() { "True" } else { "False" }),
        ValueKind::Number if value.is_integer() => write!(out, "{value}").unwrap_or_default(),
        ValueKind::Number => out.push_str(&float(f64::try_from(value.clone()).unwrap_or_default())),
        ValueKind::String => quoted(out, value.as_str().unwrap_or_default()),
        ValueKind::Bytes => bytes(out, value.as_bytes().unwrap_or_default()),
        ValueKind::Seq | ValueKind::Iterable => {
            if let Some(range) = value.downcast_object_ref::<Range>() {
                return write!(out, "{range}").unwrap_or_default();
            }
            let view = value.downcast_object_ref::<View>();
            if let Some(view) = view {
                write!(out, "{}(", view.name).unwrap_or_default();
            }
            let tuple = is_tuple(value);
            out.push(if tuple { '(' } else { '[' });
            let mut count = 0;
            for item in value.try_iter().into_iter().flatten() {
                out.push_str(if count > 0 { ", " } else { "" });
                write_repr(out, &item, depth + 1);
                count += 1;
            }
            out.push_str(match (tuple, count) {
                (true, 1) => ",)",
                (true, _) => ")",
                _ => "]",
            });
            out.push_str(if view.is_some() { ")" } else { "" });
        }
        ValueKind::Map if is_dict(value) => {
            out.push('{');
            for (i, key) in value.try_iter().into_iter().flatten().enumerate() {
                out.push_str(if i > 0 { ", " } else { "" });
                write_repr(out, &key, depth + 1);
                out.push_str(": ");
                write_repr(out, &value.get_item(&key).unwrap_or_default(), depth + 1);
            }
            out.push('}');
        }
        _ => write!(out, "{value}").unwrap_or_default(),
    }
}

/// Whether a value is a dict. Objects of minijinja's own, such as namespaces, loops and macros, are maps to it.
pub(super) fn is_dict(value: &Value) -> bool {
    value.kind() == ValueKind::Map && !["Namespace", "Loop", "Macro"].contains(&object_name(value))
}

/// Whether a value is a list, a tuple or a range.
pub(super) fn is_sequence(value: &Value) -> bool {
    matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable)
}

/// Whether a value is a tuple.
pub(super) fn is_tuple(value: &Value) -> bool {
    value.is_tuple() || value.downcast_object_ref::<NamedPair>().is_some()
}

/// The name of the type that an object has in Rust.
pub(super) fn object_name(value: &Value) -> &'static str {
    value.as_object().map_or("", |object| object.type_name().rsplit("::").next().unwrap_or_default())
}

/// The name of a value's type in Python.
pub(super) fn type_name(value: &Value) -> &'static str {
    match value.kind() {
        ValueKind::Undefined => "Undefined",
        ValueKind::None => "NoneType",
        ValueKind::Bool => "bool",
        ValueKind::Number if value.is_integer() => "int",
        ValueKind::Number => "float",
        ValueKind::String => "str",
        ValueKind::Bytes => "bytes",
        ValueKind::Seq if is_tuple(value) => "tuple",
        ValueKind::Seq | ValueKind::Iterable => "list",
        ValueKind::Map if is_dict(value) => "dict",
        _ => "object",
    }
}

/// A float: the shortest digits that mean it, with an exponent where it is far from 1.
pub(super) fn float(number: f64) -> String {
    if number.is_nan() {
        return "nan".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let short = format!("{number:e}");
    let (digits, exponent) = short.split_once('e').unwrap_or((&short, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if !(-4..16).contains(&exponent) {
        return format!("{digits}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs());
    }
    let plain = format!("{number}");
    if plain.contains('.') { plain } else { plain + ".0" }
}

/// A text in quotes: single ones, unless only those occur in it.
fn quoted(out: &mut String, text: &str) {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    out.push(quote);
    for character in text.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            _ if character == quote => out.extend(['\\', character]),
            _ if is_printable(character) || is_sentinel(character) => out.push(character),
            _ => escape(out, character),
        }
    }
    out.push(quote);
}

/// Writes a character that cannot be printed as Python's escape.
pub(super) fn escape(out: &mut String, character: char) {
    let code = u32::from(character);
    match code {
        0..=0xff => write!(out, "\\x{code:02x}"),
        0x100..=0xffff => write!(out, "\\u{code:04x}"),
        _ => write!(out, "\\U{code:08x}"),
    }
    .unwrap_or_default();
}

/// Whether a character may be the sentinel that guards a user's text: it is never escaped.
pub(super) fn is_sentinel(character: char) -> bool {
    matches!(character, '\u{FDD0}'..='\u{FDEF}' | '\u{F0000}'..)
}

/// Whether a character shows something, or is a space.
pub(super) fn is_printable(character: char) -> bool {
    if character.is_ascii() {
        return !character.is_ascii_control();
    }
    // Behind another character, Rust escapes exactly the characters that cannot be printed.
    let shown: String = ['a', character].iter().collect();
    !format!("{shown:?}").contains("\\u{")
}

fn bytes(out: &mut String, bytes: &[u8]) {
    out.push_str("b'");
    for byte in bytes {
        match byte {
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            b'\\' | b'\'' => out.extend(['\\', char::from(*byte)]),
            b' '..=b'~' => out.push(char::from(*byte)),
            _ => write!(out, "\\x{byte:02x}").unwrap_or_default(),
        }
    }
    out.push('\'');
}
