//! The limits of a template: steps, bytes and time.
//!
//! Real templates go through all messages for each message, or through every character of a text, so there is room for
//! quadratic loops. A hostile template ends at the same bounds. minijinja counts a step per instruction, and one per 64
//! bytes of the values that it makes; values that are made here cost more, so that the steps bound the memory too.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, State, Value};
use web_time::Instant;

use super::template::MAX_DEPTH;

/// Steps that every template may take: about a second of work.
const STEPS: u64 = 1 << 25;

/// Further steps for each message, and for each byte of the messages' text: reading its input costs a template nothing.
const STEPS_PER_MESSAGE: u64 = 2048;
const STEPS_PER_BYTE: u64 = 16;

/// The longest time that a template may take.
const TIME: Duration = Duration::from_secs(2);

/// Calls of [`Deadline::check`] from one reading of the clock to the next.
const CLOCK_INTERVAL: u32 = 16;

/// Bytes of a new value that one step pays for.
const BYTES_PER_STEP: usize = 4;

/// Bytes that an item of a new list costs.
const ITEM_BYTES: usize = 32;

/// Bytes that a field of a format costs beyond those of its text.
const FIELD_BYTES: usize = 1024;

/// Bytes that a value costs beyond those of its text.
const VALUE_BYTES: usize = 64;

/// Steps, of all that the template may take, for each byte that one value may have.
const STEPS_PER_MEASURED_BYTE: u64 = 4;

/// Values that one step pays for while a value is measured.
const VALUES_PER_STEP: u64 = 64;

/// The steps that a template may take for a conversation of `messages` messages with `bytes` bytes of text.
pub(super) fn steps(messages: usize, bytes: usize) -> u64 {
    let given = STEPS_PER_MESSAGE.saturating_mul(messages as u64);
    STEPS.saturating_add(given).saturating_add(STEPS_PER_BYTE.saturating_mul(bytes as u64))
}

/// The bound of the steps, in words.
pub(super) fn step_limit() -> String {
    format!("{STEPS} steps, {STEPS_PER_MESSAGE} more per message and {STEPS_PER_BYTE} per byte of text")
}

/// The bound of the time, in words.
pub(super) fn time_limit() -> String {
    format!("{} seconds", TIME.as_secs())
}

/// The time by which a template has to be done.
#[derive(Clone, Debug)]
pub(super) struct Deadline(Arc<(Instant, AtomicU32)>);

/// A template that takes too long.
#[derive(Debug, thiserror::Error)]
#[error("it takes longer than {}", time_limit())]
pub(super) struct TooSlow;

impl Deadline {
    /// [`TIME`] from now.
    pub fn start() -> Self {
        Self(Arc::new((Instant::now() + TIME, AtomicU32::new(0))))
    }

    /// Fails once the time is up.
    pub fn check(&self) -> Result<(), Error> {
        let asked = self.0.1.fetch_add(1, Ordering::Relaxed);
        if asked.is_multiple_of(CLOCK_INTERVAL) && Instant::now() > self.0.0 {
            return Err(Error::new(ErrorKind::InvalidOperation, "too slow").with_source(TooSlow));
        }
        Ok(())
    }
}

/// Pays for bytes before they are made.
pub(super) fn charge(state: &State, bytes: usize) -> Result<(), Error> {
    if bytes < BYTES_PER_STEP { Ok(()) } else { state.consume_fuel((bytes / BYTES_PER_STEP) as u64) }
}

/// Pays for a field of a format, whose digits take long to compute.
pub(super) fn charge_field(state: &State, bytes: usize) -> Result<(), Error> {
    charge(state, bytes.saturating_add(FIELD_BYTES))
}

/// Pays for a list of `count` items before it is made.
pub(super) fn charge_items(state: &State, count: usize) -> Result<(), Error> {
    charge(state, count.saturating_mul(ITEM_BYTES))
}

/// Pays for a value that was made.
pub(super) fn charge_value(state: &State, value: &Value) -> Result<(), Error> {
    match value.as_str() {
        Some(text) => charge(state, text.len()),
        None if value.as_object().is_some() => charge_items(state, value.len().unwrap_or(0)),
        None => Ok(()),
    }
}

/// Fails where a value is larger than any may be, or nests too deeply to be printed.
pub(super) fn measure(state: &State, value: &Value) -> Result<(), Error> {
    if value.as_object().is_none() {
        return Ok(());
    }
    let (consumed, remaining) = state.fuel_levels().unwrap_or_default();
    let most = usize::try_from(consumed.saturating_add(remaining) / STEPS_PER_MEASURED_BYTE).unwrap_or(usize::MAX);
    let mut count = Count { left: most, values: 0 };
    count.value(value, 0)?;
    state.consume_fuel(count.values / VALUES_PER_STEP)
}

struct Count {
    /// Bytes that are left.
    left: usize,
    values: u64,
}

impl Count {
    /// Takes the bytes of a value, as it would be printed, from those that are left.
    fn value(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        if depth > MAX_DEPTH {
            return Err(Error::new(ErrorKind::InvalidOperation, format!("lists nest deeper than {MAX_DEPTH}")));
        }
        let bytes = value.as_str().map_or(0, str::len);
        self.left = self.left.checked_sub(bytes + VALUE_BYTES).ok_or_else(|| Error::from(ErrorKind::OutOfFuel))?;
        self.values += 1;
        let kind = value.kind();
        if matches!(kind, ValueKind::Seq | ValueKind::Iterable | ValueKind::Map) {
            for item in value.try_iter()? {
                self.value(&item, depth + 1)?;
                if kind == ValueKind::Map {
                    self.value(&value.get_item(&item)?, depth + 1)?;
                }
            }
        }
        Ok(())
    }
}
