//! `format` of chat templates, as a filter and as a method: what it writes is bounded before it is written.

use minijinja::value::{Rest, ValueOrKwargs};
use minijinja::{Environment, Error, ErrorKind, State, Value, filters};
use minijinja_contrib::pycompat;

use super::measured::VALUE_BYTES;

/// Most places and digits that a field is filled to.
const MAX_PLACES: usize = 1000;

/// Most letters of a number without places: `f64::MAX` with `f` has 316, and separators make it a third longer.
const NUMBER: usize = 512;

/// Gives an environment `format`, and Python's methods.
pub(super) fn add_to(environment: &mut Environment<'_>) {
    environment.add_filter("format", |state: &mut State, text: Value, values: Rest<ValueOrKwargs>| {
        if let Some(text) = text.as_str() {
            let fields = text.split("%%").flat_map(|text| text.split('%').skip(1));
            // minijinja itself sees to it that there is room for them.
            places(fields.map(printf_spec))?;
        }
        filters::format(state, &text, values)
    });
    environment.set_unknown_method_callback(|state, value, method, values| {
        if let (Some(text), "format") = (value.as_str(), method) {
            let fields = || text.split("{{").flat_map(|text| text.split('{').skip(1));
            let longest = values.iter().map(|value| value.to_string().len()).max().unwrap_or(0);
            let unfilled = fields().count().saturating_mul(longest.saturating_add(NUMBER));
            let bytes = unfilled.saturating_add(places(fields().map(method_spec))?);
            let (_, left) = state.fuel_levels().unwrap_or_default();
            if bytes / VALUE_BYTES > usize::try_from(left).unwrap_or(usize::MAX) {
                return Err(Error::from(ErrorKind::OutOfFuel));
            }
        }
        pycompat::unknown_method_callback(state, value, method, values)
    });
}

/// Flags, width and precision behind a percent sign, and behind the key in brackets where there is one.
fn printf_spec(field: &str) -> &str {
    let unkeyed = field.strip_prefix('(').and_then(|field| field.split_once(')')).map_or(field, |(_, rest)| rest);
    let end = unkeyed.find(|letter: char| !"#0123456789- +.".contains(letter));
    &unkeyed[..end.unwrap_or(unkeyed.len())]
}

/// What stands behind the colon of a field in braces.
fn method_spec(field: &str) -> &str {
    let field = field.split_once('}').map_or(field, |(field, _)| field);
    field.split_once(':').map_or("", |(_, spec)| spec)
}

/// The places that fields ask for, all together.
fn places<'t>(specs: impl Iterator<Item = &'t str>) -> Result<usize, Error> {
    let mut all = 0usize;
    for digits in specs.flat_map(|spec| spec.split(|letter: char| !letter.is_ascii_digit())) {
        if digits.is_empty() {
            continue;
        }
        let count = digits.parse().ok().filter(|count| *count <= MAX_PLACES).ok_or_else(|| {
            let reason = format!("format fills a field to at most {MAX_PLACES} places, and {digits} were asked for");
            Error::new(ErrorKind::InvalidOperation, reason)
        })?;
        all = all.saturating_add(count);
    }
    Ok(all)
}
