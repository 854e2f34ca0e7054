//! The behaviour of Jinja2 and Python where minijinja differs or lacks something: operators, tests, filters, methods,
//! functions, and how values print. `tests/template_golden.rs` compares them with Jinja2 itself.

mod arguments;
mod attributes;
mod checks;
mod fields;
mod globals;
mod json;
mod markup;
mod methods;
mod numbers;
pub(super) mod operators;
mod printf;
mod sequences;
mod strings;
mod text;
mod texts;

use std::borrow::Cow;

use minijinja::value::{Rest, ValueOrKwargs};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, State, Value};

use self::arguments::Arguments;
use super::budget::{self, Deadline};

/// A filter: its name, the names of its parameters, and the function that it is.
type Filter = (&'static str, &'static [&'static str], fn(&mut State, &Value, &Arguments) -> Result<Value, Error>);

/// Adds all of these to an environment.
pub(super) fn add_to(environment: &mut Environment<'_>, deadline: &Deadline) {
    for (name, parameters, filter) in texts::FILTERS.iter().chain(sequences::FILTERS).chain(markup::FILTERS) {
        let deadline = deadline.clone();
        environment.add_filter(*name, move |state: &mut State, value: Value, given: Rest<ValueOrKwargs>| {
            deadline.check()?;
            let given = given.into_values();
            filter(state, &value, &Arguments::new(name, parameters, &given)?)
        });
    }
    attributes::add_filters(environment);
    operators::add_filters(environment);
    checks::add_tests(environment);
    globals::add_functions(environment);
    environment.set_unknown_method_callback(methods::call);
    environment.set_formatter(|out, state, value| {
        budget::measure(state, value)?;
        let written = text::text(value);
        budget::charge(state, written.len())?;
        let escaped = matches!(state.auto_escape(), AutoEscape::Html) && !value.is_safe();
        let written = if escaped { Cow::Owned(markup::escaped(&written)) } else { written };
        out.write_str(&written).map_err(Error::from)
    });
}

/// An operation that Python does not allow.
fn wrong(reason: impl Into<Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::InvalidOperation, reason)
}

/// The items of a value that a loop can go through.
fn items(state: &State, value: &Value) -> Result<Vec<Value>, Error> {
    if let Some(count) = value.len() {
        budget::charge_items(state, count)?;
    }
    let mut items = Vec::new();
    let undefined = value.is_undefined();
    if value.is_none() {
        return Err(wrong("none cannot be gone through"));
    }
    for item in value.try_iter()? {
        if undefined {
            break;
        }
        items.push(item);
    }
    Ok(items)
}
