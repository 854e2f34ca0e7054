//! `format` of chat templates, as a filter and as a method: what it writes is bounded before it is written.

use minijinja::value::{Rest, ValueOrKwargs};
use minijinja::{Environment, Error, ErrorKind, State, Value, filters};
use minijinja_contrib::pycompat;

use super::measured::VALUE_BYTES;

/// Most places and digits that a field is filled to.
const MAX_PLACES: usize = 1000;

/// Letters that one letter of a value becomes at most.
const ESCAPED: usize = 6;

/// Gives an environment `format`, and Python's methods.
pub(super) fn add_to(environment: &mut Environment<'_>) {
    environment.add_filter("format", |state: &mut State, text: Value, values: Rest<ValueOrKwargs>| {
        if let Some(text) = text.as_str() {
            let fields = text.split("%%").flat_map(|text| text.split('%').skip(1));
            let spec = |field: &str| {
                let keyed = if field.starts_with('(') { field.find(')').map_or(0, |at| at + 1) } else { 0 };
                let field = &field[keyed..];
                field[..field.find(|c: char| !"#0123456789- +.".contains(c)).unwrap_or(field.len())].to_owned()
            };
            places(fields.map(spec))?;
        }
        filters::format(state, &text, values)
    });
    environment.set_unknown_method_callback(|state, value, method, values| {
        if let (Some(text), "format") = (value.as_str(), method) {
            let open = || text.split("{{").flat_map(|text| text.split('{').skip(1));
            let fields = || open().map(|field| field.split('}').next().unwrap_or(field));
            let spec = |field: &str| field.split_once(':').map_or(String::new(), |(_, spec)| spec.to_owned());
            let longest = values.iter().map(|value| value.to_string().len()).max().unwrap_or(0);
            let each = longest.saturating_mul(ESCAPED);
            let bytes = fields().count().saturating_mul(each).saturating_add(places(fields().map(spec))?);
            let (_, left) = state.fuel_levels().unwrap_or_default();
            if bytes / VALUE_BYTES > usize::try_from(left).unwrap_or(usize::MAX) {
                return Err(Error::from(ErrorKind::OutOfFuel));
            }
        }
        pycompat::unknown_method_callback(state, value, method, values)
    });
}

/// The places that fields ask for, all together.
fn places(specs: impl Iterator<Item = String>) -> Result<usize, Error> {
    let mut all = 0usize;
    for spec in specs {
        for digits in spec.split(|c: char| !c.is_ascii_digit()).filter(|digits| !digits.is_empty()) {
            let count = digits.parse().ok().filter(|count| *count <= MAX_PLACES).ok_or_else(|| {
                let reason =
                    format!("format fills a field to at most {MAX_PLACES} places, and {digits} were asked for");
                Error::new(ErrorKind::InvalidOperation, reason)
            })?;
            all = all.saturating_add(count);
        }
    }
    Ok(all)
}
