//! Writes small GGUF files, valid ones and every other kind.

/// One metadata value.
#[derive(Clone, Debug)]
pub enum Value {
    U8(u8),
    I8(i8),
    U16(u16),
    I16(i16),
    U32(u32),
    I32(i32),
    F32(f32),
    Bool(bool),
    String(String),
    U64(u64),
    I64(i64),
    F64(f64),
    /// Elements of one type, which must be given for an empty array: type number and elements.
    Array(u32, Vec<Value>),
    /// A type number and the bytes that follow it, right or wrong.
    Raw(u32, Vec<u8>),
}

impl Value {
    pub fn string(text: &str) -> Self {
        Self::String(text.to_owned())
    }

    pub fn strings(texts: &[&str]) -> Self {
        Self::Array(8, texts.iter().map(|text| Self::string(text)).collect())
    }

    pub fn floats(numbers: &[f32]) -> Self {
        Self::Array(6, numbers.iter().map(|number| Self::F32(*number)).collect())
    }

    pub fn i32s(numbers: &[i32]) -> Self {
        Self::Array(5, numbers.iter().map(|number| Self::I32(*number)).collect())
    }

    fn kind(&self) -> u32 {
        match self {
            Self::U8(_) => 0,
            Self::I8(_) => 1,
            Self::U16(_) => 2,
            Self::I16(_) => 3,
            Self::U32(_) => 4,
            Self::I32(_) => 5,
            Self::F32(_) => 6,
            Self::Bool(_) => 7,
            Self::String(_) => 8,
            Self::Array(..) => 9,
            Self::U64(_) => 10,
            Self::I64(_) => 11,
            Self::F64(_) => 12,
            Self::Raw(kind, _) => *kind,
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::U8(value) => out.push(*value),
            Self::I8(value) => out.extend(value.to_le_bytes()),
            Self::U16(value) => out.extend(value.to_le_bytes()),
            Self::I16(value) => out.extend(value.to_le_bytes()),
            Self::U32(value) => out.extend(value.to_le_bytes()),
            Self::I32(value) => out.extend(value.to_le_bytes()),
            Self::F32(value) => out.extend(value.to_le_bytes()),
            Self::Bool(value) => out.push((*value).into()),
            Self::String(text) => write_string(out, text.as_bytes()),
            Self::U64(value) => out.extend(value.to_le_bytes()),
            Self::I64(value) => out.extend(value.to_le_bytes()),
            Self::F64(value) => out.extend(value.to_le_bytes()),
            Self::Array(kind, values) => {
                out.extend(kind.to_le_bytes());
                out.extend((values.len() as u64).to_le_bytes());
                values.iter().for_each(|value| value.write(out));
            }
            Self::Raw(_, bytes) => out.extend(bytes),
        }
    }
}

/// One tensor: its description and its data.
#[derive(Clone, Debug)]
pub struct TensorSpec {
    pub name: Vec<u8>,
    /// Fastest-varying first.
    pub dims: Vec<u64>,
    /// `n_dims` as written; the number of `dims` unless it is to be a lie.
    pub n_dims: u32,
    pub kind: u32,
    /// Offset as written; the next aligned place unless it is to be a lie.
    pub offset: Option<u64>,
    pub data: Vec<u8>,
}

/// A GGUF file in the making.
#[derive(Clone, Debug)]
pub struct Gguf {
    pub magic: [u8; 4],
    pub version: u32,
    pub metadata: Vec<(Vec<u8>, Value)>,
    pub tensors: Vec<TensorSpec>,
    /// Counts as written, instead of the true ones.
    pub metadata_count: Option<u64>,
    pub tensor_count: Option<u64>,
    /// What the data is aligned to; `general.alignment` must say the same.
    pub alignment: usize,
    /// Bytes after the last tensor.
    pub trailing: usize,
}

impl Gguf {
    pub fn new() -> Self {
        Self {
            magic: *b"GGUF",
            version: 3,
            metadata: Vec::new(),
            tensors: Vec::new(),
            metadata_count: None,
            tensor_count: None,
            alignment: 32,
            trailing: 0,
        }
    }

    /// A Llama of any shape without a tokenizer: all matrices of one type, norms F32. Its data is left out where
    /// `with_data` is not set: descriptions alone are enough for a parser that is told the length of the file.
    pub fn llama(shape: &Shape, kind: u32, with_data: bool) -> Self {
        let mut gguf = Self::new();
        gguf.set("general.architecture", Value::string("llama"));
        let size = |value: u64| Value::U32(value as u32);
        gguf.set("llama.block_count", size(shape.layers));
        gguf.set("llama.embedding_length", size(shape.dim));
        gguf.set("llama.feed_forward_length", size(shape.ffn));
        gguf.set("llama.context_length", size(shape.context));
        gguf.set("llama.attention.head_count", size(shape.heads));
        gguf.set("llama.attention.head_count_kv", size(shape.kv_heads));
        gguf.set("llama.attention.layer_norm_rms_epsilon", Value::F32(1e-5));
        gguf.set("llama.rope.freq_base", Value::F32(shape.base));
        let (dim, head) = (shape.dim, shape.dim / shape.heads);
        gguf.tensor("token_embd.weight", &[dim, shape.vocabulary], kind, with_data);
        for layer in 0..shape.layers {
            for (stem, dims) in [
                ("attn_norm", vec![dim]),
                ("attn_q", vec![dim, dim]),
                ("attn_k", vec![dim, shape.kv_heads * head]),
                ("attn_v", vec![dim, shape.kv_heads * head]),
                ("attn_output", vec![dim, dim]),
                ("ffn_norm", vec![dim]),
                ("ffn_gate", vec![dim, shape.ffn]),
                ("ffn_up", vec![dim, shape.ffn]),
                ("ffn_down", vec![shape.ffn, dim]),
            ] {
                let kind = if dims.len() == 1 { 0 } else { kind };
                gguf.tensor(&format!("blk.{layer}.{stem}.weight"), &dims, kind, with_data);
            }
        }
        gguf.tensor("output_norm.weight", &[dim], 0, with_data);
        gguf
    }

    /// The smallest useful model: one layer, width 32, two heads of 16, one key/value head, seven tokens.
    pub fn tiny() -> Self {
        let shape =
            Shape { layers: 1, dim: 32, ffn: 64, heads: 2, kv_heads: 1, vocabulary: 7, context: 64, base: 10_000.0 };
        let mut gguf = Self::llama(&shape, 8, true);
        gguf.set("tokenizer.ggml.model", Value::string("llama"));
        gguf.set("tokenizer.ggml.tokens", Value::strings(&["<unk>", "<s>", "</s>", "<0x41>", "▁", "a", "▁a"]));
        gguf.set("tokenizer.ggml.scores", Value::floats(&[0.0, 0.0, 0.0, 0.0, -3.0, -2.0, -1.0]));
        gguf.set("tokenizer.ggml.token_type", Value::i32s(&[2, 3, 3, 6, 1, 1, 1]));
        gguf
    }

    /// The smallest file of a byte-level vocabulary, and no model.
    pub fn byte_level() -> Self {
        let mut gguf = Self::new();
        gguf.set("general.architecture", Value::string("llama"));
        gguf.set("tokenizer.ggml.model", Value::string("gpt2"));
        gguf.set("tokenizer.ggml.pre", Value::string("llama-bpe"));
        gguf.set("tokenizer.ggml.tokens", Value::strings(&["a", "b", "ab", "<s>", "<|eom_id|>", "<|eot_id|>"]));
        gguf.set("tokenizer.ggml.token_type", Value::i32s(&[1, 1, 1, 3, 3, 1]));
        gguf.set("tokenizer.ggml.merges", Value::strings(&["a b"]));
        gguf
    }

    /// Replaces or adds a key.
    pub fn set(&mut self, key: &str, value: Value) -> &mut Self {
        match self.metadata.iter_mut().find(|(known, _)| known == key.as_bytes()) {
            Some((_, old)) => *old = value,
            None => self.metadata.push((key.as_bytes().to_vec(), value)),
        }
        self
    }

    pub fn unset(&mut self, key: &str) -> &mut Self {
        let before = self.metadata.len();
        self.metadata.retain(|(known, _)| known != key.as_bytes());
        assert_eq!(self.metadata.len() + 1, before, "{key} was there");
        self
    }

    /// Adds a tensor of zeros.
    pub fn tensor(&mut self, name: &str, dims: &[u64], kind: u32, with_data: bool) -> &mut Self {
        let bytes = tensor_bytes(dims, kind);
        self.tensors.push(TensorSpec {
            name: name.as_bytes().to_vec(),
            dims: dims.to_vec(),
            n_dims: dims.len() as u32,
            kind,
            offset: None,
            data: if with_data { vec![0; bytes as usize] } else { Vec::new() },
        });
        self
    }

    pub fn get(&mut self, tensor: &str) -> &mut TensorSpec {
        self.tensors.iter_mut().find(|spec| spec.name == tensor.as_bytes()).expect("the tensor is there")
    }

    /// The parts that `llama-gguf-split` makes of it: the first keeps all metadata, and each has so many tensors.
    pub fn split(&self, counts: &[usize]) -> Vec<Self> {
        assert_eq!(counts.iter().sum::<usize>(), self.tensors.len());
        let mut tensors = self.tensors.iter();
        let part = |(number, count): (usize, &usize)| {
            let mut part = Self { tensors: tensors.by_ref().take(*count).cloned().collect(), ..Self::new() };
            if number == 0 {
                (part.metadata, part.alignment) = (self.metadata.clone(), self.alignment);
            }
            part.set("split.no", Value::U16(number as u16));
            part.set("split.count", Value::U16(counts.len() as u16));
            part.set("split.tensors.count", Value::I32(self.tensors.len() as i32));
            part
        };
        counts.iter().enumerate().map(part).collect()
    }

    /// The header without the data, and the length of the whole file.
    pub fn header(&self) -> (Vec<u8>, u64) {
        let mut out = self.magic.to_vec();
        out.extend(self.version.to_le_bytes());
        out.extend(self.tensor_count.unwrap_or(self.tensors.len() as u64).to_le_bytes());
        out.extend(self.metadata_count.unwrap_or(self.metadata.len() as u64).to_le_bytes());
        for (key, value) in &self.metadata {
            write_string(&mut out, key);
            out.extend(value.kind().to_le_bytes());
            value.write(&mut out);
        }
        let mut offset = 0u64;
        for spec in &self.tensors {
            write_string(&mut out, &spec.name);
            out.extend(spec.n_dims.to_le_bytes());
            spec.dims.iter().for_each(|dim| out.extend(dim.to_le_bytes()));
            out.extend(spec.kind.to_le_bytes());
            out.extend(spec.offset.unwrap_or(offset).to_le_bytes());
            let bytes = if spec.data.is_empty() { tensor_bytes(&spec.dims, spec.kind) } else { spec.data.len() as u64 };
            offset = (offset + bytes).next_multiple_of(self.alignment as u64);
        }
        if !self.tensors.is_empty() {
            out.resize(out.len().next_multiple_of(self.alignment), 0);
        }
        let len = out.len() as u64 + offset + self.trailing as u64;
        (out, len)
    }

    /// The whole file.
    pub fn bytes(&self) -> Vec<u8> {
        let (mut out, len) = self.header();
        for spec in &self.tensors {
            out.extend(&spec.data);
            out.resize(out.len().next_multiple_of(self.alignment), 0);
        }
        out.resize(len as usize, 0xAA);
        out
    }
}

/// The numbers of a Llama.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub layers: u64,
    pub dim: u64,
    pub ffn: u64,
    pub heads: u64,
    pub kv_heads: u64,
    pub vocabulary: u64,
    pub context: u64,
    pub base: f32,
}

/// Bytes of a tensor of ggml's type `kind`; the sizes are from `docs/gguf.md`, not from the crate.
fn tensor_bytes(dims: &[u64], kind: u32) -> u64 {
    let elements: u64 = dims.iter().fold(1, |product, dim| product.saturating_mul(*dim));
    match kind {
        0 => elements.saturating_mul(4),
        1 | 30 => elements.saturating_mul(2),
        2 | 20 => elements / 32 * 18,
        3 => elements / 32 * 20,
        6 => elements / 32 * 22,
        7 => elements / 32 * 24,
        8 => elements / 32 * 34,
        10 => elements / 256 * 84,
        11 => elements / 256 * 110,
        12 => elements / 256 * 144,
        13 => elements / 256 * 176,
        14 => elements / 256 * 210,
        23 => elements / 256 * 136,
        _ => 0,
    }
}

fn write_string(out: &mut Vec<u8>, text: &[u8]) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text);
}
