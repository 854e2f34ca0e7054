//! Jinja2's functions and the objects that they make.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use minijinja::value::{Enumerator, Object, ObjectRepr, Rest, Tuple, ValueOrKwargs};
use minijinja::{Environment, Error, ErrorKind, State, Value, functions};

use super::arguments::{Arguments, split};
use super::text::is_dict;
use super::{items, wrong};
use crate::text::chat::budget::charge_items;

/// Most numbers of a range, as in Jinja2's sandbox.
const MAX_RANGE: usize = 100_000;

/// Adds the functions to an environment.
pub(super) fn add_functions(environment: &mut Environment<'_>) {
    // minijinja's own, which shows all variables.
    environment.remove_global("debug");
    environment.add_function("range", |given: Rest<ValueOrKwargs>| {
        let given = Arguments::new("range", &["start", "stop", "step"], &given.into_values())?;
        let number = |place| given.get(place).map(|_| given.integer(place)).transpose().map(Option::flatten);
        let (first, second, step) = (number(0)?, number(1)?, number(2)?.unwrap_or(1));
        let (start, stop) = match (first, second) {
            (Some(start), Some(stop)) => (start, stop),
            (Some(stop), None) if given.get(1).is_none() => (0, stop),
            _ => return Err(wrong("range takes whole numbers")),
        };
        Range::new(start, stop, step).map(Value::from_object)
    });
    environment.add_function("dict", |state: &mut State, given: Rest<ValueOrKwargs>| {
        dict(state, &given.into_values()).map(Value::from_pairs)
    });
    environment.add_function("namespace", |state: &mut State, given: Rest<ValueOrKwargs>| {
        let pairs = dict(state, &given.into_values())?;
        functions::namespace(Some(ValueOrKwargs::from(Value::from_pairs(pairs))))
    });
    environment.add_function("cycler", |given: Rest<Value>| {
        if given.is_empty() {
            return Err(wrong("cycler takes at least one value"));
        }
        Ok(Value::from_object(Cycler { values: given.0, at: AtomicUsize::new(0) }))
    });
    environment.add_function("joiner", |given: Rest<ValueOrKwargs>| {
        let given = Arguments::new("joiner", &["sep"], &given.into_values())?;
        let between = given.get(0).cloned().unwrap_or_else(|| Value::from(", "));
        Ok::<Value, Error>(Value::from_object(Joiner { between, begun: AtomicBool::new(false) }))
    });
}

/// The pairs of a dict, or of a list of pairs, and those that are given by name.
fn dict(state: &State, given: &[Value]) -> Result<Vec<(Value, Value)>, Error> {
    let (placed, named) = split(given);
    if placed.len() > 1 {
        return Err(Error::new(ErrorKind::TooManyArguments, "a dict is made of one value, and names"));
    }
    let mut pairs = Vec::new();
    for source in placed.iter().chain(named) {
        for item in items(state, source)? {
            if is_dict(source) || source.is_kwargs() {
                pairs.push((item.clone(), source.get_item(&item)?));
            } else if item.len() == Some(2) {
                let mut pair = item.try_iter()?;
                pairs.push((pair.next().unwrap_or_default(), pair.next().unwrap_or_default()));
            } else {
                return Err(wrong("a dict is made of pairs"));
            }
        }
    }
    charge_items(state, 2 * pairs.len())?;
    Ok(pairs)
}

/// Numbers from one to another, in steps.
#[derive(Debug)]
pub(super) struct Range {
    start: i64,
    stop: i64,
    step: i64,
    len: usize,
}

impl Range {
    fn new(start: i64, stop: i64, step: i64) -> Result<Self, Error> {
        let span = if step > 0 { i128::from(stop) - i128::from(start) } else { i128::from(start) - i128::from(stop) };
        let len = match i128::from(step).abs() {
            0 => return Err(wrong("range takes a step that is not 0")),
            step => (span.max(0) + step - 1) / step,
        };
        match usize::try_from(len) {
            Ok(len) if len <= MAX_RANGE => Ok(Self { start, stop, step, len }),
            _ => Err(wrong(format!("a range has at most {MAX_RANGE} numbers, and {len} were asked for"))),
        }
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.step {
            1 => write!(f, "range({}, {})", self.start, self.stop),
            step => write!(f, "range({}, {}, {step})", self.start, self.stop),
        }
    }
}

impl Object for Range {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let place = key.as_usize().filter(|place| *place < self.len)?;
        Some(Value::from(self.start + self.step * i64::try_from(place).ok()?))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(self.len)
    }
}

/// The items, keys or values of a dict.
#[derive(Debug)]
pub(super) struct View {
    pub name: &'static str,
    pub values: Vec<Value>,
}

impl Object for View {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.values.get(key.as_usize()?).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(self.values.len())
    }
}

/// A group of `groupby`: a tuple whose parts have names.
#[derive(Debug)]
pub(super) struct NamedPair(Tuple);

impl NamedPair {
    pub fn new(grouper: Value, list: Vec<Value>) -> Self {
        Self(Tuple::from([grouper, Value::from(list)]))
    }
}

impl Object for NamedPair {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str() {
            Some("grouper") => self.0.first().cloned(),
            Some("list") => self.0.last().cloned(),
            _ => self.0.get(key.as_usize()?).cloned(),
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(self.0.len())
    }
}

/// Values that come in turn.
#[derive(Debug)]
pub(super) struct Cycler {
    values: Vec<Value>,
    at: AtomicUsize,
}

impl Object for Cycler {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let at = self.at.load(Ordering::Relaxed);
        (key.as_str() == Some("current")).then(|| self.values[at % self.values.len()].clone())
    }

    fn call_method(self: &Arc<Self>, _: &mut State, method: &str, _: &[Value]) -> Result<Value, Error> {
        match method {
            "next" => Ok(self.values[self.at.fetch_add(1, Ordering::Relaxed) % self.values.len()].clone()),
            "reset" => {
                self.at.store(0, Ordering::Relaxed);
                Ok(Value::from(()))
            }
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }
}

/// Jinja2's joiner: it prints nothing the first time, and its separator every time after that.
#[derive(Debug)]
pub(super) struct Joiner {
    between: Value,
    begun: AtomicBool,
}

impl Object for Joiner {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, _: &mut State, _: &[Value]) -> Result<Value, Error> {
        let begun = self.begun.swap(true, Ordering::Relaxed);
        Ok(if begun { self.between.clone() } else { Value::from("") })
    }
}
