//! The keys of an architecture (`llama.*`) and the tensors they ask for.

use half::{bf16, f16};

use crate::arch::family::{Arch, Neutral};
use crate::arch::shape::limits::{
    MAX_CONTEXT, MAX_DIM, MAX_EMBEDDING_ROWS, MAX_FFN, MAX_HEAD_DIM, MAX_HEADS, MAX_LAYERS,
};
use crate::arch::shape::{RopeScaling, Scheme, Shape, rope_frequencies};
use crate::arch::tensors::{Role, TensorId};
use crate::error::{Error, Result};
use crate::format::{Encoding, ModelTensors, Tensor};

use super::FORMAT;
use super::reader::{BLOCK_COUNT, Metadata};
use super::tensors::{Described, Tensors};

/// The tensor that holds the divisors of the rotation frequencies, one per pair.
pub(super) const ROPE_FREQS: &str = "rope_freqs.weight";

/// The name of a tensor in GGUF files.
pub(super) fn name_of(id: TensorId) -> String {
    format!("{id}.weight")
}

/// The shape of a model of the family `arch`, and its tensors, checked against the shape.
///
/// # Errors
/// Where a key is missing or out of range, asks for another computation, or a tensor is missing, of another size, or
/// not known.
pub(super) fn model(metadata: &Metadata<'_>, tensors: &Tensors, arch: &'static Arch) -> Result<(Shape, ModelTensors)> {
    let layers = metadata.require_size(&arch.key(BLOCK_COUNT), MAX_LAYERS)?;
    let dim = metadata.require_size(&arch.key("embedding_length"), MAX_DIM)?;
    let ffn = metadata.require_size(&arch.key("feed_forward_length"), MAX_FFN)?;
    let context = metadata.require_size(&arch.key("context_length"), MAX_CONTEXT)?;
    let heads = metadata.require_size(&arch.key("attention.head_count"), MAX_HEADS)?;
    let kv_heads = metadata.size(&arch.key("attention.head_count_kv"), MAX_HEADS)?.unwrap_or(heads);
    if !heads.is_multiple_of(kv_heads) {
        return Err(metadata.malformed(format!("{heads} query heads cannot share {kv_heads} key/value heads evenly")));
    }
    let head_dim = head_dim(metadata, arch, dim, heads)?;
    refuse_other_computations(metadata, arch, head_dim, context)?;
    let mut shape = Shape {
        arch,
        dim,
        ffn,
        layers,
        heads,
        kv_heads,
        head_dim,
        vocabulary: vocabulary_size(metadata, tensors, arch)?,
        context,
        norm_eps: norm_eps(metadata, arch)?,
        rope_pairing: arch.gguf_pairing,
        rope_frequencies: Vec::new(),
        scheme: Scheme::default(),
    };
    refuse_unknown_tensors(metadata, tensors, arch, layers)?;
    let model = model_tensors(metadata, tensors, &shape)?;
    shape.rope_frequencies = frequencies(metadata, tensors, arch, &shape)?;
    Ok((shape, model))
}

fn head_dim(metadata: &Metadata<'_>, arch: &Arch, dim: usize, heads: usize) -> Result<usize> {
    let [key, value] = ["attention.key_length", "attention.value_length"].map(|key| arch.key(key));
    let [key_length, value_length] = [metadata.size(&key, MAX_DIM)?, metadata.size(&value, MAX_DIM)?];
    let even = || {
        if !dim.is_multiple_of(heads) {
            return Err(metadata.malformed(format!("a width of {dim} does not divide into {heads} heads")));
        }
        Ok(dim / heads)
    };
    let key_length = key_length.map_or_else(even, Ok)?;
    let value_length = value_length.map_or_else(even, Ok)?;
    if key_length != value_length {
        return Err(
            metadata.unsupported(format!("{key} is {key_length} and {value} is {value_length}; they must be equal"))
        );
    }
    if !key_length.is_multiple_of(8) || key_length > MAX_HEAD_DIM {
        return Err(metadata.unsupported(format!(
            "a head has {key_length} elements; supported are multiples of 8 up to {MAX_HEAD_DIM}"
        )));
    }
    let key = arch.key("rope.dimension_count");
    match metadata.size(&key, MAX_DIM)? {
        Some(rotated) if rotated != key_length => Err(metadata.unsupported(format!(
            "{key} is {rotated}, and a head has {key_length} elements; only whole heads are rotated"
        ))),
        _ => Ok(key_length),
    }
}

fn norm_eps(metadata: &Metadata<'_>, arch: &Arch) -> Result<f32> {
    let key = arch.key("attention.layer_norm_rms_epsilon");
    let eps = metadata.require_float(&key)?;
    if (0.0..1.0).contains(&eps) {
        return Ok(eps);
    }
    Err(metadata.malformed(format!("{key} is {eps}; expected a number from 0, and below 1")))
}

/// The rows of the embedding, which fix the vocabulary. The key that says the same is a hint.
fn vocabulary_size(metadata: &Metadata<'_>, tensors: &Tensors, arch: &Arch) -> Result<usize> {
    let name = name_of(Role::TokenEmbd.of_model());
    let embedding = tensors.get(&name).ok_or_else(|| missing(metadata, &name))?;
    let rows = embedding.dims.get(1).copied().unwrap_or(1);
    let Some(size) = usize::try_from(rows).ok().filter(|rows| *rows <= MAX_EMBEDDING_ROWS) else {
        return Err(metadata.malformed(format!("{name} has {rows} rows; at most {MAX_EMBEDDING_ROWS} are supported")));
    };
    let key = arch.key("vocab_size");
    if let Some(said) = metadata.hint(metadata.integer(&key)).filter(|said| *said != size as i128) {
        metadata.warn(&metadata.malformed(format!("{name} has {size} rows, and {key} is {said}")));
    }
    Ok(size)
}

/// Refuses keys that change the computation ([`Arch::neutral`]), unless their value changes nothing.
fn refuse_other_computations(metadata: &Metadata<'_>, arch: &Arch, head_dim: usize, context: usize) -> Result<()> {
    // A value that is no number is not neutral either.
    let other_than = |neutral: &[f32], value: f32| !neutral.iter().any(|neutral| (value - neutral).abs() <= 1e-6);
    for (key, neutral) in arch.neutral {
        let key = arch.key(key);
        let number = |neutral: &[f32]| -> Result<Option<String>> {
            Ok(metadata.find_float(&key, |value| other_than(neutral, value))?.map(|value| value.to_string()))
        };
        let other = match *neutral {
            Neutral::Zero(meaning) => {
                metadata.find_integer(&key, |value| value != 0)?.map(|value| format!("{value} ({meaning})"))
            }
            Neutral::Texts(texts) => {
                metadata.string(&key)?.filter(|text| !texts.contains(text)).map(|text| format!("\"{text}\""))
            }
            Neutral::Numbers(numbers) => number(numbers)?,
            Neutral::NumbersUnless { numbers, key: switch, text } => {
                let off = metadata.string(&arch.key(switch))? == Some(text);
                number(numbers)?.filter(|_| !off)
            }
            Neutral::AttentionScale => number(&[0.0, 1.0 / (head_dim as f32).sqrt()])?,
            Neutral::WholeContext => {
                let ends = |window: i128| window != 0 && window < context as i128;
                metadata.find_integer(&key, ends)?.map(|window| window.to_string())
            }
            Neutral::Boolean(boolean) => {
                metadata.find_boolean(&key, |value| value != boolean)?.map(|value| value.to_string())
            }
        };
        if let Some(value) = other {
            return Err(metadata.unsupported(format!("{key} is {value}, which is not computed")));
        }
    }
    Ok(())
}

/// Refuses tensors that the family does not have (a bias, an adaptor, an expert): a model without them computes
/// something else.
fn refuse_unknown_tensors(metadata: &Metadata<'_>, tensors: &Tensors, arch: &Arch, layers: usize) -> Result<()> {
    let known = |name: &str| {
        let id = name.strip_suffix(".weight").and_then(|name| TensorId::find(arch, name, layers));
        id.is_some() || name == ROPE_FREQS
    };
    match tensors.names().find(|name| !known(name)) {
        Some(name) => Err(metadata.unsupported(format!("a {} of {layers} blocks has no tensor {name}", arch.title))),
        None => Ok(()),
    }
}

fn missing(metadata: &Metadata<'_>, name: &str) -> Error {
    metadata.malformed(format!("the tensor {name} is missing"))
}

/// Every tensor of the family, with the dimensions that the shape asks for.
fn model_tensors(metadata: &Metadata<'_>, tensors: &Tensors, shape: &Shape) -> Result<ModelTensors> {
    let found = TensorId::all(shape.arch, shape.layers).filter_map(|id| {
        let (name, spec) = (name_of(id), id.spec());
        let tensor = match tensors.get(&name) {
            Some(described) => {
                let [rows, cols] = spec.size(shape).map(|size| size as u64);
                let dims = if spec.is_matrix() { vec![cols, rows] } else { vec![cols] };
                checked(metadata, &name, described, &dims)
            }
            None if spec.optional => return None,
            None => Err(missing(metadata, &name)),
        };
        Some(tensor.map(|tensor| (id, tensor)))
    });
    found.collect()
}

/// A tensor whose dimensions, fastest first, must be `expected`, possibly followed by dimensions of 1.
fn checked(metadata: &Metadata<'_>, name: &str, described: &Described, expected: &[u64]) -> Result<Tensor> {
    let (dims, rest) = described.dims.split_at(expected.len().min(described.dims.len()));
    if dims != expected || rest.iter().any(|dim| *dim != 1) {
        return Err(metadata.malformed(format!(
            "tensor {name} has dimensions {:?}; expected {expected:?} (fastest first)",
            described.dims
        )));
    }
    Ok(Tensor {
        rows: expected.get(1).map_or(1, |rows| *rows as usize),
        cols: expected[0] as usize,
        encoding: described.encoding,
        bytes: described.bytes.clone(),
        strides: None,
        scales: None,
        lora: None,
    })
}

/// Rotation frequencies in radians per position. Where the file has `rope_freqs.weight`, they are not yet divided by
/// it.
fn frequencies(metadata: &Metadata<'_>, tensors: &Tensors, arch: &Arch, shape: &Shape) -> Result<Vec<f64>> {
    let key = arch.key("rope.freq_base");
    let base = f64::from(metadata.float(&key)?.unwrap_or(10_000.0));
    if !(base.is_finite() && base >= 1.0) {
        return Err(metadata.malformed(format!("{key} is {base}; expected a finite number from 1")));
    }
    let frequencies = rope_frequencies(shape.head_dim, base);
    if let Some(described) = tensors.get(ROPE_FREQS) {
        checked(metadata, ROPE_FREQS, described, &[shape.head_dim as u64 / 2])?;
        return match described.encoding {
            Encoding::F32 | Encoding::F16 | Encoding::BF16 => Ok(frequencies),
            other => {
                let expected = "expected F32, F16 or BF16";
                Err(metadata.unsupported(format!("tensor {ROPE_FREQS} has type {}; {expected}", other.name())))
            }
        };
    }
    match implied_scaling(metadata, shape, base)? {
        Some(scaling) => Ok(frequencies.into_iter().map(|frequency| frequency / scaling.divisor(frequency)).collect()),
        None => Ok(frequencies),
    }
}

/// The frequency scaling of a file that does not name one. Llama 3.1 and later scale their frequencies, and files
/// converted before August 2024 do not say so. Without the scaling the text of these models gets worse, in long
/// contexts first, so they are recognised by their sizes, and a model that could be either is refused.
///
/// A model with Llama 3's tokenizer (128 256 tokens, and a few that fine-tuners add) and a base of 500 000 is
/// - Llama 3.2 1B or 3B if it has the size of one, whatever its context: factor 32;
/// - Llama 3.1 8B, 70B or 405B (or 3.3 70B) if it has the size of one and a context of 131 072: factor 8;
/// - Llama 3 if its context is at most 8192: no scaling.
fn implied_scaling(metadata: &Metadata<'_>, shape: &Shape, base: f64) -> Result<Option<RopeScaling>> {
    if base != 500_000.0 || !(128_256..128_512).contains(&shape.vocabulary) {
        return Ok(None);
    }
    match (RopeScaling::of_size(shape.dim, shape.layers, shape.heads), shape.context) {
        (Some(scaling), context) if scaling == RopeScaling::LLAMA_3_2 || context == 131_072 => Ok(Some(scaling)),
        (_, context) if context <= 8192 => Ok(None),
        (_, context) => Err(metadata.unsupported(format!(
            "it has no {ROPE_FREQS}, and whether a Llama 3 of {} layers, width {}, {} heads and a context of {context} \
             scales its rotation frequencies cannot be told; convert it with a newer llama.cpp",
            shape.layers, shape.dim, shape.heads
        ))),
    }
}

/// Divides each frequency by the value of `rope_freqs.weight` for its pair.
pub(super) fn divide_frequencies(name: &str, shape: &mut Shape, encoding: Encoding, bytes: &[u8]) -> Result<()> {
    let malformed = |reason| Error::Malformed { name: name.to_owned(), format: FORMAT, reason };
    let expected = encoding.row_bytes(shape.rope_frequencies.len());
    if bytes.len() != expected {
        return Err(malformed(format!("tensor {ROPE_FREQS} has {} bytes; expected {expected}", bytes.len())));
    }
    let number = |bytes: &[u8]| match (encoding, bytes) {
        (Encoding::F16, [a, b]) => f16::from_le_bytes([*a, *b]).to_f32(),
        (Encoding::BF16, [a, b]) => bf16::from_le_bytes([*a, *b]).to_f32(),
        (_, [a, b, c, d]) => f32::from_le_bytes([*a, *b, *c, *d]),
        _ => f32::NAN,
    };
    let values = bytes.chunks_exact(encoding.block_bytes()).map(number);
    for (pair, (frequency, divisor)) in shape.rope_frequencies.iter_mut().zip(values).enumerate() {
        if !(divisor.is_finite() && divisor > 0.0) {
            return Err(malformed(format!(
                "element {pair} of {ROPE_FREQS} is {divisor}; expected a finite number above 0"
            )));
        }
        *frequency /= f64::from(divisor);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::family::LLAMA;
    use crate::format::gguf::reader::Cursor;

    /// A second family: a Llama with an RMS norm of each query head.
    const NORMED: Arch = Arch {
        title: "normed Llama",
        tensors: &[
            Role::TokenEmbd,
            Role::AttnNorm,
            Role::AttnQ,
            Role::AttnQNorm,
            Role::AttnK,
            Role::AttnV,
            Role::AttnOutput,
            Role::FfnNorm,
            Role::FfnGate,
            Role::FfnUp,
            Role::FfnDown,
            Role::OutputNorm,
            Role::Output,
        ],
        ..LLAMA
    };

    fn shape(arch: &'static Arch) -> Shape {
        Shape {
            arch,
            dim: 32,
            ffn: 64,
            layers: 2,
            heads: 4,
            kv_heads: 2,
            head_dim: 8,
            vocabulary: 7,
            context: 64,
            norm_eps: 1e-5,
            rope_pairing: arch.gguf_pairing,
            rope_frequencies: rope_frequencies(8, 10_000.0),
            scheme: Scheme::default(),
        }
    }

    fn text(out: &mut Vec<u8>, text: &str) {
        out.extend((text.len() as u64).to_le_bytes());
        out.extend(text.as_bytes());
    }

    /// Reads a file with every tensor of the family `of` in F32 as a file of the family `read_as`.
    fn read(of: &'static Arch, read_as: &'static Arch) -> Result<(Shape, ModelTensors)> {
        let shape = shape(of);
        let sizes = [
            (BLOCK_COUNT, shape.layers),
            ("embedding_length", shape.dim),
            ("feed_forward_length", shape.ffn),
            ("context_length", shape.context),
            ("attention.head_count", shape.heads),
            ("attention.head_count_kv", shape.kv_heads),
        ];
        let mut header = Vec::new();
        for (key, size) in sizes {
            text(&mut header, &of.key(key));
            header.extend(4u32.to_le_bytes());
            header.extend((size as u32).to_le_bytes());
        }
        text(&mut header, &of.key("attention.layer_norm_rms_epsilon"));
        header.extend(6u32.to_le_bytes());
        header.extend(shape.norm_eps.to_le_bytes());
        let (mut count, mut offset) = (0, 0u64);
        for id in TensorId::all(of, shape.layers) {
            let [rows, cols] = id.spec().size(&shape).map(|size| size as u64);
            text(&mut header, &name_of(id));
            header.extend(2u32.to_le_bytes());
            [cols, rows].iter().for_each(|dim| header.extend(dim.to_le_bytes()));
            header.extend(0u32.to_le_bytes());
            header.extend(offset.to_le_bytes());
            (count, offset) = (count + 1, offset + rows * cols * 4);
        }
        let len = header.len() as u64 + 32 + offset;
        let mut cursor = Cursor::new("second.gguf", &header, len);
        let metadata = Metadata::read(&mut cursor, sizes.len() as u64 + 1).unwrap_or_else(|_| panic!("no metadata"));
        let tensors = Tensors::read(&mut cursor, count, 32).unwrap_or_else(|_| panic!("no tensors"));
        model(&metadata, &tensors, read_as)
    }

    #[test]
    fn each_family_has_its_own_tensors() {
        for arch in [&LLAMA, &NORMED] {
            let (found, tensors) = read(arch, arch).unwrap();
            assert_eq!(found, shape(arch));
            let ids: Vec<TensorId> = tensors.iter().map(|(id, _)| id).collect();
            assert_eq!(ids.len(), TensorId::all(arch, 2).count());
            assert!(TensorId::all(arch, 2).all(|id| ids.contains(&id)));
        }
        let (_, tensors) = read(&NORMED, &NORMED).unwrap();
        let gains = [0, 1].map(|block| &tensors[Role::AttnQNorm.in_block(block)]);
        assert!(gains.iter().all(|gain| (gain.rows, gain.cols) == (1, 8)));
        assert!(gains[0].bytes.end <= gains[1].bytes.start);
    }

    #[test]
    fn a_tensor_of_another_family_is_refused_and_one_of_its_own_is_asked_for() {
        assert_eq!(
            read(&NORMED, &LLAMA).unwrap_err().to_string(),
            "second.gguf is not supported: a Llama of 2 blocks has no tensor blk.0.attn_q_norm.weight"
        );
        assert_eq!(
            read(&LLAMA, &NORMED).unwrap_err().to_string(),
            "second.gguf is not a valid GGUF file: the tensor blk.0.attn_q_norm.weight is missing"
        );
    }
}
