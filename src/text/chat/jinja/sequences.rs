//! Jinja2's filters of lists and dicts.

use std::cmp::Ordering;

use minijinja::value::{Tuple, ValueKind};
use minijinja::{Error, State, Value};

use super::arguments::Arguments;
use super::attributes::{Path, getter};
use super::globals::NamedPair;
use super::numbers::compare;
use super::text::{is_dict, text};
use super::{Filter, items, operators, wrong};
use crate::text::chat::budget::{charge, charge_items};

pub(super) const FILTERS: &[Filter] = &[
    ("list", &[], |state, value, _| items(state, value).map(Value::from)),
    ("length", &[], length),
    ("count", &[], length),
    ("first", &[], |_, value, _| {
        Ok(if value.is_undefined() { Value::UNDEFINED } else { value.try_iter()?.next().unwrap_or_default() })
    }),
    ("last", &[], |state, value, _| Ok(items(state, value)?.pop().unwrap_or_default())),
    ("reverse", &[], |state, value, _| {
        if let Some(text) = value.as_str() {
            return Ok(Value::from(text.chars().rev().collect::<String>()));
        }
        let mut all = items(state, value)?;
        all.reverse();
        Ok(Value::from(all))
    }),
    ("join", &["d", "attribute"], join),
    ("sort", &["reverse", "case_sensitive", "attribute"], sort),
    ("dictsort", &["case_sensitive", "by", "reverse"], dict_sort),
    ("items", &[], |_, value, _| {
        if value.is_undefined() {
            return Ok(Value::from(Vec::<Value>::new()));
        }
        pairs(value).map(|pairs| pairs.into_iter().map(pair).collect())
    }),
    ("unique", &["case_sensitive", "attribute"], unique),
    ("min", &["case_sensitive", "attribute"], |state, value, given| extreme(state, value, given, Ordering::Less)),
    ("max", &["case_sensitive", "attribute"], |state, value, given| extreme(state, value, given, Ordering::Greater)),
    ("sum", &["attribute", "start"], |state, value, given| {
        let get = getter(given.some(0));
        let mut sum = given.get(1).cloned().unwrap_or_else(|| Value::from(0));
        if sum.kind() == ValueKind::String {
            return Err(wrong("sum does not join texts"));
        }
        for item in items(state, value)? {
            sum = operators::add(state, &sum, &get(&item)?)?;
        }
        Ok(sum)
    }),
    ("batch", &["linecount", "fill_with"], |state, value, given| {
        let count = given.size(0, 0)?.max(1);
        let all = items(state, value)?;
        let mut lines: Vec<Vec<Value>> = all.chunks(count).map(<[Value]>::to_vec).collect();
        if let (Some(last), Some(fill)) = (lines.last_mut(), given.some(1)) {
            charge_items(state, count)?;
            last.resize(count, fill.clone());
        }
        Ok(Value::from(lines))
    }),
    ("slice", &["slices", "fill_with"], |state, value, given| {
        let count = given.size(0, 0)?;
        if count == 0 {
            return Err(wrong("slice takes a number of at least 1"));
        }
        charge_items(state, 2 * count)?;
        let all = items(state, value)?;
        let (each, longer) = (all.len() / count, all.len() % count);
        let mut rest = all.into_iter();
        let slices = (0..count).map(|i| {
            let mut slice: Vec<Value> = rest.by_ref().take(each + usize::from(i < longer)).collect();
            slice.extend(given.some(1).filter(|_| i >= longer).cloned());
            Value::from(slice)
        });
        Ok(slices.collect())
    }),
    ("groupby", &["attribute", "default", "case_sensitive"], group_by),
    ("default", &["default_value", "boolean"], default),
    ("d", &["default_value", "boolean"], default),
    ("attr", &["name"], |_, value, given| {
        // Attributes are no keys: a dict has methods alone.
        let name = given.need(0)?;
        Ok(if is_dict(value) { Value::UNDEFINED } else { value.get_item(name).unwrap_or_default() })
    }),
    ("random", &[], |state, value, _| Ok(items(state, value)?.into_iter().next().unwrap_or_default())),
];

fn default(_: &mut State, value: &Value, given: &Arguments) -> Result<Value, Error> {
    let missing = value.is_undefined() || given.flag(1, false) && !value.is_true();
    Ok(if missing { given.get(0).cloned().unwrap_or_else(|| Value::from("")) } else { value.clone() })
}

fn length(_: &mut State, value: &Value, _: &Arguments) -> Result<Value, Error> {
    if value.is_undefined() {
        return Ok(Value::from(0));
    }
    let counted = || value.as_object().and_then(|_| value.try_iter().ok()).map(Iterator::count);
    value
        .len()
        .or_else(counted)
        .map(Value::from)
        .ok_or_else(|| wrong(format!("cannot calculate length of value of type {}", value.kind())))
}

fn join(state: &mut State, value: &Value, given: &Arguments) -> Result<Value, Error> {
    let between = given.get(0).map(text).unwrap_or_default();
    let get = getter(given.some(1));
    let mut out = String::new();
    for (i, item) in items(state, value)?.iter().enumerate() {
        let item = get(item)?;
        let (between, item) = (if i > 0 { &*between } else { "" }, text(&item));
        charge(state, between.len() + item.len())?;
        out += between;
        out += &item;
    }
    Ok(Value::from(out))
}

/// A value to be compared: texts without their cases where these do not count.
fn key(value: Value, cased: bool) -> Value {
    match value.as_str() {
        Some(text) if !cased => Value::from(text.to_lowercase()),
        _ => value,
    }
}

/// Sorts items by their keys, or says which two have no order.
fn sorted<T>(state: &State, mut keyed: Vec<(Vec<Value>, T)>, reverse: bool) -> Result<Vec<T>, Error> {
    let levels = usize::try_from(usize::BITS - keyed.len().leading_zeros()).unwrap_or(0);
    charge_items(state, keyed.len().saturating_mul(levels))?;
    let mut failed = None;
    let mut order = |a: &[Value], b: &[Value]| {
        let compared = a.iter().zip(b).map(|(a, b)| compare(a, b)).find(|order| !matches!(order, Ok(Ordering::Equal)));
        compared.unwrap_or(Ok(Ordering::Equal)).unwrap_or_else(|error| {
            failed = Some(error);
            Ordering::Equal
        })
    };
    keyed.sort_by(|(a, _), (b, _)| if reverse { order(b, a) } else { order(a, b) });
    match failed {
        Some(error) => Err(error),
        None => Ok(keyed.into_iter().map(|(_, item)| item).collect()),
    }
}

fn sort(state: &mut State, value: &Value, given: &Arguments) -> Result<Value, Error> {
    let (reverse, cased) = (given.flag(0, false), given.flag(1, false));
    let paths: Vec<Path> = match given.some(2) {
        None => Vec::new(),
        Some(attribute) => match attribute.as_str() {
            Some(several) => several.split(',').map(|one| Path::new(&Value::from(one), None)).collect(),
            None => vec![Path::new(attribute, None)],
        },
    };
    let mut keyed = Vec::new();
    for item in items(state, value)? {
        let keys = match &paths[..] {
            [] => vec![key(item.clone(), cased)],
            paths => {
                paths.iter().map(|path| path.get(&item).map(|value| key(value, cased))).collect::<Result<_, _>>()?
            }
        };
        keyed.push((keys, item));
    }
    sorted(state, keyed, reverse).map(Value::from)
}

fn pairs(value: &Value) -> Result<Vec<(Value, Value)>, Error> {
    if !is_dict(value) {
        return Err(wrong("this takes a dict"));
    }
    value.try_iter()?.map(|key| value.get_item(&key).map(|value| (key, value))).collect()
}

fn pair((key, value): (Value, Value)) -> Value {
    Value::from(Tuple::from([key, value]))
}

fn dict_sort(state: &mut State, value: &Value, given: &Arguments) -> Result<Value, Error> {
    let (cased, reverse) = (given.flag(0, false), given.flag(2, false));
    let by_value = match given.text(1)?.unwrap_or("key") {
        "key" => false,
        "value" => true,
        _ => return Err(wrong("dictsort sorts by key or by value")),
    };
    let keyed = pairs(value)?.into_iter().map(|(name, value)| {
        let by = if by_value { value.clone() } else { name.clone() };
        (vec![key(by, cased)], pair((name, value)))
    });
    sorted(state, keyed.collect(), reverse).map(Value::from)
}

fn unique(state: &mut State, value: &Value, given: &Arguments) -> Result<Value, Error> {
    let (cased, get) = (given.flag(0, false), getter(given.some(1)));
    let (mut seen, mut kept) = (Vec::<Value>::new(), Vec::new());
    for item in items(state, value)? {
        let key = key(get(&item)?, cased);
        charge_items(state, seen.len() / 8)?;
        if !seen.contains(&key) {
            seen.push(key);
            kept.push(item);
        }
    }
    Ok(Value::from(kept))
}

fn extreme(state: &State, value: &Value, given: &Arguments, wanted: Ordering) -> Result<Value, Error> {
    let (cased, get) = (given.flag(0, false), getter(given.some(1)));
    let mut best: Option<(Value, Value)> = None;
    for item in items(state, value)? {
        let key = key(get(&item)?, cased);
        let better = match &best {
            Some((known, _)) => compare(&key, known)? == wanted,
            None => true,
        };
        if better {
            best = Some((key, item));
        }
    }
    Ok(best.map_or(Value::UNDEFINED, |(_, item)| item))
}

fn group_by(state: &mut State, value: &Value, given: &Arguments) -> Result<Value, Error> {
    let path = Path::new(given.need(0)?, given.get(1));
    let cased = given.flag(2, false);
    let mut keyed = Vec::new();
    for item in items(state, value)? {
        let grouper = path.get(&item)?;
        let key = key(grouper.clone(), cased);
        keyed.push((vec![key.clone()], (key, grouper, item)));
    }
    let mut groups: Vec<(Value, Value, Vec<Value>)> = Vec::new();
    for (key, grouper, item) in sorted(state, keyed, false)? {
        match groups.last_mut() {
            Some((known, _, items)) if *known == key => items.push(item),
            _ => groups.push((key, grouper, vec![item])),
        }
    }
    Ok(groups.into_iter().map(|(_, grouper, list)| Value::from_object(NamedPair::new(grouper, list))).collect())
}
