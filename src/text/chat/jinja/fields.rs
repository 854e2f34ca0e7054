//! `form.format(…)`, by Python's rules for fields in braces.

use minijinja::value::ValueKind;
use minijinja::{Error, State, Value};

use super::arguments::split;
use super::numbers::{Number, digits, places, radix};
use super::text::{escape, float, repr, text, type_name};
use super::wrong;
use crate::text::chat::budget;

/// Fields in the format of a field.
const MAX_NESTING: usize = 2;

/// The values of a form, by place and by name.
struct Values<'v> {
    placed: &'v [Value],
    named: Option<&'v Value>,
    /// How many fields without a name there were so far.
    counted: usize,
}

/// The text of a form with the arguments of a call.
pub(super) fn format(state: &State, form: &str, given: &[Value]) -> Result<String, Error> {
    let (placed, named) = split(given);
    Values { placed, named, counted: 0 }.format(state, form, 0)
}

/// The text of a form with the values of a dict.
pub(super) fn format_map(state: &State, form: &str, values: &Value) -> Result<String, Error> {
    Values { placed: &[], named: Some(values), counted: 0 }.format(state, form, 0)
}

impl Values<'_> {
    fn format(&mut self, state: &State, form: &str, nesting: usize) -> Result<String, Error> {
        let (mut out, mut rest) = (String::new(), form);
        while let Some(at) = rest.find(['{', '}']) {
            budget::charge(state, at)?;
            out += &rest[..at];
            let brace = rest.as_bytes()[at];
            rest = &rest[at + 1..];
            if rest.as_bytes().first() == Some(&brace) {
                out.push(char::from(brace));
                rest = &rest[1..];
                continue;
            }
            let closed = if brace == b'{' { closing(rest) } else { None };
            let Some(end) = closed else {
                return Err(wrong("a brace in the format stands alone"));
            };
            let written = self.field(state, &rest[..end], nesting)?;
            budget::charge_field(state, written.len())?;
            out += &written;
            rest = &rest[end + 1..];
        }
        out += rest;
        Ok(out)
    }

    /// A field without its braces: `name.attribute[key]!conversion:spec`.
    fn field(&mut self, state: &State, field: &str, nesting: usize) -> Result<String, Error> {
        let end = field.find(['!', ':']).unwrap_or(field.len());
        let (path, behind) = field.split_at(end);
        let (conversion, spec) = match behind.strip_prefix('!') {
            Some(behind) => match behind.split_once(':') {
                Some((conversion, spec)) => (Some(conversion), spec),
                None => (Some(behind), ""),
            },
            None => (None, behind.strip_prefix(':').unwrap_or_default()),
        };
        let value = self.value(path)?;
        let spec = if spec.contains('{') && nesting < MAX_NESTING {
            self.format(state, spec, nesting + 1)?
        } else {
            spec.to_owned()
        };
        budget::measure(state, &value)?;
        let converted = match conversion {
            None => value,
            Some("s") => Value::from(text(&value).into_owned()),
            Some("r") => Value::from(repr(&value)),
            Some("a") => {
                let mut out = String::new();
                for character in repr(&value).chars() {
                    if character.is_ascii() { out.push(character) } else { escape(&mut out, character) }
                }
                Value::from(out)
            }
            Some(other) => return Err(wrong(format!("a format has no conversion {other:?}"))),
        };
        Spec::read(&spec)?.write(&converted)
    }

    fn value(&mut self, path: &str) -> Result<Value, Error> {
        let end = path.find(['.', '[']).unwrap_or(path.len());
        let (name, mut rest) = path.split_at(end);
        let place = if name.is_empty() {
            self.counted += 1;
            Some(self.counted - 1)
        } else {
            name.parse().ok()
        };
        let missing = || wrong(format!("the format has no value for {{{name}}}"));
        let mut value = match place {
            Some(place) => self.placed.get(place).cloned().ok_or_else(missing)?,
            None => self.named.map(|named| named.get_attr(name)).transpose()?.unwrap_or_default(),
        };
        if value.is_undefined() && place.is_none() {
            return Err(missing());
        }
        while !rest.is_empty() {
            let (key, behind) = match rest.strip_prefix('[') {
                Some(inner) => inner.split_once(']').ok_or_else(|| wrong("a bracket in the format stands alone"))?,
                None => {
                    let inner = rest.strip_prefix('.').ok_or_else(|| wrong("a field of the format has no sense"))?;
                    inner.split_at(inner.find(['.', '[']).unwrap_or(inner.len()))
                }
            };
            value = match key.parse::<usize>() {
                Ok(index) if rest.starts_with('[') => value.get_item(&Value::from(index))?,
                _ => value.get_attr(key)?,
            };
            rest = behind;
        }
        Ok(value)
    }
}

/// A number with a given count of digits, at least one of them behind the point.
fn shortened(number: f64, precision: usize, alternate: bool) -> String {
    let precision = precision.max(1);
    let power =
        format!("{:.*e}", precision - 1, number.abs()).split_once('e').and_then(|(_, power)| power.parse().ok());
    if power.is_some_and(|power: i32| power >= precision as i32 - 1) {
        let written = digits(number, 'e', Some(precision - 1), true);
        let (mantissa, exponent) = written.split_once('e').unwrap_or((&written, ""));
        let mantissa = if alternate { mantissa } else { mantissa.trim_end_matches('0').trim_end_matches('.') };
        return format!("{mantissa}e{exponent}");
    }
    let short = digits(number, 'g', Some(precision), alternate);
    if short.contains(['.', 'e', 'n']) { short } else { short + ".0" }
}

/// The position of the brace that closes a field.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0;
    for (at, character) in text.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => return Some(at),
            '}' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// The format specification of a field: the part behind its colon.
struct Spec {
    fill: char,
    align: Option<char>,
    sign: char,
    alternate: bool,
    width: usize,
    grouping: Option<char>,
    precision: Option<usize>,
    kind: Option<char>,
    plain: bool,
}

impl Spec {
    fn read(spec: &str) -> Result<Self, Error> {
        let characters: Vec<char> = spec.chars().collect();
        let is_align = |character: Option<&char>| character.is_some_and(|character| "<>=^".contains(*character));
        let (fill, align, mut at) = if is_align(characters.get(1)) {
            (characters[0], Some(characters[1]), 2)
        } else if is_align(characters.first()) {
            (' ', Some(characters[0]), 1)
        } else {
            (' ', None, 0)
        };
        let mut read = Self {
            fill,
            align,
            sign: '-',
            alternate: false,
            width: 0,
            grouping: None,
            precision: None,
            kind: None,
            plain: spec.is_empty(),
        };
        let mut take = |allowed: &str| {
            let found = characters.get(at).copied().filter(|character| allowed.contains(*character));
            at += usize::from(found.is_some());
            found
        };
        read.sign = take("+- ").unwrap_or('-');
        read.alternate = take("#").is_some();
        if take("0").is_some() && read.align.is_none() {
            (read.fill, read.align) = ('0', Some('='));
        }
        let count = |take: &mut dyn FnMut(&str) -> Option<char>| {
            let digits: String = std::iter::from_fn(|| take("0123456789")).collect();
            if digits.is_empty() { Ok(None) } else { places(&digits).map(Some) }
        };
        read.width = count(&mut take)?.unwrap_or(0);
        read.grouping = take(",_");
        if take(".").is_some() {
            let precision = count(&mut take)?;
            read.precision = Some(precision.ok_or_else(|| wrong("a format has a point without digits"))?);
        }
        read.kind = take("bcdeEfFgGnosxX%");
        if at < characters.len() {
            return Err(wrong(format!("the format {spec:?} has no sense")));
        }
        Ok(read)
    }

    fn write(&self, value: &Value) -> Result<String, Error> {
        if self.plain {
            return Ok(text(value).into_owned());
        }
        let unfit = || wrong(format!("this format is not for {}", type_name(value)));
        if value.kind() == ValueKind::String {
            if self.kind.is_some_and(|kind| kind != 's') || self.align == Some('=') && self.fill != '0' {
                return Err(unfit());
            }
            let whole = value.as_str().unwrap_or_default();
            let cut: String = whole.chars().take(self.precision.unwrap_or(usize::MAX)).collect();
            return Ok(self.pad("", &cut, '<'));
        }
        let number = Number::of(value).ok_or_else(unfit)?;
        let (negative, prefix, body) = match (number, self.kind) {
            (Number::Int(code), Some('c')) => {
                let character = u32::try_from(code).ok().and_then(char::from_u32).ok_or_else(unfit)?;
                return Ok(self.pad("", &character.to_string(), '<'));
            }
            (Number::Int(number), None | Some('d' | 'n' | 'b' | 'o' | 'x' | 'X')) => {
                let kind = self.kind.unwrap_or('d');
                let prefix = match kind {
                    'b' | 'o' | 'x' | 'X' if self.alternate => format!("0{kind}"),
                    _ => String::new(),
                };
                let every = if "boxX".contains(kind) { 4 } else { 3 };
                (number < 0, prefix, self.grouped(&radix(number.unsigned_abs(), kind), every))
            }
            (_, Some('s' | 'c' | 'd' | 'b' | 'o' | 'x' | 'X')) => return Err(unfit()),
            (number, kind) => {
                let number = number.float();
                let body = match (kind, self.precision) {
                    (Some('%'), precision) => digits(number * 100.0, 'f', precision, self.alternate) + "%",
                    (Some('n'), precision) => digits(number, 'g', precision, self.alternate),
                    (Some(kind), precision) => digits(number, kind, precision, self.alternate),
                    (None, None) => float(number.abs()),
                    (None, Some(precision)) => shortened(number, precision, self.alternate),
                };
                let whole = body.find(|character: char| !character.is_ascii_digit()).unwrap_or(body.len());
                let grouped = self.grouped(&body[..whole], 3) + &body[whole..];
                (number.is_sign_negative() && !number.is_nan(), String::new(), grouped)
            }
        };
        let sign = match self.sign {
            _ if negative => "-",
            '+' => "+",
            ' ' => " ",
            _ => "",
        };
        Ok(self.pad(&[sign, &prefix].concat(), &body, '>'))
    }

    fn grouped(&self, digits: &str, every: usize) -> String {
        let Some(separator) = self.grouping else { return digits.to_owned() };
        let mut out = String::new();
        for (at, digit) in digits.chars().enumerate() {
            if at > 0 && (digits.len() - at).is_multiple_of(every) {
                out.push(separator);
            }
            out.push(digit);
        }
        out
    }

    fn pad(&self, prefix: &str, body: &str, default: char) -> String {
        let missing = self.width.saturating_sub(prefix.chars().count() + body.chars().count());
        let fill = |count: usize| std::iter::repeat_n(self.fill, count).collect::<String>();
        match self.align.unwrap_or(default) {
            '<' => [prefix, body, &fill(missing)].concat(),
            '^' => [&fill(missing / 2), prefix, body, &fill(missing - missing / 2)].concat(),
            '=' if default == '>' => [prefix, &fill(missing), body].concat(),
            '=' => [prefix, body, &fill(missing)].concat(),
            _ => [&fill(missing), prefix, body].concat(),
        }
    }
}
