//! The `llama.*` keys and the tensors they ask for.

use half::{bf16, f16};

use crate::arch::shape::{RopePairing, RopeScaling, Shape, rope_frequencies};
use crate::error::{Error, Result};
use crate::format::{Encoding, LayerTensors, ModelTensors, Tensor};

use super::FORMAT;
use super::reader::{LAYERS, Metadata};
use super::tensors::{Described, Tensors};

/// What the rotation frequencies are divided by, one number per pair.
pub(super) const ROPE_FREQS: &str = "rope_freqs.weight";

/// Sizes beyond these are mistakes: Llama 3.1 405B has 126 layers, a width of 16 384, 53 248 in the feed-forward layer
/// and 128 heads.
const MAX_LAYERS: usize = 512;
const MAX_DIM: usize = 1 << 16;
const MAX_FFN: usize = 1 << 20;
const MAX_HEADS: usize = 1024;
const MAX_VOCABULARY: usize = 1 << 20;
const MAX_CONTEXT: usize = 1 << 28;

/// Head sizes that the attention kernels take: multiples of 8 up to this.
const MAX_HEAD_DIM: usize = 256;

/// The shape of the model and its tensors, each checked against the other.
pub(super) fn model(metadata: &Metadata<'_>, tensors: &Tensors) -> Result<(Shape, ModelTensors)> {
    let layers = metadata.require_size(LAYERS, MAX_LAYERS)?;
    let dim = metadata.require_size("llama.embedding_length", MAX_DIM)?;
    let ffn = metadata.require_size("llama.feed_forward_length", MAX_FFN)?;
    let context = metadata.require_size("llama.context_length", MAX_CONTEXT)?;
    let heads = metadata.require_size("llama.attention.head_count", MAX_HEADS)?;
    let kv_heads = metadata.size("llama.attention.head_count_kv", MAX_HEADS)?.unwrap_or(heads);
    if !heads.is_multiple_of(kv_heads) {
        return Err(metadata.malformed(format!("{heads} query heads cannot share {kv_heads} key/value heads evenly")));
    }
    let head_dim = head_dim(metadata, dim, heads)?;
    refuse_other_computations(metadata, head_dim, context)?;

    let embedding = find(metadata, tensors, "token_embd.weight")?;
    let vocabulary_size = vocabulary_size(metadata, embedding)?;
    let mut shape = Shape {
        dim,
        ffn,
        layers,
        heads,
        kv_heads,
        head_dim,
        vocabulary: vocabulary_size,
        context,
        norm_eps: norm_eps(metadata)?,
        rope_pairing: RopePairing::Interleaved,
        rope_frequencies: Vec::new(),
    };
    refuse_unknown_tensors(metadata, tensors, layers)?;
    let model = model_tensors(metadata, tensors, &shape)?;
    shape.rope_frequencies = frequencies(metadata, tensors, &shape)?;
    Ok((shape, model))
}

fn head_dim(metadata: &Metadata<'_>, dim: usize, heads: usize) -> Result<usize> {
    let [key, value] = ["llama.attention.key_length", "llama.attention.value_length"];
    let [key_length, value_length] = [metadata.size(key, MAX_DIM)?, metadata.size(value, MAX_DIM)?];
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
    match metadata.size("llama.rope.dimension_count", MAX_DIM)? {
        Some(rotated) if rotated != key_length => Err(metadata.unsupported(format!(
            "llama.rope.dimension_count is {rotated}, and a head has {key_length} elements; only whole heads are rotated"
        ))),
        _ => Ok(key_length),
    }
}

fn norm_eps(metadata: &Metadata<'_>) -> Result<f32> {
    let key = "llama.attention.layer_norm_rms_epsilon";
    let eps = metadata.require_float(key)?;
    if (0.0..1.0).contains(&eps) {
        return Ok(eps);
    }
    Err(metadata.malformed(format!("{key} is {eps}; expected a number from 0, and below 1")))
}

/// The rows of the embedding. The key that tells the same is not needed for it.
fn vocabulary_size(metadata: &Metadata<'_>, embedding: &Described) -> Result<usize> {
    let rows = embedding.dims.get(1).copied().unwrap_or(1);
    let Some(size) = usize::try_from(rows).ok().filter(|rows| *rows <= MAX_VOCABULARY) else {
        return Err(
            metadata.malformed(format!("token_embd.weight has {rows} rows; at most {MAX_VOCABULARY} are supported"))
        );
    };
    let key = "llama.vocab_size";
    if let Some(said) = metadata.hint(metadata.integer(key)).filter(|said| *said != size as i128) {
        metadata.warn(&metadata.malformed(format!("token_embd.weight has {size} rows, and {key} is {said}")));
    }
    Ok(size)
}

/// Refuses keys that change the computation, unless their value changes nothing.
fn refuse_other_computations(metadata: &Metadata<'_>, head_dim: usize, context: usize) -> Result<()> {
    let refuse =
        |key: &str, value: String| Err(metadata.unsupported(format!("{key} is {value}, which is not computed")));
    if let Some(experts) = metadata.find_integer("llama.expert_count", |experts| experts != 0)? {
        return refuse("llama.expert_count", format!("{experts} (mixture of experts)"));
    }
    match metadata.string("llama.rope.scaling.type")? {
        // The factor decides below; no factor is no scaling.
        None | Some("none" | "linear") => {}
        Some(other) => return refuse("llama.rope.scaling.type", format!("\"{other}\"")),
    }
    let scaling_off = metadata.string("llama.rope.scaling.type")? == Some("none");
    let usual_scale = 1.0 / (head_dim as f32).sqrt();
    // Each with the values that leave the plain Llama computation as it is. llama.cpp reads 0 as "not set", and a
    // factor without a type as linear scaling.
    for (key, neutral) in [
        ("llama.rope.scaling.factor", [0.0, 1.0]),
        ("llama.rope.scale_linear", [0.0, 1.0]),
        ("llama.rope.scaling.attn_factor", [1.0, 1.0]),
        ("llama.attention.scale", [0.0, usual_scale]),
        ("llama.attention.clamp_kqv", [0.0, 0.0]),
        ("llama.attention.max_alibi_bias", [0.0, 0.0]),
        ("llama.attn_logit_softcapping", [0.0, 0.0]),
        ("llama.final_logit_softcapping", [0.0, 0.0]),
        ("llama.logit_scale", [0.0, 1.0]),
        ("llama.embedding_scale", [0.0, 1.0]),
        ("llama.residual_scale", [0.0, 1.0]),
    ] {
        // What is no number is not neutral either.
        let changes = |value: f32| !neutral.iter().any(|neutral| (value - neutral).abs() <= 1e-6);
        let value = metadata.find_float(key, changes)?;
        if let Some(value) = value.filter(|_| !(scaling_off && key == "llama.rope.scaling.factor")) {
            return refuse(key, value.to_string());
        }
    }
    // A window that holds the whole context is none.
    let key = "llama.attention.sliding_window";
    let ends = |window: i128| window != 0 && window < context as i128;
    if let Some(window) = metadata.find_integer(key, ends)? {
        return refuse(key, window.to_string());
    }
    for (key, neutral) in [("llama.attention.causal", true), ("llama.use_parallel_residual", false)] {
        if let Some(value) = metadata.find_boolean(key, |value| value != neutral)? {
            return refuse(key, value.to_string());
        }
    }
    Ok(())
}

/// Leaving out a tensor that the model has (a bias, an adaptor, an expert) would compute something else.
fn refuse_unknown_tensors(metadata: &Metadata<'_>, tensors: &Tensors, layers: usize) -> Result<()> {
    const IN_A_BLOCK: [&str; 9] = [
        "attn_norm.weight",
        "attn_q.weight",
        "attn_k.weight",
        "attn_v.weight",
        "attn_output.weight",
        "ffn_norm.weight",
        "ffn_gate.weight",
        "ffn_up.weight",
        "ffn_down.weight",
    ];
    let known = |name: &str| match name.strip_prefix("blk.").and_then(|rest| rest.split_once('.')) {
        Some((number, rest)) => {
            let layer = number.parse::<usize>().ok().filter(|layer| *layer < layers && layer.to_string() == number);
            layer.is_some() && IN_A_BLOCK.contains(&rest)
        }
        None => matches!(name, "token_embd.weight" | "output_norm.weight" | "output.weight" | ROPE_FREQS),
    };
    match tensors.names().find(|name| !known(name)) {
        Some(name) => Err(metadata.unsupported(format!("a Llama of {layers} blocks has no tensor {name}"))),
        None => Ok(()),
    }
}

fn find<'t>(metadata: &Metadata<'_>, tensors: &'t Tensors, name: &str) -> Result<&'t Described> {
    tensors.get(name).ok_or_else(|| metadata.malformed(format!("the tensor {name} is missing")))
}

fn model_tensors(metadata: &Metadata<'_>, tensors: &Tensors, shape: &Shape) -> Result<ModelTensors> {
    let dim = shape.dim;
    let matrix = |name: String, rows: usize, cols: usize| {
        let described = find(metadata, tensors, &name)?;
        checked(metadata, &name, described, &[cols as u64, rows as u64])
    };
    let norm = |name: String| checked(metadata, &name, find(metadata, tensors, &name)?, &[dim as u64]);
    let layer = |index: usize| {
        let name = |stem: &str| format!("blk.{index}.{stem}.weight");
        Ok(LayerTensors {
            attn_norm: norm(name("attn_norm"))?,
            attn_q: matrix(name("attn_q"), shape.q_dim(), dim)?,
            attn_k: matrix(name("attn_k"), shape.kv_dim(), dim)?,
            attn_v: matrix(name("attn_v"), shape.kv_dim(), dim)?,
            attn_output: matrix(name("attn_output"), dim, shape.q_dim())?,
            ffn_norm: norm(name("ffn_norm"))?,
            ffn_gate: matrix(name("ffn_gate"), shape.ffn, dim)?,
            ffn_up: matrix(name("ffn_up"), shape.ffn, dim)?,
            ffn_down: matrix(name("ffn_down"), dim, shape.ffn)?,
        })
    };
    let output = "output.weight";
    Ok(ModelTensors {
        token_embd: matrix("token_embd.weight".to_owned(), shape.vocabulary, dim)?,
        layers: (0..shape.layers).map(layer).collect::<Result<_>>()?,
        output_norm: norm("output_norm.weight".to_owned())?,
        output: match tensors.get(output) {
            Some(_) => Some(matrix(output.to_owned(), shape.vocabulary, dim)?),
            None => None,
        },
    })
}

/// A tensor whose dimensions, fastest first, must be `expected`; further dimensions of 1 say nothing.
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
    })
}

/// Rotation frequencies in radians per position; those of `rope_freqs.weight` are still to be divided.
fn frequencies(metadata: &Metadata<'_>, tensors: &Tensors, shape: &Shape) -> Result<Vec<f64>> {
    let key = "llama.rope.freq_base";
    let base = f64::from(metadata.float(key)?.unwrap_or(10_000.0));
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

/// Llama 3.1 and later scale their frequencies, and files converted before August 2024 do not say so. Without it long
/// contexts, then all contexts, get worse, so the models are known by their numbers, and doubt is refused.
///
/// Llama 3's tokenizer (128 256 tokens, and a few that fine-tuners add) with a base of 500 000 is
/// - Llama 3.2 1B or 3B by its size, whatever the context: factor 32;
/// - Llama 3.1 8B, 70B or 405B (3.3 70B too) by its size and a context of 131 072: factor 8;
/// - Llama 3 by a context of at most 8192: no scaling.
fn implied_scaling(metadata: &Metadata<'_>, shape: &Shape, base: f64) -> Result<Option<RopeScaling>> {
    if base != 500_000.0 || !(128_256..128_512).contains(&shape.vocabulary) {
        return Ok(None);
    }
    match (shape.dim, shape.layers, shape.heads, shape.context) {
        (2048, 16, 32, _) | (3072, 28, 24, _) => Ok(Some(RopeScaling::LLAMA_3_2)),
        (4096, 32, 32, 131_072) | (8192, 80, 64, 131_072) | (16_384, 126, 128, 131_072) => {
            Ok(Some(RopeScaling { factor: 8.0, ..RopeScaling::LLAMA_3_2 }))
        }
        (.., context) if context <= 8192 => Ok(None),
        (dim, layers, heads, context) => Err(metadata.unsupported(format!(
            "it has no {ROPE_FREQS}, and whether a Llama 3 of {layers} layers, width {dim}, {heads} heads and a context \
             of {context} scales its rotation frequencies cannot be told; convert it with a newer llama.cpp"
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
