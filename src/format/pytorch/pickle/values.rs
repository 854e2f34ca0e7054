//! What a pickle describes, and the values on the way there.

use std::collections::BTreeMap;

use crate::format::meta::DType;

/// Why a pickle is not read.
#[derive(Debug)]
pub(in crate::format::pytorch) enum Refusal {
    /// It is no pickle, or contradicts itself.
    Malformed(String),
    /// It asks for something that is not done here.
    Unsupported(String),
}

pub(super) fn malformed<T>(reason: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::Malformed(reason.into()))
}

/// The bytes of numbers of one type, an entry of the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::format::pytorch) struct Storage {
    /// The name of its entry, behind `data/`.
    pub(in crate::format::pytorch) key: String,
    pub(in crate::format::pytorch) dtype: DType,
    /// Numbers that it holds.
    pub(in crate::format::pytorch) len: u64,
}

/// A tensor: a part of a storage, in elements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::format::pytorch) struct Tensor {
    pub(in crate::format::pytorch) storage: usize,
    pub(in crate::format::pytorch) offset: u64,
    /// Dimensions, slowest first.
    pub(in crate::format::pytorch) dims: Vec<u64>,
    /// Elements between neighbours along each dimension.
    pub(in crate::format::pytorch) strides: Vec<u64>,
}

/// What a pickle describes.
#[derive(Debug, Default)]
pub(in crate::format::pytorch) struct Described {
    pub(in crate::format::pytorch) storages: Vec<Storage>,
    /// Every tensor by name.
    pub(in crate::format::pytorch) tensors: BTreeMap<String, Tensor>,
}

/// The names of Python that mean something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Global {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    Storage(DType),
}

impl Global {
    pub(super) fn of(module: &str, name: &str) -> Result<Self, Refusal> {
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
pub(super) fn shown(text: &str) -> String {
    crate::error::printable(text, 80)
}

/// A value on the stack. Tuples, dictionaries, storages and tensors are indices, so that a value that is named a
/// thousand times exists once, and nothing is as deep as a file wants it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'a> {
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
    pub(super) fn kind(self) -> &'static str {
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
