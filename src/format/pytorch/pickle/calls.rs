//! The calls that make storages and tensors, and the dictionary at the end.

use std::collections::BTreeMap;

use super::Interpreter;
use super::values::{Described, Global, Refusal, Storage, Tensor, Value, malformed, shown};

/// Most dimensions of a tensor.
const MAX_DIMS: usize = 8;

/// Longest name of a tensor or storage, in bytes.
const MAX_NAME_BYTES: usize = 256;

impl<'a> Interpreter<'a> {
    fn tuple_of(&self, value: Value<'a>, what: &str) -> Result<&[Value<'a>], Refusal> {
        match value {
            Value::Tuple(tuple) => Ok(&self.tuples[tuple]),
            other => malformed(format!("{what} is {}; expected a tuple", other.kind())),
        }
    }

    /// `("storage", TYPE, KEY, DEVICE, LENGTH)` becomes a storage. The device does not matter.
    pub(super) fn storage(&mut self) -> Result<(), Refusal> {
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
    pub(super) fn reduce(&mut self) -> Result<(), Refusal> {
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
    pub(super) fn build(&mut self) -> Result<(), Refusal> {
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
    pub(super) fn finish(mut self) -> Result<Described, Refusal> {
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
