//! Jinja2's filters of texts and numbers.

use minijinja::value::ValueKind;
use minijinja::{Error, State, Value};

use super::arguments::Arguments;
use super::numbers::Number;
use super::text::{repr, text};
use super::{Filter, json, methods, operators, strings, wrong};
use crate::text::chat::budget::charge;

pub(super) const FILTERS: &[Filter] = &[
    ("string", &[], |_, value, _| Ok(Value::from(text(value).into_owned()))),
    ("upper", &[], |_, value, _| Ok(Value::from(text(value).to_uppercase()))),
    ("lower", &[], |_, value, _| Ok(Value::from(text(value).to_lowercase()))),
    ("capitalize", &[], |_, value, _| Ok(Value::from(strings::capitalize(&text(value))))),
    ("title", &[], |_, value, _| Ok(Value::from(title(&text(value))))),
    ("trim", &["chars"], |_, value, given| {
        Ok(Value::from(strings::strip(&text(value), given.text(0)?, strings::Ends::Both)))
    }),
    ("center", &["width"], |state, value, given| {
        let width = given.size(0, 80)?;
        charge(state, width)?;
        Ok(Value::from(strings::center(&text(value), width, ' ')))
    }),
    ("replace", &["old", "new", "count"], |state, value, given| {
        let (old, new) = (text(given.need(0)?), text(given.need(1)?));
        methods::replaced(state, &text(value), &old, &new, given.integer(2)?).map(Value::from)
    }),
    ("indent", &["width", "first", "blank"], |state, value, given| {
        let indent = match given.some(0).and_then(Value::as_str) {
            Some(indent) => indent.to_owned(),
            None => {
                let width = given.size(0, 4)?;
                charge(state, width)?;
                " ".repeat(width)
            }
        };
        indented(state, &text(value), &indent, given.flag(1, false), given.flag(2, false)).map(Value::from)
    }),
    ("truncate", &["length", "killwords", "end", "leeway"], truncate),
    ("wordwrap", &["width", "break_long_words", "wrapstring", "break_on_hyphens"], wrap),
    ("wordcount", &[], |_, value, _| {
        let text = text(value);
        let words = text.split(|character: char| !character.is_alphanumeric() && character != '_');
        Ok(Value::from(words.filter(|word| !word.is_empty()).count()))
    }),
    ("pprint", &["verbose"], |_, value, _| Ok(Value::from(repr(&sorted_dicts(value, 0)?)))),
    ("tojson", &["ensure_ascii", "indent", "separators", "sort_keys"], json::to_json),
    ("int", &["default", "base"], |_, value, given| {
        let base = u32::try_from(given.integer(1)?.unwrap_or(10)).unwrap_or(10);
        let default = || given.get(0).cloned().unwrap_or_else(|| Value::from(0));
        if value.is_undefined() {
            return Err(wrong("int of an undefined value"));
        }
        Ok(integer(value, base).map_or_else(default, |number| Number::Int(number).value()))
    }),
    ("float", &["default"], |_, value, given| {
        let default = || given.get(0).cloned().unwrap_or_else(|| Value::from(0.0));
        if value.is_undefined() {
            return Err(wrong("float of an undefined value"));
        }
        Ok(float(value).map_or_else(default, Value::from))
    }),
    ("abs", &[], |_, value, _| match Number::of(value) {
        Some(Number::Int(number)) => Ok(Number::Int(number.saturating_abs()).value()),
        Some(Number::Float(number)) => Ok(Value::from(number.abs())),
        None => Err(wrong("abs takes a number")),
    }),
    ("round", &["precision", "method"], round),
    ("filesizeformat", &["binary"], |_, value, given| {
        let bytes = float(value).ok_or_else(|| wrong("filesizeformat takes a number"))?;
        Ok(Value::from(file_size(bytes, given.flag(0, false))))
    }),
];

/// `format % values`, where the values are the arguments of a filter.
pub(super) fn format(state: &State, form: &Value, values: &Value) -> Result<Value, Error> {
    operators::modulo(state, &Value::from(text(form).into_owned()), values)
}

/// Words begin behind white space, hyphens and opening brackets, and nowhere else.
fn title(text: &str) -> String {
    let mut out = String::new();
    let mut begins = true;
    for character in text.chars() {
        if begins {
            out.extend(character.to_uppercase());
        } else {
            out.extend(character.to_lowercase());
        }
        begins = strings::is_space(character) || "-({[<".contains(character);
    }
    out
}

fn indented(state: &State, text: &str, indent: &str, first: bool, blank: bool) -> Result<String, Error> {
    let whole = text.to_owned() + "\n";
    let lines = strings::lines(&whole, false);
    charge(state, text.len().saturating_add(lines.len().saturating_mul(indent.len() + 1)))?;
    let mut out = String::new();
    for (i, line) in lines.iter().enumerate() {
        let indents = if i == 0 { first } else { blank || !line.is_empty() };
        out += if i > 0 { "\n" } else { "" };
        out += if indents { indent } else { "" };
        out += line;
    }
    Ok(out)
}

fn truncate(_: &mut State, value: &Value, given: &Arguments) -> Result<Value, Error> {
    let (length, end) = (given.size(0, 255)?, given.text(2)?.unwrap_or("..."));
    let (whole, leeway) = (text(value), given.size(3, 5)?);
    let kept = length.checked_sub(end.chars().count()).ok_or_else(|| wrong("truncate to less than its end"))?;
    if whole.chars().count() <= length.saturating_add(leeway) {
        return Ok(Value::from(&*whole));
    }
    let cut: String = whole.chars().take(kept).collect();
    let words = if given.flag(1, false) { &*cut } else { cut.rsplit_once(' ').map_or(&*cut, |(words, _)| words) };
    Ok(Value::from([words, end].concat()))
}

/// Wraps each line of a text on its own.
fn wrap(state: &mut State, value: &Value, given: &Arguments) -> Result<Value, Error> {
    let (whole, between) = (text(value), given.text(2)?.unwrap_or("\n"));
    let width = given.size(0, 79)?;
    if width == 0 {
        return Err(wrong("wordwrap takes a width of at least 1"));
    }
    let (breaks, hyphens) = (given.flag(1, true), given.flag(3, true));
    charge(state, whole.len().saturating_mul(1 + between.len()))?;
    for word in whole.split_whitespace() {
        // A long word is looked through again for each of its parts.
        charge(state, word.len().saturating_mul(word.len()) / 16)?;
    }
    let wrapped = strings::lines(&whole, false).into_iter().map(|line| wrapped(line, width, breaks, hyphens));
    Ok(Value::from(wrapped.map(|lines| lines.join(between)).collect::<Vec<_>>().join(between)))
}

/// The lines that a line is broken into: chunks fill them from the left, and white space at their ends goes.
fn wrapped(line: &str, width: usize, breaks: bool, hyphens: bool) -> Vec<String> {
    let mut chunks: Vec<&str> = chunks(line, hyphens);
    chunks.reverse();
    let mut lines = Vec::<String>::new();
    let is_blank = |chunk: &str| chunk.chars().all(strings::is_space);
    let count = |text: &str| text.chars().count();
    while let Some(first) = chunks.last().copied() {
        if is_blank(first) && !lines.is_empty() {
            chunks.pop();
            if chunks.is_empty() {
                break;
            }
        }
        let (mut filled, mut parts) = (0, Vec::new());
        while let Some(chunk) = chunks.last().copied().filter(|chunk| filled + count(chunk) <= width) {
            filled += count(chunk);
            parts.push(chunk);
            chunks.pop();
        }
        if let Some(long) = chunks.last().copied().filter(|chunk| count(chunk) > width) {
            if breaks {
                let mut room = width - filled;
                if hyphens {
                    // Behind the last hyphen that fits, if other characters stand before it.
                    let part: Vec<char> = long.chars().take(room).collect();
                    let hyphen = part.iter().rposition(|character| *character == '-');
                    if let Some(at) = hyphen.filter(|at| part[..*at].iter().any(|character| *character != '-')) {
                        room = at + 1;
                    }
                }
                let at = long.char_indices().nth(room).map_or(long.len(), |(at, _)| at);
                parts.push(&long[..at]);
                chunks.pop();
                chunks.push(&long[at..]);
            } else if parts.is_empty() {
                parts.push(long);
                chunks.pop();
            }
        }
        if parts.last().is_some_and(|part| is_blank(part)) {
            parts.pop();
        }
        if !parts.is_empty() {
            lines.push(parts.concat());
        }
    }
    lines
}

/// The chunks of a line: words and the white space between them. Words are also cut behind hyphens between letters.
fn chunks(line: &str, hyphens: bool) -> Vec<&str> {
    let mut out = Vec::new();
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        let blank = strings::is_space(first);
        let end = rest.find(|character: char| strings::is_space(character) != blank).unwrap_or(rest.len());
        let (mut word, behind) = rest.split_at(end);
        rest = behind;
        while let Some(at) = behind_hyphen(word).filter(|_| hyphens && !blank) {
            let (before, behind) = word.split_at(at);
            out.push(before);
            word = behind;
        }
        if !word.is_empty() {
            out.push(word);
        }
    }
    out
}

/// The position behind the first hyphen that has two letters on each side.
fn behind_hyphen(word: &str) -> Option<usize> {
    let characters: Vec<(usize, char)> = word.char_indices().collect();
    let is_letter = |at: usize| characters.get(at).is_some_and(|(_, character)| character.is_alphabetic());
    let hyphens = |at: &usize| {
        characters[*at].1 == '-' && is_letter(at - 1) && is_letter(at - 2) && is_letter(at + 1) && is_letter(at + 2)
    };
    (2..characters.len()).find(hyphens).map(|at| characters[at].0 + 1)
}

/// The same value, with the keys of its dicts in order, as `pprint` writes them.
fn sorted_dicts(value: &Value, depth: usize) -> Result<Value, Error> {
    if depth > crate::text::chat::template::MAX_DEPTH {
        return Ok(value.clone());
    }
    let inner = |value: &Value| sorted_dicts(value, depth + 1);
    if super::text::is_dict(value) {
        let mut pairs = Vec::new();
        for key in value.try_iter()? {
            pairs.push((key.clone(), inner(&value.get_item(&key)?)?));
        }
        pairs.sort_by(|(a, _), (b, _)| super::numbers::compare(a, b).unwrap_or(std::cmp::Ordering::Equal));
        return Ok(Value::from_pairs(pairs));
    }
    if value.kind() == ValueKind::Seq && !value.is_tuple() {
        return value.try_iter()?.map(|item| inner(&item)).collect::<Result<Vec<_>, _>>().map(Value::from);
    }
    Ok(value.clone())
}

/// The whole number that a text spells in a base, or a number without its fraction.
fn integer(value: &Value, base: u32) -> Option<i128> {
    let Some(text) = value.as_str() else {
        return match Number::of(value)? {
            Number::Int(number) => Some(number),
            Number::Float(number) => number.is_finite().then_some(number.trunc() as i128),
        };
    };
    let text = strings::strip(text, None, strings::Ends::Both);
    whole(text, base).or_else(|| {
        let number = float(value)?;
        number.is_finite().then_some(number.trunc() as i128)
    })
}

fn whole(text: &str, base: u32) -> Option<i128> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = digits.to_ascii_lowercase();
    let prefixed = [("0x", 16), ("0o", 8), ("0b", 2)];
    let named = prefixed.iter().find(|(prefix, of)| lower.starts_with(prefix) && (base == 0 || base == *of));
    let (digits, base) = match named {
        Some((prefix, of)) => (lower[prefix.len()..].strip_prefix('_').unwrap_or(&lower[prefix.len()..]), *of),
        None => (&*lower, if base == 0 { 10 } else { base }),
    };
    let separated = digits.starts_with('_') || digits.ends_with('_') || digits.contains("__");
    if separated || digits.starts_with(['+', '-']) || !(2..=36).contains(&base) {
        return None;
    }
    let number = i128::from_str_radix(&digits.replace('_', ""), base).ok()?;
    Some(if negative { -number } else { number })
}

/// The float that a text spells, or that a number is.
fn float(value: &Value) -> Option<f64> {
    let Some(text) = value.as_str() else { return Number::of(value).map(Number::float) };
    let text = strings::strip(text, None, strings::Ends::Both);
    if text.starts_with('_') || text.ends_with('_') || text.contains("__") {
        return None;
    }
    text.replace('_', "").parse().ok()
}

fn round(_: &mut State, value: &Value, given: &Arguments) -> Result<Value, Error> {
    let precision = i32::try_from(given.integer(0)?.unwrap_or(0).clamp(-400, 400)).unwrap_or(0);
    let method = given.text(1)?.unwrap_or("common");
    let number = Number::of(value).ok_or_else(|| wrong("round takes a number"))?;
    let scale = 10f64.powi(precision);
    let rounded = match (method, number) {
        ("common", Number::Int(number)) => {
            let Some(unit) = u32::try_from(-precision).ok().and_then(|power| 10i128.checked_pow(power)) else {
                return Ok(Number::Int(if precision < 0 { 0 } else { number }).value());
            };
            let (quotient, rest) = (number.div_euclid(unit), number.rem_euclid(unit));
            // Halves go to the even neighbour.
            let up = rest * 2 > unit || rest * 2 == unit && quotient % 2 != 0;
            return Ok(Number::Int((quotient + i128::from(up)) * unit).value());
        }
        ("common", Number::Float(number)) if precision >= 0 && number.is_finite() => {
            format!("{number:.*}", usize::try_from(precision).unwrap_or(0)).parse().unwrap_or(number)
        }
        ("common", Number::Float(number)) if number.is_finite() => (number * scale).round_ties_even() / scale,
        ("common", Number::Float(number)) => number,
        ("ceil", number) => (number.float() * scale).ceil() / scale,
        ("floor", number) => (number.float() * scale).floor() / scale,
        _ => return Err(wrong("round has the methods common, ceil and floor")),
    };
    Ok(Value::from(rounded))
}

fn file_size(bytes: f64, binary: bool) -> String {
    let (base, units) = if binary {
        (1024.0, ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"])
    } else {
        (1000.0, ["kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"])
    };
    if bytes == 1.0 {
        return "1 Byte".to_owned();
    }
    if bytes < base {
        return format!("{} Bytes", bytes.trunc());
    }
    let (mut count, mut unit) = (bytes / base, 0);
    while count >= base && unit + 1 < units.len() {
        count /= base;
        unit += 1;
    }
    format!("{count:.1} {}", units[unit])
}
