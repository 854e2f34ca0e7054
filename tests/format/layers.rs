//! Keys that list a value for each layer, and numbers of every width.

use super::builder::{Gguf, Shape, Value};
use super::{accepted, malformed, open, refused, set};

/// Four layers, without a tokenizer.
fn four() -> Gguf {
    let shape =
        Shape { layers: 4, dim: 32, ffn: 64, heads: 2, kv_heads: 1, vocabulary: 7, context: 64, base: 10_000.0 };
    Gguf::llama(&shape, 8, true)
}

fn with(key: &str, value: Value) -> Vec<u8> {
    let mut gguf = four();
    gguf.set(key, value);
    gguf.bytes()
}

/// Keys, with the value that the file has, or that says the same as none, and another one.
const KEYS: [(&str, i64, i64); 9] = [
    ("llama.embedding_length", 32, 64),
    ("llama.feed_forward_length", 64, 0),
    ("llama.context_length", 64, 32),
    ("llama.attention.head_count", 2, 1),
    ("llama.attention.head_count_kv", 1, 0),
    ("llama.attention.key_length", 16, 32),
    ("llama.attention.value_length", 16, 8),
    ("llama.rope.dimension_count", 16, 8),
    ("llama.vocab_size", 7, 8),
];

/// A number in each type that holds one, and the number of that type.
fn every_type(number: i64) -> [(u32, Value); 10] {
    [
        (0, Value::U8(number as u8)),
        (1, Value::I8(number as i8)),
        (2, Value::U16(number as u16)),
        (3, Value::I16(number as i16)),
        (4, Value::U32(number as u32)),
        (5, Value::I32(number as i32)),
        (10, Value::U64(number as u64)),
        (11, Value::I64(number)),
        (6, Value::F32(number as f32)),
        (12, Value::F64(number as f64)),
    ]
}

#[test]
fn equal_numbers_of_all_layers_are_the_number() {
    let shape = |file: &[u8]| open(file).unwrap().model.unwrap().0;
    let expected = shape(&four().bytes());
    for (key, number, _) in KEYS {
        for (kind, value) in every_type(number) {
            assert_eq!(shape(&with(key, value.clone())), expected, "{key}, type {kind}");
            assert_eq!(shape(&with(key, Value::Array(kind, vec![value; 4]))), expected, "{key}, array of {kind}");
        }
    }
    for (key, number) in [("llama.attention.layer_norm_rms_epsilon", 1e-5), ("llama.rope.freq_base", 10_000.0)] {
        assert_eq!(shape(&with(key, Value::floats(&[number; 4]))), expected, "{key}");
    }
    assert_eq!(shape(&with("llama.rope.freq_base", Value::U32(10_000))), expected);
    assert_eq!(shape(&with("llama.attention.causal", Value::U8(1))), expected);
}

#[test]
fn layers_that_differ_are_not_supported() {
    for (key, number, other) in KEYS.into_iter().filter(|(key, ..)| *key != "llama.vocab_size") {
        for at in 0..4 {
            let numbers: Vec<i64> = (0..4).map(|layer| if layer == at { other } else { number }).collect();
            let list = Value::Array(11, numbers.iter().map(|number| Value::I64(*number)).collect());
            let shown = numbers.iter().map(i64::to_string).collect::<Vec<_>>().join(", ");
            let error = refused(&with(key, list), &format!("{key} is {shown} from layer to layer; only layers"));
            assert!(error.to_string().contains("is not supported"), "{error}");
        }
    }
    refused(
        &with("llama.rope.freq_base", Value::floats(&[1e4, 1e4, 1e4, 1e6])),
        "is not supported: llama.rope.freq_base",
    );
    // Many of them do not fill the screen.
    let shape = Shape { layers: 200, dim: 32, ffn: 64, heads: 2, kv_heads: 1, vocabulary: 7, context: 64, base: 1e4 };
    let mut deep = Gguf::llama(&shape, 8, true);
    deep.set("llama.feed_forward_length", Value::i32s(&(0..200).map(|layer| 64 + layer).collect::<Vec<_>>()));
    refused(&deep.bytes(), "is 64, 65, 66, 67, 68, 69, 70, 71, 72, 73, 74, 75, 76, 77, 78, 79, … from layer to layer");
}

#[test]
fn lists_that_are_none_of_layers_are_refused() {
    let list = |count: usize| Value::Array(4, vec![Value::U32(1); count]);
    for count in [0, 1, 3, 5] {
        let words =
            format!("is not a valid GGUF file: llama.attention.head_count_kv has {count} elements for 4 layers");
        refused(&with("llama.attention.head_count_kv", list(count)), &words);
    }
    let texts = Value::strings(&["1", "1", "1", "1"]);
    refused(
        &with("llama.attention.head_count_kv", texts),
        "element 0 of llama.attention.head_count_kv is the string \"1\"",
    );
    let half = Value::floats(&[1.0, 0.5, 1.0, 1.0]);
    refused(
        &with("llama.attention.head_count_kv", half),
        "element 1 of llama.attention.head_count_kv is the number 0.5",
    );
    let nested = Value::Array(9, vec![list(1), list(1), list(1), list(1)]);
    refused(&with("llama.attention.head_count_kv", nested), "element 0 of llama.attention.head_count_kv is an array");
    let zeros = Value::Array(4, vec![Value::U32(0); 4]);
    refused(&with("llama.attention.head_count_kv", zeros), "llama.attention.head_count_kv is 0; expected 1 to 1024");
    refused(&with("llama.block_count", list(4)), "llama.block_count is an array of 4 elements; expected one integer");
    malformed(set("llama.block_count", Value::F32(1.5)), "llama.block_count is the number 1.5; expected one integer");
    malformed(set("llama.block_count", Value::F64(1e300)), "expected one integer");
    malformed(set("llama.block_count", Value::F32(f32::NAN)), "expected one integer");
    malformed(set("llama.rope.freq_base", Value::U32((1 << 24) + 1)), "is the integer 16777217; expected one number");
    malformed(set("general.alignment", Value::Array(4, vec![Value::U32(32)])), "general.alignment is an array of 1");
}

/// A list may differ where none of its values changes what is computed, and one that does is enough.
#[test]
fn what_changes_the_computation_may_stand_in_any_layer() {
    let numbers = |values: [i32; 4]| Value::i32s(&values);
    let booleans = |values: [bool; 4]| Value::Array(7, values.map(Value::Bool).to_vec());
    for (key, same, other) in [
        ("llama.attention.sliding_window", numbers([0, 64, 4096, 0]), numbers([0, 64, 4096, 63])),
        ("llama.expert_count", numbers([0; 4]), numbers([0, 0, 8, 8])),
        ("llama.attention.scale", Value::floats(&[0.0, 0.25, 0.0, 0.25]), Value::floats(&[0.0, 0.25, 0.0, 1.0])),
        ("llama.attention.causal", booleans([true; 4]), booleans([true, true, false, true])),
    ] {
        open(&with(key, same)).unwrap_or_else(|error| panic!("{error}"));
        assert!(refused(&with(key, other), key).to_string().contains("is not supported"), "{key}");
    }
    let nan = |key: &str| with(key, Value::F32(f32::NAN));
    refused(&nan("llama.logit_scale"), "is not supported: llama.logit_scale is NaN, which is not computed");
    assert!(accepted(set("llama.attention.sliding_window", Value::U32(4096))).model.is_some());
}
