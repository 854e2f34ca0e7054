//! Every kind of bad input: the exit code, and one line that names the file, the thing and the numbers.

use super::builder::{Gguf, Value};
use super::{BUNDLED, ids, run, scratch, str};

/// An error: exit code 1, nothing on standard output, and one line with all of these.
fn error(arguments: &[&str], parts: &[&str]) {
    let ran = run(arguments);
    assert_eq!(ran.code, Some(1), "{arguments:?}: {}", ran.err);
    assert_eq!(ran.out, "", "{arguments:?}");
    assert_eq!(ran.err.lines().count(), 1, "{arguments:?}: {}", ran.err);
    assert!(ran.err.starts_with("error: "), "{arguments:?}: {}", ran.err);
    for part in parts {
        assert!(ran.err.contains(part), "{arguments:?}: {part:?} is not in {}", ran.err);
    }
}

/// Wrong usage: exit code 2, and nothing on standard output.
fn usage(arguments: &[&str], part: &str) {
    let ran = run(arguments);
    assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{arguments:?}: {}", ran.err);
    assert!(ran.err.contains(part), "{arguments:?}: {part:?} is not in {}", ran.err);
}

#[test]
fn files_that_are_no_models() {
    let model = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/models/llamita-stories.gguf")).expect("the model");
    let empty = scratch("empty.gguf", b"");
    let text = scratch("text.gguf", b"Once upon a time there was a file that was no model.");
    let header = scratch("header.gguf", &model[..5000]);
    let cut = scratch("cut.gguf", &model[..model.len() - 1]);
    let vocabulary = scratch("words.gguf", &Gguf::byte_level().bytes());
    let mut other = Gguf::tiny();
    other.set("general.architecture", Value::string("gemma3"));
    let other = scratch("other.gguf", &other.bytes());
    let mut kind = Gguf::tiny();
    kind.get("blk.0.ffn_down.weight").kind = 16;
    let kind = scratch("kind.gguf", &kind.bytes());

    for (path, parts) in [
        ("missing.gguf", &["cannot read missing.gguf", "No such file"][..]),
        ("tests", &["cannot read tests", "not a regular file"]),
        (str(&empty), &["empty.gguf", "the file is empty"]),
        (str(&text), &["text.gguf is not a valid GGUF file", "\"Once\" instead of \"GGUF\""]),
        (str(&header), &["header.gguf is not a valid GGUF file", "5000"]),
        (str(&cut), &["cut.gguf is not a valid GGUF file", &(model.len() - 1).to_string()]),
        (str(&other), &["other.gguf is not supported", "gemma3", "only \"llama\" is supported"]),
        (str(&kind), &["kind.gguf is not supported", "blk.0.ffn_down.weight", "IQ2_XXS", "Q4_0"]),
    ] {
        error(&["generate", "--model", path], parts);
        error(&["inspect", path], parts);
        error(&["bench", "--model", path, "--json"], parts);
    }
    error(&["generate", "--model", str(&vocabulary)], &["words.gguf is not supported", "it holds no weights"]);
}

/// What a file says is never obeyed by a terminal, does not look like a line of ours, and does not fill the screen.
#[test]
fn texts_of_files_are_shown_and_no_more() {
    let with = |name: &str, key: &str, text: &str| {
        let mut gguf = Gguf::tiny();
        gguf.set(key, Value::string(text));
        scratch(name, &gguf.bytes())
    };
    let obeyed = with("obeyed.gguf", "general.architecture", "a\u{1b}[2J\u{202e}b");
    error(&["inspect", str(&obeyed)], &["a\\u{1b}[2J\\u{202e}b"]);
    let long = with("long.gguf", "general.architecture", &"x".repeat(1 << 20));
    error(&["inspect", str(&long)], &["xxxx…"]);
    assert!(run(&["inspect", str(&long)]).err.len() < 1000);
    let named = with("named.gguf", "general.name", "a\nmodel  forged\u{1b}]0;b\u{7}");
    let shown = run(&["inspect", str(&named)]).ok();
    assert!(shown.contains("a\\nmodel  forged\\u{1b}]0;b\\u{7}\n") && !shown.contains('\u{1b}'), "{shown}");
}

#[cfg(unix)]
#[test]
fn pipes_are_not_waited_for() {
    let pipe = super::scratch_path("pipe.gguf");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo runs").success());
    error(&["inspect", str(&pipe)], &["pipe.gguf", "not a regular file"]);
    error(&["tokenize", "--model", str(&pipe), "a"], &["pipe.gguf", "not a regular file"]);
}

#[test]
fn models_that_compute_no_numbers() {
    let mut gguf = Gguf::tiny();
    let norm = gguf.get("output_norm.weight");
    norm.data[..4].copy_from_slice(&f32::NAN.to_le_bytes());
    let file = scratch("nan.gguf", &gguf.bytes());
    let text = scratch("a.txt", b"a a a");
    for device in ["cpu", "auto"] {
        for temperature in ["0", "0.7"] {
            let arguments = ["generate", "--model", str(&file), "--device", device, "--temperature", temperature];
            let ran = run(&[&arguments[..], &["--prompt", "a"]].concat());
            assert_eq!((ran.code, ran.out.trim()), (Some(1), ""), "{}", ran.err);
            assert!(ran.err.contains("no logit is a number at position 2"), "{}", ran.err);
        }
        let arguments = ["perplexity", "--model", str(&file), "--device", device, "--text", str(&text)];
        error(&arguments, &["no logit is a number at position 1", "NaN", ", plan "]);
    }
}

#[test]
fn what_does_not_fit() {
    let long = "word ".repeat(40);
    let prompt = ["generate", "--device", "cpu", "--prompt", &long, "--context", "20"];
    let tokens = ids(&run(&["tokenize", "--json", "--bos", &long]).object(), "ids").len();
    error(&prompt, &[&format!("the bundled model: the prompt has {tokens} tokens, and the context holds 20")]);
    error(
        &["logits", "--device", "cpu", "--ids", "1,2,3", "--context", "2", "--out", "x"],
        &["has 3 tokens", "holds 2"],
    );
    error(&["generate", "--context", "2000"], &["context = 2000", "trained for 1024"]);
    error(&["inspect", BUNDLED, "--context", "2000"], &[BUNDLED, "context = 2000", "trained for 1024"]);
    error(&["generate", "--context", "0"], &["context = 0"]);
    error(&["perplexity", "--text", "Cargo.toml", "--context", "1"], &["context = 1", "at least 2"]);
    error(&["bench", "--prefill", "3000", "--device", "cpu"], &["a prefill of 3000", "3000, and it holds 1024"]);
    error(&["bench", "--depth", "1020", "--device", "cpu", "--prefill", "0"], &["a decode of 32", "1053", "1024"]);

    let memory = ["generate", "--device", "cpu", "--max-tokens", "1", "--memory", "4M"];
    error(&memory, &["4194304", "context of 1024", "would fit (--context "]);
    error(&["generate", "--device", "cpu", "--memory", "1M"], &["1048576", "no context fits"]);
    // The advice is true: what it names fits, and more does not.
    let advice = run(&memory).err;
    let fits: usize = advice
        .split("(--context ")
        .nth(1)
        .and_then(|rest| rest.split(')').next())
        .and_then(|n| n.parse().ok())
        .expect("a number");
    run(&[&memory[..], &["--context", &fits.to_string()]].concat()).ok();
    error(&[&memory[..], &["--context", &(fits + 64).to_string()]].concat(), &["would fit"]);
}

#[test]
fn settings_outside_their_range() {
    for (flag, value) in [
        ("--temperature", "-1"),
        ("--temperature", "NaN"),
        ("--temperature", "inf"),
        ("--top-p", "0"),
        ("--top-p", "1.5"),
        ("--top-p", "-0.1"),
        ("--top-k", "-3"),
        ("--top-k", "99999999999"),
        ("--min-p", "-0.1"),
        ("--min-p", "1.1"),
        ("--min-p", "NaN"),
        ("--repetition-penalty", "0"),
        ("--repetition-penalty", "inf"),
        ("--presence-penalty", "-101"),
        ("--frequency-penalty", "NaN"),
        ("--penalty-last-n", "-2"),
        ("--penalty-last-n", "1025"),
        ("--logit-bias", "7=inf"),
        ("--logit-bias", "7=NaN"),
    ] {
        error(&["generate", flag, value], &[&format!("{} = {value} is invalid", &flag[2..])]);
    }
    // What is expected excludes what was given.
    error(&["generate", "--temperature", "inf"], &["a finite number from 0"]);
    error(&["generate", "--top-k", "99999999999"], &["up to 4294967295"]);
    let bias = ["generate", "--device", "cpu", "--logit-bias", "5000=1"];
    error(&bias, &["the bundled model: token id 5000", "vocabulary of 2048"]);
    error(&["generate", "--tier", "f16", "--device", "cpu"], &["--tier f16", "CPU"]);
    error(&["generate", "--device", "no-such-gpu"], &["no adapter is called \"no-such-gpu\"; there is "]);
    error(&["logits", "--ids", "1,5000", "--out", "x", "--device", "cpu"], &["token id 5000", "vocabulary of 2048"]);
}

#[test]
fn texts_that_cannot_be_read_or_written() {
    let latin = scratch("latin.txt", b"Hab\xeda una vez");
    let empty = scratch("empty.txt", b"");
    error(&["generate", "--file", "missing.txt"], &["cannot read missing.txt", "No such file"]);
    error(&["generate", "--file", str(&latin)], &["latin.txt is not UTF-8 text: byte 3 of 13 is wrong"]);
    error(&["perplexity", "--text", "missing.txt"], &["cannot read missing.txt"]);
    error(&["perplexity", "--text", str(&latin)], &["latin.txt", "byte 3"]);
    error(&["perplexity", "--device", "cpu", "--text", str(&empty)], &["empty.txt: 0 tokens"]);
    error(&["logits", "--ids", "1", "--out", "missing/x.safetensors"], &["cannot write missing/x.safetensors"]);
}

#[test]
fn wrong_usage() {
    usage(&["sing"], "unrecognized subcommand 'sing'");
    usage(&["generate", "--loud"], "'--loud'");
    usage(&["generate", "Once upon a time"], "a text to continue follows --prompt");
    usage(&["generate", "--prompt", "a", "--file", "b"], "cannot be used with");
    usage(&["generate", "--prompt", "a", "-"], "cannot be used with");
    usage(&["generate", "--temperature", "hot"], "invalid value 'hot'");
    usage(&["generate", "--logit-bias", "-1=2"], "expected a token id");
    usage(&["generate", "--logit-bias", "Once=2"], "expected a token id");
    usage(&["generate", "--seed", "-1"], "invalid value '-1'");
    usage(&["generate", "--context", "-1"], "invalid value '-1'");
    usage(&["generate", "--max-tokens", "many"], "invalid value 'many'");
    usage(&["generate", "--memory", "2X"], "a number with K, M or G");
    usage(&["generate", "--tier", "f64"], "possible values: base, f16");
    usage(&["tokenize"], "<TEXT>");
    usage(&["perplexity"], "--text <FILE>");
    usage(&["logits", "--ids", "1"], "--out <FILE>");
    usage(&["logits", "--out", "x"], "--ids");
    usage(&["logits", "--out", "x", "--ids", "1", "--prompt", "a"], "cannot be used with");
    usage(&["logits", "--out", "x", "--ids", "1,two"], "invalid value 'two'");
    usage(&["bench", "--repeat", "0"], "invalid value '0'");
    usage(&["inspect"], "<FILE|FOLDER>");
}
