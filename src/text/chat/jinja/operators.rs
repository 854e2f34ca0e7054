//! Python's operators. A template has them as filters: `a + b` is `a|__add(b)`.

use minijinja::value::{Tuple, ValueKind};
use minijinja::{Environment, Error, State, Value};

use super::globals::{Range, View};
use super::numbers::Number;
use super::text::{is_sequence, text, type_name};
use super::{items, printf, wrong};
use crate::text::chat::budget;

/// Signs of binary operators, the text of the filters that replace them, and how tightly they bind.
pub(in crate::text::chat) const OPERATORS: [(&str, &str, u8); 8] = [
    ("+", "|__add(", 1),
    ("-", "|__sub(", 1),
    ("~", "|__concat(", 2),
    ("*", "|__mul(", 3),
    ("/", "|__div(", 3),
    ("//", "|__floordiv(", 3),
    ("%", "|__mod(", 3),
    ("**", "|__pow(", 4),
];

type Operator = fn(&State, &Value, &Value) -> Result<Value, Error>;

/// Adds the filters to an environment.
pub(super) fn add_filters(environment: &mut Environment<'_>) {
    let operators: [Operator; 8] = [add, sub, concat, mul, div, floordiv, modulo, pow];
    for ((_, filter, _), operator) in OPERATORS.iter().zip(operators) {
        let name = filter.trim_matches(['|', '(']);
        environment.add_filter(name, move |state: &mut State, a: Value, b: Value| {
            let result = operator(state, &a, &b)?;
            budget::measure(state, &result)?;
            Ok::<Value, Error>(result)
        });
    }
}

fn unfit(sign: &str, a: &Value, b: &Value) -> Error {
    if a.is_undefined() || b.is_undefined() {
        return Error::new(minijinja::ErrorKind::UndefinedError, format!("an operand of {sign} is undefined"));
    }
    wrong(format!("{sign} takes no {} and {}", type_name(a), type_name(b)))
}

fn too_large(sign: &str) -> Error {
    wrong(format!("the result of {sign} is larger than a number of 128 bits"))
}

pub(super) fn add(state: &State, a: &Value, b: &Value) -> Result<Value, Error> {
    let whole = |value: &Value| {
        let viewed = value.downcast_object_ref::<Range>().is_some() || value.downcast_object_ref::<View>().is_some();
        is_sequence(value) && !viewed
    };
    match (Number::of(a), Number::of(b)) {
        (Some(Number::Int(a)), Some(Number::Int(b))) => {
            a.checked_add(b).map(|sum| Number::Int(sum).value()).ok_or_else(|| too_large("+"))
        }
        (Some(a), Some(b)) => Ok(Value::from(a.float() + b.float())),
        _ if a.kind() == ValueKind::String && b.kind() == ValueKind::String => concat(state, a, b),
        _ if whole(a) && whole(b) && a.is_tuple() == b.is_tuple() => {
            let mut joined = items(state, a)?;
            joined.extend(items(state, b)?);
            Ok(list(a.is_tuple(), joined))
        }
        _ => Err(unfit("+", a, b)),
    }
}

/// A tuple or a list.
fn list(tuple: bool, values: Vec<Value>) -> Value {
    if tuple { Value::from(Tuple::from(values)) } else { Value::from(values) }
}

fn sub(_: &State, a: &Value, b: &Value) -> Result<Value, Error> {
    match (Number::of(a), Number::of(b)) {
        (Some(Number::Int(a)), Some(Number::Int(b))) => {
            a.checked_sub(b).map(|rest| Number::Int(rest).value()).ok_or_else(|| too_large("-"))
        }
        (Some(a), Some(b)) => Ok(Value::from(a.float() - b.float())),
        _ => Err(unfit("-", a, b)),
    }
}

fn concat(state: &State, a: &Value, b: &Value) -> Result<Value, Error> {
    budget::measure(state, a)?;
    budget::measure(state, b)?;
    let (a, b) = (text(a), text(b));
    budget::charge(state, a.len() + b.len())?;
    Ok(Value::from([&*a, &*b].concat()))
}

fn mul(state: &State, a: &Value, b: &Value) -> Result<Value, Error> {
    match (Number::of(a), Number::of(b)) {
        (Some(Number::Int(a)), Some(Number::Int(b))) => {
            a.checked_mul(b).map(|product| Number::Int(product).value()).ok_or_else(|| too_large("*"))
        }
        (Some(a), Some(b)) => Ok(Value::from(a.float() * b.float())),
        (None, Some(Number::Int(count))) => repeat(state, a, count).unwrap_or_else(|| Err(unfit("*", a, b))),
        (Some(Number::Int(count)), None) => repeat(state, b, count).unwrap_or_else(|| Err(unfit("*", a, b))),
        _ => Err(unfit("*", a, b)),
    }
}

/// A text, list or tuple repeated a number of times.
fn repeat(state: &State, value: &Value, count: i128) -> Option<Result<Value, Error>> {
    let count = usize::try_from(count.max(0)).unwrap_or(usize::MAX);
    if let Some(text) = value.as_str().filter(|_| value.kind() == ValueKind::String) {
        let paid = budget::charge(state, text.len().saturating_mul(count));
        return Some(paid.map(|()| Value::from(if text.is_empty() { String::new() } else { text.repeat(count) })));
    }
    is_sequence(value).then(|| {
        let once = items(state, value)?;
        budget::charge_items(state, once.len().saturating_mul(count))?;
        let count = if once.is_empty() { 0 } else { count };
        Ok(list(value.is_tuple(), std::iter::repeat_n(once, count).flatten().collect()))
    })
}

/// The numbers of a division, of which the second is not zero.
fn divided(sign: &str, a: &Value, b: &Value) -> Result<(Number, Number), Error> {
    match (Number::of(a), Number::of(b)) {
        (Some(_), Some(by)) if by.float() == 0.0 => Err(wrong("division by zero")),
        (Some(number), Some(by)) => Ok((number, by)),
        _ => Err(unfit(sign, a, b)),
    }
}

fn div(_: &State, a: &Value, b: &Value) -> Result<Value, Error> {
    divided("/", a, b).map(|(a, b)| Value::from(a.float() / b.float()))
}

fn floordiv(_: &State, a: &Value, b: &Value) -> Result<Value, Error> {
    match divided("//", a, b)? {
        (Number::Int(a), Number::Int(b)) => {
            let (quotient, rest) = (a.checked_div(b).ok_or_else(|| too_large("//"))?, a.wrapping_rem(b));
            Ok(Number::Int(quotient - i128::from(rest != 0 && (rest < 0) != (b < 0))).value())
        }
        (a, b) => Ok(Value::from(float_division(a.float(), b.float()).0)),
    }
}

pub(super) fn modulo(state: &State, a: &Value, b: &Value) -> Result<Value, Error> {
    if let Some(form) = a.as_str().filter(|_| a.kind() == ValueKind::String) {
        return printf::format(state, form, b).map(Value::from);
    }
    match divided("%", a, b)? {
        (Number::Int(a), Number::Int(b)) => {
            let rest = a.wrapping_rem(b);
            Ok(Number::Int(if rest != 0 && (rest < 0) != (b < 0) { rest + b } else { rest }).value())
        }
        (a, b) => Ok(Value::from(float_division(a.float(), b.float()).1)),
    }
}

/// The quotient, rounded down, and a rest with the sign of the divisor.
fn float_division(a: f64, b: f64) -> (f64, f64) {
    let mut rest = a % b;
    let mut quotient = (a - rest) / b;
    if rest == 0.0 {
        rest = 0.0f64.copysign(b);
    } else if (rest < 0.0) != (b < 0.0) {
        rest += b;
        quotient -= 1.0;
    }
    if quotient == 0.0 {
        return (0.0f64.copysign(a / b), rest);
    }
    let floor = quotient.floor();
    (if quotient - floor > 0.5 { floor + 1.0 } else { floor }, rest)
}

fn pow(_: &State, a: &Value, b: &Value) -> Result<Value, Error> {
    match (Number::of(a), Number::of(b)) {
        (Some(Number::Int(base)), Some(Number::Int(exponent))) if exponent >= 0 => {
            let power = match base {
                0 => Some(i128::from(exponent == 0)),
                1 => Some(1),
                -1 => Some(if exponent % 2 == 0 { 1 } else { -1 }),
                _ => u32::try_from(exponent).ok().and_then(|exponent| base.checked_pow(exponent)),
            };
            power.map(|power| Number::Int(power).value()).ok_or_else(|| too_large("**"))
        }
        (Some(base), Some(exponent)) => {
            let (base, exponent) = (base.float(), exponent.float());
            if base == 0.0 && exponent < 0.0 {
                return Err(wrong("division by zero"));
            }
            let power = base.powf(exponent);
            if power.is_nan() && !base.is_nan() && !exponent.is_nan() {
                return Err(wrong("the result of ** is no real number"));
            }
            Ok(Value::from(power))
        }
        _ => Err(unfit("**", a, b)),
    }
}
