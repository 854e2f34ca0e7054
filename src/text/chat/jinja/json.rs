//! `tojson` as `transformers` defines it: Python's `json.dumps` without escapes for HTML or for characters beyond
//! ASCII.

use std::fmt::Write;

use minijinja::value::ValueKind;
use minijinja::{Error, State, Value};

use super::arguments::Arguments;
use super::numbers::compare;
use super::text::{float, is_dict, is_sentinel, is_sequence, text, type_name};
use super::wrong;
use crate::text::chat::budget::{charge, measure};
use crate::text::chat::template::MAX_DEPTH;

/// Most characters that JSON is indented by.
const MAX_INDENT: usize = 16;

struct Layout {
    ascii: bool,
    indent: Option<String>,
    between: String,
    colon: String,
    sorted: bool,
}

/// The filter: its arguments are those of `transformers`.
pub(super) fn to_json(state: &mut State, value: &Value, given: &Arguments) -> Result<Value, Error> {
    let indent = match given.some(1) {
        Some(indent) if indent.as_str().is_some() => indent.as_str().map(str::to_owned),
        Some(_) => {
            let spaces = given.size(1, 0)?;
            if spaces > MAX_INDENT {
                let reason = format!("tojson indents by at most {MAX_INDENT} spaces, and {spaces} were asked for");
                return Err(wrong(reason));
            }
            Some(" ".repeat(spaces))
        }
        None => None,
    };
    if indent.as_ref().is_some_and(|indent| indent.len() > 4 * MAX_INDENT) {
        return Err(wrong(format!("tojson indents by at most {MAX_INDENT} characters")));
    }
    let (between, colon) = match given.some(2) {
        Some(pair) if pair.len() == Some(2) && is_sequence(pair) => {
            let mut parts = pair.try_iter()?.map(|part| part.as_str().map(str::to_owned));
            let mut part = || parts.next().flatten().ok_or_else(|| wrong("the separators of tojson are two texts"));
            (part()?, part()?)
        }
        Some(_) => return Err(wrong("the separators of tojson are two texts")),
        None => (if indent.is_some() { "," } else { ", " }.to_owned(), ": ".to_owned()),
    };
    let layout = Layout { ascii: given.flag(0, false), indent, between, colon, sorted: given.flag(3, false) };
    measure(state, value)?;
    let mut out = String::new();
    layout.write(state, &mut out, value, 0)?;
    Ok(Value::from(out))
}

impl Layout {
    fn write(&self, state: &State, out: &mut String, value: &Value, depth: usize) -> Result<(), Error> {
        if depth > MAX_DEPTH {
            return Err(wrong(format!("lists nest deeper than {MAX_DEPTH}")));
        }
        let begin = out.len();
        match value.kind() {
            ValueKind::None => out.push_str("null"),
            ValueKind::Bool => out.push_str(if value.is_true() { "true" } else { "false" }),
            ValueKind::Number if value.is_integer() => write!(out, "{value}").unwrap_or_default(),
            ValueKind::Number => {
                let number = f64::try_from(value.clone()).unwrap_or_default();
                out.push_str(&match float(number).as_str() {
                    "nan" => "NaN".to_owned(),
                    "inf" => "Infinity".to_owned(),
                    "-inf" => "-Infinity".to_owned(),
                    written => written.to_owned(),
                });
            }
            ValueKind::String => self.quote(out, value.as_str().unwrap_or_default()),
            _ if is_dict(value) => {
                let mut keys: Vec<Value> = value.try_iter()?.collect();
                if self.sorted {
                    let mut failed = None;
                    keys.sort_by(|a, b| {
                        compare(a, b).unwrap_or_else(|error| {
                            failed = Some(error);
                            std::cmp::Ordering::Equal
                        })
                    });
                    if let Some(error) = failed {
                        return Err(error);
                    }
                }
                out.push('{');
                for (i, key) in keys.iter().enumerate() {
                    self.separate(state, out, i, depth + 1)?;
                    self.quote(out, &key_text(key)?);
                    out.push_str(&self.colon);
                    self.write(state, out, &value.get_item(key)?, depth + 1)?;
                }
                self.close(out, !keys.is_empty(), depth);
                out.push('}');
            }
            _ if is_sequence(value) => {
                out.push('[');
                let mut any = false;
                for (i, item) in value.try_iter()?.enumerate() {
                    self.separate(state, out, i, depth + 1)?;
                    self.write(state, out, &item, depth + 1)?;
                    any = true;
                }
                self.close(out, any, depth);
                out.push(']');
            }
            _ => return Err(wrong(format!("a value of type {} is no JSON", type_name(value)))),
        }
        charge(state, out.len() - begin)
    }

    /// Writes the separator and the line break before an item.
    fn separate(&self, state: &State, out: &mut String, place: usize, depth: usize) -> Result<(), Error> {
        if place > 0 {
            charge(state, self.between.len())?;
            out.push_str(&self.between);
        }
        if let Some(indent) = &self.indent {
            charge(state, depth * indent.len())?;
            out.push('\n');
            out.push_str(&indent.repeat(depth));
        }
        Ok(())
    }

    fn close(&self, out: &mut String, any: bool, depth: usize) {
        if let Some(indent) = self.indent.as_ref().filter(|_| any) {
            out.push('\n');
            out.push_str(&indent.repeat(depth));
        }
    }

    fn quote(&self, out: &mut String, text: &str) {
        out.push('"');
        for character in text.chars() {
            match character {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                '\u{8}' => out.push_str("\\b"),
                '\u{c}' => out.push_str("\\f"),
                '\0'..='\u{1f}' => write!(out, "\\u{:04x}", u32::from(character)).unwrap_or_default(),
                _ if self.ascii
                    && !(' '..='~').contains(&character)
                    && !is_sentinel(character)
                    && character != '\u{7f}' =>
                {
                    for unit in character.encode_utf16(&mut [0; 2]) {
                        write!(out, "\\u{unit:04x}").unwrap_or_default();
                    }
                }
                _ => out.push(character),
            }
        }
        out.push('"');
    }
}

/// The key of a dict as a text.
fn key_text(key: &Value) -> Result<String, Error> {
    match key.kind() {
        ValueKind::String => Ok(text(key).into_owned()),
        ValueKind::None => Ok("null".to_owned()),
        ValueKind::Bool => Ok(if key.is_true() { "true" } else { "false" }.to_owned()),
        ValueKind::Number => Ok(text(key).into_owned()),
        _ => Err(wrong(format!("a key of type {} is no JSON", type_name(key)))),
    }
}
