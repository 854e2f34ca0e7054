//! The tokenizer's keys.

use llamita::format::{TokenType, Vocabulary, VocabularyKind};

use super::builder::{Gguf, Value};
use super::{changed, malformed, open, set, unset, unsupported};

fn byte_level(change: impl FnOnce(&mut Gguf), words: &str) {
    let malformed = !words.starts_with("tokenizer.ggml.pre");
    changed(Gguf::byte_level(), change, words, malformed);
}

fn vocabulary(gguf: &Gguf) -> Vocabulary {
    let checkpoint = open(&gguf.bytes()).unwrap();
    checkpoint.vocabulary.expect("a vocabulary")
}

#[test]
fn broken_sentencepiece_vocabularies_are_refused() {
    unsupported(set("tokenizer.ggml.model", Value::string("bert")), "tokenizer.ggml.model is \"bert\"");
    malformed(unset("tokenizer.ggml.tokens"), "the key tokenizer.ggml.tokens is missing");
    malformed(set("tokenizer.ggml.tokens", Value::strings(&[])), "tokenizer.ggml.tokens is empty");
    malformed(
        set("tokenizer.ggml.tokens", Value::string("a")),
        "tokenizer.ggml.tokens is the string \"a\"; expected an array",
    );
    malformed(
        set("tokenizer.ggml.tokens", Value::floats(&[0.0; 7])),
        "element 0 of tokenizer.ggml.tokens is the number 0; expected a string",
    );
    malformed(
        set("tokenizer.ggml.tokens", Value::strings(&["a", "b"])),
        "tokenizer.ggml.scores has 7 elements for 2 tokens",
    );
    malformed(unset("tokenizer.ggml.scores"), "the key tokenizer.ggml.scores is missing");
    malformed(
        set("tokenizer.ggml.scores", Value::strings(&["0"; 7])),
        "element 0 of tokenizer.ggml.scores is the string \"0\"; expected a number",
    );
    let mut scores = [0.0; 7];
    scores[5] = f32::NAN;
    malformed(
        set("tokenizer.ggml.scores", Value::floats(&scores)),
        "element 5 of tokenizer.ggml.scores is not a number",
    );
    malformed(set("tokenizer.ggml.token_type", Value::i32s(&[1; 6])), "tokenizer.ggml.token_type has 6 elements for 7");
    malformed(
        set("tokenizer.ggml.token_type", Value::i32s(&[1, 1, 0, 1, 1, 1, 1])),
        "token 2 has type 0; expected 1 to 6",
    );
    malformed(set("tokenizer.ggml.token_type", Value::i32s(&[1, 1, 1, 1, 1, 1, 7])), "token 6 has type 7");
    malformed(set("tokenizer.ggml.add_bos_token", Value::U8(2)), "add_bos_token is the integer 2; expected a boolean");
    for name in ["bos", "eos", "eot", "eom", "unknown"] {
        let key = format!("tokenizer.ggml.{name}_token_id");
        for (value, shown) in [(Value::U32(7), "7"), (Value::I32(-1), "-1"), (Value::U32(u32::MAX), "4294967295")] {
            malformed(set(&key, value), &format!("{key} is {shown}; the vocabulary has 7 tokens"));
        }
    }
}

#[test]
fn broken_byte_level_vocabularies_are_refused() {
    byte_level(unset("tokenizer.ggml.pre"), "tokenizer.ggml.pre is missing");
    byte_level(set("tokenizer.ggml.pre", Value::string("qwen2")), "tokenizer.ggml.pre is \"qwen2\"");
    byte_level(unset("tokenizer.ggml.merges"), "the key tokenizer.ggml.merges is missing");
    for merge in ["ab", "a b c", " ab", "a ", ""] {
        let words = format!("element 1 of tokenizer.ggml.merges is \"{merge}\"; expected two tokens");
        byte_level(set("tokenizer.ggml.merges", Value::strings(&["a b", merge])), &words);
    }
}

#[test]
fn ends_of_generation_are_found_by_text() {
    let mut gguf = Gguf::byte_level();
    let found = vocabulary(&gguf);
    assert!(matches!(&found.kind, VocabularyKind::ByteLevelBpe { merges, ignore_merges: true } if merges == &["a b"]));
    assert_eq!(found.end_of_generation, [4, 5]);
    assert_eq!(found.token_types[5], TokenType::Control, "whatever the file says");
    assert_eq!((found.bos, found.eos, found.add_bos, found.add_space_prefix), (None, None, true, false));
    gguf.set("tokenizer.ggml.eos_token_id", Value::U64(5)).set("tokenizer.ggml.bos_token_id", Value::I8(3));
    gguf.set("tokenizer.ggml.eot_token_id", Value::U16(2)).set("tokenizer.ggml.add_bos_token", Value::Bool(false));
    let found = vocabulary(&gguf);
    assert_eq!(found.end_of_generation, [5, 2, 3, 4], "the file's own first, each once");
    assert_eq!((found.bos, found.eos, found.add_bos), (Some(3), Some(5), false));
}

#[test]
fn types_may_be_left_out() {
    let mut gguf = Gguf::tiny();
    let listed = vocabulary(&gguf);
    gguf.unset("tokenizer.ggml.token_type");
    assert_eq!(vocabulary(&gguf), listed);
    let mut gguf = Gguf::byte_level();
    gguf.unset("tokenizer.ggml.token_type").set("tokenizer.ggml.bos_token_id", Value::U32(3));
    use TokenType::{Control, Normal};
    assert_eq!(vocabulary(&gguf).token_types, [Normal, Normal, Normal, Control, Control, Control]);
}

#[test]
fn sentencepiece_defaults_need_their_names() {
    let mut gguf = Gguf::tiny();
    gguf.set("tokenizer.ggml.tokens", Value::strings(&["x", "y", "</s>", "<0x41>", "▁", "a", "▁a"]));
    let found = vocabulary(&gguf);
    assert_eq!((found.unknown, found.bos, found.eos), (None, None, Some(2)));
    gguf.set("tokenizer.ggml.bos_token_id", Value::U32(6)).set("tokenizer.ggml.add_space_prefix", Value::Bool(false));
    gguf.set("tokenizer.ggml.remove_extra_whitespaces", Value::Bool(true));
    let found = vocabulary(&gguf);
    assert_eq!((found.bos, found.add_space_prefix, found.remove_extra_whitespaces), (Some(6), false, true));
}
