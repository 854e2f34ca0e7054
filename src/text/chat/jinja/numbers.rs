//! Numbers: the number that a value is, how values compare, and how numbers are written with a given count of digits.

use std::cmp::Ordering;

use minijinja::value::ValueKind;
use minijinja::{Error, Value};

use super::text::{is_sequence, type_name};
use super::wrong;

/// Most places and digits that a field is filled to.
pub(super) const MAX_PLACES: usize = 1000;

/// A number of Python's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Number {
    Int(i128),
    Float(f64),
}

impl Number {
    /// The number that a value is; truth values are 0 and 1.
    pub fn of(value: &Value) -> Option<Self> {
        match value.kind() {
            ValueKind::Bool => Some(Self::Int(i128::from(value.is_true()))),
            ValueKind::Number if value.is_integer() => i128::try_from(value.clone()).ok().map(Self::Int),
            ValueKind::Number => f64::try_from(value.clone()).ok().map(Self::Float),
            _ => None,
        }
    }

    pub fn float(self) -> f64 {
        match self {
            Self::Int(number) => number as f64,
            Self::Float(number) => number,
        }
    }

    pub fn value(self) -> Value {
        match self {
            Self::Int(number) => i64::try_from(number).map_or_else(|_| Value::from(number), Value::from),
            Self::Float(number) => Value::from(number),
        }
    }
}

/// Which of two values is less, where Python has an order for them.
pub(super) fn compare(a: &Value, b: &Value) -> Result<Ordering, Error> {
    if let (Some(a), Some(b)) = (Number::of(a), Number::of(b)) {
        return Ok(match (a, b) {
            (Number::Int(a), Number::Int(b)) => a.cmp(&b),
            _ => a.float().partial_cmp(&b.float()).unwrap_or(Ordering::Equal),
        });
    }
    if let (Some(a), Some(b)) = (a.as_str(), b.as_str()) {
        return Ok(a.cmp(b));
    }
    if is_sequence(a) && is_sequence(b) && a.is_tuple() == b.is_tuple() {
        let (mut left, mut right) = (a.try_iter()?, b.try_iter()?);
        loop {
            match (left.next(), right.next()) {
                (Some(a), Some(b)) if a == b => {}
                (Some(a), Some(b)) => return compare(&a, &b),
                (a, b) => return Ok(a.is_some().cmp(&b.is_some())),
            }
        }
    }
    Err(wrong(format!("values of types {} and {} have no order", type_name(a), type_name(b))))
}

/// A place or digit count that is not too large.
pub(super) fn places(digits: &str) -> Result<usize, Error> {
    digits.parse().ok().filter(|count| *count <= MAX_PLACES).ok_or_else(|| {
        wrong(format!("format fills a field to at most {MAX_PLACES} places, and {digits} were asked for"))
    })
}

/// The digits of a number without its sign, as C's `printf` writes them: by `f`, `e` or `g`, in lower or upper case.
pub(super) fn digits(number: f64, conversion: char, precision: Option<usize>, alternate: bool) -> String {
    let number = number.abs();
    let upper = conversion.is_ascii_uppercase();
    let cased = |text: String| if upper { text.to_uppercase() } else { text };
    if !number.is_finite() {
        return cased(if number.is_nan() { "nan" } else { "inf" }.to_owned());
    }
    let precision = precision.unwrap_or(6);
    let point = |text: String| if alternate && !text.contains('.') { text + "." } else { text };
    let exponential = |precision: usize, strip: bool| {
        let text = format!("{number:.precision$e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let digits = if strip { stripped(digits) } else { digits };
        let power: i32 = exponent.parse().unwrap_or_default();
        format!("{}e{}{:02}", point(digits.to_owned()), if power < 0 { '-' } else { '+' }, power.abs())
    };
    cased(match conversion.to_ascii_lowercase() {
        'e' => exponential(precision, false),
        'g' => {
            let significant = precision.max(1);
            let rounded = format!("{number:.*e}", significant - 1);
            let power: i32 = rounded.split_once('e').and_then(|(_, power)| power.parse().ok()).unwrap_or_default();
            if power < -4 || power >= significant as i32 {
                exponential(significant - 1, !alternate)
            } else {
                let decimals = usize::try_from(significant as i32 - 1 - power).unwrap_or_default();
                let text = format!("{number:.decimals$}");
                if alternate { point(text) } else { stripped(&text).to_owned() }
            }
        }
        _ => point(format!("{number:.precision$}")),
    })
}

/// Decimals without zeros at their end.
fn stripped(digits: &str) -> &str {
    if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits }
}

/// The digits of a whole number in a base, as `x`, `X`, `o`, `b` or `d` name it.
pub(super) fn radix(number: u128, conversion: char) -> String {
    match conversion {
        'x' => format!("{number:x}"),
        'X' => format!("{number:X}"),
        'o' => format!("{number:o}"),
        'b' => format!("{number:b}"),
        _ => number.to_string(),
    }
}
