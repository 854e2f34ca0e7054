//! `params.json`: the numbers of a model, as `ModelArgs` of Meta's `llama_models` names them.

use serde_json::{Map, Value};

use crate::arch::family::LLAMA;
use crate::arch::shape::limits::{MAX_DIM, MAX_EMBEDDING_ROWS, MAX_FFN, MAX_HEAD_DIM, MAX_HEADS, MAX_LAYERS};
use crate::arch::shape::{Lora, RopePairing, RopeScaling, Scheme, Shape, rope_frequencies};
use crate::error::{Error, Result, printable};

use super::PARAMS;

/// Contexts that the models were trained for, in tokens. The file does not say them.
const SCALED_CONTEXT: usize = 131_072;
const CONTEXT: usize = 8192;
/// Of the int4 checkpoints that Meta released.
pub(super) const QUANTIZED_CONTEXT: usize = 8192;
/// Of Llama 2, whose rotary base is 10 000.
const OLD_CONTEXT: usize = 4096;

/// Keys that are read, and those that say how Meta's own program allocates memory, which changes no result.
const KNOWN: [&str; 13] = [
    "dim",
    "n_layers",
    "n_heads",
    "n_kv_heads",
    "vocab_size",
    "ffn_dim_multiplier",
    "multiple_of",
    "norm_eps",
    "rope_theta",
    "use_scaled_rope",
    "rope_scale_factor",
    QUANTIZATION,
    ADAPTORS,
];
const ALLOCATION: [&str; 2] = ["max_batch_size", "max_seq_len"];
const QUANTIZATION: &str = "quantization_args";
const ADAPTORS: &str = "lora_args";
/// The only scheme that Meta's reader knows (`QuantizationScheme` of `llama_models`).
const SCHEME: &str = "int4_weight_int8_dynamic_activation";

/// The numbers of a model.
#[derive(Clone, Debug)]
pub(super) struct Params {
    /// The shape, but for the vocabulary, which is 0 where the file leaves it to the tensors.
    pub(super) shape: Shape,
    /// What the file says of quantized weights: `quantization_args`.
    pub(super) quantization: Option<Quantization>,
    /// The file, for messages.
    pub(super) file: String,
}

/// `quantization_args`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Quantization {
    /// Elements of a row that share a scale, where the file says it.
    pub(super) group_size: Option<usize>,
    /// Whether the down projection is made for a rotated input, where the file says it.
    pub(super) spinquant: Option<bool>,
}

/// The file and its name, or an object in it.
struct Reader<'a> {
    file: &'a str,
    /// What stands before the keys in messages: the key of the object, and a dot.
    within: String,
    keys: Map<String, Value>,
}

impl Reader<'_> {
    fn malformed(&self, reason: String) -> Error {
        Error::Malformed { name: self.file.to_owned(), format: PARAMS, reason }
    }

    fn unsupported(&self, reason: String) -> Error {
        Error::Unsupported { name: self.file.to_owned(), reason }
    }

    /// The value of a key; `null` is as good as none.
    fn get(&self, key: &str) -> Option<&Value> {
        self.keys.get(key).filter(|value| !value.is_null())
    }

    fn wrong(&self, key: &str, value: &Value, expected: &str) -> Error {
        let within = &self.within;
        self.malformed(format!("{within}{key} is {}; expected {expected}", printable(&value.to_string(), 80)))
    }

    /// A whole number from 1 to `most`.
    fn size(&self, key: &str, most: usize) -> Result<Option<usize>> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let size = value.as_u64().and_then(|value| usize::try_from(value).ok());
        match size.filter(|size| (1..=most).contains(size)) {
            Some(size) => Ok(Some(size)),
            None => Err(self.wrong(key, value, &format!("an integer from 1 to {most}"))),
        }
    }

    fn require_size(&self, key: &str, most: usize) -> Result<usize> {
        self.size(key, most)?.ok_or_else(|| self.missing(key))
    }

    fn missing(&self, key: &str) -> Error {
        self.malformed(format!("{}{key} is missing", self.within))
    }

    /// A number for which `holds`.
    fn number(&self, key: &str, holds: fn(f64) -> bool, expected: &str) -> Result<Option<f64>> {
        let Some(value) = self.get(key) else { return Ok(None) };
        match value.as_f64().filter(|number| holds(*number)) {
            Some(number) => Ok(Some(number)),
            None => Err(self.wrong(key, value, expected)),
        }
    }
}

impl Params {
    /// Parses the file.
    pub(super) fn parse(file: &str, bytes: &[u8]) -> Result<Self> {
        let keys = match serde_json::from_slice(bytes) {
            Ok(Value::Object(keys)) => Ok(keys),
            Ok(_) => Err("it is no JSON object".to_owned()),
            Err(error) => Err(error.to_string()),
        };
        let keys = keys.map_err(|reason| Error::Malformed { name: file.to_owned(), format: PARAMS, reason })?;
        let reader = Reader { file, within: String::new(), keys };
        let known = |key: &str| KNOWN.contains(&key) || ALLOCATION.contains(&key);
        // What is off asks for nothing.
        let off = |value: &Value| value.is_null() || *value == Value::Bool(false);
        if let Some((key, value)) = reader.keys.iter().find(|(key, value)| !known(key) && !off(value)) {
            return Err(reader.unsupported(format!(
                "{} is {}, which is not known and may change the computation",
                printable(key, 80),
                printable(&value.to_string(), 80)
            )));
        }
        let quantization = quantization(&reader)?;
        let mut shape = shape(&reader)?;
        shape.scheme.lora = lora(&reader)?;
        Ok(Self { shape, quantization, file: file.to_owned() })
    }
}

/// The value of `key`, an object, as a reader of its own; its messages name the file.
fn object<'a>(params: &Reader<'a>, key: &str, known: &[&str]) -> Result<Option<Reader<'a>>> {
    let Some(value) = params.get(key) else { return Ok(None) };
    let Value::Object(keys) = value else { return Err(params.wrong(key, value, "an object")) };
    match keys.iter().find(|(name, value)| !known.contains(&name.as_str()) && !value.is_null()) {
        Some((name, value)) => Err(params.unsupported(format!(
            "{key} has {} of {}, which is not known and may change the computation",
            printable(name, 80),
            printable(&value.to_string(), 80)
        ))),
        None => Ok(Some(Reader { file: params.file, within: format!("{key}."), keys: keys.clone() })),
    }
}

fn quantization(params: &Reader<'_>) -> Result<Option<Quantization>> {
    let Some(inner) = object(params, QUANTIZATION, &["group_size", "scheme", "spinquant"])? else { return Ok(None) };
    match inner.get("scheme") {
        None => {}
        Some(Value::String(scheme)) if scheme == SCHEME => {}
        Some(other) => return Err(inner.wrong("scheme", other, SCHEME)),
    }
    let spinquant = match inner.get("spinquant") {
        None => None,
        Some(Value::Bool(on)) => Some(*on),
        Some(other) => return Err(inner.wrong("spinquant", other, "true or false")),
    };
    Ok(Some(Quantization { group_size: inner.size("group_size", MAX_FFN)?, spinquant }))
}

fn lora(params: &Reader<'_>) -> Result<Option<Lora>> {
    let Some(inner) = object(params, ADAPTORS, &["rank", "scale"])? else { return Ok(None) };
    let rank = inner.require_size("rank", MAX_DIM)?;
    if !Lora::RANKS.contains(&rank) {
        return Err(inner.unsupported(format!("adaptors of rank {rank}; supported ranks are {:?}", Lora::RANKS)));
    }
    let scale = inner.number("scale", |scale| scale.abs() <= 1e6, "a number up to a million")?;
    let scale = scale.ok_or_else(|| inner.missing("scale"))?;
    Ok(Some(Lora { rank, scale: scale as f32 }))
}

fn shape(params: &Reader<'_>) -> Result<Shape> {
    let dim = params.require_size("dim", MAX_DIM)?;
    let layers = params.require_size("n_layers", MAX_LAYERS)?;
    let heads = params.require_size("n_heads", MAX_HEADS)?;
    let kv_heads = params.size("n_kv_heads", MAX_HEADS)?.unwrap_or(heads);
    if !dim.is_multiple_of(heads) {
        return Err(params.malformed(format!("dim is {dim}, which does not divide into n_heads, {heads}")));
    }
    if !heads.is_multiple_of(kv_heads) {
        let reason = format!("n_heads is {heads}, which cannot share n_kv_heads, {kv_heads}, evenly");
        return Err(params.malformed(reason));
    }
    let head_dim = dim / heads;
    if !head_dim.is_multiple_of(8) || head_dim > MAX_HEAD_DIM {
        return Err(params.unsupported(format!(
            "a head has {head_dim} elements; supported are multiples of 8 up to {MAX_HEAD_DIM}"
        )));
    }
    let norm_eps = params.number("norm_eps", |eps| (0.0..1.0).contains(&eps), "a number from 0, and below 1")?;
    let vocabulary = match params.get("vocab_size") {
        Some(value) if value.as_i64() != Some(-1) => params.require_size("vocab_size", MAX_EMBEDDING_ROWS)?,
        // Older files leave it to the tokenizer.
        _ => 0,
    };
    let (rope_frequencies, context) = rope(params, (dim, layers, heads), vocabulary)?;
    Ok(Shape {
        arch: &LLAMA,
        dim,
        ffn: ffn(params, dim)?,
        layers,
        heads,
        kv_heads,
        head_dim,
        vocabulary,
        context,
        norm_eps: norm_eps.unwrap_or(1e-5) as f32,
        rope_pairing: RopePairing::Interleaved,
        rope_frequencies,
        scheme: Scheme::default(),
    })
}

/// The width of the feed-forward layer (`FeedForward` of `llama_models`): two thirds of four times the width, times a
/// factor, rounded up.
fn ffn(params: &Reader<'_>, dim: usize) -> Result<usize> {
    let multiple = params.size("multiple_of", MAX_FFN)?.unwrap_or(256);
    let positive = |factor: f64| factor > 0.0 && factor <= 1024.0;
    let factor = params.number("ffn_dim_multiplier", positive, "a number above 0, up to 1024")?;
    let wide = 2 * 4 * dim / 3;
    let wide = factor.map_or(wide, |factor| (factor * wide as f64) as usize);
    let ffn = wide.next_multiple_of(multiple);
    if (1..=MAX_FFN).contains(&ffn) {
        return Ok(ffn);
    }
    Err(params.malformed(format!("dim, ffn_dim_multiplier and multiple_of give a feed-forward layer of {ffn}")))
}

/// Rotation frequencies in radians per position, and the context.
fn rope(
    params: &Reader<'_>,
    (dim, layers, heads): (usize, usize, usize),
    vocabulary: usize,
) -> Result<(Vec<f64>, usize)> {
    let key = "rope_theta";
    let base = params.number(key, |base| base.is_finite() && base >= 1.0, "a finite number from 1")?;
    if base.is_none() && vocabulary >= 128_000 {
        return Err(params.malformed(format!("{key} is missing, which every Llama 3 has")));
    }
    let base = base.unwrap_or(10_000.0);
    let frequencies = rope_frequencies(dim / heads, base);
    let scaled = match params.get("use_scaled_rope") {
        None => false,
        Some(Value::Bool(scaled)) => *scaled,
        Some(value) => return Err(params.wrong("use_scaled_rope", value, "true or false")),
    };
    if !scaled {
        return Ok((frequencies, if base <= 10_000.0 { OLD_CONTEXT } else { CONTEXT }));
    }
    let at_least_1 = |factor: f64| (1.0..=1024.0).contains(&factor);
    let scaling = match params.number("rope_scale_factor", at_least_1, "a number from 1 to 1024")? {
        Some(factor) => RopeScaling { factor, ..RopeScaling::LLAMA_3_2 },
        None => RopeScaling::of_size(dim, layers, heads).ok_or_else(|| {
            params.unsupported(format!(
                "use_scaled_rope is true, and whether a model of {layers} layers, width {dim} and {heads} heads divides its \
                 rotation frequencies by 8, as Llama 3.1 does, or by 32, as 3.2 does, cannot be told; rope_scale_factor in \
                 this file says it"
            ))
        })?,
    };
    Ok((frequencies.into_iter().map(|frequency| frequency / scaling.divisor(frequency)).collect(), SCALED_CONTEXT))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(text: &str) -> Result<Params> {
        Params::parse("dir/params.json", text.as_bytes())
    }

    #[track_caller]
    fn refused(text: &str, words: &str) {
        let error = params(text).expect_err("it is refused").to_string();
        assert!(error.contains("dir/params.json") && error.contains(words), "{error} does not say {words:?}");
    }

    /// Params, layers, feed-forward width, context, and the number that the last pair's frequency was divided by.
    const REAL: [(&str, usize, usize, usize, f64); 5] = [
        (
            r#"{"dim": 2048, "ffn_dim_multiplier": 1.5, "multiple_of": 256, "n_heads": 32, "n_kv_heads": 8, "n_layers": 16,
                "norm_eps": 1e-05, "rope_theta": 500000.0, "use_scaled_rope": true, "vocab_size": 128256}"#,
            16,
            8192,
            131_072,
            32.0,
        ),
        (
            r#"{"dim": 3072, "ffn_dim_multiplier": 1.0, "multiple_of": 256, "n_heads": 24, "n_kv_heads": 8, "n_layers": 28,
                "norm_eps": 1e-05, "rope_theta": 500000.0, "use_scaled_rope": true, "vocab_size": 128256}"#,
            28,
            8192,
            131_072,
            32.0,
        ),
        (
            r#"{"dim": 4096, "ffn_dim_multiplier": 1.3, "multiple_of": 1024, "n_heads": 32, "n_kv_heads": 8, "n_layers": 32,
                "norm_eps": 1e-05, "rope_theta": 500000.0, "use_scaled_rope": true, "vocab_size": 128256}"#,
            32,
            14_336,
            131_072,
            8.0,
        ),
        (
            r#"{"dim": 4096, "ffn_dim_multiplier": 1.3, "multiple_of": 1024, "n_heads": 32, "n_kv_heads": 8, "n_layers": 32,
                "norm_eps": 1e-05, "rope_theta": 500000.0, "vocab_size": 128256}"#,
            32,
            14_336,
            8192,
            1.0,
        ),
        (
            r#"{"dim": 4096, "multiple_of": 256, "n_heads": 32, "n_layers": 32, "norm_eps": 1e-05, "vocab_size": -1}"#,
            32,
            11_008,
            4096,
            1.0,
        ),
    ];

    #[test]
    fn real_files() {
        for (text, layers, ffn, context, divisor) in REAL {
            let shape = params(text).expect("it is valid").shape;
            assert_eq!((shape.layers, shape.ffn, shape.context), (layers, ffn, context), "{text}");
            let base: f64 = if text.contains("rope_theta") { 500_000.0 } else { 10_000.0 };
            let plain = rope_frequencies(shape.head_dim, base);
            let last = plain.last().expect("pairs") / shape.rope_frequencies.last().expect("pairs");
            assert!((last - divisor).abs() < 1e-9, "{text}: {last}");
            assert_eq!(shape.rope_frequencies[0], 1.0);
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let with = |more: &str| format!(r#"{{"dim": 64, "n_layers": 1, "n_heads": 2, "multiple_of": 32{more}}}"#);
        assert_eq!(params(&with("")).expect("it is valid").shape.ffn, 192);
        refused("[1]", "no JSON object");
        refused("{", "EOF");
        refused(r#"{"dim": 64}"#, "n_layers is missing");
        refused(&with(r#", "dim": 65"#), "dim is 65, which does not divide");
        refused(&with(r#", "n_heads": 3"#), "dim is 64, which does not divide into n_heads, 3");
        refused(&with(r#", "n_kv_heads": 3"#), "n_kv_heads, 3");
        refused(&with(r#", "n_heads": 16"#), "a head has 4 elements");
        refused(&with(r#", "dim": "64""#), "dim is \"64\"; expected an integer");
        refused(&with(r#", "dim": 1e30"#), "dim is 1e+30; expected an integer");
        refused(&with(r#", "norm_eps": 1"#), "norm_eps is 1; expected");
        refused(&with(r#", "rope_theta": 0"#), "rope_theta is 0; expected");
        refused(&with(r#", "vocab_size": 128256"#), "rope_theta is missing");
        refused(&with(r#", "vocab_size": -2"#), "vocab_size is -2; expected");
        refused(&with(r#", "ffn_dim_multiplier": -1"#), "ffn_dim_multiplier is -1; expected");
        refused(&with(r#", "multiple_of": 0"#), "multiple_of is 0; expected");
        refused(&with(r#", "use_scaled_rope": 1"#), "use_scaled_rope is 1; expected");
        refused(&with(r#", "use_scaled_rope": true"#), "cannot be told; rope_scale_factor");
        refused(&with(r#", "moe_args": {"num_experts": 16}"#), "moe_args is {\"num_experts\":16}, which is not known");
        let scaled = params(&with(r#", "use_scaled_rope": true, "rope_scale_factor": 8, "rope_theta": 500000"#));
        let shape = scaled.expect("it is valid").shape;
        assert_eq!(shape.rope_frequencies.len(), 16);
        assert!(params(&with(r#", "moe": false, "vision_chunk_size": null, "max_seq_len": 2048"#)).is_ok());
    }
}
