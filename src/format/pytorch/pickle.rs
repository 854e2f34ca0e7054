//! Pickles of protocol 2 (`pickletools.py` of Python) that describe tensors in dictionaries. Nothing is executed: a name of
//! Python becomes one of a few markers, and anything else is refused by its name.

use std::collections::BTreeMap;

use crate::format::meta::DType;

/// Most values that may wait on the stack, be remembered, or stand in tuples, lists and dictionaries. A model of 1138
/// tensors takes about 40 000.
const MAX_VALUES: usize = 1 << 18;

/// Most dimensions of a tensor.
const MAX_DIMS: usize = 8;

/// Longest name of a tensor or storage, in bytes.
const MAX_NAME_BYTES: usize = 256;

/// Why a pickle is not read.
#[derive(Debug)]
pub(super) enum Refusal {
    /// It is no pickle, or contradicts itself.
    Malformed(String),
    /// It asks for something that is not done here.
    Unsupported(String),
}

fn malformed<T>(reason: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::Malformed(reason.into()))
}

/// The bytes of numbers of one type, an entry of the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Storage {
    /// The name of its entry, behind `data/`.
    pub(super) key: String,
    pub(super) dtype: DType,
    /// Numbers that it holds.
    pub(super) len: u64,
}

/// A tensor: a part of a storage, in elements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tensor {
    pub(super) storage: usize,
    pub(super) offset: u64,
    /// Dimensions, slowest first.
    pub(super) dims: Vec<u64>,
    /// Elements between neighbours along each dimension.
    pub(super) strides: Vec<u64>,
}

/// What a pickle describes.
#[derive(Debug, Default)]
pub(super) struct Described {
    pub(super) storages: Vec<Storage>,
    /// Every tensor by name.
    pub(super) tensors: BTreeMap<String, Tensor>,
}

/// The names of Python that mean something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Global {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    Storage(DType),
}

impl Global {
    fn of(module: &str, name: &str) -> Result<Self, Refusal> {
        Ok(match (module, name) {
            ("collections", "OrderedDict") => Self::OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2") => Self::RebuildTensor,
            ("torch._utils", "_rebuild_parameter") => Self::RebuildParameter,
            ("torch", storage) if storage.ends_with("Storage") => match DType::of_storage(storage) {
                Some(dtype) => Self::Storage(dtype),
                None => return Err(Self::refused(module, name)),
            },
            _ => return Err(Self::refused(module, name)),
        })
    }

    fn refused(module: &str, name: &str) -> Refusal {
        let (module, name) = (shown(module), shown(name));
        Refusal::Unsupported(format!(
            "it asks for {module}.{name} of Python; nothing of a file is executed, and only tensors in dictionaries are read"
        ))
    }
}

/// A text of the file as a message may have it.
fn shown(text: &str) -> String {
    crate::error::printable(text, 80)
}

/// A value on the stack. Tuples, dictionaries, storages and tensors are indices, so that a value that is named a thousand
/// times exists once, and nothing is as deep as a file wants it.
#[derive(Clone, Copy, Debug)]
enum Value<'a> {
    Mark,
    None,
    Bool,
    Number,
    Int(i64),
    Text(&'a str),
    Global(Global),
    Tuple(usize),
    List,
    Dict(usize),
    Storage(usize),
    Tensor(usize),
}

impl Value<'_> {
    fn kind(self) -> &'static str {
        match self {
            Self::Mark => "a mark",
            Self::None => "None",
            Self::Bool => "a boolean",
            Self::Number => "a number",
            Self::Int(_) => "an integer",
            Self::Text(_) => "a text",
            Self::Global(_) => "a name of Python",
            Self::Tuple(_) => "a tuple",
            Self::List => "a list",
            Self::Dict(_) => "a dictionary",
            Self::Storage(_) => "a storage",
            Self::Tensor(_) => "a tensor",
        }
    }
}

/// The interpreter.
struct Machine<'a> {
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
    let mut machine = Machine {
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
    if machine.take(2)? != [0x80, 2] {
        let begin = bytes[..bytes.len().min(2)].escape_ascii();
        let reason =
            format!("it begins with \"{begin}\" instead of protocol 2 (\"\\x80\\x02\"), which torch.save writes");
        return Err(Refusal::Unsupported(reason));
    }
    while machine.step()? {}
    machine.finish()
}

impl<'a> Machine<'a> {
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
        self.into_dict(items)
    }

    fn set_items_above_mark(&mut self, count: usize) -> Result<(), Refusal> {
        let items = self.pop_many(count)?;
        self.mark()?;
        self.into_dict(items)
    }

    fn into_dict(&mut self, items: Vec<Value<'a>>) -> Result<(), Refusal> {
        self.hold(items.len())?;
        match self.stack.last() {
            Some(Value::Dict(dict)) if items.len() % 2 == 0 => self.dicts[*dict].extend(items),
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

    fn tuple_of(&self, value: Value<'a>, what: &str) -> Result<&[Value<'a>], Refusal> {
        match value {
            Value::Tuple(tuple) => Ok(&self.tuples[tuple]),
            other => malformed(format!("{what} is {}; expected a tuple", other.kind())),
        }
    }

    /// `("storage", TYPE, KEY, DEVICE, LENGTH)` becomes a storage. The device does not matter.
    fn storage(&mut self) -> Result<(), Refusal> {
        let id = self.pop()?;
        let parts = self.tuple_of(id, "what a storage is known by")?;
        let [
            Value::Text("storage"),
            Value::Global(Global::Storage(dtype)),
            Value::Text(key),
            Value::Text(_),
            Value::Int(len),
        ] = *parts
        else {
            let kinds: Vec<&str> = parts.iter().take(8).map(|part| part.kind()).collect();
            return malformed(format!(
                "a storage is known by ({}); expected \"storage\", its type, key, device and length",
                kinds.join(", ")
            ));
        };
        let digits = !key.is_empty() && key.len() <= 20 && key.bytes().all(|byte| byte.is_ascii_digit());
        let (Ok(len), true) = (u64::try_from(len), digits) else {
            return malformed(format!("the storage \"{}\" of {len} numbers; expected a number as its key", shown(key)));
        };
        let index = match self.storage_of.get(key).copied() {
            Some(index) => {
                let Storage { dtype: known, len: known_len, .. } = self.storages[index];
                if (known, known_len) != (dtype, len) {
                    return malformed(format!(
                        "the storage {key} holds {known_len} numbers of type {} and {len} of type {}",
                        known.name(),
                        dtype.name()
                    ));
                }
                index
            }
            None => {
                self.hold(1)?;
                self.storages.push(Storage { key: key.to_owned(), dtype, len });
                self.storage_of.insert(key, self.storages.len() - 1);
                self.storages.len() - 1
            }
        };
        self.push(Value::Storage(index))
    }

    /// A call of one of the names that are known, with a tuple of arguments.
    fn reduce(&mut self) -> Result<(), Refusal> {
        let (arguments, callee) = (self.pop()?, self.pop()?);
        let arguments = self.tuple_of(arguments, "what is called with")?;
        match (callee, arguments) {
            (Value::Global(Global::OrderedDict), []) => self.dict(),
            (
                Value::Global(Global::RebuildTensor),
                [Value::Storage(storage), Value::Int(offset), dims, strides, ..],
            ) if (6..=7).contains(&arguments.len()) => {
                let (storage, offset) = (*storage, *offset);
                let numbers = |value: &Value<'a>, what: &str| -> Result<Vec<u64>, Refusal> {
                    let numbers = self.tuple_of(*value, what)?;
                    if numbers.len() > MAX_DIMS {
                        return malformed(format!("{what} has {} numbers; at most {MAX_DIMS} are read", numbers.len()));
                    }
                    let number = |value: &Value<'a>| match value {
                        Value::Int(number) if *number >= 0 => Ok(*number as u64),
                        Value::Int(number) => malformed(format!("{what} has the number {number}")),
                        other => malformed(format!("{what} has {}", other.kind())),
                    };
                    numbers.iter().map(number).collect()
                };
                let (dims, strides) =
                    (numbers(dims, "the size of a tensor")?, numbers(strides, "the stride of a tensor")?);
                let Some(offset) = u64::try_from(offset).ok().filter(|_| dims.len() == strides.len()) else {
                    let reason = format!("a tensor of size {dims:?} and stride {strides:?} at offset {offset}");
                    return malformed(reason);
                };
                self.hold(1 + 2 * dims.len())?;
                self.tensors.push(Tensor { storage, offset, dims, strides });
                self.push(Value::Tensor(self.tensors.len() - 1))
            }
            (Value::Global(Global::RebuildParameter), [tensor @ Value::Tensor(_), ..]) => {
                let tensor = *tensor;
                self.push(tensor)
            }
            (Value::Global(global), arguments) => {
                let kinds: Vec<&str> = arguments.iter().take(8).map(|argument| argument.kind()).collect();
                malformed(format!("a call of {global:?} with ({}), at byte {}", kinds.join(", "), self.at))
            }
            (other, _) => malformed(format!("a call of {}, at byte {}", other.kind(), self.at)),
        }
    }

    /// The state of a dictionary, which adds nothing to what is in it.
    fn build(&mut self) -> Result<(), Refusal> {
        self.pop()?;
        match self.stack.last() {
            Some(Value::Dict(_)) => Ok(()),
            other => {
                let kind = other.map_or("nothing", |value| value.kind());
                malformed(format!("{kind} gets a state, at byte {}; expected a dictionary", self.at))
            }
        }
    }

    /// The tensors of the dictionary that the pickle is, or of the dictionary `model` in it.
    fn finish(mut self) -> Result<Described, Refusal> {
        let value = self.pop()?;
        let Value::Dict(dict) = value else {
            let kind = value.kind();
            return Err(Refusal::Unsupported(format!("it holds {kind}; a dictionary of tensors is read")));
        };
        let model = self.dicts[dict].chunks_exact(2).find_map(|item| match *item {
            [Value::Text("model"), Value::Dict(model)] => Some(model),
            _ => None,
        });
        let mut tensors = BTreeMap::new();
        for item in self.dicts[model.unwrap_or(dict)].chunks_exact(2) {
            let [Value::Text(name), value] = *item else {
                return Err(Refusal::Unsupported(format!("it has {} as a key; expected texts", item[0].kind())));
            };
            if name.is_empty() || name.len() > MAX_NAME_BYTES {
                let len = name.len();
                return malformed(format!("the name of a tensor has {len} bytes; expected 1 to {MAX_NAME_BYTES}"));
            }
            let Value::Tensor(tensor) = value else {
                let (name, kind) = (shown(name), value.kind());
                return Err(Refusal::Unsupported(format!("\"{name}\" is {kind}; a dictionary of tensors is read")));
            };
            if tensors.insert(name.to_owned(), self.tensors[tensor].clone()).is_some() {
                return malformed(format!("the tensor {} appears twice", shown(name)));
            }
        }
        Ok(Described { storages: self.storages, tensors })
    }
}
