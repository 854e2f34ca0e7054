//! The arguments of a filter or a method, by place or by name, as Python binds them.

use minijinja::value::Kwargs;
use minijinja::{Error, ErrorKind, Value};

use super::text::type_name;
use super::wrong;

/// Arguments by the place of their parameter.
pub(super) struct Arguments {
    name: &'static str,
    parameters: &'static [&'static str],
    values: Vec<Option<Value>>,
}

impl Arguments {
    /// Binds given values to parameters.
    pub fn new(name: &'static str, parameters: &'static [&'static str], given: &[Value]) -> Result<Self, Error> {
        let (placed, named) = split(given);
        if placed.len() > parameters.len() {
            let reason =
                format!("{name} takes at most {} arguments, and {} were given", parameters.len(), placed.len());
            return Err(Error::new(ErrorKind::TooManyArguments, reason));
        }
        let mut values: Vec<Option<Value>> = placed.iter().cloned().map(Some).collect();
        values.resize(parameters.len(), None);
        if let Some(named) = named {
            for key in named.try_iter()? {
                let known = parameters.iter().position(|parameter| Some(*parameter) == key.as_str());
                let Some(place) = known.filter(|place| values[*place].is_none()) else {
                    return Err(Error::new(ErrorKind::TooManyArguments, format!("{name} takes no argument {key}")));
                };
                values[place] = Some(named.get_item(&key)?);
            }
        }
        Ok(Self { name, parameters, values })
    }

    /// The argument that was given, if any.
    pub fn get(&self, place: usize) -> Option<&Value> {
        self.values[place].as_ref()
    }

    /// The argument, unless it is none.
    pub fn some(&self, place: usize) -> Option<&Value> {
        self.get(place).filter(|value| !value.is_none())
    }

    /// The argument, which has to be there.
    pub fn need(&self, place: usize) -> Result<&Value, Error> {
        self.get(place).ok_or_else(|| {
            let reason = format!("{} needs the argument {}", self.name, self.parameters[place]);
            Error::new(ErrorKind::MissingArgument, reason)
        })
    }

    /// Whether the argument is true.
    pub fn flag(&self, place: usize, default: bool) -> bool {
        self.get(place).map_or(default, Value::is_true)
    }

    /// A text, unless it is none.
    pub fn text(&self, place: usize) -> Result<Option<&str>, Error> {
        self.some(place).map(|value| value.as_str().ok_or_else(|| self.unfit(place, "a text", value))).transpose()
    }

    /// A text that has to be there.
    pub fn need_text(&self, place: usize) -> Result<&str, Error> {
        let value = self.need(place)?;
        value.as_str().ok_or_else(|| self.unfit(place, "a text", value))
    }

    /// A whole number, unless it is none.
    pub fn integer(&self, place: usize) -> Result<Option<i64>, Error> {
        let number = |value: &Value| {
            let whole = value.is_integer() || matches!(value.kind(), minijinja::value::ValueKind::Bool);
            let number = whole.then(|| i64::try_from(value.clone()).ok()).flatten();
            number.ok_or_else(|| self.unfit(place, "a whole number", value))
        };
        self.some(place).map(number).transpose()
    }

    /// A size: a whole number, which counts as zero where it is negative.
    pub fn size(&self, place: usize, default: usize) -> Result<usize, Error> {
        Ok(self.integer(place)?.map_or(default, |number| usize::try_from(number).unwrap_or(0)))
    }

    fn unfit(&self, place: usize, expected: &str, value: &Value) -> Error {
        let (name, parameter) = (self.name, self.parameters[place]);
        wrong(format!("{name} takes {expected} as {parameter}, and it is of type {}", type_name(value)))
    }
}

/// The arguments that are given by place, and those that are given by name.
pub(super) fn split(given: &[Value]) -> (&[Value], Option<&Value>) {
    match given.split_last() {
        Some((named, placed)) if named.is_kwargs() => (placed, Some(named)),
        _ => (given, None),
    }
}

/// The arguments that are given by name, without some of them.
pub(super) fn named_without(named: Option<&Value>, left_out: &[&str]) -> Result<Option<Value>, Error> {
    let Some(named) = named else { return Ok(None) };
    let mut kept = Vec::new();
    for key in named.try_iter()? {
        if let Some(key) = key.as_str().filter(|key| !left_out.contains(key)) {
            kept.push((key.to_owned(), named.get_attr(key)?));
        }
    }
    Ok((!kept.is_empty()).then(|| Value::from(Kwargs::from_iter(kept))))
}
