//! What is wrong with a file and changes nothing: one line tells of it, and the command runs.

use super::builder::{Gguf, Shape, Value};
use super::{Ran, number, run, run_with, scratch, scratch_path, str};

/// What comes out, which must be the same as without the fault, and the one warning about it.
#[track_caller]
fn warned(ran: Ran, out: &str, parts: &[&str]) {
    let warnings: Vec<&str> = ran.err.lines().filter(|line| line.starts_with("warning: ")).collect();
    assert_eq!(warnings.len(), 1, "{}", ran.err);
    for part in parts {
        assert!(warnings[0].contains(part), "{part:?} is not in {}", ran.err);
    }
    assert_eq!(ran.ok(), out);
}

#[test]
fn metadata_that_flags_replace_or_nobody_needs() {
    let with = |name: &str, key: &str, value: Value| {
        let mut gguf = Gguf::tiny();
        gguf.set(key, value);
        scratch(name, &gguf.bytes())
    };
    let plain = scratch("no-hint.gguf", &Gguf::tiny().bytes());
    let generate = |file: &std::path::Path| {
        run(&["generate", "--device", "cpu", "-t", "0", "-n", "4", "--prompt", "a", "--model", str(file)])
    };
    let expected = generate(&plain);
    assert!(!expected.err.contains("warning"), "{}", expected.err);
    let expected = expected.ok();
    for (i, (key, value, words)) in [
        ("general.name", Value::U8(7), "general.name is the integer 7; expected a string (ignored)"),
        ("general.sampling.temp", Value::F32(-1.0), "general.sampling.temp is -1; expected a finite number from 0"),
        ("general.sampling.top_p", Value::F32(0.0), "general.sampling.top_p is 0; expected a number above 0, up to 1"),
        ("general.sampling.top_k", Value::string("all"), "general.sampling.top_k is the string \"all\""),
        ("tokenizer.chat_template", Value::strings(&["a"]), "tokenizer.chat_template is an array of 1 elements"),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("hint-{i}.gguf");
        let file = with(&name, key, value);
        warned(generate(&file), &expected, &[&name, words]);
    }
    // Without a flag in its place, the setting is the default.
    let report = run(&["inspect", str(&with("hint.gguf", "general.sampling.temp", Value::I32(-1))), "--json"]);
    assert!(report.err.starts_with("warning: ") && report.err.lines().count() == 1, "{}", report.err);
    assert!(report.object()["temperature"].is_null());
    let whole = run(&["inspect", str(&with("whole.gguf", "general.sampling.temp", Value::I32(1))), "--json"]);
    assert_eq!(whole.err, "");
    assert_eq!(whole.object()["temperature"], 1.0);
    // A template of the file's own that is none does not matter where the user brings one.
    let words = scratch("hint.jinja", b"{% for message in messages %}{{ message.content }}{% endfor %}");
    let chat = |file: &std::path::Path| {
        let arguments = ["chat", "--device", "cpu", "-t", "0", "-n", "4", "--prompt", "a", "--model", str(file)];
        run(&[&arguments[..], &["--template", str(&words)]].concat())
    };
    let broken = with("broken-template.gguf", "tokenizer.chat_template", Value::U8(1));
    warned(chat(&broken), &chat(&plain).ok(), &["tokenizer.chat_template is the integer 1"]);
}

/// Models without a tokenizer, and with those that cannot be used: the words that tell so.
fn without_tokenizers() -> Vec<(std::path::PathBuf, Option<&'static str>)> {
    let with = |name: &str, change: &dyn Fn(&mut Gguf)| {
        let mut gguf = Gguf::tiny();
        change(&mut gguf);
        scratch(name, &gguf.bytes())
    };
    let shape = Shape { layers: 1, dim: 32, ffn: 64, heads: 2, kv_heads: 1, vocabulary: 7, context: 64, base: 1e4 };
    let none = scratch("ids-none.gguf", &Gguf::llama(&shape, 8, true).bytes());
    let set = |key: &'static str, value: Value| {
        move |gguf: &mut Gguf| {
            gguf.set(key, value.clone());
        }
    };
    vec![
        (none, None),
        (with("ids-said.gguf", &set("tokenizer.ggml.model", Value::string("none"))), None),
        (
            with("ids-other.gguf", &set("tokenizer.ggml.model", Value::string("bert"))),
            Some("tokenizer.ggml.model is \"bert\""),
        ),
        (
            with("ids-broken.gguf", &set("tokenizer.ggml.tokens", Value::U32(3))),
            Some("tokenizer.ggml.tokens is the integer 3"),
        ),
        (
            with("ids-short.gguf", &set("tokenizer.ggml.scores", Value::floats(&[0.0]))),
            Some("tokenizer.ggml.scores has 1 elements for 7 tokens"),
        ),
        // What only shows when the tokenizer is built: a byte token that spells none.
        (
            with("ids-byte.gguf", &set("tokenizer.ggml.token_type", Value::i32s(&[2, 3, 3, 6, 6, 1, 1]))),
            Some("byte token 4 is"),
        ),
    ]
}

#[test]
fn ids_need_no_tokenizer() {
    let sound = scratch("ids-sound.gguf", &Gguf::tiny().bytes());
    let logits = |file: &std::path::Path| {
        let out = scratch_path("ids.safetensors");
        let ran = run(&["logits", "--device", "cpu", "--ids", "1,5,6", "--out", str(&out), "--model", str(file)]);
        (ran, std::fs::read(&out).unwrap_or_default())
    };
    let bench = ["bench", "--device", "cpu", "--prefill", "8", "--decode", "4", "--repeat", "1", "--json"];
    let (said, expected) = logits(&sound);
    let said = said.ok();
    for (file, words) in without_tokenizers() {
        let (ran, found) = logits(&file);
        let timed = run(&[&bench[..], &["--model", str(&file)]].concat());
        match words {
            None => assert!(ran.err.is_empty() && timed.err.is_empty(), "{} {}", ran.err, timed.err),
            Some(words) => {
                warned(ran, &said, &[words, "(ignored)"]);
                assert!(timed.err.starts_with("warning: ") && timed.err.lines().count() == 1, "{}", timed.err);
            }
        }
        assert_eq!(found, expected, "{}", file.display());
        assert!(timed.objects().iter().all(|report| number(report, "tokens_per_second") > 0.0));
        // Texts need one.
        for texts in [&["logits", "--out", "x", "--prompt", "a"][..], &["generate", "--prompt", "a"]] {
            let refused = run(&[texts, &["--device", "cpu", "--model", str(&file)]].concat());
            assert_eq!((refused.code, refused.err.lines().count()), (Some(1), 1), "{}", refused.err);
            assert!(refused.err.contains(words.unwrap_or("it holds no tokenizer")), "{}", refused.err);
        }
    }
    // A tokenizer that was asked for must be there.
    let missing = ["logits", "--ids", "1", "--out", "x", "--tokenizer", "missing.json", "--model", str(&sound)];
    assert!(run(&missing).err.contains("cannot read missing.json"));
}

#[test]
fn inspect_shows_a_model_whose_tokenizer_is_broken() {
    for (file, words) in without_tokenizers().into_iter().take(5) {
        let ran = run(&["inspect", str(&file), "--json"]);
        assert_eq!(ran.err.lines().count(), usize::from(words.is_some()), "{}", ran.err);
        assert!(ran.err.contains(words.unwrap_or_default()), "{}", ran.err);
        let report = ran.object();
        assert_eq!((number(&report, "vocabulary"), report.get("tokenizer")), (7.0, None));
    }
}

/// `tokenize` wants nothing of the model beside the tokenizer.
#[test]
fn tokenize_needs_no_model() {
    let ids = |file: &std::path::Path| run(&["tokenize", "--json", "--model", str(file), "a a"]);
    let sound = ids(&scratch("words-sound.gguf", &Gguf::tiny().bytes())).ok();
    let mut kind = Gguf::tiny();
    kind.get("blk.0.attn_q.weight").kind = 16;
    let mut key = Gguf::tiny();
    key.unset("llama.context_length").set("llama.attention.head_count_kv", Value::string("1"));
    let mut bytes = Gguf::tiny().bytes();
    bytes.truncate(bytes.len() - 2000);
    for (name, bytes) in [("words-kind.gguf", kind.bytes()), ("words-key.gguf", key.bytes()), ("words-cut.gguf", bytes)]
    {
        let file = scratch(name, &bytes);
        assert_eq!(run(&["generate", "--model", str(&file)]).code, Some(1), "{name}");
        assert_eq!(ids(&file).ok(), sound, "{name}");
    }
    assert_eq!(
        run_with(&["tokenize", "--json", "--model", str(&scratch("words.gguf", &key.bytes())), "-"], "a a").ok(),
        sound
    );
}
