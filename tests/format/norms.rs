//! Norms and rotation factors in every type that a file may store them in, and norms without an epsilon.

use llamita::internals::format::Encoding;
use llamita::internals::weights::pack::decode_row;
use llamita::source::Bytes;
use llamita::{DeviceChoice, LoadOptions, Model};

use super::builder::{Gguf, Shape, Value};
use super::{open, refused};

/// Logits at every position of a few ids, which are all of this file that is asked for.
fn logits(device: DeviceChoice, file: Vec<u8>) -> Vec<f32> {
    let options = LoadOptions { device, ids_only: true, ..Default::default() };
    let model = pollster::block_on(Model::load(&Bytes::new("norms.gguf", file), options)).expect("it loads");
    let scorer = model.scorer(5).expect("there is memory");
    let mut all = Vec::new();
    pollster::block_on(scorer.logits(&[1, 5, 6, 3, 5], |_, row| all.extend_from_slice(row))).expect("it runs");
    assert!(all.iter().all(|v| v.is_finite()) && all.iter().any(|v| v.abs() > 0.01), "{all:?}");
    all
}

/// ggml's numbers of the types.
const NUMBERS: [(Encoding, u32); 15] = [
    (Encoding::F32, 0),
    (Encoding::F16, 1),
    (Encoding::BF16, 30),
    (Encoding::Q4_0, 2),
    (Encoding::Q4_1, 3),
    (Encoding::Q5_0, 6),
    (Encoding::Q5_1, 7),
    (Encoding::Q8_0, 8),
    (Encoding::Q2_K, 10),
    (Encoding::Q3_K, 11),
    (Encoding::Q4_K, 12),
    (Encoding::Q5_K, 13),
    (Encoding::Q6_K, 14),
    (Encoding::IQ4_NL, 20),
    (Encoding::IQ4_XS, 23),
];

/// One layer of width 256, which every type has whole blocks for.
fn wide() -> Gguf {
    let shape = Shape { layers: 1, dim: 256, ffn: 32, heads: 8, kv_heads: 1, vocabulary: 7, context: 64, base: 1e4 };
    let mut gguf = Gguf::llama(&shape, 8, true);
    let blocks = |len: usize, salt: usize| -> Vec<u8> {
        // A scale of 1/32 and 32 signed bytes.
        let block = |i: usize| [0x00, 0x28].into_iter().chain((0..32).map(move |j| (i * 29 + j * 37 + salt) as u8));
        (0..len / 34).flat_map(block).collect()
    };
    for (salt, tensor) in gguf.tensors.iter_mut().enumerate() {
        if tensor.kind == 8 {
            tensor.data = blocks(tensor.data.len(), salt);
        }
    }
    gguf
}

/// The bytes of 256 numbers of a type: any bits, with what could be no number at 1 or so.
fn row(encoding: Encoding) -> Vec<u8> {
    let number = |i: usize| 0.5 + i as f32 / 128.0;
    match encoding {
        Encoding::F32 => (0..256).flat_map(|i| number(i).to_le_bytes()).collect(),
        Encoding::F16 => (0..256).flat_map(|i| half::f16::from_f32(number(i)).to_le_bytes()).collect(),
        Encoding::BF16 => (0..256).flat_map(|i| half::bf16::from_f32(number(i)).to_le_bytes()).collect(),
        // Every byte has a low exponent, wherever the halves of the scales are.
        _ => (0..encoding.row_bytes(256)).map(|i| (i * 7 % 32 + 32 * (i % 2)) as u8).collect(),
    }
}

#[test]
fn norms_of_every_type_compute_what_their_numbers_do() {
    for (encoding, number) in NUMBERS {
        let bytes = row(encoding);
        let numbers: Vec<u8> = decode_row(encoding, &bytes, 256).iter().flat_map(|v| v.to_le_bytes()).collect();
        let with = |number: u32, data: &[u8]| {
            let mut gguf = wide();
            for name in ["blk.0.attn_norm.weight", "blk.0.ffn_norm.weight", "output_norm.weight"] {
                let norm = gguf.get(name);
                (norm.kind, norm.data) = (number, data.to_vec());
            }
            gguf.bytes()
        };
        let expected = logits(DeviceChoice::Cpu, with(0, &numbers));
        assert_eq!(logits(DeviceChoice::Cpu, with(number, &bytes)), expected, "{encoding:?}");
    }
    assert_eq!(NUMBERS.map(|(encoding, _)| encoding).to_vec(), {
        let mut all = Encoding::GGUF.to_vec();
        all.sort_by_key(|encoding| NUMBERS.iter().position(|(known, _)| known == encoding));
        all
    });
    let mut double = wide();
    let norm = double.get("output_norm.weight");
    (norm.kind, norm.data) = (28, vec![0; 256 * 8]);
    refused(&double.bytes(), "tensor output_norm.weight has type F64; supported types are F32, F16, BF16, Q4_0");
}

#[test]
fn rotation_factors_of_every_float_type() {
    let values = [1.0f32, 2.0, 1.0, 1.5, 1.0, 1.0, 8.0, 32.0];
    let with = |encoding: u32, data: Vec<u8>| {
        let mut gguf = Gguf::tiny();
        gguf.tensor("rope_freqs.weight", &[8], encoding, true);
        gguf.get("rope_freqs.weight").data = data;
        gguf.bytes()
    };
    let floats = |bytes: fn(f32) -> Vec<u8>| values.into_iter().flat_map(bytes).collect::<Vec<u8>>();
    let frequencies = |file: Vec<u8>| open(&file).unwrap().model.unwrap().0.rope_frequencies;
    let expected = frequencies(with(0, floats(|v| v.to_le_bytes().to_vec())));
    assert_eq!(frequencies(with(1, floats(|v| half::f16::from_f32(v).to_le_bytes().to_vec()))), expected);
    assert_eq!(frequencies(with(30, floats(|v| half::bf16::from_f32(v).to_le_bytes().to_vec()))), expected);
    let zeros = "element 0 of rope_freqs.weight is 0; expected a finite number above 0";
    for encoding in [1, 30] {
        refused(&with(encoding, vec![0; 16]), zeros);
    }
    // A head of 64 has 32 pairs: a whole block of other types.
    let mut blocks = Gguf::tiny();
    blocks.set("llama.attention.head_count", Value::U32(1)).set("llama.attention.key_length", Value::U32(64));
    blocks.set("llama.attention.value_length", Value::U32(64)).set("llama.attention.head_count_kv", Value::U32(1));
    for name in ["q", "k", "v"] {
        let tensor = blocks.get(&format!("blk.0.attn_{name}.weight"));
        (tensor.dims, tensor.data) = (vec![32, 64], vec![0; 64 * 34]);
    }
    let output = blocks.get("blk.0.attn_output.weight");
    (output.dims, output.data) = (vec![64, 32], vec![0; 32 * 68]);
    open(&blocks.bytes()).unwrap();
    blocks.tensor("rope_freqs.weight", &[32], 8, true);
    refused(&blocks.bytes(), "is not supported: tensor rope_freqs.weight has type Q8_0; expected F32, F16 or BF16");
}

#[test]
fn an_epsilon_of_zero_is_computed() {
    let key = "llama.attention.layer_norm_rms_epsilon";
    let with = |epsilon: f32| {
        let mut gguf = wide();
        for name in ["blk.0.attn_norm.weight", "blk.0.ffn_norm.weight", "output_norm.weight"] {
            gguf.get(name).data = row(Encoding::F32);
        }
        gguf.set(key, Value::F32(epsilon));
        gguf.bytes()
    };
    let zero = logits(DeviceChoice::Cpu, with(0.0));
    let far = |other: &[f32]| zero.iter().zip(other).map(|(a, b)| (a - b).abs() / (1.0 + a.abs())).fold(0.0, f32::max);
    assert!(far(&logits(DeviceChoice::Cpu, with(1e-9))) < 1e-4, "almost none is almost the same");
    assert!(far(&logits(DeviceChoice::Cpu, with(0.5))) > 1e-3, "and much is not");
    assert!(far(&logits(DeviceChoice::Gpu, with(0.0))) < 1e-2);
    for epsilon in [-1e-9, 1.0, f32::NAN, f32::INFINITY] {
        let words = format!("{key} is {epsilon}; expected a number from 0, and below 1");
        refused(&with(epsilon), &words);
    }
}
