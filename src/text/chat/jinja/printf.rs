//! `form % values`, by Python's rules for C's `printf`.

use minijinja::value::ValueKind;
use minijinja::{Error, State, Value};

use super::numbers::{Number, digits, places, radix};
use super::text::{escape, is_dict, is_sequence, repr, text, type_name};
use super::wrong;
use crate::text::chat::budget;

/// The values of a form: those of a tuple in turn, or one alone, which a form may also look keys up in.
struct Values<'v> {
    whole: &'v Value,
    /// The items of a tuple.
    tuple: Option<Vec<Value>>,
    used: usize,
}

impl Values<'_> {
    fn next(&mut self) -> Result<Value, Error> {
        let value = match &self.tuple {
            Some(items) => items.get(self.used),
            None => Some(self.whole).filter(|_| self.used == 0),
        };
        self.used += 1;
        value.cloned().ok_or_else(|| wrong("there are fewer values than the format has fields"))
    }

    fn whole_number(&mut self) -> Result<i128, Error> {
        match Number::of(&self.next()?) {
            Some(Number::Int(number)) => Ok(number),
            _ => Err(wrong("* in a format takes a whole number")),
        }
    }
}

/// Flags, width and precision of a field.
#[derive(Default)]
struct Field {
    left: bool,
    zero: bool,
    plus: bool,
    space: bool,
    alternate: bool,
    width: usize,
    precision: Option<usize>,
}

/// The text of a form with its values.
pub(super) fn format(state: &State, form: &str, values: &Value) -> Result<String, Error> {
    budget::measure(state, values)?;
    let tuple = if values.is_tuple() { Some(values.try_iter()?.collect()) } else { None };
    let mut values = Values { whole: values, tuple, used: 0 };
    let (mut out, mut rest) = (String::new(), form);
    let mut keyed = false;
    while let Some((before, behind)) = rest.split_once('%') {
        budget::charge(state, before.len())?;
        out += before;
        let key = behind.strip_prefix('(').and_then(split_key);
        keyed |= key.is_some();
        let (field, conversion, behind) = Field::read(key.map_or(behind, |(_, behind)| behind), &mut values)?;
        rest = behind;
        if conversion == '%' {
            out.push('%');
            continue;
        }
        let value = match key {
            Some((key, _)) if is_dict(values.whole) => {
                let value = values.whole.get_attr(key)?;
                if value.is_undefined() {
                    return Err(wrong(format!("the values of the format have no key {key:?}")));
                }
                value
            }
            Some(_) => return Err(wrong("a format with keys takes a dict")),
            None => values.next()?,
        };
        let written = field.write(state, conversion, &value)?;
        budget::charge_field(state, written.len())?;
        out += &written;
    }
    out += rest;
    let all = values.tuple.as_ref().map_or(1, Vec::len);
    // A dict or a list need not be used.
    let optional = values.tuple.is_none() && (keyed || is_dict(values.whole) || is_sequence(values.whole));
    if values.used < all && !optional {
        return Err(wrong("there are more values than the format has fields"));
    }
    Ok(out)
}

/// The key before its closing bracket, and the text behind that.
fn split_key(text: &str) -> Option<(&str, &str)> {
    let mut depth = 1;
    for (at, character) in text.char_indices() {
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some((&text[..at], &text[at + 1..]));
        }
    }
    None
}

impl Field {
    /// Reads flags, width, precision and the letter that says how to convert.
    fn read<'f>(text: &'f str, values: &mut Values) -> Result<(Self, char, &'f str), Error> {
        let mut field = Self::default();
        let mut rest = text;
        while let Some(flag) = rest.chars().next().filter(|flag| "-+ #0".contains(*flag)) {
            match flag {
                '-' => field.left = true,
                '+' => field.plus = true,
                ' ' => field.space = true,
                '#' => field.alternate = true,
                _ => field.zero = true,
            }
            rest = &rest[1..];
        }
        let mut count = |rest: &mut &'f str| -> Result<Option<i128>, Error> {
            if let Some(behind) = rest.strip_prefix('*') {
                *rest = behind;
                let number = values.whole_number()?;
                places(&number.unsigned_abs().to_string())?;
                return Ok(Some(number));
            }
            let end = rest.find(|character: char| !character.is_ascii_digit()).unwrap_or(rest.len());
            let (digits, behind) = rest.split_at(end);
            *rest = behind;
            if digits.is_empty() { Ok(None) } else { Ok(Some(places(digits)? as i128)) }
        };
        if let Some(width) = count(&mut rest)? {
            field.left |= width < 0;
            field.width = usize::try_from(width.unsigned_abs()).unwrap_or_default();
        }
        if let Some(behind) = rest.strip_prefix('.') {
            rest = behind;
            field.precision = Some(usize::try_from(count(&mut rest)?.unwrap_or(0)).unwrap_or(0));
        }
        rest = rest.strip_prefix(['h', 'l', 'L']).unwrap_or(rest);
        let conversion = rest.chars().next().ok_or_else(|| wrong("the format ends within a field"))?;
        Ok((field, conversion, &rest[conversion.len_utf8()..]))
    }

    fn write(&self, state: &State, conversion: char, value: &Value) -> Result<String, Error> {
        let number = || Number::of(value).ok_or_else(|| self.unfit(conversion, value));
        match conversion {
            's' | 'r' | 'a' => {
                budget::measure(state, value)?;
                let mut whole = if conversion == 's' { text(value).into_owned() } else { repr(value) };
                if conversion == 'a' {
                    whole = whole.chars().fold(String::new(), |mut out, character| {
                        if character.is_ascii() {
                            out.push(character)
                        } else {
                            escape(&mut out, character)
                        }
                        out
                    });
                }
                if let Some(precision) = self.precision {
                    whole = whole.chars().take(precision).collect();
                }
                Ok(self.pad("", &whole, false))
            }
            'c' => {
                let character = match (value.as_str(), Number::of(value)) {
                    (Some(text), _) if text.chars().count() == 1 => text.to_owned(),
                    (_, Some(Number::Int(code))) => {
                        let character = u32::try_from(code).ok().and_then(char::from_u32);
                        character.ok_or_else(|| self.unfit(conversion, value))?.to_string()
                    }
                    _ => return Err(self.unfit(conversion, value)),
                };
                Ok(self.pad("", &character, false))
            }
            'd' | 'i' | 'u' | 'x' | 'X' | 'o' => {
                let whole = match number()? {
                    Number::Int(whole) => whole,
                    Number::Float(float) if float.is_finite() && "diu".contains(conversion) => float.trunc() as i128,
                    Number::Float(_) => return Err(self.unfit(conversion, value)),
                };
                let mut digits = radix(whole.unsigned_abs(), conversion);
                let missing = self.precision.unwrap_or(0).saturating_sub(digits.len());
                digits.insert_str(0, &"0".repeat(missing));
                let base = match conversion {
                    'x' => "0x",
                    'X' => "0X",
                    'o' => "0o",
                    _ => "",
                };
                let sign = self.sign(whole < 0);
                let prefix = if self.alternate { [sign, base].concat() } else { sign.to_owned() };
                Ok(self.pad(&prefix, &digits, true))
            }
            'e' | 'E' | 'f' | 'F' | 'g' | 'G' => {
                let float = number()?.float();
                let sign = self.sign(float.is_sign_negative() && !float.is_nan());
                Ok(self.pad(sign, &digits(float, conversion, self.precision, self.alternate), true))
            }
            _ => Err(wrong(format!("a format has no conversion {conversion:?}"))),
        }
    }

    fn sign(&self, negative: bool) -> &'static str {
        match (negative, self.plus, self.space) {
            (true, ..) => "-",
            (_, true, _) => "+",
            (_, _, true) => " ",
            _ => "",
        }
    }

    /// A written value, filled to the width of the field.
    fn pad(&self, prefix: &str, body: &str, number: bool) -> String {
        let missing = self.width.saturating_sub(prefix.len() + body.chars().count());
        match (self.left, self.zero && number) {
            (true, _) => [prefix, body, &" ".repeat(missing)].concat(),
            (_, true) => [prefix, &"0".repeat(missing), body].concat(),
            _ => [&" ".repeat(missing), prefix, body].concat(),
        }
    }

    fn unfit(&self, conversion: char, value: &Value) -> Error {
        let kind = if value.kind() == ValueKind::Undefined { "an undefined value" } else { type_name(value) };
        wrong(format!("%{conversion} does not format {kind}"))
    }
}
