//! Llama checkpoints as Meta delivers them: tensors by Meta's names in a file that PyTorch wrote
//! (`consolidated.00.pth`), or in a `safetensors` file of the same tensors, with `params.json` and the tokenizer in
//! files of their own.
//!
//! All files are the parts of one [`Source`]: the weights are the first, and the others are known by their names. So a
//! folder on a disk and files that were dropped on a page are read in the same way.

mod model;
mod params;
mod quantized;

use std::ops::Range;

use crate::error::{Error, Result, printable};
use crate::format::{Checkpoint, Encoding, ReadScope, SamplingDefaults, Strides, TensorSummary, Vocabulary};
use crate::format::{pytorch, safetensors, tokenizer};
use crate::source::{Source, Window};

pub(crate) use model::name_of;
use params::Params;

/// The file of a model's numbers.
pub(crate) const PARAMS: &str = "params.json";

/// The tokenizers that are looked for beside the weights, in this order.
pub(crate) const TOKENIZERS: [&str; 2] = ["tokenizer.model", "tokenizer.json"];

/// Longest `params.json` that is read, in bytes. Real ones have about 300.
const MAX_PARAMS_BYTES: u64 = 1 << 16;

/// Characters of a model's name that are taken.
const MAX_NAME: usize = 200;

/// The types of numbers that PyTorch and `safetensors` store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DType {
    /// IEEE double precision.
    F64,
    /// IEEE single precision.
    F32,
    /// IEEE half precision.
    F16,
    /// The upper half of an f32.
    BF16,
    /// Signed integers of 64 bits.
    I64,
    /// Signed integers of 32 bits.
    I32,
    /// Signed integers of 16 bits.
    I16,
    /// Signed integers of 8 bits.
    I8,
    /// Unsigned integers of 8 bits.
    U8,
    /// A byte that is 0 or 1.
    Bool,
}

impl DType {
    /// Each with its bytes, its name in `safetensors`, and the type of its storage in PyTorch.
    const TABLE: [(Self, u64, &'static str, &'static str); 10] = [
        (Self::F64, 8, "F64", "DoubleStorage"),
        (Self::F32, 4, "F32", "FloatStorage"),
        (Self::F16, 2, "F16", "HalfStorage"),
        (Self::BF16, 2, "BF16", "BFloat16Storage"),
        (Self::I64, 8, "I64", "LongStorage"),
        (Self::I32, 4, "I32", "IntStorage"),
        (Self::I16, 2, "I16", "ShortStorage"),
        (Self::I8, 1, "I8", "CharStorage"),
        (Self::U8, 1, "U8", "ByteStorage"),
        (Self::Bool, 1, "BOOL", "BoolStorage"),
    ];

    fn row(self) -> &'static (Self, u64, &'static str, &'static str) {
        Self::TABLE.iter().find(|row| row.0 == self).expect("every type is in the table")
    }

    /// Bytes of a number.
    pub fn bytes(self) -> u64 {
        self.row().1
    }

    /// The name that `safetensors` gives it.
    pub fn name(self) -> &'static str {
        self.row().2
    }

    pub(crate) fn of_name(name: &str) -> Option<Self> {
        Self::TABLE.iter().find(|row| row.2 == name).map(|row| row.0)
    }

    pub(crate) fn of_storage(name: &str) -> Option<Self> {
        Self::TABLE.iter().find(|row| row.3 == name).map(|row| row.0)
    }

    /// How weights of this type are stored, or `None` where the engine takes no such weights.
    fn encoding(self) -> Option<Encoding> {
        match self {
            Self::F32 => Some(Encoding::F32),
            Self::F16 => Some(Encoding::F16),
            Self::BF16 => Some(Encoding::BF16),
            _ => None,
        }
    }
}

/// A tensor as a file describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// Its name.
    pub name: String,
    /// The type of its numbers.
    pub dtype: DType,
    /// Dimensions, slowest first.
    pub dims: Vec<u64>,
    /// Bytes from the beginning of the file, from the first of its numbers to the last.
    pub bytes: Range<u64>,
    /// The order of the numbers of a matrix, unless they lie one behind the other. Both are the same for a vector.
    pub strides: Option<Strides>,
}

/// The kinds of files that hold such tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Container {
    Pytorch,
    Safetensors,
}

impl Container {
    /// The kind of a file, by its first bytes.
    pub(crate) fn of(first: &[u8]) -> Option<Self> {
        if first.starts_with(pytorch::MAGIC) {
            Some(Self::Pytorch)
        } else if safetensors::is(first) {
            Some(Self::Safetensors)
        } else {
            None
        }
    }

    /// What messages call it.
    fn name(self) -> &'static str {
        match self {
            Self::Pytorch => pytorch::FORMAT,
            Self::Safetensors => safetensors::FORMAT,
        }
    }
}

/// The last part of a path or an address.
fn file_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

/// A file beside the weights, by one of its names.
fn beside<'a>(source: &'a dyn Source, names: &[&str]) -> Option<Window<'a>> {
    let mut start = 0;
    let mut found: Vec<Window<'a>> = Vec::new();
    for part in source.parts() {
        if names.contains(&file_name(part.name)) {
            found.push(Window::new(source, part.name.to_owned(), start..start + part.len));
        }
        start += part.len;
    }
    let rank = |window: &Window<'_>| names.iter().position(|name| *name == file_name(window.name()));
    found.into_iter().min_by_key(rank)
}

/// The tokenizer beside the weights.
///
/// # Errors
/// Where there is none.
pub(crate) fn tokenizer_beside(source: &dyn Source) -> Result<Window<'_>> {
    beside(source, &TOKENIZERS).ok_or_else(|| missing(source, TOKENIZERS[0], "or name another with --tokenizer FILE"))
}

fn missing(source: &dyn Source, name: &str, or: &str) -> Error {
    let parts = source.parts();
    let weights = parts.first().map_or(source.name(), |part| part.name);
    let or = if or.is_empty() { String::new() } else { format!(", {or}") };
    Error::Unsupported {
        name: weights.to_owned(),
        reason: format!("its {name} is missing: put the {name} of the same download beside {}{or}", file_name(weights)),
    }
}

/// Reads what such a checkpoint says, without its weights. `first` are the first bytes of the weights.
///
/// # Errors
/// Where a file is missing, breaks its format or contradicts another, or asks for another computation, and those of the
/// source.
pub(crate) async fn read(
    source: &dyn Source,
    container: Container,
    first: Vec<u8>,
    scope: ReadScope,
) -> Result<Checkpoint> {
    let parts = source.parts();
    let weights = parts.first().map_or(source.name(), |part| part.name);
    let weights_len = parts.first().map_or(source.len(), |part| part.len);
    let stored = match container {
        Container::Pytorch => pytorch::read(source, weights, weights_len, first).await?,
        Container::Safetensors => safetensors::read(source, weights, weights_len).await?,
    };
    let params = params(source).await?;
    let (shape, tensors) = model::model(weights, &params, &stored)?;
    quantized::refuse_zero_points(source, weights, &stored).await?;
    let mut warnings = Vec::new();
    let vocabulary = match scope {
        ReadScope::ModelOnly => None,
        _ => match vocabulary(source, weights, shape.vocabulary).await {
            Ok(vocabulary) => Some(vocabulary),
            Err(error @ Error::Read { .. }) => return Err(error),
            Err(error) if scope == ReadScope::ModelFirst => {
                warnings.push(format!("{error} (ignored)"));
                None
            }
            Err(error) => return Err(error),
        },
    };
    let summary = |stored: &Stored| TensorSummary {
        dims: stored.dims.clone(),
        kind: stored.dtype.name().to_owned(),
        bytes: stored.dims.iter().product::<u64>() * stored.dtype.bytes(),
    };
    let own = stored.iter().filter(|stored| !model::is_tied(stored, &tensors));
    let own = own.map(|stored| (stored.name.clone(), summary(stored))).collect();
    Ok(Checkpoint {
        name: printable(model_name(weights), MAX_NAME),
        format: container.name().to_owned(),
        model: Some((shape, tensors)),
        vocabulary,
        chat_template: None,
        sampling: SamplingDefaults::default(),
        tensors: own,
        warnings,
    })
}

/// The name of the folder that the weights lie in, since Meta's files are all called the same; else the file's own. The
/// folder `original` of Hugging Face's repositories has the name of the one around it.
fn model_name(weights: &str) -> &str {
    let mut names = weights.rsplit(['/', '\\']).filter(|name| !["", ".", ".."].contains(name));
    let file = names.next().unwrap_or(weights);
    names.find(|name| *name != "original").unwrap_or(file)
}

/// The numbers of the model.
async fn params(source: &dyn Source) -> Result<Params> {
    let file = beside(source, &[PARAMS]).ok_or_else(|| missing(source, PARAMS, ""))?;
    if file.len() > MAX_PARAMS_BYTES {
        let reason = format!("it has {} bytes; at most {MAX_PARAMS_BYTES} are read", file.len());
        return Err(Error::Unsupported { name: file.name().to_owned(), reason });
    }
    let bytes = file.read_at(0, file.len() as usize).await?;
    Params::parse(file.name(), &bytes)
}

/// The vocabulary beside the weights, which has a token per row of the embedding.
async fn vocabulary(source: &dyn Source, weights: &str, rows: usize) -> Result<Vocabulary> {
    let file = tokenizer_beside(source)?;
    let vocabulary = tokenizer::read_alone(&file).await?;
    let tokens = vocabulary.tokens.len();
    if tokens != rows {
        let reason = format!("it has {tokens} tokens, and the embedding of {weights} has {rows} rows");
        return Err(Error::Unsupported { name: file.name().to_owned(), reason });
    }
    Ok(vocabulary)
}
