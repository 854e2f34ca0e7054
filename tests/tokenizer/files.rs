//! The same tokenizer in every form that it comes in.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::*;

/// Meta's `tokenizer.model`, and the two files that were made of it: Hugging Face's, and a GGUF vocabulary.
const LLAMA_3_FORMS: [&str; 3] = ["tokenizer.model", "tokenizer.json", "ggml-vocab-llama3.gguf"];

fn folder(test: &str) -> Option<PathBuf> {
    Some(shared(test)?.join("tokenizers"))
}

/// Hugging Face's own ids for texts that hold no added token, which it would always parse.
fn reference(path: &Path) -> impl Fn(&str) -> Option<Vec<u32>> + use<> {
    let reference = tokenizers::Tokenizer::from_file(path).expect("Hugging Face reads it");
    let added: Vec<String> = reference.get_added_vocabulary().get_vocab().keys().cloned().collect();
    move |text| {
        let plain = !added.iter().any(|token| text.contains(token.as_str()));
        plain.then(|| reference.encode_fast(text, false).expect("ids").get_ids().to_vec())
    }
}

#[test]
fn three_forms_of_llama3_give_one_vocabulary() {
    let Some(folder) = folder("three_forms_of_llama3_give_one_vocabulary") else { return };
    let [model, json, gguf] = LLAMA_3_FORMS.map(|form| read(&folder.join("llama3").join(form)));
    for (form, other) in [("tokenizer.json", json), ("GGUF", gguf)] {
        // Piece by piece, because a difference of 128 256 tokens is not to be printed.
        let VocabularyKind::ByteLevelBpe { split: of_model, merges: expected, .. } = &model.kind else {
            panic!("no byte-level BPE")
        };
        let VocabularyKind::ByteLevelBpe { split, merges, ignore_merges } = &other.kind else {
            panic!("no byte-level BPE")
        };
        assert!(*ignore_merges && split == of_model, "{form}");
        assert_eq!((merges.len(), other.tokens.len()), (280_147, 128_256), "{form}");
        let differs = |(rank, (a, b)): (usize, (&String, &String))| (a != b).then(|| format!("{rank}: {a} and {b}"));
        assert_eq!(expected.iter().zip(merges).enumerate().find_map(differs), None, "{form}");
        assert_eq!(model.tokens.iter().zip(&other.tokens).enumerate().find_map(differs), None, "{form}");
        let split = *split;
        let bare = |vocabulary: &Vocabulary| {
            let kind = VocabularyKind::ByteLevelBpe { split, merges: Vec::new(), ignore_merges: true };
            Vocabulary { kind, tokens: Vec::new(), ..vocabulary.clone() }
        };
        assert!(bare(&model) == bare(&other), "{form}: types, special ids or flags differ");
    }
}

#[test]
fn three_forms_of_llama3_give_the_same_ids() {
    let Some(folder) = folder("three_forms_of_llama3_give_the_same_ids") else { return };
    let forms = LLAMA_3_FORMS.map(|form| tokenizer(&folder.join("llama3").join(form)));
    let reference = reference(&folder.join("llama3/tokenizer.json"));
    let mut texts = texts(4_000);
    for text in texts.iter_mut().step_by(10) {
        *text = format!("<|start_header_id|>{text}<|end_header_id|>{text}<|eot_id|>");
    }
    // And what tokens of the whole vocabulary say, side by side.
    let ids: Vec<u32> = (0..128_000).map(|i| i * 7_919 % 128_000).collect();
    texts.extend(ids.chunks(16).step_by(8).map(|ids| forms[0].decode(ids)));
    let (mut tokens, mut compared, mut control, mut used) = (0, 0, 0, BTreeMap::new());
    for text in &texts {
        let ids = forms[0].encode(text, PLAIN).unwrap();
        assert!(ids.iter().all(|id| *id < 128_000), "typed text never becomes a control token: {text:?}");
        if let Some(expected) = reference(text) {
            assert_eq!(ids, expected, "{text:?}");
            compared += 1;
        }
        let special = forms[0].encode(text, SPECIAL).unwrap();
        control += special[1..].iter().filter(|id| **id >= 128_000).count();
        for (form, other) in LLAMA_3_FORMS.iter().zip(&forms) {
            assert_eq!(other.encode(text, PLAIN).unwrap(), ids, "{form}: {text:?}");
            assert_eq!(other.encode(text, SPECIAL).unwrap(), special, "{form}: {text:?}");
            assert_eq!(&other.decode(&ids), text, "{form}");
        }
        tokens += ids.len();
        ids.iter().for_each(|id| *used.entry(*id).or_insert(0) += 1);
    }
    assert!(tokens > 200_000 && used.len() > 10_000, "only {tokens} tokens, {} of them different", used.len());
    assert!(compared > 3_000 && control > 1_000, "only {compared} texts and {control} control tokens were compared");
}

/// Ids that Meta's own code gives: tiktoken for Llama 3, sentencepiece for Llama 2 (`make_tokenizer_golden.py`).
#[test]
fn metas_own_ids() {
    let Some(folder) = folder("metas_own_ids") else { return };
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tokenizer-golden.json");
    let rows: Vec<serde_json::Value> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert!(rows.len() > 400);
    for (model, forms) in [("llama3", &LLAMA_3_FORMS[..]), ("llama2", &["tokenizer.model", "tokenizer.json"])] {
        for form in forms {
            let tokenizer = tokenizer(&folder.join(model).join(form));
            for row in &rows {
                let text = row["text"].as_str().unwrap();
                let expected: Vec<u32> = serde_json::from_value(row[model].clone()).unwrap();
                assert_eq!(tokenizer.encode(text, PLAIN).unwrap(), expected, "{model}/{form}: {text:?}");
            }
        }
    }
}

#[test]
fn both_forms_of_llama2() {
    let Some(folder) = folder("both_forms_of_llama2") else { return };
    let [model, json] = ["tokenizer.model", "tokenizer.json"].map(|form| read(&folder.join("llama2").join(form)));
    assert!(model.tokens == json.tokens && model.token_types == json.token_types);
    let rest = |vocabulary: &Vocabulary| {
        let Vocabulary { bos, eos, unknown, add_bos, add_space_prefix, remove_extra_whitespaces, .. } = *vocabulary;
        (bos, eos, unknown, add_bos, add_space_prefix, remove_extra_whitespaces)
    };
    assert_eq!(rest(&model), (Some(1), Some(2), Some(0), true, true, false));
    assert_eq!(rest(&json), rest(&model));
    assert_eq!((&model.end_of_generation, &json.end_of_generation), (&vec![2, 1], &vec![2, 1]));

    // llama2.c's copy of the scores: u32 longest token; then per token an f32 score, an i32 length, and the text.
    let binary = std::fs::read(folder.join("llama2/tokenizer.bin")).expect("tokenizer.bin");
    let word = |at: usize| <[u8; 4]>::try_from(&binary[at..at + 4]).expect("four bytes");
    let (mut at, mut scores) = (4, Vec::new());
    while at < binary.len() {
        scores.push(f32::from_le_bytes(word(at)));
        at += 8 + i32::from_le_bytes(word(at + 4)) as usize;
    }
    assert!(model.kind == VocabularyKind::SentencePiece { order: MergeOrder::Scores(scores) });

    let [model, json] = [model, json].map(|vocabulary| Tokenizer::from_vocabulary(&vocabulary).unwrap());
    let reference = reference(&folder.join("llama2/tokenizer.json"));
    let mut compared = 0;
    let mut texts = texts(3_000);
    let play = std::fs::read_to_string(folder.join("../text/tinyshakespeare.txt")).unwrap();
    texts.extend(play.split("\n\n").step_by(10).map(str::to_owned));
    for text in texts {
        let ids = json.encode(&text, PLAIN).unwrap();
        if let Some(expected) = reference(&text) {
            assert_eq!(ids, expected, "{text:?}");
            compared += 1;
        }
        assert_eq!(model.encode(&text, PLAIN).unwrap(), ids, "{text:?}");
        assert_eq!(model.encode(&text, SPECIAL).unwrap(), json.encode(&text, SPECIAL).unwrap(), "{text:?}");
    }
    assert!(compared > 2_000, "only {compared} texts were compared");
}

#[test]
fn stories_as_hugging_face_has_them() {
    let Some(folder) = shared("stories_as_hugging_face_has_them") else { return };
    for name in ["stories260K", "babyllama105"] {
        let folder = folder.join("models").join(name);
        let path = folder.join("hf/tokenizer.json");
        let (gguf, json) = (read(&folder.join(format!("gguf/{name}-F16.gguf"))), read(&path));
        assert_eq!((&gguf.tokens, &gguf.token_types), (&json.tokens, &json.token_types), "{name}");
        let [gguf, json] = [gguf, json].map(|vocabulary| Tokenizer::from_vocabulary(&vocabulary).unwrap());
        let reference = reference(&path);
        for text in texts(1_000) {
            let ids = json.encode(&text, PLAIN).unwrap();
            assert_eq!(gguf.encode(&text, PLAIN).unwrap(), ids, "{name}: {text:?}");
            if let Some(expected) = reference(&text) {
                assert_eq!(ids, expected, "{name}: {text:?}");
            }
        }
    }
}
