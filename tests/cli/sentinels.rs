//! Byte order marks, which some systems put before every text: they are no part of it.

use super::{BUNDLED, run, run_with, scratch, str};

const MARK: &[u8] = b"\xEF\xBB\xBF";

fn marked(text: &str) -> Vec<u8> {
    [MARK, text.as_bytes()].concat()
}

/// A text as other systems write it.
fn utf_16(text: &str) -> [(Vec<u8>, &'static str); 2] {
    let units = || [0xFEFF].into_iter().chain(text.encode_utf16());
    [(units().flat_map(u16::to_le_bytes).collect(), "FF FE"), (units().flat_map(u16::to_be_bytes).collect(), "FE FF")]
}

#[test]
fn a_mark_is_not_part_of_a_text() {
    let text = "Once upon a time";
    let (with, without) = (scratch("marked.txt", &marked(text)), scratch("unmarked.txt", text.as_bytes()));
    let both = |arguments: &[&str]| {
        let ran = |file: &std::path::Path| run(&[arguments, &[str(file)]].concat()).ok();
        assert_eq!(ran(&with), ran(&without), "{arguments:?}");
    };
    let cpu = ["--device", "cpu", "--temperature", "0", "--max-tokens", "6"];
    both(&[&["generate"][..], &cpu, &["--file"]].concat());
    both(&[&["chat"][..], &cpu, &["--date", "2024-07-26", "--file"]].concat());
    both(&["perplexity", "--device", "cpu", "--text"]);
    // And on standard input.
    let tokens = |input: &[u8]| run_with(&["tokenize", "--json", "-"], input).ok();
    assert_eq!(tokens(&marked(text)), tokens(text.as_bytes()));
    let generate = [&["generate"][..], &cpu, &["-"]].concat();
    assert_eq!(run_with(&generate, marked(text)).ok(), run_with(&generate, text).ok());
    let perplexity = ["perplexity", "--device", "cpu", "--text", "-"];
    assert_eq!(run_with(&perplexity, marked(text)).ok(), run_with(&perplexity, text).ok());
    // It is one at the beginning alone, and once.
    assert_ne!(tokens("a\u{feff}b".as_bytes()), tokens(b"ab"));
    assert_ne!(tokens(&marked("\u{feff}a")), tokens(b"a"));
    let wrong = scratch("marked-latin.txt", &[MARK, b"Hab\xEDa"].concat());
    let wrong = run(&["generate", "--file", str(&wrong)]);
    assert!(wrong.err.contains("marked-latin.txt is not UTF-8 text: byte 6 of 8 is wrong"), "{}", wrong.err);
}

#[test]
fn a_mark_is_not_part_of_a_script() {
    let chat = ["chat", "--device", "cpu", "--temperature", "0", "--max-tokens", "6", "--date", "2024-07-26", "--json"];
    for script in ["/system Be kind.\r\nHello\r\n", "Hello\r\nHello", "\"\"\"\na\n\"\"\"\n", "\r\nHello\r\n", ""] {
        let texts = |input: &[u8]| {
            let objects = run_with(&chat, input).objects();
            objects.iter().map(|answer| answer["token_ids"].to_string()).collect::<Vec<_>>()
        };
        assert_eq!(texts(&marked(script)), texts(script.as_bytes()), "{script:?}");
    }
    let obeyed = run_with(&chat, marked("/stats\r\n"));
    assert_eq!(obeyed.err, "(no answer yet)\n");
    assert_eq!(obeyed.ok(), "");
    // Further lines may hold one.
    let later = run_with(&chat, "/stats\n\u{feff}/stats\n");
    assert_eq!(later.objects().len(), 1, "a message");
}

#[test]
fn a_mark_is_not_part_of_a_template_or_a_tokenizer() {
    let template = "{% for message in messages %}{{ message.content }}{% endfor %}";
    let tokens = |name: &str, bytes: &[u8]| {
        let file = scratch(name, bytes);
        let arguments = ["chat", "--device", "cpu", "-n", "1", "--json", "--prompt", "Hi", "--template", str(&file)];
        run(&arguments).object()["prompt_tokens"].clone()
    };
    assert_eq!(tokens("marked.jinja", &marked(template)), tokens("unmarked.jinja", template.as_bytes()));

    let json = r#"{"added_tokens": [{"id": 0, "content": "<unk>", "special": true}],
        "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
        "model": {"type": "BPE", "unk_token": "<unk>", "fuse_unk": true,
            "vocab": {"<unk>": 0, "a": 1, "b": 2, "▁": 3, "ab": 4}, "merges": [["a", "b"]]}}"#;
    let ids = |name: &str, bytes: &[u8]| run(&["tokenize", "--json", "--model", str(&scratch(name, bytes)), "ab a"]);
    assert_eq!(ids("marked.json", &marked(json)).ok(), ids("unmarked.json", json.as_bytes()).ok());
    for (bytes, _) in utf_16(json) {
        let refused = ids("utf-16.json", &bytes);
        assert!(refused.err.contains("utf-16.json is not supported: it is UTF-16 text"), "{}", refused.err);
    }
}

#[test]
fn utf_16_is_called_that() {
    for (bytes, mark) in utf_16("/stats\r\nHello\r\n") {
        let words = format!("is UTF-16 text: it begins with the bytes {mark}; save it as UTF-8\n");
        let file = scratch("utf-16.txt", &bytes);
        for arguments in [
            &["generate", "--file"][..],
            &["chat", "--file"],
            &["chat", "--prompt", "a", "--template"],
            &["perplexity", "--model", BUNDLED, "--text"],
        ] {
            let ran = run(&[arguments, &[str(&file)]].concat());
            assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""), "{arguments:?}");
            assert!(ran.err.starts_with("error: ") && ran.err.ends_with(&words), "{}", ran.err);
        }
        for arguments in [&["chat", "--device", "cpu"][..], &["tokenize", "-"], &["generate", "-"]] {
            let ran = run_with(arguments, &bytes);
            assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""), "{arguments:?}");
            assert_eq!(ran.err, format!("error: standard input {words}"));
        }
    }
}
