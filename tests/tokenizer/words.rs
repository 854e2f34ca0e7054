//! How texts are cut into words, by every rule that llama.cpp has a name for.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use llamita::internals::format::{PRE_TOKENIZERS, PreTokenizer};
use llamita::source::Bytes;
use serde::Deserialize;
use serde_json::json;

use super::shared::folder;
use super::*;

/// A rule as Hugging Face's `tokenizers` writes it, and what it makes of the texts (`make_pre_tokenizer_golden.py`).
#[derive(Deserialize)]
struct Rule {
    names: Vec<String>,
    steps: Vec<serde_json::Value>,
    /// Characters of each word, per text.
    words: Vec<Vec<usize>>,
}

#[derive(Deserialize)]
struct Golden {
    texts: Vec<String>,
    rules: Vec<Rule>,
}

fn golden() -> Golden {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/pre-tokenizer-golden.json");
    serde_json::from_slice(&std::fs::read(path).expect("the file")).expect("its form")
}

/// The 256 bytes with the rule of this name.
fn bytes_alone(name: &str) -> Tokenizer {
    let mut vocabulary = byte_level(&[], &[]);
    let VocabularyKind::ByteLevelBpe { split, .. } = &mut vocabulary.kind else { panic!("it is byte-level") };
    *split = PreTokenizer::of(name).unwrap_or_else(|| panic!("{name} is known")).split;
    Tokenizer::from_vocabulary(&vocabulary).expect("the tokenizer builds")
}

#[test]
fn words_are_hugging_faces_by_every_rule() {
    let Golden { texts, rules } = golden();
    let mut names = BTreeSet::new();
    for Rule { names: same, words, .. } in &rules {
        names.extend(same.iter().map(String::as_str));
        for name in same {
            let tokenizer = bytes_alone(name);
            for (text, expected) in texts.iter().zip(words) {
                let found = tokenizer.words(text).unwrap();
                assert_eq!(found.concat(), *text, "{name}");
                let lengths: Vec<usize> = found.iter().map(|word| word.chars().count()).collect();
                assert_eq!(&lengths, expected, "{name}: {found:?}");
            }
        }
    }
    let known: Vec<&str> = PRE_TOKENIZERS.iter().flat_map(PreTokenizer::names).collect();
    assert_eq!(known.len(), names.len(), "each name is there once");
    assert_eq!(known.iter().copied().collect::<BTreeSet<_>>(), names);
    for (index, rule) in rules.iter().enumerate() {
        for other in &rules[..index] {
            let split = |rule: &Rule| PreTokenizer::of(&rule.names[0]).map(|row| row.split);
            let told = split(rule) == split(other) || rule.words != other.words;
            assert!(told, "no text tells {:?} from {:?}", rule.names, other.names);
        }
    }
}

#[test]
fn flags_are_llama_cpps() {
    let with = |flag: fn(&PreTokenizer) -> bool| -> BTreeSet<&str> {
        PRE_TOKENIZERS.iter().filter(|row| flag(row)).flat_map(PreTokenizer::names).collect()
    };
    let llama_3 = "llama-bpe llama3 llama-v3 falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano";
    let listed = |more: &'static str| llama_3.split(' ').chain(more.split(' ')).collect::<BTreeSet<_>>();
    assert_eq!(with(|row| row.add_bos), listed("tekken chameleon"));
    assert_eq!(with(|row| row.ignore_merges), listed("tekken glm4 glm5 youtu minicpm5 granite-embed-multi-97m"));
}

#[test]
fn long_texts_stay_split_by_every_rule() {
    for row in &PRE_TOKENIZERS {
        let name = row.names().next().expect("a name");
        let tokenizer = bytes_alone(name);
        for run in [" ", "\n", "\r\n ", "a", "A", "aB", "7", "你", "é", "!", "'s", "e\u{301}", "x 1"] {
            let begin = Instant::now();
            // Digits are grouped from the right by some rules, which takes the square of their number.
            let text = format!("{}. y 12345 z", run.repeat(if run == "7" { 5_000 } else { 26_000 }));
            let words = tokenizer.words(&text).unwrap();
            assert_eq!(words.concat(), text, "{name}");
            let tail = tokenizer.words(". y 12345 z").unwrap();
            // The first of them may belong to the run.
            assert_eq!(words[words.len() - tail.len() + 1..], tail[1..], "{name}: after {run:?}");
            let took = begin.elapsed();
            assert!(took < Duration::from_secs(20), "{name}: {run:?} took {took:?}");
        }
    }
}

/// Texts and ids of llama.cpp's own test of a vocabulary.
fn probes(vocabulary: &Path) -> Option<Vec<(String, Vec<u32>)>> {
    let beside = |end: &str| {
        let mut name = vocabulary.as_os_str().to_owned();
        name.push(end);
        std::fs::read_to_string(name).ok()
    };
    let (texts, ids) = (beside(".inp")?, beside(".out")?);
    let end = "\n__ggml_vocab_test__\n";
    let texts: Vec<&str> = texts.strip_suffix(end).unwrap_or(&texts).split(end).collect();
    let ids: Vec<Vec<u32>> =
        ids.lines().map(|line| line.split_whitespace().map(|id| id.parse().expect("an id")).collect()).collect();
    assert_eq!(texts.len(), ids.len(), "{}", vocabulary.display());
    Some(texts.into_iter().map(str::to_owned).zip(ids).collect())
}

/// llama.cpp's vocabularies of families that are read, by name.
fn vocabularies(test: &str) -> Option<Vec<(String, std::path::PathBuf)>> {
    let files = std::fs::read_dir(folder("LLAMITA_VOCABS", test)?).expect("a folder").map(|file| file.unwrap().path());
    let mut found: Vec<_> = files
        .filter_map(|path| {
            let name = path.file_name()?.to_str()?.strip_prefix("ggml-vocab-")?.strip_suffix(".gguf")?.to_owned();
            (!["bert-bge", "nomic-bert-moe", "gemma-4"].contains(&&*name)).then_some((name, path))
        })
        .collect();
    found.sort();
    assert!(found.len() >= 16, "LLAMITA_VOCABS has {} vocabularies that can be read", found.len());
    Some(found)
}

/// A vocabulary of llama.cpp as if its model were a Llama: what architecture a file names changes no ids.
fn as_llama(path: &Path) -> Vocabulary {
    let file = std::fs::read(path).expect("the file");
    let key = b"general.architecture\x08\0\0\0";
    let at = file.windows(key.len()).position(|bytes| bytes == key).expect("the key") + key.len();
    let len = u64::from_le_bytes(file[at..at + 8].try_into().expect("eight bytes")) as usize;
    let file = [&file[..at], &5u64.to_le_bytes(), b"llama", &file[at + 8 + len..]].concat();
    let source = Bytes::new(path.display().to_string(), &file);
    pollster::block_on(format::tokenizer::read(&source)).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn llama_cpps_own_probes() {
    let Some(vocabularies) = vocabularies("llama_cpps_own_probes") else { return };
    let (mut checked, mut compared) = (BTreeSet::new(), 0);
    for (name, path) in vocabularies {
        let tokenizer = Tokenizer::from_vocabulary(&as_llama(&path)).unwrap();
        for (text, ids) in probes(&path).unwrap_or_default() {
            assert_eq!(tokenizer.encode(&text, PLAIN).unwrap(), ids, "{name}: {text:?}");
            compared += 1;
            checked.insert(name.clone());
        }
    }
    assert!(compared > 500, "only {compared} texts were compared");
    let marked: BTreeSet<String> =
        PRE_TOKENIZERS.iter().flat_map(|row| row.checked).map(|name| (*name).to_owned()).collect();
    // These two are sentencepiece's, and cut no words.
    let expected: BTreeSet<String> =
        checked.into_iter().filter(|name| !["llama-spm", "phi-3"].contains(&&**name)).collect();
    assert_eq!(marked, expected, "names that are marked as checked are those that were");
}

/// Merging and splitting together, against Hugging Face's on the same tokens and merges.
#[test]
fn hugging_faces_ids_on_llama_cpps_vocabularies() {
    let Some(vocabularies) = vocabularies("hugging_faces_ids_on_llama_cpps_vocabularies") else { return };
    let rules = golden().rules;
    let texts = texts(500);
    let letters = byte_level(&[], &[]).tokens;
    let mut compared = 0;
    for (name, path) in vocabularies {
        let vocabulary = as_llama(&path);
        let VocabularyKind::ByteLevelBpe { merges, ignore_merges, .. } = &vocabulary.kind else { continue };
        // Files that were written before `tokenizer.ggml.pre` was.
        let by = if ["aquila", "gpt-neox"].contains(&&*name) { "default" } else { &*name };
        let rule = rules.iter().find(|rule| rule.names.iter().any(|known| known == by)).expect("a rule");
        let mut steps = rule.steps.clone();
        if steps.iter().all(|step| step["type"] != "ByteLevel") {
            steps.push(
                json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false}),
            );
        }
        let of_kind = |wanted: TokenType| {
            (0u32..)
                .zip(vocabulary.tokens.iter().zip(&vocabulary.token_types))
                .filter_map(move |(id, (token, kind))| (*kind == wanted).then_some((token, id)))
        };
        let vocab: BTreeMap<&String, u32> = of_kind(TokenType::Normal).collect();
        let file = json!({
            "version": "1.0",
            "added_tokens": [],
            "pre_tokenizer": {"type": "Sequence", "pretokenizers": steps},
            "model": {"type": "BPE", "ignore_merges": ignore_merges, "vocab": vocab, "merges": merges},
        });
        let reference = tokenizers::Tokenizer::from_bytes(file.to_string());
        let reference = reference.unwrap_or_else(|error| panic!("{name}: {error}"));
        let own = Tokenizer::from_vocabulary(&vocabulary).unwrap();
        let added: Vec<&String> = of_kind(TokenType::UserDefined).map(|(token, _)| token).collect();
        // Hugging Face's merges what stands on both sides of a byte without a token, and llama.cpp's does not.
        let spelled: Vec<bool> = letters.iter().map(|letter| vocab.contains_key(letter)).collect();
        let is_same = |text: &&String| {
            text.bytes().all(|byte| spelled[usize::from(byte)])
                && !added.iter().any(|token| text.contains(token.as_str()))
        };
        for text in texts.iter().filter(is_same) {
            let expected = reference.encode_fast(text.as_str(), false).expect("ids").get_ids().to_vec();
            assert_eq!(own.encode(text, PLAIN).unwrap(), expected, "{name}: {text:?}");
            compared += 1;
        }
    }
    assert!(compared > 5_000, "only {compared} texts were compared");
}
