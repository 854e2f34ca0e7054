//! `--tokenizer`, and `tokenize` with tokenizers in files of their own.

use llamita::internals::format::{MergeOrder, TokenType, Vocabulary, VocabularyKind, tokenizer};
use llamita::source::File;
use serde_json::{Value as Json, json};

use super::builder::{Gguf, Shape, Value};
use super::{BUNDLED, command, golden, ids, run, scratch, str};

/// The vocabulary of a model of this project, in the form of a `tokenizer.json`.
fn bundled_json() -> Json {
    let file = File::open(BUNDLED).expect("the bundled model");
    let Vocabulary { kind, tokens, token_types, .. } =
        pollster::block_on(tokenizer::read(&file)).expect("a vocabulary");
    let VocabularyKind::ByteLevelBpe { merges, .. } = kind else { panic!("it is byte-level") };
    let (mut vocab, mut added) = (serde_json::Map::new(), Vec::new());
    for (id, (token, kind)) in tokens.iter().zip(token_types).enumerate() {
        match kind {
            TokenType::Normal => drop(vocab.insert(token.clone(), json!(id))),
            _ => added.push(json!({"id": id, "content": token, "special": true})),
        }
    }
    let split = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
    json!({
        "added_tokens": added,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": split}, "behavior": "Isolated", "invert": false},
            {"type": "ByteLevel", "add_prefix_space": false, "use_regex": false}]},
        "post_processor": {"type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "b", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
            "special_tokens": {"b": {"id": "b", "ids": [2037], "tokens": ["b"]}}},
        "model": {"type": "BPE", "ignore_merges": true, "vocab": vocab, "merges": merges}
    })
}

fn json_file(name: &str, change: impl FnOnce(&mut Json)) -> std::path::PathBuf {
    let mut json = bundled_json();
    change(&mut json);
    scratch(name, json.to_string().as_bytes())
}

#[test]
fn tokenize_reads_tokenizer_json() {
    // The name says nothing: what a file is, its first bytes say.
    let path = json_file("tokenizer.bin", |_| {});
    for probe in golden()["tokenizer_probes"].as_array().expect("probes") {
        let text = probe["text"].as_str().expect("a text");
        let found = run(&["tokenize", "--model", str(&path), "--json", "--bos", "--", text]).object();
        assert_eq!(ids(&found, "ids"), ids(probe, "ids"), "{text:?}");
    }
    let failed = run(&["tokenize", "--model", "Cargo.toml", "a"]);
    assert_eq!(failed.code, Some(1));
    assert!(failed.err.contains("Cargo.toml is not supported: it begins with \"[workspace]"), "{}", failed.err);
}

#[test]
fn another_tokenizer_is_used() {
    let generate = |more: &[&str]| {
        let arguments = ["generate", "--device", "cpu", "--temperature", "0", "--max-tokens", "8", "--prompt", "Once"];
        run(&[&arguments[..], more].concat())
    };
    let own = generate(&[]).ok();
    let same = json_file("same.json", |_| {});
    assert_eq!(generate(&["--tokenizer", str(&same)]).ok(), own);
    // "a" and "b" change their ids, and so "b" is spelled where the model says "a".
    let swapped = json_file("swapped.json", |json| {
        let vocab = json["model"]["vocab"].as_object_mut().expect("a vocabulary");
        let (a, b) = (vocab["a"].clone(), vocab["b"].clone());
        vocab.insert("a".to_owned(), b);
        vocab.insert("b".to_owned(), a);
    });
    let tokens = |file: &[&str]| ids(&run(&[&["tokenize", "--json", "a b"], file].concat()).object(), "ids");
    assert_ne!(tokens(&["--model", str(&swapped)]), tokens(&[]));
    let logits = |text: &str, file: &std::path::Path| {
        let out = super::scratch_path("swapped.safetensors");
        let arguments = ["logits", "--device", "cpu", "--prompt", text, "--out", str(&out), "--tokenizer", str(file)];
        run(&arguments).ok();
        std::fs::read(&out).expect("logits")
    };
    assert_eq!(logits("a", &same), logits("b", &swapped));
    assert_ne!(logits("a", &same), logits("a", &swapped));
}

#[test]
fn tokenizers_of_another_size() {
    let fails = |file: &std::path::Path, parts: &[&str]| {
        let output = command(&["generate", "--device", "cpu", "--tokenizer", str(file)]).output().expect("it starts");
        let line = String::from_utf8(output.stderr).expect("UTF-8");
        assert_eq!((output.status.code(), line.lines().count()), (Some(1), 1), "{line}");
        for part in parts {
            assert!(line.contains(part), "{part:?} is not in {line}");
        }
    };
    let added = |json: &mut Json, id: usize| {
        let list = json["added_tokens"].as_array_mut().expect("a list");
        list.push(json!({"id": id, "content": format!("<|x{id}|>"), "special": true}));
    };
    let larger = json_file("larger.json", |json| added(json, 2048));
    fails(&larger, &["larger.json is not supported: it has 2049 tokens, and the model's vocabulary has 2048"]);
    fails("missing.json".as_ref(), &["cannot read missing.json"]);
    fails("Cargo.toml".as_ref(), &["Cargo.toml is not supported"]);

    // A model without a tokenizer, whose vocabulary was padded from 2048 rows to 2100, and one padded too far.
    let model = |rows| {
        let shape =
            Shape { layers: 1, dim: 32, ffn: 64, heads: 2, kv_heads: 1, vocabulary: rows, context: 64, base: 1e4 };
        scratch(&format!("padded-{rows}.gguf"), &Gguf::llama(&shape, 8, true).bytes())
    };
    let same = json_file("padding.json", |_| {});
    let generate = |rows: u64, more: &[&str]| {
        let path = model(rows);
        let arguments = ["generate", "--device", "cpu", "--max-tokens", "2", "--prompt", "a", "--model", str(&path)];
        run(&[&arguments[..], more].concat())
    };
    let without = generate(2100, &[]);
    assert!(without.err.contains("it holds no tokenizer (--tokenizer FILE gives one)"), "{}", without.err);
    let padded = generate(2100, &["--tokenizer", str(&same)]);
    assert!(padded.err.contains("2048 tokens for 2100 rows of the model"), "{}", padded.err);
    padded.ok();
    let far = generate(2560, &["--tokenizer", str(&same)]);
    assert!(far.err.contains("it has 2048 tokens, and the model's vocabulary has 2560 (up to 511 more"), "{}", far.err);
}

#[test]
fn another_tokenizer_where_the_own_is_refused() {
    let shape = Shape { layers: 1, dim: 32, ffn: 64, heads: 2, kv_heads: 1, vocabulary: 2048, context: 64, base: 1e4 };
    let same = json_file("instead.json", |_| {});
    let own = [
        ("unknown", vec![("model", Value::string("bert"))], "tokenizer.ggml.model is \"bert\""),
        ("broken", vec![("model", Value::string("llama")), ("tokens", Value::U32(3))], "tokenizer.ggml.tokens is"),
        (
            "short",
            vec![
                ("model", Value::string("llama")),
                ("tokens", Value::strings(&["a", "b"])),
                ("scores", Value::floats(&[0.0, 0.0])),
            ],
            "token_embd.weight has 2048 rows, and the vocabulary has 2 tokens",
        ),
    ];
    for (name, keys, refused) in own {
        let mut file = Gguf::llama(&shape, 8, true);
        for (key, value) in keys {
            file.set(&format!("tokenizer.ggml.{key}"), value.clone());
        }
        let path = scratch(&format!("own-{name}.gguf"), &file.bytes());
        let generate = |more: &[&str]| {
            let arguments =
                ["generate", "--device", "cpu", "--max-tokens", "2", "--prompt", "a", "--model", str(&path)];
            run(&[&arguments[..], more].concat())
        };
        let without = generate(&[]);
        assert_eq!(without.code, Some(1), "{name}");
        assert!(without.err.contains(refused), "{name}: {}", without.err);
        generate(&["--tokenizer", str(&same)]).ok();
    }
}

#[test]
fn ranked_pairs_are_no_scores() {
    let json = json!({
        "added_tokens": [{"id": 0, "content": "<unk>", "special": true}],
        "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
        "model": {"type": "BPE", "unk_token": "<unk>", "fuse_unk": true,
            "vocab": {"<unk>": 0, "a": 1, "b": 2, "▁": 3, "ab": 4, "ba": 5}, "merges": [["b", "a"]]}
    });
    let path = scratch("ranked.json", json.to_string().as_bytes());
    let found = run(&["tokenize", "--model", str(&path), "--json", "aba éé"]).object();
    assert_eq!(ids(&found, "ids"), [1, 5, 3, 0], "\"ab\" has no merge, though it is a token");
    let file = File::open(&path).expect("it was written");
    let found = pollster::block_on(tokenizer::read(&file)).expect("a vocabulary");
    assert_eq!(found.kind, VocabularyKind::SentencePiece { order: MergeOrder::Ranks(vec![[2, 1]]) });
}

#[test]
fn what_a_vocabulary_lacks_is_said_once() {
    // It has the letters "a" and "b", and no others.
    let mut gguf = Gguf::byte_level();
    let tokenize = |name: &str, gguf: &Gguf, text: &str| {
        let path = scratch(name, &gguf.bytes());
        let found = run(&["tokenize", "--model", str(&path), "--json", "--", text]);
        let said = found.err.clone();
        (ids(&found.object(), "ids"), said)
    };
    let (found, said) = tokenize("letters.gguf", &gguf, "ab éxyab é");
    assert_eq!(found, [2, 2]);
    assert_eq!(said, "warning: the tokenizer has no token for the byte 0x20: such bytes are left out of texts\n");
    assert_eq!(tokenize("letters.gguf", &gguf, "ab").1, "");
    assert!(tokenize("letters.gguf", &gguf, "é").0.is_empty());
    gguf.unset("tokenizer.ggml.pre");
    let (found, said) = tokenize("unnamed.gguf", &gguf, "ab");
    assert_eq!(found, [2]);
    let warning = "unnamed.gguf: tokenizer.ggml.pre is missing: text is cut into words as by \"default\"";
    assert!(said.starts_with("warning: ") && said.contains(warning) && said.lines().count() == 1, "{said}");
}
