//! The tokenizer beside Meta's weights: a given one, or a made-up `tokenizer.json` of the same tokens that synthetic
//! GGUF files have.

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value, json};

use super::recipe::{CONTROL, control_token, made_up_texts};

/// How Llama 3 cuts words (Meta's `tokenizer.py`).
const WORDS: &str = concat!(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|",
    r"\s+(?!\S)|\s+"
);

/// A tokenizer that can be copied.
pub fn given(file: &Path) -> Result<Vec<u8>> {
    let bytes = fs::read(file).with_context(|| format!("cannot take the tokenizer {}", file.display()))?;
    let why = "its vocabulary cannot be copied into Meta's files: name a tokenizer.model or tokenizer.json";
    ensure!(!bytes.starts_with(b"GGUF"), "{} is a GGUF file, and {why}", file.display());
    Ok(bytes)
}

/// Writes a tokenizer into the folder, by the name that goes with what it is.
pub fn put(bytes: &[u8], dir: &Path) -> Result<()> {
    let mut names = ["tokenizer.model", "tokenizer.json"];
    if bytes.trim_ascii_start().starts_with(b"{") {
        names.reverse();
    }
    let [own, other] = names.map(|name| dir.join(name));
    // One of another name might be read instead.
    if other.exists() {
        fs::remove_file(&other).with_context(|| format!("cannot remove {}", other.display()))?;
    }
    fs::write(&own, bytes).with_context(|| format!("cannot write {}", own.display()))
}

/// A `tokenizer.json` of made-up tokens.
pub fn made_up(tokens: usize) -> Value {
    let plain = tokens - CONTROL;
    let (texts, merges) = made_up_texts(plain);
    let vocabulary: Map<String, Value> = texts.into_iter().zip((0..plain).map(Value::from)).collect();
    let added: Vec<Value> = (0..CONTROL)
        .map(|i| {
            let flags = ["single_word", "lstrip", "rstrip", "normalized"].map(|flag| (flag.to_owned(), false.into()));
            let mut token = Map::from_iter(flags);
            token.extend([
                ("id".to_owned(), Value::from(plain + i)),
                ("content".to_owned(), control_token(i).into()),
                ("special".to_owned(), true.into()),
            ]);
            token.into()
        })
        .collect();
    let begin = control_token(0);
    let bytes = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false});
    let split = json!({"type": "Split", "pattern": {"Regex": WORDS}, "behavior": "Isolated", "invert": false});
    json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": added,
        "normalizer": null,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [split, bytes]},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": begin, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {(begin.clone()): {"id": begin, "ids": [plain], "tokens": [begin]}},
        },
        "decoder": bytes,
        "model": {
            "type": "BPE",
            "dropout": null,
            "unk_token": null,
            "continuing_subword_prefix": null,
            "end_of_word_suffix": null,
            "fuse_unk": false,
            "byte_fallback": false,
            "ignore_merges": true,
            "vocab": vocabulary,
            "merges": merges,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_is_there_once() {
        let tokenizer = made_up(1024);
        let vocabulary = tokenizer["model"]["vocab"].as_object().expect("a vocabulary");
        let added = tokenizer["added_tokens"].as_array().expect("added tokens");
        let ids = vocabulary.values().chain(added.iter().map(|token| &token["id"]));
        let mut ids: Vec<u64> = ids.filter_map(Value::as_u64).collect();
        ids.sort_unstable();
        assert!(ids.into_iter().eq(0..1024));
        assert_eq!(vocabulary.len() - 256, tokenizer["model"]["merges"].as_array().expect("merges").len());
        assert_eq!(tokenizer["post_processor"]["special_tokens"]["<|begin_of_text|>"]["ids"], json!([768]));
    }

    #[test]
    fn a_tokenizer_has_the_name_of_its_kind_and_is_alone() {
        let dir = std::env::temp_dir().join(format!("llamita-tokenizer-{}", std::process::id()));
        fs::create_dir_all(&dir).expect("a folder");
        let names = || {
            crate::shell::entries(&dir)
                .iter()
                .filter_map(|path| path.file_name()?.to_str()?.to_owned().into())
                .collect::<Vec<String>>()
        };
        put(b"IQ== 0\n", &dir).expect("it is written");
        assert_eq!(names(), ["tokenizer.model"]);
        put(b"\n{\"version\": \"1.0\"}", &dir).expect("it is written");
        assert_eq!(names(), ["tokenizer.json"]);
        let gguf = dir.join("tokenizer.json");
        fs::write(&gguf, b"GGUF\x03").expect("it is written");
        assert!(given(&gguf).is_err());
        fs::remove_dir_all(&dir).expect("it is removed");
    }
}
