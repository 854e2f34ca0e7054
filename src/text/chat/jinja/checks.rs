//! Jinja2's tests of values, where minijinja's answer otherwise or are missing.

use std::cmp::Ordering;

use minijinja::value::ValueKind;
use minijinja::{Environment, Error, State, Value};

use super::globals::Joiner;
use super::numbers::{Number, compare};
use super::text::{is_dict, is_sequence, object_name};
use super::{strings, wrong};

/// A test of one value, with its name.
type Simple = (&'static str, fn(&Value) -> bool);

/// A test of an order, with its names.
type Ordered = (&'static [&'static str], fn(Ordering) -> bool);

/// Adds the tests to an environment.
pub(super) fn add_tests(environment: &mut Environment<'_>) {
    let simple: [Simple; 11] = [
        ("iterable", is_iterable),
        ("sequence", |value| is_iterable(value) && object_name(value) != "Loop"),
        ("mapping", is_dict),
        ("string", |value| value.kind() == ValueKind::String),
        ("number", |value| matches!(value.kind(), ValueKind::Number | ValueKind::Bool)),
        ("integer", Value::is_integer),
        ("float", |value| value.kind() == ValueKind::Number && !value.is_integer()),
        ("boolean", |value| value.kind() == ValueKind::Bool),
        ("true", |value| value.kind() == ValueKind::Bool && value.is_true()),
        ("false", |value| value.kind() == ValueKind::Bool && !value.is_true()),
        ("callable", is_callable),
    ];
    for (name, test) in simple {
        environment.add_test(name, move |value: Value| test(&value));
    }
    environment
        .add_test("sameas", |a: Value, b: Value| a.kind() == b.kind() && a.is_integer() == b.is_integer() && a == b);
    environment.add_test("lower", |value: Value| strings::is_all(&super::text::text(&value), true));
    environment.add_test("upper", |value: Value| strings::is_all(&super::text::text(&value), false));
    environment.add_test("even", |value: Value| rest(&value, &Value::from(2)).map(|rest| rest == 0.0));
    environment.add_test("odd", |value: Value| rest(&value, &Value::from(2)).map(|rest| rest == 1.0));
    environment.add_test("divisibleby", |value: Value, by: Value| rest(&value, &by).map(|rest| rest == 0.0));
    let orders: [Ordered; 4] = [
        (&["lt", "<", "lessthan"], Ordering::is_lt),
        (&["le", "<="], Ordering::is_le),
        (&["gt", ">", "greaterthan"], Ordering::is_gt),
        (&["ge", ">="], Ordering::is_ge),
    ];
    for (names, holds) in orders {
        for name in names {
            environment.add_test(*name, move |a: Value, b: Value| compare(&a, &b).map(holds));
        }
    }
    environment.add_test("escaped", |value: Value| value.is_safe());
    environment.add_test("filter", |state: &mut State, name: String| {
        // A known filter may fail without a value, and an unknown one fails with another error.
        let tried = state.apply_filter(&name, &[Value::UNDEFINED]);
        !tried.is_err_and(|error| error.kind() == minijinja::ErrorKind::UnknownFilter)
    });
}

fn is_iterable(value: &Value) -> bool {
    matches!(value.kind(), ValueKind::Undefined | ValueKind::String | ValueKind::Bytes)
        || is_sequence(value)
        || is_dict(value)
        || object_name(value) == "Loop"
}

/// Whether a value can be called: a function, a macro, or an undefined value, whose call fails.
fn is_callable(value: &Value) -> bool {
    let object = value.kind() == ValueKind::Plain && object_name(value) != "Cycler";
    value.is_undefined() || object || object_name(value) == "Macro" || value.downcast_object_ref::<Joiner>().is_some()
}

/// The rest of a division, with the sign of the divisor.
fn rest(value: &Value, by: &Value) -> Result<f64, Error> {
    match (Number::of(value), Number::of(by)) {
        (Some(_), Some(by)) if by.float() == 0.0 => Err(wrong("division by zero")),
        (Some(Number::Int(number)), Some(Number::Int(by))) if by > 0 => Ok(number.rem_euclid(by) as f64),
        (Some(number), Some(by)) => Ok((number.float() % by.float() + by.float()) % by.float()),
        _ => Err(wrong("this test takes numbers")),
    }
}
