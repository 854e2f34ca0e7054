//! Attributes of items by a path such as `a.b.0`, and the filters that take filters or tests by their names.

use minijinja::value::{Rest, ValueOrKwargs};
use minijinja::{Environment, Error, ErrorKind, State, Value};

use super::arguments::{named_without, split};
use super::text::is_dict;
use super::{items, texts, wrong};
use crate::text::chat::budget::charge_items;

/// A path to a value within another: names, and places where they are numbers.
pub(super) struct Path {
    parts: Vec<Value>,
    /// The value where the path leads nowhere.
    default: Option<Value>,
}

impl Path {
    pub fn new(attribute: &Value, default: Option<&Value>) -> Self {
        let part = |part: &str| part.parse::<usize>().map_or_else(|_| Value::from(part), Value::from);
        let parts = match attribute.as_str() {
            Some(path) => path.split('.').map(part).collect(),
            None => vec![attribute.clone()],
        };
        Self { parts, default: default.filter(|value| !value.is_none()).cloned() }
    }

    pub fn get(&self, item: &Value) -> Result<Value, Error> {
        let mut value = item.clone();
        for part in &self.parts {
            if value.is_undefined() {
                return Err(Error::new(ErrorKind::UndefinedError, format!("an item has no {part}")));
            }
            value = value.get_item(part).unwrap_or_default();
            if value.is_undefined()
                && let Some(default) = &self.default
            {
                value = default.clone();
            }
        }
        Ok(value)
    }
}

/// Gives an item itself, or the value that a path leads to in it.
pub(super) fn getter(attribute: Option<&Value>) -> impl Fn(&Value) -> Result<Value, Error> {
    let path = attribute.map(|attribute| Path::new(attribute, None));
    move |item| path.as_ref().map_or_else(|| Ok(item.clone()), |path| path.get(item))
}

/// Adds the filters whose arguments are names of filters, tests or attributes to an environment.
pub(super) fn add_filters(environment: &mut Environment<'_>) {
    environment.add_filter("map", |state: &mut State, value: Value, given: Rest<ValueOrKwargs>| {
        map(state, &value, &given.into_values())
    });
    for (name, keep, attribute) in
        [("select", true, false), ("reject", false, false), ("selectattr", true, true), ("rejectattr", false, true)]
    {
        environment.add_filter(name, move |state: &mut State, value: Value, given: Rest<ValueOrKwargs>| {
            select(state, &value, &given.into_values(), keep, attribute)
        });
    }
    environment.add_filter("format", |state: &mut State, form: Value, given: Rest<ValueOrKwargs>| {
        let given = given.into_values();
        let values = match split(&given) {
            (placed, None) => Value::from(minijinja::value::Tuple::from(placed.to_vec())),
            ([], Some(named)) => {
                Value::from_pairs(named.try_iter()?.map(|key| (key.clone(), named.get_item(&key).unwrap_or_default())))
            }
            _ => return Err(wrong("format takes values by place or by name, and not both")),
        };
        let one_dict = values.is_tuple() && values.len() == Some(1) && is_dict(&values.get_item_by_index(0)?);
        let values = if one_dict { values.get_item_by_index(0)? } else { values };
        texts::format(state, &form, &values)
    });
}

fn map(state: &mut State, value: &Value, given: &[Value]) -> Result<Value, Error> {
    let (placed, named) = split(given);
    let attribute = named.map(|named| named.get_attr("attribute")).transpose()?.filter(|value| !value.is_undefined());
    let all = items(state, value)?;
    charge_items(state, all.len())?;
    if let ([], Some(attribute)) = (placed, attribute) {
        let default = named.map(|named| named.get_attr("default")).transpose()?.filter(|value| !value.is_undefined());
        let path = Path::new(&attribute, default.as_ref());
        return all.iter().map(|item| path.get(item)).collect::<Result<Vec<_>, _>>().map(Value::from);
    }
    let Some((filter, rest)) = placed.split_first() else { return Err(wrong("map takes a filter, or an attribute")) };
    let filter = filter.as_str().ok_or_else(|| wrong("map takes the name of a filter"))?;
    let mut out = Vec::with_capacity(all.len());
    for item in all {
        let mut given = vec![item];
        given.extend_from_slice(rest);
        given.extend(named_without(named, &[])?);
        out.push(state.apply_filter(filter, &given)?);
    }
    Ok(Value::from(out))
}

fn select(state: &mut State, value: &Value, given: &[Value], keep: bool, attribute: bool) -> Result<Value, Error> {
    let (mut placed, named) = split(given);
    let mut path = None;
    if attribute {
        let Some((attribute, rest)) = placed.split_first() else { return Err(wrong("this takes an attribute")) };
        path = Some(Path::new(attribute, None));
        placed = rest;
    }
    let all = items(state, value)?;
    charge_items(state, all.len())?;
    let mut out = Vec::new();
    for item in all {
        let tested = path.as_ref().map_or_else(|| Ok(item.clone()), |path| path.get(&item))?;
        let passes = match placed.split_first() {
            None => tested.is_true(),
            Some((test, rest)) => {
                let test = test.as_str().ok_or_else(|| wrong("this takes the name of a test"))?;
                let mut given = vec![tested];
                given.extend_from_slice(rest);
                given.extend(named_without(named, &[])?);
                state.perform_test(test, &given)?
            }
        };
        if passes == keep {
            out.push(item);
        }
    }
    Ok(Value::from(out))
}
