//! What a synthetic Llama is made of: its metadata, its tensors, and how large their weights are.

use std::f64::consts::TAU;

use super::{Mix, Shape, draw::Stream, gguf::Value, quantize::Block};

/// Channels of the residual stream that are large.
const OUTLIERS: usize = 4;
/// How many times larger than the rest they are, in the middle of the model; the rest grows from block to block.
const OUTLIER_RATIO: f64 = 500.0;
/// What remains of such a channel behind a norm, whose weights are small there, where others have 1.
const OUTLIER_AFTER_NORM: f64 = 4.0;
/// The block that makes them large: the second, as in trained Llamas.
const OUTLIER_BLOCK: usize = 1;
/// Deviation of the embeddings.
const EMBEDDING: f64 = 0.02;
/// Deviations of what products give for inputs of deviation 1.
const QUERY_KEY: f64 = 1.4;
const VALUE: f64 = 1.0;
const GATE_UP: f64 = 1.0;
/// Of the output of attention, and of the feed-forward layer, up to the block of the outliers and after it. There the
/// outliers alone decide what the norms divide by, so nothing holds the rest back, and blocks may add little to it.
const OUTPUT: [f64; 2] = [0.8, 0.25];
const DOWN: [f64; 2] = [0.7, 0.3];
/// What attention leaves of the deviation of the values that it averages.
const AVERAGED: f64 = 0.7;
/// Root mean squares of `silu(g) u` and `silu(g) g`, and the mean of the latter, for normal `g` and `u` of deviation 1.
const SWIGLU: f64 = 0.6;
const SWIGLU_OF_SAME: f64 = 1.09;
const SWIGLU_OF_SAME_MEAN: f64 = 0.5;
/// Deviation of the logits.
const LOGITS: f64 = 2.5;

const CONTEXT: u32 = 131_072;
const ROPE_BASE: f64 = 500_000.0;
/// Context of Llama 3 before scaling, in tokens, and the wavelengths between which scaling sets in, as its fractions.
const ORIGINAL_CONTEXT: f64 = 8192.0;
const LOW_FREQ_FACTOR: f64 = 1.0;
const HIGH_FREQ_FACTOR: f64 = 4.0;

/// A tensor of `rows` rows of `cols` elements.
pub struct Tensor {
    pub name: String,
    pub rows: usize,
    pub cols: usize,
    pub block: Block,
    pub fill: Fill,
}

/// The numbers of a tensor.
pub enum Fill {
    /// Given ones.
    Values(Vec<f32>),
    /// Nearly normal ones.
    Weights(Weights),
}

/// Nearly normal numbers.
#[derive(Clone)]
pub struct Weights {
    /// What the random numbers follow from, beside the seed and the row: usually the tensor's own name.
    pub stream: String,
    pub std: f32,
    /// Rows of this mean and a tenth of it as deviation.
    pub large_rows: Vec<(usize, f32)>,
}

impl Weights {
    /// A row. It depends on the seed, a name and its own number, and so not on how rows are shared out.
    pub fn row(&self, seed: u64, row: usize, values: &mut [f32]) {
        let large = self.large_rows.iter().find(|(large, _)| *large == row);
        let (mean, std) = large.map_or((0.0, self.std), |(_, mean)| (*mean, mean / 10.0));
        Stream::new(seed, &self.stream, row as u64).normals(mean, std, values);
    }
}

impl Tensor {
    /// Bytes of its data, without padding.
    pub fn bytes(&self) -> u64 {
        let (elements, bytes) = self.block.size();
        (self.rows * self.cols / elements * bytes) as u64
    }
}

/// The `general.*` and `llama.*` entries, as llama.cpp's converter writes them.
pub fn metadata(shape: &Shape, mix: Mix, seed: u64) -> Vec<(String, Value)> {
    let size = |value: usize| Value::u32(value as u32);
    let about = format!("Random weights of seed {seed} in the shape of {}: for tests of speed and memory", shape.name);
    [
        ("general.architecture", Value::string("llama")),
        ("general.type", Value::string("model")),
        ("general.name", Value::string(&format!("Synthetic {} {}", shape.name, mix.name()))),
        ("general.description", Value::string(&about)),
        ("general.size_label", Value::string(shape.label)),
        ("llama.block_count", size(shape.layers)),
        ("llama.context_length", Value::u32(CONTEXT)),
        ("llama.embedding_length", size(shape.dim)),
        ("llama.feed_forward_length", size(shape.ffn)),
        ("llama.attention.head_count", size(shape.heads)),
        ("llama.attention.head_count_kv", size(shape.kv_heads)),
        ("llama.rope.freq_base", Value::f32(ROPE_BASE as f32)),
        ("llama.attention.layer_norm_rms_epsilon", Value::f32(1e-5)),
        ("llama.attention.key_length", size(shape.head_dim)),
        ("llama.attention.value_length", size(shape.head_dim)),
        ("general.file_type", Value::u32(mix.file_type())),
        ("llama.vocab_size", size(shape.vocabulary)),
        ("llama.rope.dimension_count", size(shape.head_dim)),
        ("general.quantization_version", Value::u32(2)),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into()
}

/// Whether the residual stream has large channels. A rotation, as SpinQuant's, spreads them over all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channels {
    Large,
    Alike,
}

impl Channels {
    /// Whether they are large in front of block `layer`.
    fn before(self, layer: usize) -> bool {
        self == Self::Large && layer > OUTLIER_BLOCK
    }

    /// What a block adds to the residual stream: the squared deviations of attention and of the feed-forward layer.
    fn added(self, layer: usize) -> [f64; 2] {
        let late = usize::from(self.before(layer));
        let swiglu = if self == Self::Large && layer == OUTLIER_BLOCK { SWIGLU_OF_SAME } else { SWIGLU };
        [(OUTPUT[late] * AVERAGED).powi(2), (DOWN[late] * swiglu).powi(2)]
    }

    /// The deviation of the residual stream after so many blocks, without its large channels.
    fn rest(self, blocks: usize) -> f64 {
        (EMBEDDING * EMBEDDING + (0..blocks).flat_map(|layer| self.added(layer)).sum::<f64>()).sqrt()
    }
}

/// All tensors, in llama.cpp's order.
pub fn tensors(shape: &Shape, mix: Mix, seed: u64) -> Vec<Tensor> {
    tensors_with(shape, mix, seed, Channels::Large)
}

/// The same, with or without large channels.
pub fn tensors_with(shape: &Shape, mix: Mix, seed: u64, channels: Channels) -> Vec<Tensor> {
    let outliers = outliers(shape, seed);
    let rest = |blocks| channels.rest(blocks);
    let outlier = OUTLIER_RATIO * (rest(OUTLIER_BLOCK + 1) * rest(shape.layers.max(OUTLIER_BLOCK + 1))).sqrt();
    // Brings a stream of deviation `rest` to the deviation `after`.
    let norm = |name: String, rest: f64, after: f64, large: bool| {
        let power = OUTLIERS as f64 * if large { outlier * outlier } else { 0.0 } / shape.dim as f64;
        let mean = (rest * rest + power).sqrt() / rest * after;
        let mut values = vec![0.0; shape.dim];
        Stream::new(seed, &name, 0).normals(0.0, 0.1, &mut values);
        for (channel, value) in values.iter_mut().enumerate() {
            let small = large && outliers.contains(&channel);
            let mean = if small { mean * OUTLIER_AFTER_NORM * rest / outlier } else { mean };
            *value = (f64::from(1.0 + *value) * mean) as f32;
        }
        Tensor { name, rows: 1, cols: shape.dim, block: Block::F32, fill: Fill::Values(values) }
    };
    // Brings inputs of deviation 1 to outputs of deviation `gain`.
    let matrix = |name: String, rows: usize, cols: usize, block: Block, gain: f64| {
        let std = (gain / (cols as f64).sqrt()) as f32;
        let fill = Fill::Weights(Weights { stream: name.clone(), std, large_rows: Vec::new() });
        Tensor { name, rows, cols, block, fill }
    };
    let table = |name: &str, block: Block| {
        matrix(name.to_owned(), shape.vocabulary, shape.dim, block, EMBEDDING * (shape.dim as f64).sqrt())
    };
    let block = block_of(mix);
    let head = if matches!(mix, Mix::Q4_0 | Mix::Q4KM) { Block::Q6K } else { block };
    let embedding = if shape.untied { block } else { head };
    let mut tensors = vec![rope_freqs(shape), table("token_embd.weight", embedding)];
    for layer in 0..shape.layers {
        let name = |stem: &str| format!("blk.{layer}.{stem}.weight");
        let more = if mix == Mix::Q4KM && more_bits(layer, shape.layers) { Block::Q6K } else { block };
        let (dim, ffn) = (shape.dim, shape.ffn);
        let (q_dim, kv_dim) = (shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim);
        let large = channels.before(layer);
        let attended = (rest(layer).powi(2) + channels.added(layer)[0]).sqrt();
        let mut up = matrix(name("ffn_up"), ffn, dim, block, GATE_UP);
        let mut down = matrix(name("ffn_down"), dim, ffn, more, DOWN[usize::from(large)]);
        if let (Channels::Large, OUTLIER_BLOCK, Fill::Weights(up), Fill::Weights(down)) =
            (channels, layer, &mut up.fill, &mut down.fill)
        {
            // With the gate's own rows the activation is positive, and its sum nearly the same for every token.
            up.stream = name("ffn_gate");
            let mean = (outlier / (ffn as f64 * SWIGLU_OF_SAME_MEAN)) as f32;
            let signed = |i: usize| if i.is_multiple_of(2) { mean } else { -mean };
            down.large_rows = outliers.iter().enumerate().map(|(i, row)| (*row, signed(i))).collect();
        }
        tensors.extend([
            matrix(name("attn_q"), q_dim, dim, block, QUERY_KEY),
            matrix(name("attn_k"), kv_dim, dim, block, QUERY_KEY),
            matrix(name("attn_v"), kv_dim, dim, more, VALUE),
            matrix(name("attn_output"), dim, q_dim, block, OUTPUT[usize::from(large)]),
            norm(name("attn_norm"), rest(layer), 1.0, large),
            matrix(name("ffn_gate"), ffn, dim, block, GATE_UP),
            up,
            down,
            norm(name("ffn_norm"), attended, 1.0, large),
        ]);
    }
    let after = LOGITS / (EMBEDDING * (shape.dim as f64).sqrt());
    tensors.push(norm("output_norm.weight".to_owned(), rest(shape.layers), after, channels.before(shape.layers)));
    if shape.untied {
        tensors.push(table("output.weight", head));
    }
    tensors
}

fn block_of(mix: Mix) -> Block {
    match mix {
        Mix::Q4_0 => Block::Q4_0,
        Mix::Q4KM => Block::Q4K,
        Mix::Q8_0 => Block::Q8_0,
        Mix::F16 => Block::F16,
    }
}

/// Where Q4_K_M has Q6_K (`use_more_bits` of llama.cpp's `llama-quant.cpp`).
fn more_bits(layer: usize, layers: usize) -> bool {
    layer < layers / 8 || layer >= 7 * layers / 8 || (layer - layers / 8) % 3 == 2
}

/// The channels that become large, all different.
fn outliers(shape: &Shape, seed: u64) -> Vec<usize> {
    let mut stream = Stream::new(seed, "outliers", 0);
    let mut channels = Vec::new();
    while channels.len() < OUTLIERS {
        let channel = (stream.next() % shape.dim as u64) as usize;
        if !channels.contains(&channel) {
            channels.push(channel);
        }
    }
    channels
}

/// What rotation frequencies are divided by (`_compute_llama3_parameters` in transformers).
fn rope_freqs(shape: &Shape) -> Tensor {
    let pairs = shape.head_dim / 2;
    let divisor = |pair: usize| {
        let wavelength = TAU * ROPE_BASE.powf(pair as f64 / pairs as f64);
        let turns = ORIGINAL_CONTEXT / wavelength;
        if turns > HIGH_FREQ_FACTOR {
            return 1.0;
        }
        if turns < LOW_FREQ_FACTOR {
            return shape.rope_factor;
        }
        let smooth = (turns - LOW_FREQ_FACTOR) / (HIGH_FREQ_FACTOR - LOW_FREQ_FACTOR);
        1.0 / ((1.0 - smooth) / shape.rope_factor + smooth)
    };
    let values = (0..pairs).map(|pair| divisor(pair) as f32).collect();
    Tensor { name: "rope_freqs.weight".to_owned(), rows: 1, cols: pairs, block: Block::F32, fill: Fill::Values(values) }
}

/// A byte-level vocabulary in the place of Llama 3's: single bytes, then pairs and threes of bytes with their merges,
/// and Llama 3's 256 control tokens last.
pub fn made_up_vocabulary(tokens: usize) -> Vec<(String, Value)> {
    let plain = tokens - CONTROL;
    let (mut texts, merges) = made_up_texts(plain);
    let mut types = vec![1; plain];
    texts.extend((0..CONTROL).map(control_token));
    types.extend([3; CONTROL]);
    [
        ("tokenizer.ggml.model", Value::string("gpt2")),
        ("tokenizer.ggml.pre", Value::string("llama-bpe")),
        ("tokenizer.ggml.tokens", Value::strings(&texts)),
        ("tokenizer.ggml.token_type", Value::i32s(&types)),
        ("tokenizer.ggml.merges", Value::strings(&merges)),
        ("tokenizer.ggml.bos_token_id", Value::u32(plain as u32)),
        ("tokenizer.ggml.eos_token_id", Value::u32(plain as u32 + 1)),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into()
}

/// The text of a control token.
pub fn control_token(i: usize) -> String {
    let name = match i {
        0 => "begin_of_text",
        1 => "end_of_text",
        6 => "start_header_id",
        7 => "end_header_id",
        8 => "eom_id",
        9 => "eot_id",
        _ => return format!("<|reserved_special_token_{i}|>"),
    };
    format!("<|{name}|>")
}

/// `count` texts in the byte alphabet, and the merges that make those of more than one byte.
pub fn made_up_texts(count: usize) -> (Vec<String>, Vec<String>) {
    let alphabet = byte_alphabet();
    let mut texts: Vec<String> = alphabet.iter().map(char::to_string).collect();
    let mut merges = Vec::new();
    for i in 0..count - alphabet.len() {
        // Every text so far in front of every byte: first the bytes, then the pairs.
        let (front, byte) = (texts[i / 256].clone(), alphabet[i % 256]);
        merges.push(format!("{front} {byte}"));
        texts.push(format!("{front}{byte}"));
    }
    (texts, merges)
}

/// Control tokens of Llama 3.
pub const CONTROL: usize = 256;

/// GPT-2's characters for bytes: printable ones stand for themselves, the others for U+0100 and on.
fn byte_alphabet() -> Vec<char> {
    let mut next = 0x100;
    (0..=255u8)
        .map(|byte| match byte {
            33..=126 | 161..=172 | 174..=255 => char::from(byte),
            _ => {
                next += 1;
                char::from_u32(next - 1).unwrap_or_default()
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::super::Size;
    use super::*;

    #[test]
    fn rotation_factors_are_those_of_llamas_files() {
        let Fill::Values(values) = rope_freqs(&Size::OneB.shape()).fill else { panic!("it has values") };
        assert_eq!(values.len(), 32);
        for (pair, expected) in [(0, 1.0), (14, 1.0), (15, 1.651_329), (16, 3.292_262), (17, 9.666_729), (31, 32.0)] {
            assert!((values[pair] - expected).abs() < 1e-5, "pair {pair}: {}", values[pair]);
        }
        let Fill::Values(values) = rope_freqs(&Size::EightB.shape()).fill else { panic!("it has values") };
        assert_eq!((values[0], values[63]), (1.0, 8.0));
    }

    #[test]
    fn layers_of_more_bits_are_llama_cpps() {
        let layers: Vec<usize> = (0..16).filter(|layer| more_bits(*layer, 16)).collect();
        assert_eq!(layers, [0, 1, 4, 7, 10, 13, 14, 15]);
    }

    #[test]
    fn made_up_texts_differ_and_their_merges_make_them() {
        let (texts, merges) = made_up_texts(70_000);
        assert_eq!(texts[b' ' as usize], "\u{120}");
        assert_eq!((texts.len(), merges.len()), (70_000, 70_000 - 256));
        assert_eq!(texts.iter().collect::<HashSet<_>>().len(), texts.len());
        for (text, merge) in texts[256..].iter().zip(&merges) {
            let (left, right) = merge.split_once(' ').expect("a merge has two sides");
            assert_eq!(format!("{left}{right}"), *text);
        }
    }
}
