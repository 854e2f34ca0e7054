//! Pickles of protocol 2 (`pickletools.py` of Python) that describe tensors in dictionaries. Nothing is executed: a
//! name of Python becomes one of a few markers, and anything else is refused by its name.

mod calls;
mod values;

use std::collections::BTreeMap;

use values::{Global, Value, malformed};

pub(super) use values::{Described, Refusal, Storage, Tensor};

/// Most values that may wait on the stack, be remembered, or stand in tuples, lists and dictionaries. A model of 1138
/// tensors takes about 40 000.
const MAX_VALUES: usize = 1 << 18;

/// The interpreter.
struct Interpreter<'a> {
    bytes: &'a [u8],
    at: usize,
    stack: Vec<Value<'a>>,
    memo: BTreeMap<u32, Value<'a>>,
    tuples: Vec<Vec<Value<'a>>>,
    /// Keys and values in turn. What is in a list does not matter.
    dicts: Vec<Vec<Value<'a>>>,
    storages: Vec<Storage>,
    /// Their indices by key.
    storage_of: BTreeMap<&'a str, usize>,
    tensors: Vec<Tensor>,
    /// Values in tuples and dictionaries, and these themselves.
    held: usize,
}

/// Reads a whole pickle.
pub(super) fn read(bytes: &[u8]) -> Result<Described, Refusal> {
    let mut interpreter = Interpreter {
        bytes,
        at: 0,
        stack: Vec::new(),
        memo: BTreeMap::new(),
        tuples: Vec::new(),
        dicts: Vec::new(),
        storages: Vec::new(),
        storage_of: BTreeMap::new(),
        tensors: Vec::new(),
        held: 0,
    };
    if interpreter.take(2)? != [0x80, 2] {
        let begin = bytes[..bytes.len().min(2)].escape_ascii();
        let reason =
            format!("it begins with \"{begin}\" instead of protocol 2 (\"\\x80\\x02\"), which torch.save writes");
        return Err(Refusal::Unsupported(reason));
    }
    while interpreter.step()? {}
    if interpreter.at < bytes.len() {
        return malformed(format!("{} bytes stand behind its end", bytes.len() - interpreter.at));
    }
    interpreter.finish()
}

impl<'a> Interpreter<'a> {
    /// Does what the next opcode says; false at the end.
    fn step(&mut self) -> Result<bool, Refusal> {
        let opcode = self.take(1)?[0];
        match opcode {
            b'.' => return Ok(false),
            b'(' => self.push(Value::Mark)?,
            b'N' => self.push(Value::None)?,
            0x88 | 0x89 => self.push(Value::Bool)?,
            b'K' => {
                let number = self.take(1)?[0];
                self.push(Value::Int(i64::from(number)))?;
            }
            b'M' => {
                let [a, b] = self.array()?;
                self.push(Value::Int(i64::from(u16::from_le_bytes([a, b]))))?;
            }
            b'J' => {
                let number = i32::from_le_bytes(self.array()?);
                self.push(Value::Int(i64::from(number)))?;
            }
            0x8A => self.long()?,
            b'G' => {
                self.take(8)?;
                self.push(Value::Number)?;
            }
            b'X' => {
                let len = u32::from_le_bytes(self.array()?) as usize;
                self.text(len)?;
            }
            b'U' => {
                let len = usize::from(self.take(1)?[0]);
                self.text(len)?;
            }
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                let global = Global::of(module, name)?;
                self.push(Value::Global(global))?;
            }
            b')' => self.tuple(0)?,
            0x85..=0x87 => self.tuple(usize::from(opcode - 0x84))?,
            b't' => {
                let len = self.above_mark()?;
                self.tuple(len)?;
                let tuple = self.pop()?;
                self.mark()?;
                self.push(tuple)?;
            }
            b'}' => self.dict()?,
            b']' => {
                self.hold(1)?;
                self.push(Value::List)?;
            }
            b's' => self.set_items(2)?,
            b'u' => {
                let len = self.above_mark()?;
                self.set_items_above_mark(len)?;
            }
            b'a' => {
                self.pop()?;
                self.on_list()?;
            }
            b'e' => {
                let len = self.above_mark()?;
                self.stack.truncate(self.stack.len() - len);
                self.mark()?;
                self.on_list()?;
            }
            b'q' => {
                let place = u32::from(self.take(1)?[0]);
                self.put(place)?;
            }
            b'r' => {
                let place = u32::from_le_bytes(self.array()?);
                self.put(place)?;
            }
            b'h' => {
                let place = u32::from(self.take(1)?[0]);
                self.get(place)?;
            }
            b'j' => {
                let place = u32::from_le_bytes(self.array()?);
                self.get(place)?;
            }
            b'Q' => self.storage()?,
            b'R' => self.reduce()?,
            b'b' => self.build()?,
            other => {
                return Err(Refusal::Unsupported(format!(
                    "the opcode {other:#04x} at byte {}, which no dictionary of tensors needs",
                    self.at - 1
                )));
            }
        }
        Ok(true)
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], Refusal> {
        let taken = self.at.checked_add(len).and_then(|end| self.bytes.get(self.at..end));
        let Some(taken) = taken else {
            return malformed(format!("it ends at byte {}, before it is complete", self.bytes.len()));
        };
        self.at += len;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Refusal> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn line(&mut self) -> Result<&'a str, Refusal> {
        let len = self.bytes[self.at..].iter().position(|byte| *byte == b'\n').unwrap_or(self.bytes.len() - self.at);
        let line = self.utf8(len)?;
        self.take(1)?;
        Ok(line)
    }

    fn utf8(&mut self, len: usize) -> Result<&'a str, Refusal> {
        let at = self.at;
        let bytes = self.take(len)?;
        std::str::from_utf8(bytes)
            .map_err(|_| Refusal::Malformed(format!("the text of {len} bytes at byte {at} is no UTF-8")))
    }

    fn text(&mut self, len: usize) -> Result<(), Refusal> {
        let text = self.utf8(len)?;
        self.push(Value::Text(text))
    }

    /// A number of up to 8 bytes, in two's complement.
    fn long(&mut self) -> Result<(), Refusal> {
        let len = usize::from(self.take(1)?[0]);
        let bytes = self.take(len)?;
        if len > 8 {
            return malformed(format!("an integer of {len} bytes; at most 8 are read"));
        }
        let fill = if bytes.last().is_some_and(|byte| byte & 0x80 != 0) { 0xFF } else { 0 };
        let mut wide = [fill; 8];
        wide[..len].copy_from_slice(bytes);
        self.push(Value::Int(i64::from_le_bytes(wide)))
    }

    fn push(&mut self, value: Value<'a>) -> Result<(), Refusal> {
        if self.stack.len() == MAX_VALUES {
            return malformed(format!("more than {MAX_VALUES} values on its stack"));
        }
        self.stack.push(value);
        Ok(())
    }

    /// The topmost value, which is no mark.
    fn pop(&mut self) -> Result<Value<'a>, Refusal> {
        match self.stack.pop() {
            Some(Value::Mark) | None => malformed(format!("a value is missing on its stack at byte {}", self.at)),
            Some(value) => Ok(value),
        }
    }

    /// Takes the topmost mark, which has nothing above it.
    fn mark(&mut self) -> Result<(), Refusal> {
        match self.stack.pop() {
            Some(Value::Mark) => Ok(()),
            _ => malformed(format!("a mark is missing on its stack at byte {}", self.at)),
        }
    }

    /// How many values stand above the topmost mark.
    fn above_mark(&self) -> Result<usize, Refusal> {
        match self.stack.iter().rposition(|value| matches!(value, Value::Mark)) {
            Some(mark) => Ok(self.stack.len() - mark - 1),
            None => malformed(format!("a mark is missing on its stack at byte {}", self.at)),
        }
    }

    /// Takes so many values from the stack, none of them a mark.
    fn pop_many(&mut self, count: usize) -> Result<Vec<Value<'a>>, Refusal> {
        let first = self.stack.len().checked_sub(count);
        match first.map(|first| self.stack.split_off(first)) {
            Some(values) if !values.iter().any(|value| matches!(value, Value::Mark)) => Ok(values),
            _ => malformed(format!("a value is missing on its stack at byte {}", self.at)),
        }
    }

    /// Counts values that are kept.
    fn hold(&mut self, count: usize) -> Result<(), Refusal> {
        self.held += count;
        if self.held > MAX_VALUES {
            return malformed(format!("more than {MAX_VALUES} values in tuples and dictionaries"));
        }
        Ok(())
    }

    fn tuple(&mut self, len: usize) -> Result<(), Refusal> {
        self.hold(len + 1)?;
        let values = self.pop_many(len)?;
        self.tuples.push(values);
        self.push(Value::Tuple(self.tuples.len() - 1))
    }

    fn dict(&mut self) -> Result<(), Refusal> {
        self.hold(1)?;
        self.dicts.push(Vec::new());
        self.push(Value::Dict(self.dicts.len() - 1))
    }

    /// Puts the topmost `count` values into the dictionary below them.
    fn set_items(&mut self, count: usize) -> Result<(), Refusal> {
        let items = self.pop_many(count)?;
        self.fill_dict(items)
    }

    fn set_items_above_mark(&mut self, count: usize) -> Result<(), Refusal> {
        let items = self.pop_many(count)?;
        self.mark()?;
        self.fill_dict(items)
    }

    fn fill_dict(&mut self, items: Vec<Value<'a>>) -> Result<(), Refusal> {
        self.hold(items.len())?;
        match self.stack.last() {
            Some(Value::Dict(dict)) if items.len().is_multiple_of(2) => self.dicts[*dict].extend(items),
            Some(Value::Dict(_)) => return malformed("a dictionary gets a key without a value"),
            other => {
                let kind = other.map_or("nothing", |value| value.kind());
                return malformed(format!("{kind} gets an entry, at byte {}; expected a dictionary", self.at));
            }
        }
        Ok(())
    }

    fn on_list(&self) -> Result<(), Refusal> {
        match self.stack.last() {
            Some(Value::List) => Ok(()),
            _ => malformed(format!("a value is appended at byte {} to what is no list", self.at)),
        }
    }

    fn put(&mut self, place: u32) -> Result<(), Refusal> {
        let Some(value) = self.stack.last().copied().filter(|value| !matches!(value, Value::Mark)) else {
            return malformed(format!("nothing is on its stack to be remembered at byte {}", self.at));
        };
        if self.memo.len() == MAX_VALUES {
            return malformed(format!("more than {MAX_VALUES} values to be remembered"));
        }
        self.memo.insert(place, value);
        Ok(())
    }

    fn get(&mut self, place: u32) -> Result<(), Refusal> {
        match self.memo.get(&place).copied() {
            Some(value) => self.push(value),
            None => malformed(format!("it takes value {place}, which was not remembered, at byte {}", self.at)),
        }
    }
}
