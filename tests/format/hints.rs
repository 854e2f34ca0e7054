//! Metadata that decides nothing, or that nobody asks for: it refuses no file, and a warning tells of it once.

use llamita::internals::format::{self, Checkpoint, ReadScope};
use llamita::source::Bytes;

use super::builder::{Gguf, Value};
use super::{accepted, malformed, open, set, unsupported};

/// A text that is no UTF-8.
fn latin() -> Value {
    Value::Raw(8, [&4u64.to_le_bytes()[..], b"caf\xE9"].concat())
}

/// A file with this key is read, with one warning in these words or with none.
#[track_caller]
fn warned(key: &str, value: Value, words: Option<&str>) -> Checkpoint {
    let checkpoint = accepted(set(key, value));
    match (words, checkpoint.warnings.as_slice()) {
        (None, []) => {}
        (Some(words), [warning]) => {
            assert!(warning.starts_with(&format!("dir/tiny.gguf: {key} is ")), "{warning}");
            assert!(warning.contains(words) && warning.ends_with(" (ignored)"), "{warning:?} does not say {words:?}");
        }
        (words, warnings) => panic!("{key}: {warnings:?} instead of {words:?}"),
    }
    checkpoint
}

#[test]
fn a_name_or_a_template_of_the_wrong_kind_is_as_if_it_were_missing() {
    for (value, words) in [
        (Value::U8(7), "the integer 7; expected a string"),
        (Value::strings(&["a"]), "an array of 1 elements; expected a string"),
        (Value::Bool(true), "the boolean true"),
        (Value::F32(0.5), "the number 0.5"),
        (latin(), "a string that is not UTF-8 at its byte 3"),
    ] {
        assert_eq!(warned("general.name", value.clone(), Some(words)).name, "tiny.gguf");
        assert_eq!(warned("tokenizer.chat_template", value, Some(words)).chat_template, None);
    }
    let mut twice = Gguf::tiny();
    for name in ["a", "b"] {
        twice.metadata.push((b"general.name".to_vec(), Value::string(name)));
    }
    let twice = open(&twice.bytes()).unwrap();
    assert_eq!(twice.name, "tiny.gguf");
    assert!(twice.warnings[0].contains("general.name is there twice"), "{:?}", twice.warnings);
}

#[test]
fn settings_that_cannot_be_used_are_left_to_the_default() {
    for (stem, value, words) in [
        ("temp", Value::F32(-1.0), "-1; expected a finite number from 0"),
        ("temp", Value::F32(f32::NAN), "NaN; expected"),
        ("temp", Value::F32(f32::INFINITY), "inf; expected a finite number"),
        ("temp", Value::F64(1e300), "inf; expected a finite number"),
        ("temp", Value::string("0.7"), "the string \"0.7\"; expected one number"),
        ("temp", Value::U32((1 << 24) + 1), "the integer 16777217; expected one number"),
        ("top_p", Value::F32(0.0), "0; expected a number above 0, up to 1"),
        ("top_p", Value::F32(1.5), "1.5; expected"),
        ("top_p", Value::F32(f32::NAN), "NaN; expected"),
        ("top_p", Value::floats(&[0.9]), "an array of 1 elements; expected one number"),
        ("min_p", Value::F32(1.5), "1.5; expected a number from 0 to 1"),
        ("min_p", Value::F32(-0.1), "-0.1; expected"),
        ("penalty_repeat", Value::F32(0.0), "0; expected a number from 0.01 to 100"),
        ("penalty_repeat", Value::Bool(true), "the boolean true; expected one number"),
        ("top_k", Value::string("40"), "the string \"40\"; expected one integer"),
        ("top_k", Value::F32(40.5), "the number 40.5; expected one integer"),
        ("penalty_last_n", Value::Bool(false), "the boolean false; expected one integer"),
        ("penalty_last_n", Value::F32(f32::NAN), "the number NaN; expected one integer"),
    ] {
        let found = warned(&format!("general.sampling.{stem}"), value, Some(words)).sampling;
        assert_eq!(found, Default::default(), "{stem}");
    }
    let setting = |stem: &str, value| warned(&format!("general.sampling.{stem}"), value, None).sampling;
    assert_eq!(setting("temp", Value::I32(1)).temperature, Some(1.0));
    assert_eq!(setting("temp", Value::U8(0)).temperature, Some(0.0));
    assert_eq!(setting("top_p", Value::U64(1)).top_p, Some(1.0));
    assert_eq!(setting("min_p", Value::F64(0.25)).min_p, Some(0.25));
    assert_eq!(setting("top_k", Value::F32(40.0)).top_k, Some(40));
    assert_eq!(setting("penalty_last_n", Value::F64(-1.0)).penalty_last_n, Some(u32::MAX));
    // Each is for itself, and the others stay.
    let several = accepted(|gguf| {
        gguf.set("general.sampling.temp", Value::F32(0.5)).set("general.sampling.top_p", Value::F32(0.0));
        gguf.set("general.sampling.min_p", Value::F32(9.0)).set("general.name", Value::string("Tiny"));
    });
    assert_eq!((several.warnings.len(), several.sampling.temperature, several.name.as_str()), (2, Some(0.5), "Tiny"));
}

#[test]
fn what_other_numbers_tell_better_only_warns() {
    warned("llama.vocab_size", Value::U32(7), None);
    warned("llama.vocab_size", Value::string("7"), Some("expected one integer"));
    for (key, words) in [
        ("llama.vocab_size", "token_embd.weight has 7 rows, and llama.vocab_size is 8 (ignored)"),
        ("split.tensors.count", "split.tensors.count is 8, and it holds 11 tensors (ignored)"),
    ] {
        let warnings = accepted(set(key, Value::U32(8))).warnings;
        assert!(warnings.len() == 1 && warnings[0].ends_with(words), "{warnings:?}");
    }
    warned("split.tensors.count", Value::string("11"), Some("expected one integer"));
    // A file that was not split is no part of any number.
    warned("split.no", Value::string("0"), None);
    // Whether it was split must be known.
    malformed(set("split.count", Value::string("1")), "split.count is the string \"1\"; expected one integer");
}

#[test]
fn what_nobody_asks_for_may_be_anything() {
    let values = || {
        [
            latin(),
            Value::Raw(7, vec![2]),
            Value::Array(7, vec![Value::U8(1), Value::U8(9)]),
            Value::Array(8, vec![Value::string("fine"), latin_element()]),
            Value::F64(f64::NAN),
            Value::Array(9, vec![Value::Array(7, vec![Value::U8(7)])]),
        ]
    };
    for key in [
        "general.description",
        "general.author",
        "general.license",
        "general.tags",
        "general.languages",
        "general.quantization_version",
        "general.file_type",
        "general.sampling.sequence",
        "general.sampling.mirostat",
        "tokenizer.ggml.padding_token_id",
        "quantize.imatrix.file",
        "x",
    ] {
        for value in values() {
            warned(key, value.clone(), None);
            let mut twice = Gguf::tiny();
            twice.metadata.extend([(key.into(), value.clone()), (key.into(), value)]);
            assert_eq!(open(&twice.bytes()).unwrap().warnings, [""; 0]);
        }
    }
    // Where it is needed, it is refused by what it is.
    malformed(set("general.architecture", latin()), "general.architecture is a string that is not UTF-8 at its byte 3");
    malformed(set("llama.attention.causal", Value::Raw(7, vec![2])), "causal is a boolean with value 2; expected");
    let tokens = Value::Array(8, vec![Value::string("fine"), latin_element()]);
    malformed(set("tokenizer.ggml.tokens", tokens), "element 1 of tokenizer.ggml.tokens is a string that is not UTF-8");
    let again = |gguf: &mut Gguf| gguf.metadata.push((b"llama.block_count".to_vec(), Value::U8(1)));
    malformed(again, "llama.block_count is there twice; expected one integer");
    let again = |gguf: &mut Gguf| gguf.metadata.push((b"tokenizer.ggml.tokens".to_vec(), Value::strings(&["a"])));
    malformed(again, "tokenizer.ggml.tokens is there twice; expected an array");
}

fn latin_element() -> Value {
    Value::Raw(8, b"\x01\0\0\0\0\0\0\0\x80".to_vec())
}

/// What is wrong with a tokenizer, and in which words.
fn broken_tokenizers() -> Vec<(&'static str, Gguf)> {
    let with = |key: &str, value: Value| {
        let mut gguf = Gguf::tiny();
        gguf.set(key, value);
        gguf
    };
    let mut rows = Gguf::tiny();
    rows.get("token_embd.weight").dims = vec![32, 6];
    let mut merges = with("tokenizer.ggml.model", Value::string("gpt2"));
    merges.set("tokenizer.ggml.pre", Value::string("llama-bpe"));
    vec![
        ("tokenizer.ggml.model is \"bert\"", with("tokenizer.ggml.model", Value::string("bert"))),
        ("tokenizer.ggml.model is the integer 3", with("tokenizer.ggml.model", Value::U8(3))),
        ("the key tokenizer.ggml.merges is missing", merges),
        ("the vocabulary has 7 tokens", with("tokenizer.ggml.bos_token_id", Value::I8(-1))),
        ("tokenizer.ggml.tokens is the integer 3", with("tokenizer.ggml.tokens", Value::U32(3))),
        ("the vocabulary has 7 tokens", with("tokenizer.ggml.bos_token_id", Value::U32(99))),
        ("tokenizer.ggml.scores has 1 elements", with("tokenizer.ggml.scores", Value::floats(&[0.0]))),
        ("token_embd.weight has 6 rows, and the vocabulary has 7 tokens", rows),
    ]
}

/// Nothing begins with these, and a sentencepiece vocabulary says by its texts what they are.
#[test]
fn ids_of_other_tokens_are_hints() {
    let plain = open(&Gguf::tiny().bytes()).unwrap().vocabulary;
    for name in ["eos", "eot", "eom", "unknown"] {
        let key = format!("tokenizer.ggml.{name}_token_id");
        for (value, words) in [
            (Value::U32(7), "7; the vocabulary has 7 tokens"),
            (Value::U32(u32::MAX), "4294967295; the vocabulary has 7 tokens"),
            (Value::I32(-1), "-1; the vocabulary has 7 tokens"),
            (Value::string("</s>"), "the string \"</s>\"; expected one integer"),
            (Value::F32(0.5), "the number 0.5; expected one integer"),
        ] {
            assert_eq!(warned(&key, value, Some(words)).vocabulary, plain, "{name}");
        }
    }
}

#[test]
fn a_broken_tokenizer_refuses_only_who_needs_one() {
    for (words, gguf) in broken_tokenizers() {
        let source = Bytes::new("dir/tiny.gguf", gguf.bytes());
        let refused = pollster::block_on(format::read(&source, ReadScope::Everything)).unwrap_err().to_string();
        assert!(refused.contains(words), "{refused} does not say {words:?}");
        let first = pollster::block_on(format::read(&source, ReadScope::ModelFirst)).unwrap();
        assert!(first.model.is_some() && first.vocabulary.is_none());
        assert!(first.warnings.len() == 1 && first.warnings[0].contains(words), "{:?}", first.warnings);
        let model = pollster::block_on(format::read(&source, ReadScope::ModelOnly)).unwrap();
        assert!(model.model.is_some() && model.vocabulary.is_none() && model.warnings.is_empty());
    }
    let sound = Bytes::new("dir/tiny.gguf", Gguf::tiny().bytes());
    let sound = pollster::block_on(format::read(&sound, ReadScope::ModelFirst)).unwrap();
    assert!(sound.vocabulary.is_some() && sound.warnings.is_empty());
    // Where there is nothing else in the file, the tokenizer is what is wrong.
    let mut alone = Gguf::byte_level();
    alone.unset("tokenizer.ggml.merges");
    let alone = pollster::block_on(format::read(&Bytes::new("alone.gguf", alone.bytes()), ReadScope::ModelFirst));
    assert!(alone.unwrap_err().to_string().contains("the key tokenizer.ggml.merges is missing"));
}

#[test]
fn a_broken_model_refuses_no_tokenizer() {
    let expected = open(&Gguf::tiny().bytes()).unwrap().vocabulary;
    let mut files: Vec<Gguf> = (0..4).map(|_| Gguf::tiny()).collect();
    files[0].get("blk.0.attn_q.weight").kind = 16;
    files[1].set("general.architecture", Value::string("mistral"));
    files[2].unset("llama.block_count").set("llama.context_length", Value::string("long"));
    files[3].unset("general.architecture").tensor("x", &[1], 0, true);
    for gguf in &files {
        let source = Bytes::new("dir/tiny.gguf", gguf.bytes());
        pollster::block_on(format::read(&source, ReadScope::Everything)).expect_err("its model is refused");
        let found = pollster::block_on(format::read(&source, ReadScope::TokenizerOnly)).unwrap();
        assert!(found.vocabulary == expected && found.model.is_none() && found.tensors.is_empty());
    }
    unsupported(|gguf| gguf.get("blk.0.attn_q.weight").kind = 16, "IQ2_XXS");
}
