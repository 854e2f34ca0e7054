//! The tokenizer's keys.

use llamita::internals::format::{PRE_TOKENIZERS, PreTokenizer, TokenType, Vocabulary, VocabularyKind};

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
    for (value, shown) in [(Value::U32(7), "7"), (Value::I32(-1), "-1"), (Value::U32(u32::MAX), "4294967295")] {
        let words = format!("tokenizer.ggml.bos_token_id is {shown}; the vocabulary has 7 tokens");
        malformed(set("tokenizer.ggml.bos_token_id", value), &words);
    }
}

#[test]
fn broken_byte_level_vocabularies_are_refused() {
    byte_level(set("tokenizer.ggml.pre", Value::string("qwen")), "tokenizer.ggml.pre is \"qwen\", and how that cuts");
    byte_level(set("tokenizer.ggml.pre", Value::string("")), "tokenizer.ggml.pre is \"\"");
    byte_level(unset("tokenizer.ggml.merges"), "the key tokenizer.ggml.merges is missing");
    for merge in ["ab", "a b c", " ab", "a ", ""] {
        let words = format!("element 1 of tokenizer.ggml.merges is \"{merge}\"; expected two tokens");
        byte_level(set("tokenizer.ggml.merges", Value::strings(&["a b", merge])), &words);
    }
}

#[test]
fn every_name_of_a_pre_tokenizer_is_known() {
    let mut gguf = Gguf::byte_level();
    let read = |gguf: &Gguf| {
        let Vocabulary { kind, add_bos, .. } = vocabulary(gguf);
        let VocabularyKind::ByteLevelBpe { split, ignore_merges, .. } = kind else { panic!("it is byte-level") };
        (split, ignore_merges, add_bos)
    };
    let says = |row: &PreTokenizer| (row.split, row.ignore_merges, row.add_bos);
    for row in &PRE_TOKENIZERS {
        for name in row.names() {
            gguf.set("tokenizer.ggml.pre", Value::string(name));
            assert_eq!(read(&gguf), says(row), "{name}");
        }
    }
    let [llama_3, default] = ["llama-bpe", "default"].map(|name| says(PreTokenizer::of(name).expect("it is known")));
    gguf.unset("tokenizer.ggml.pre");
    assert_eq!(read(&gguf), default, "without a name as in llama.cpp");
    let tokens = ["a", "b", "ab", "<|begin_of_text|>", "<|eom_id|>", "<|eot_id|>"];
    gguf.set("tokenizer.ggml.tokens", Value::strings(&tokens));
    assert_eq!(read(&gguf), llama_3, "and by a token that only Llama 3 has");
    gguf.set("tokenizer.ggml.add_bos_token", Value::Bool(false));
    assert!(!read(&gguf).2, "what the file says counts");
    gguf.set("tokenizer.ggml.pre", Value::string("gpt-2")).set("tokenizer.ggml.add_bos_token", Value::Bool(true));
    assert!(read(&gguf).2);
    let error = open(&gguf.set("tokenizer.ggml.pre", Value::string("x")).bytes()).unwrap_err().to_string();
    let names: Vec<&str> = PRE_TOKENIZERS.iter().flat_map(PreTokenizer::names).collect();
    assert!(error.contains("--tokenizer FILE") && error.ends_with(&names.join(", ")), "{error}");
}

#[test]
fn ends_of_generation_are_found_by_text() {
    let mut gguf = Gguf::byte_level();
    let found = vocabulary(&gguf);
    assert!(
        matches!(&found.kind, VocabularyKind::ByteLevelBpe { merges, ignore_merges: true, .. } if merges == &["a b"])
    );
    assert_eq!(found.end_of_generation, [4, 5]);
    assert_eq!(found.token_types[5], TokenType::Control, "whatever the file says");
    assert_eq!((found.bos, found.eos, found.add_bos, found.add_space_prefix), (None, None, true, false));
    gguf.set("tokenizer.ggml.eos_token_id", Value::U64(5)).set("tokenizer.ggml.bos_token_id", Value::I8(3));
    gguf.set("tokenizer.ggml.eot_token_id", Value::U16(2)).set("tokenizer.ggml.add_bos_token", Value::Bool(false));
    let found = vocabulary(&gguf);
    assert_eq!(found.end_of_generation, [5, 2, 3, 4], "the file's own first, each once");
    assert_eq!((found.bos, found.eos, found.add_bos), (Some(3), Some(5), false));
}

/// What ends a generation where the third and fourth of four tokens are these, and their types then.
fn ends(tokens: [&str; 2], types: [i32; 2], change: impl FnOnce(&mut Gguf)) -> (Vec<u32>, [TokenType; 2]) {
    let mut gguf = Gguf::byte_level();
    gguf.set("tokenizer.ggml.tokens", Value::strings(&["a", "b", tokens[0], tokens[1]]));
    gguf.set("tokenizer.ggml.token_type", Value::i32s(&[1, 1, types[0], types[1]]));
    gguf.set("tokenizer.ggml.merges", Value::strings(&[]));
    change(&mut gguf);
    let found = vocabulary(&gguf);
    (found.end_of_generation, [found.token_types[2], found.token_types[3]])
}

#[test]
fn bos_ends_a_generation_only_as_control_token() {
    use TokenType::{Control, Normal};
    let bos = |gguf: &mut Gguf| {
        gguf.set("tokenizer.ggml.bos_token_id", Value::U32(2));
    };
    assert_eq!(ends([",", "<s>"], [1, 3], bos), (vec![], [Normal, Control]), "an ordinary comma");
    assert_eq!(ends(["<s>", ","], [1, 1], bos), (vec![], [Normal, Normal]));
    assert!(ends(["<s>", ","], [4, 1], bos).0.is_empty(), "a user's own");
    assert!(ends(["<s>", ","], [2, 1], bos).0.is_empty(), "the unknown");
    assert_eq!(ends(["<s>", ","], [3, 1], bos).0, [2], "a model that writes it begins another text");
    assert_eq!(ends(["<|endoftext|>", ","], [1, 1], bos), (vec![2], [Control, Normal]), "found by its text");
    let both = |gguf: &mut Gguf| {
        bos(gguf);
        gguf.set("tokenizer.ggml.eos_token_id", Value::U32(2));
    };
    assert_eq!(ends([",", "x"], [1, 1], both).0, [2], "what is called the end is the end");
    let untyped = |gguf: &mut Gguf| {
        bos(gguf);
        gguf.unset("tokenizer.ggml.token_type");
    };
    assert_eq!(ends([",", "x"], [1, 1], untyped), (vec![], [Normal, Normal]), "no id makes a comma a control token");
    assert_eq!(ends(["<s>", "x"], [1, 1], untyped), (vec![2], [Control, Normal]));
    for name in ["eos", "eot", "eom", "fim_pad", "fim_rep", "fim_sep"] {
        let named = |gguf: &mut Gguf| {
            gguf.set(&format!("tokenizer.ggml.{name}_token_id"), Value::U32(3));
        };
        assert_eq!(ends(["x", ";"], [1, 1], named), (vec![3], [Normal, Normal]), "{name}");
    }
}

#[test]
fn every_text_that_ends_a_generation() {
    use TokenType::{Control, Normal};
    let nothing = |_: &mut Gguf| {};
    let texts = "<|eot_id|> <|eom_id|> <|end_of_text|> <|endoftext|> <|im_end|> <|end|> <|return|> <|call|> <|calls|> \
                 <|flush|> <end_of_turn> <turn|> <|tool_response> <end_of_utterance> </s> <eos> <EOT> _<EOT> [EOT] [EOS] \
                 [e~[ <｜end▁of▁sentence｜> <|fim_pad|> <fim-pad> <fim_pad> <PAD> [PAD] <|fim_repo|> <|repo_name|> \
                 <fim-repo> <REPO> <reponame> <|file_sep|>";
    for text in texts.split(' ') {
        for kind in [1, 3, 4] {
            assert_eq!(ends([text, "x"], [kind, 1], nothing), (vec![2], [Control, Normal]), "{text} of type {kind}");
        }
    }
    for text in ["<|im_start|>", "<s>", "end", "</S>", " </s>", "<|eot_id|", "<pad>"] {
        assert!(ends([text, "x"], [3, 1], nothing).0.is_empty(), "{text}");
    }
    assert_eq!(ends(["<|end|>", "<|call|>"], [3, 3], nothing).0, [2, 3]);
    let harmony = |gguf: &mut Gguf| {
        gguf.set("tokenizer.ggml.tokens", Value::strings(&["<|return|>", "b", "<|end|>", "<|call|>"]));
    };
    assert_eq!(ends(["", ""], [3, 3], harmony).0, [0, 3], "there `<|end|>` ends a part of an answer");
    // Qwen's vocabularies have learned `</s>` as text.
    let merged = |gguf: &mut Gguf| {
        gguf.set("tokenizer.ggml.tokens", Value::strings(&["</", "s>", "</s>", "<|im_end|>"]));
        gguf.set("tokenizer.ggml.merges", Value::strings(&["</ s>"]));
    };
    assert_eq!(ends(["", ""], [1, 3], merged), (vec![3], [Normal, Control]));
    assert_eq!(ends(["", ""], [3, 3], merged), (vec![2, 3], [Control, Control]), "unless the file types it so");
}

#[test]
fn byte_tokens_without_their_type_are_found_by_text() {
    use TokenType::{Byte, Control, Normal, Unknown, UserDefined};
    let types = |tokens: &[&str], types: &[i32]| {
        let mut gguf = Gguf::tiny();
        gguf.set("tokenizer.ggml.tokens", Value::strings(tokens));
        gguf.set("tokenizer.ggml.token_type", Value::i32s(types));
        vocabulary(&gguf).token_types
    };
    let tokens = ["<unk>", "<s>", "</s>", "<0x0A>", "<0xFF>", "<0x4>", "a"];
    assert_eq!(types(&tokens, &[2, 3, 3, 1, 1, 1, 1])[3..], [Byte, Byte, Normal, Normal]);
    assert_eq!(types(&tokens, &[2, 3, 3, 3, 4, 4, 1])[3..], [Byte, Byte, UserDefined, Normal], "whatever they became");
    assert_eq!(types(&tokens, &[2, 3, 3, 6, 1, 1, 1])[3..], [Byte, Byte, Normal, Normal], "some of them");
    let twice = ["<unk>", "<s>", "</s>", "<0x0A>", "<0x0a>", "b", "a"];
    assert_eq!(types(&twice, &[2, 3, 3, 6, 1, 1, 1])[..5], [Unknown, Control, Control, Byte, Normal], "not beside one");
    let mut gguf = Gguf::byte_level();
    gguf.set("tokenizer.ggml.tokens", Value::strings(&["a", "b", "ab", "<s>", "<|eom_id|>", "<0x0A>"]));
    assert_eq!(vocabulary(&gguf).token_types[5], Normal, "a byte-level vocabulary spells bytes as letters");
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
