//! Tokenizers in files of their own: whole, broken, hostile, and merely odd.

use llamita::internals::format::tokenizer;
use llamita::internals::format::{MergeOrder, PreTokenizer, TokenType, Vocabulary, VocabularyKind};
use llamita::tokenizer::{Encode, Tokenizer};
use llamita::{Error, Result};
use serde_json::{Value, json};

use super::peak;

/// Llama 3's split, as it stands in files.
const SPLIT: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const LLAMA_3: &[&str] = &[SPLIT];

/// Parses, and watches the memory: a merge of three letters costs a `Cow` of 24 bytes in a vector that doubles.
fn parse(file: &[u8]) -> Result<Vocabulary> {
    let (parsed, bytes) = peak(|| tokenizer::parse("dir/tiny", file));
    let limit = 24 * file.len() + (64 << 10);
    assert!(bytes <= limit, "{bytes} bytes were allocated for a file of {}, more than {limit}", file.len());
    parsed
}

/// Fails unless a file is refused in these words, as malformed or as unsupported.
#[track_caller]
fn refused(file: &[u8], malformed: bool, words: &str) {
    match parse(file) {
        Ok(_) => panic!("accepted, instead of {words:?}"),
        Err(error) => {
            let text = error.to_string();
            assert!(text.contains(words), "{text:?} does not say {words:?}");
            assert!(text.starts_with("dir/tiny is not ") && text.lines().count() == 1, "{text:?}");
            assert!(text.len() < 900, "{} bytes are no message", text.len());
            assert_eq!(matches!(error, Error::Malformed { .. }), malformed, "{error:?} is of the wrong kind");
        }
    }
}

/// Whatever a file became by chance, it is refused or it works.
fn survives(file: &[u8]) -> bool {
    let Ok(vocabulary) = parse(file) else { return false };
    let Ok(tokenizer) = Tokenizer::from_vocabulary(&vocabulary) else { return false };
    for special in [false, true] {
        if let Ok(ids) = tokenizer.encode("ab a  <s>é\n", Encode { bos: true, special }) {
            tokenizer.decode(&ids);
        }
    }
    true
}

/// Cuts a file at `step` places, and turns bits over at as many.
fn damage(file: &[u8], step: usize) {
    assert!(survives(file));
    let (mut refused, mut accepted) = (0, 0);
    let mut count = |works| if works { accepted += 1 } else { refused += 1 };
    for at in (0..file.len()).step_by(step) {
        survives(&file[..at]);
        for bit in [0x01, 0x10, 0x80, 0xFF] {
            let mut changed = file.to_vec();
            changed[at] ^= bit;
            count(survives(&changed));
        }
    }
    assert!(refused > 20 && accepted > 0, "{refused} refused, {accepted} accepted: that proves little");
}

/// All 256 bytes as letters, `ab`, and two special tokens.
fn byte_level() -> Value {
    let mut others = '\u{100}'..;
    let prints = |byte: u8| matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..);
    let letter = |byte: u8| if prints(byte) { char::from(byte) } else { others.next().expect("68 letters") };
    let mut vocab: serde_json::Map<String, Value> =
        (0..=255u8).map(letter).zip(0..).map(|(letter, id)| (letter.to_string(), json!(id))).collect();
    vocab.insert("ab".to_owned(), json!(256));
    json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": [added(257, "<|begin_of_text|>"), added(258, "<|eot_id|>")],
        "normalizer": null,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": SPLIT}, "behavior": "Isolated", "invert": false},
            {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false}]},
        "post_processor": {"type": "Sequence", "processors": [
            {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": false, "use_regex": true},
            template("<|begin_of_text|>", 257)]},
        "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
        "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": true,
            "vocab": vocab, "merges": ["a b"]}
    })
}

/// `<unk>`, `<s>`, `</s>`, 256 byte tokens, `▁`, `a`, `b`, `ab`, `▁a`.
fn sentence_piece() -> Value {
    let bytes = (0..=255u8).map(|byte| format!("<0x{byte:02X}>"));
    let texts = ["<unk>", "<s>", "</s>"].map(str::to_owned).into_iter().chain(bytes);
    let texts = texts.chain(["▁", "a", "b", "ab", "▁a"].map(str::to_owned));
    let vocab: serde_json::Map<String, Value> = texts.zip(0..).map(|(text, id)| (text, json!(id))).collect();
    json!({
        "added_tokens": [added(0, "<unk>"), added(1, "<s>"), added(2, "</s>")],
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]},
        "pre_tokenizer": null,
        "post_processor": template("<s>", 1),
        "decoder": {"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"},
            {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
        "model": {"type": "BPE", "unk_token": "<unk>", "fuse_unk": true, "byte_fallback": true,
            "vocab": vocab, "merges": [["▁", "a"], ["a", "b"]]}
    })
}

fn added(id: u32, content: &str) -> Value {
    json!({"id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
        "special": true})
}

fn template(token: &str, id: u32) -> Value {
    json!({"type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": token, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [], "special_tokens": {token: {"id": token, "ids": [id], "tokens": [token]}}})
}

fn written(file: &Value) -> Vec<u8> {
    serde_json::to_vec(file).expect("JSON")
}

/// Fails unless a file with `value` at `pointer` is refused in these words.
#[track_caller]
fn changed(mut file: Value, pointer: &str, value: Value, malformed: bool, words: &str) {
    parse(&written(&file)).expect("the file is valid before the change");
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
    match file.pointer_mut(parent).expect("it is there") {
        Value::Array(list) => list[key.parse::<usize>().expect("an index")] = value,
        object => object[key] = value,
    }
    refused(&written(&file), malformed, words);
}

#[track_caller]
fn malformed(pointer: &str, value: Value, words: &str) {
    changed(byte_level(), pointer, value, true, words);
}

#[track_caller]
fn unsupported(pointer: &str, value: Value, words: &str) {
    changed(byte_level(), pointer, value, false, words);
}

#[test]
fn json_says_everything() {
    let found = parse(&written(&byte_level())).unwrap();
    assert_eq!(
        found.kind,
        VocabularyKind::ByteLevelBpe { split: LLAMA_3, merges: vec!["a b".to_owned()], ignore_merges: true },
        "both flags and merges are the file's"
    );
    assert_eq!((found.tokens.len(), found.tokens[256].as_str(), found.tokens[258].as_str()), (259, "ab", "<|eot_id|>"));
    assert_eq!(
        found.token_types[255..],
        [TokenType::Normal, TokenType::Normal, TokenType::Control, TokenType::Control]
    );
    assert_eq!((found.bos, found.eos, found.unknown, found.add_bos), (Some(257), None, None, true));
    assert_eq!(found.end_of_generation, [257, 258]);
    assert!(!found.add_space_prefix && !found.remove_extra_whitespaces);

    let found = parse(&written(&sentence_piece())).unwrap();
    assert_eq!(found.kind, VocabularyKind::SentencePiece { order: MergeOrder::Ranks(vec![[259, 260], [260, 261]]) });
    use TokenType::{Byte, Control, Normal, Unknown};
    assert_eq!(found.token_types[..4], [Unknown, Control, Control, Byte]);
    assert_eq!(found.token_types[258..260], [Byte, Normal]);
    assert_eq!((found.bos, found.eos, found.unknown, found.add_bos), (Some(1), Some(2), Some(0), true));
    assert_eq!(found.end_of_generation, [2, 1]);
    assert!(found.add_space_prefix && !found.remove_extra_whitespaces);
}

#[test]
fn json_may_be_written_in_other_ways() {
    let same = |change: &dyn Fn(&mut Value), file: fn() -> Value| {
        let mut other = file();
        change(&mut other);
        assert_ne!(other, file());
        assert_eq!(parse(&written(&other)).unwrap(), parse(&written(&file())).unwrap(), "{other}");
    };
    same(&|file| file["model"]["merges"] = json!([["a", "b"]]), byte_level);
    same(&|file| file["model"]["merges"] = json!(["▁ a", ["a", "b"]]), sentence_piece);
    same(&|file| file["padding"] = json!({"strategy": {"Fixed": 128}}), byte_level);
    same(&|file| file["post_processor"] = template("<|begin_of_text|>", 257), byte_level);
    same(&|file| file["decoder"] = Value::Null, byte_level);
    same(&|file| file["model"]["type"] = Value::Null, byte_level);
    same(&|file| file["model"]["dropout"] = json!(0.0), byte_level);
    let pretty = serde_json::to_vec_pretty(&byte_level()).unwrap();
    assert_eq!(parse(&[b"\n\n ", &pretty[..]].concat()).unwrap(), parse(&pretty).unwrap(), "white space is nothing");

    let with = |pointer: &str, value: Value| {
        let mut file = sentence_piece();
        *file.pointer_mut(pointer).expect("it is there") = value;
        parse(&written(&file)).unwrap()
    };
    let replace = json!({"type": "Replace", "pattern": {"String": " "}, "content": "▁"});
    assert!(!with("/normalizer", replace).add_space_prefix);
    let mut steps = sentence_piece()["normalizer"]["normalizers"].as_array().unwrap().clone();
    steps.insert(0, json!({"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}));
    steps.insert(0, json!({"type": "Replace", "pattern": {"Regex": "^ +| +$"}, "content": ""}));
    let trimmed = with("/normalizer/normalizers", Value::Array(steps));
    assert!(trimmed.remove_extra_whitespaces && trimmed.add_space_prefix);
    let bare = with("/post_processor", Value::Null);
    assert_eq!((bare.bos, bare.add_bos), (Some(1), false), "known by its text, and not put in front");
    let mut own = sentence_piece();
    own["added_tokens"].as_array_mut().unwrap().push(added(264, "<tool>"));
    own["added_tokens"][3]["special"] = json!(false);
    assert_eq!(parse(&written(&own)).unwrap().token_types[264], TokenType::UserDefined);
}

#[test]
fn json_may_cut_words_by_any_rule_with_a_name() {
    let bytes = |use_regex: bool| json!({"type": "ByteLevel", "add_prefix_space": false, "use_regex": use_regex});
    let split = |pattern: &str| json!({"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated"});
    let sequence = |steps: &[Value]| json!({"type": "Sequence", "pretokenizers": steps});
    let digits = json!({"type": "Digits", "individual_digits": true});
    let split_by = |name: &str| PreTokenizer::of(name).expect("it is known").split;
    let qwen = split_by("qwen2")[0];
    let deepseek = split_by("deepseek-coder");
    let mut steps: Vec<Value> = deepseek[..4].iter().map(|pattern| split(pattern)).collect();
    steps.extend([digits.clone(), bytes(false)]);
    for (name, pre_tokenizer) in [
        ("gpt-2", bytes(true)),
        ("gpt-2", json!({"type": "ByteLevel", "add_prefix_space": false})),
        ("smollm", sequence(&[digits, bytes(true)])),
        ("qwen2", sequence(&[split(qwen), bytes(false)])),
        ("deepseek-coder", sequence(&steps)),
    ] {
        let mut file = byte_level();
        file["pre_tokenizer"] = pre_tokenizer;
        let VocabularyKind::ByteLevelBpe { split, .. } = parse(&written(&file)).unwrap().kind else {
            panic!("it is byte-level")
        };
        assert_eq!(split, split_by(name), "{name}");
    }
}

#[test]
fn byte_tokens_of_json_are_bytes_though_they_were_added() {
    let mut file = sentence_piece();
    file["added_tokens"].as_array_mut().unwrap().push(added(13, "<0x0A>"));
    assert_eq!(parse(&written(&file)).unwrap(), parse(&written(&sentence_piece())).unwrap());
}

#[test]
fn ranks_decide_and_not_scores() {
    // `aaa` is offered as `a aa` alone: in `aaaa`, merged to `aa aa`, nothing else may happen.
    let mut file = sentence_piece();
    for (text, id) in [("aa", 264), ("aaa", 265), ("aaaa", 266)] {
        file["model"]["vocab"][text] = json!(id);
    }
    file["normalizer"] = json!({"type": "Replace", "pattern": {"String": " "}, "content": "▁"});
    let ids = |merges: Value, text: &str| {
        let mut file = file.clone();
        file["model"]["merges"] = merges;
        let tokenizer = Tokenizer::from_vocabulary(&parse(&written(&file)).unwrap()).unwrap();
        tokenizer.encode(text, Encode::default()).unwrap()
    };
    assert_eq!(ids(json!(["a a", "a aa"]), "aaaa"), [264, 264]);
    assert_eq!(ids(json!(["a a", "a aa"]), "aaa"), [264, 260], "aa a is no pair, and scores would merge it");
    assert_eq!(ids(json!(["a a", "aa a"]), "aaa"), [265]);
    assert_eq!(ids(json!(["a a", "a aa", "aa aa"]), "aaaa"), [266]);
    assert_eq!(ids(json!(["a b", "a a"]), "aab"), [260, 262], "the lower rank, not the first place");
    assert_eq!(ids(json!(["a a", "a b"]), "aab"), [264, 261]);
    assert_eq!(ids(json!([]), "aé"), [260, 3 + 0xC3, 3 + 0xA9], "bytes for what is no token");
}

#[test]
fn broken_json_is_refused() {
    refused(b"{", true, "is not a valid tokenizer.json file: EOF while parsing");
    refused(b"{}", true, "missing field `model`");
    malformed("/model", json!([]), "expected struct Model");
    malformed("/model/vocab", json!([["a", -1.0]]), "invalid type: sequence, expected tokens with their ids");
    malformed("/model/merges", Value::Null, "expected a list of merges");
    malformed("/model/vocab/ab", json!("256"), "invalid type: string \"256\", expected u32");
    for id in [json!(-1), json!(1u64 << 32), json!(1.5)] {
        malformed("/model/vocab/ab", id, "expected u32");
    }
    malformed("/model/vocab/ab", json!(4_294_967_295u32), "the token \"ab\" has the id 4294967295, and there are 259");
    malformed(
        "/model/vocab/ab",
        json!(259),
        "the token \"ab\" has the id 259, and there are 259 tokens: ids run from 0",
    );
    malformed("/model/vocab/ab", json!(97), "the tokens \"a\" and \"ab\" both have the id 97");
    malformed("/added_tokens/0/id", json!(5), "both have the id 5");
    malformed("/added_tokens/0/content", json!("ab"), "the token \"ab\" has two ids, 256 and 257");
    malformed("/added_tokens/1/content", json!("<|begin_of_text|>"), "\"<|begin_of_text|>\" has two ids, 257 and 258");
    let twice = String::from_utf8(written(&byte_level())).unwrap().replace("\"ab\":256", "\"ab\":256,\"ab\":3");
    refused(twice.as_bytes(), true, "the token \"ab\" has two ids, 256 and 3");
    for (merge, shown) in [("ab", "\"ab\""), ("a b c", "\"a b c\""), (" b", "\" b\""), ("a ", "\"a \""), ("", "\"\"")] {
        malformed("/model/merges", json!(["a b", merge]), &format!("merge 1 is {shown}; expected two tokens"));
    }
    malformed("/model/merges", json!([["a"]]), "invalid length 1, expected a merge of two tokens");
    malformed("/model/merges", json!([["a", "b", "c"]]), "invalid length 3");
    malformed("/model/merges", json!([["a", "b "]]), "merge 0 is \"a b \"");
    malformed("/model/merges", json!([7]), "invalid type: integer `7`, expected a merge of two tokens");
    malformed("/model/unk_token", json!("<unk>"), "its unk_token, \"<unk>\", is no token");
    malformed("/post_processor", template("x", 300), "its post_processor puts 300 in front, which is no special token");
    malformed("/post_processor", template("x", 97), "its post_processor puts 97 in front");
    let pairs = |pair: Value, words: &str| changed(sentence_piece(), "/model/merges/0", pair, true, words);
    pairs(json!(["▁", "é"]), "merge 0, \"▁ é\", names \"é\", which is no token");
    // A long text is shortened in the message, and a line end is not one there.
    malformed("/model/merges", json!(["x\n".repeat(1 << 16)]), "merge 0 is \"x\\nx\\n");
    let mut bytes = written(&byte_level());
    let at = bytes.windows(2).position(|pair| pair == b"ab").unwrap();
    bytes[at] = 0xFF;
    refused(&bytes, true, "invalid unicode code point");
    let deep = format!("{{\"model\": {}", "[".repeat(100_000));
    refused(deep.as_bytes(), true, "is not a valid tokenizer.json file");
}

#[test]
fn other_kinds_of_json_are_refused() {
    let mut unigram = sentence_piece();
    unigram["model"] = json!({"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0.0], ["a", -1.0]]});
    refused(&written(&unigram), false, "its model is \"Unigram\"; supported is \"BPE\"");
    unsupported("/model/type", json!("WordPiece"), "its model is \"WordPiece\"");
    unsupported("/model/dropout", json!(0.1), "drop out with probability 0.1");
    unsupported("/model/end_of_word_suffix", json!("</w>"), "its end_of_word_suffix is \"</w>\"");
    unsupported("/model/continuing_subword_prefix", json!("##"), "continuing_subword_prefix is \"##\"");
    let supported = "supported are those of Llama 3";
    for (pointer, value, words) in [
        ("/normalizer", json!({"type": "NFC"}), "its normalizer is {\"type\":\"NFC\"} and its pre_tokenizer is {"),
        ("/pre_tokenizer", Value::Null, "its normalizer is missing and its pre_tokenizer is missing"),
        ("/pre_tokenizer", json!({"type": "ByteLevel"}), supported),
        ("/pre_tokenizer", json!({"type": "ByteLevel", "add_prefix_space": false, "use_regex": false}), supported),
        ("/pre_tokenizer", json!({"type": "Digits", "individual_digits": true}), supported),
        ("/pre_tokenizer", json!({"type": "Metaspace", "replacement": "▁", "split": false}), "\"type\":\"Metaspace\""),
        ("/pre_tokenizer/pretokenizers/0/pattern/Regex", json!("\\w+"), supported),
        ("/pre_tokenizer/pretokenizers/0/behavior", json!("Removed"), supported),
        ("/pre_tokenizer/pretokenizers/0/invert", json!(true), supported),
        ("/pre_tokenizer/pretokenizers/1/add_prefix_space", json!(true), supported),
        ("/pre_tokenizer/pretokenizers/1/use_regex", json!(true), supported),
        ("/pre_tokenizer/pretokenizers/1/use_regex", Value::Null, supported),
        ("/pre_tokenizer", json!({"type": "Split", "pattern": {"Regex": "x".repeat(1 << 17)}}), "Split"),
        ("/decoder", json!({"type": "WordPiece"}), "its decoder is {\"type\":\"WordPiece\"}; supported is ByteLevel"),
        ("/added_tokens/1/lstrip", json!(true), "its added token \"<|eot_id|>\" is lstrip"),
        ("/added_tokens/1/rstrip", json!(true), "is rstrip"),
        ("/added_tokens/0/single_word", json!(true), "is single_word"),
    ] {
        unsupported(pointer, value, words);
    }
    let mut two = byte_level()["post_processor"].clone();
    let once_more = two["processors"][1].clone();
    two["processors"].as_array_mut().unwrap().push(once_more);
    let mut end = template("<|begin_of_text|>", 257);
    end["single"].as_array_mut().unwrap().push(json!({"SpecialToken": {"id": "<|eot_id|>", "type_id": 0}}));
    let mut pair = template("<|begin_of_text|>", 257);
    pair["special_tokens"]["<|begin_of_text|>"]["ids"] = json!([257, 258]);
    for step in [two, end, pair, json!({"type": "BertProcessing"}), json!({"type": "TemplateProcessing"}), json!(1)] {
        unsupported("/post_processor", step, "its post_processor is ");
    }
    let sentence_piece = |pointer, value, words| changed(sentence_piece(), pointer, value, false, words);
    sentence_piece("/normalizer/normalizers/0/prepend", json!("_"), "\"prepend\":\"_\"");
    sentence_piece("/normalizer/normalizers/1/content", json!("_"), supported);
    sentence_piece("/pre_tokenizer", json!({"type": "Whitespace"}), "\"type\":\"Whitespace\"");
    sentence_piece("/model/ignore_merges", json!(true), "ignore_merges");
    sentence_piece("/model/fuse_unk", json!(false), "fuse_unk");
    sentence_piece(
        "/added_tokens/2",
        json!({"id": 2, "content": "</s>", "normalized": true}),
        "\"</s>\" is normalized",
    );
}

#[test]
fn damaged_json_does_no_harm() {
    damage(&written(&byte_level()), 7);
    damage(&written(&sentence_piece()), 11);
}

#[test]
fn absurd_lists_cost_little() {
    for part in ["\"x y\",", "\"\",", "[],", "0,"] {
        let mut file = b"{\"model\":{\"vocab\":{},\"merges\":[".to_vec();
        file.extend(part.repeat(200_000).bytes());
        refused(&file, true, "tokenizer.json");
    }
    for part in ["\"\":0,", "\"\":{},"] {
        let mut file = b"{\"model\":{\"vocab\":{".to_vec();
        file.extend(part.repeat(200_000).bytes());
        refused(&file, true, "tokenizer.json");
    }
    let mut file = b"{\"normalizer\":[".to_vec();
    file.extend("[],".repeat(200_000).bytes());
    file.extend(b"0],\"model\":{\"vocab\":{},\"merges\":[]}}");
    refused(&file, false, "its normalizer is [[],[],");
}

/// Meta's form: 128 000 lines. Here the 256 bytes, then pairs and triples of them.
fn ranks() -> Vec<String> {
    use base64::Engine;
    let one = |id: u32| vec![id as u8];
    let two = |id: u32| vec![(id >> 8) as u8, id as u8];
    let three = |id: u32| vec![b'a', (id >> 8) as u8, id as u8];
    let tokens = (0..256).map(one).chain((0..65_536).map(two)).chain((0..62_208).map(three));
    let base64 = base64::engine::general_purpose::STANDARD;
    tokens.enumerate().map(|(rank, token)| format!("{} {rank}", base64.encode(token))).collect()
}

#[test]
fn ranks_become_merges() {
    let lines = ranks();
    for end in ["\n", "\r\n"] {
        let found = parse(format!("{}{end}", lines.join(end)).as_bytes()).unwrap();
        assert_eq!((found.tokens.len(), found.bos, found.eos), (128_256, Some(128_000), Some(128_001)));
        assert_eq!(
            found.tokens[128_002..128_008].join(" "),
            "<|reserved_special_token_0|> <|reserved_special_token_1|> \
            <|finetune_right_pad_id|> <|reserved_special_token_2|> <|start_header_id|> <|end_header_id|>"
        );
        assert_eq!(found.tokens[128_255], "<|reserved_special_token_247|>");
        assert!(found.token_types[..128_000].iter().all(|kind| *kind == TokenType::Normal));
        assert!(found.token_types[128_000..].iter().all(|kind| *kind == TokenType::Control));
        assert_eq!(found.end_of_generation, [128_001, 128_000, 128_008, 128_009]);
        let VocabularyKind::ByteLevelBpe { split: LLAMA_3, merges, ignore_merges: true } = found.kind else {
            panic!("no byte-level BPE")
        };
        assert_eq!(merges.len(), 65_536 + 2 * 62_208, "one way to make a pair, two ways to make a triple");
        assert_eq!(merges[256 * usize::from(b'x') + usize::from(b'y')], "x y");
        let triple = 65_536 + 2 * (256 * usize::from(b'x') + usize::from(b'y'));
        assert_eq!(merges[triple..triple + 2], ["a xy", "ax y"], "the lower ranks first");
    }
}

#[test]
fn broken_ranks_are_refused() {
    let lines = ranks();
    let with = |index: usize, line: &str| {
        let mut lines = lines.clone();
        lines[index] = line.to_owned();
        lines.join("\n")
    };
    let malformed = |index, line, words: &str| refused(with(index, line).as_bytes(), true, words);
    malformed(7, "Bw== 8", "line 8 is \"Bw== 8\"; expected the rank 7");
    malformed(7, "Bw==", "line 8 is \"Bw==\"; expected base64, a space and a rank");
    malformed(7, "", "line 8 is \"\"; expected base64");
    malformed(7, "Bw== -7", "expected the rank 7");
    malformed(7, "Bw== 99999999999999999999999", "expected the rank 7");
    malformed(7, "Bw== 7 ", "expected the rank 7");
    malformed(7, "B!== 7", "line 8 is \"B!== 7\"; its base64 is wrong");
    malformed(7, "B 7", "its base64 is wrong");
    malformed(7, " 7", "its token is empty");
    malformed(7, "Bg== 7", "the ranks 6 and 7 are the same token, \\x06");
    let long = format!("{} 7", "A".repeat(4000));
    malformed(7, &long, "tokens of at most 128 bytes are read");
    malformed(7, "Bw== 7\rx", "line 8");
    let refused = |text: String, words: &str| refused(text.as_bytes(), false, words);
    refused(lines[..5].join("\n"), "it has 5 ranks; this format is known for Llama 3, which has 128000");
    refused(format!("{}\nYWFhYQ== 128000", lines.join("\n")), "it has more than 128000 ranks");
    let text = lines.join("\n");
    for at in (0..text.len()).step_by(79_999) {
        assert!(parse(&text.as_bytes()[..at]).is_err(), "cut at {at}");
        let mut changed = text.clone().into_bytes();
        changed[at] ^= 0x15;
        let _ = parse(&changed);
    }
}

/// Every substring of one long text is a token, so that each is made of others in as many ways as it has bytes.
#[test]
fn ranks_with_too_many_ways_are_refused() {
    use base64::Engine;
    let base64 = base64::engine::general_purpose::STANDARD;
    let text: Vec<u8> = (0..1200u32).map(|i| (i * i % 251) as u8 ^ (i >> 3) as u8).collect();
    let mut seen = std::collections::HashSet::new();
    let substrings = (1..=128).flat_map(|len| text.windows(len)).filter(|part| seen.insert(part.to_vec()));
    let lines: Vec<String> =
        substrings.take(128_000).enumerate().map(|(rank, part)| format!("{} {rank}", base64.encode(part))).collect();
    assert_eq!(lines.len(), 128_000);
    refused(lines.join("\n").as_bytes(), true, "made of each other in more than 524288 ways");
}

/// A protobuf field with bytes.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    let mut len = bytes.len();
    while len >= 0x80 {
        out.push(len as u8 | 0x80);
        len >>= 7;
    }
    out.push(len as u8);
    out.extend(bytes);
    out
}

fn piece(text: &str, score: f32, kind: u8) -> Vec<u8> {
    field(1, &[field(1, text.as_bytes()), [&[0x15][..], &score.to_le_bytes(), &[0x18, kind]].concat()].concat())
}

/// The pieces of [`sentence_piece`] in sentencepiece's own form.
fn model() -> Vec<Vec<u8>> {
    let mut fields = vec![piece("<unk>", 0.0, 2), piece("<s>", 0.0, 3), piece("</s>", 0.0, 3)];
    fields.extend((0..=255u8).map(|byte| piece(&format!("<0x{byte:02X}>"), 0.0, 6)));
    fields.extend([("▁", -4.0), ("a", -5.0), ("b", -6.0), ("ab", -2.0), ("▁a", -1.0)].map(|(t, s)| piece(t, s, 1)));
    fields.push(field(2, &TRAINER));
    fields.push(field(3, &NORMALIZER));
    fields
}

/// BPE with byte fallback.
const TRAINER: [u8; 5] = [0x18, 2, 0x98, 2, 1];
/// `identity`, a space in front, spaces left alone.
const NORMALIZER: [u8; 14] = [0x0A, 8, b'i', b'd', b'e', b'n', b't', b'i', b't', b'y', 0x18, 1, 0x20, 0];
const LAST: usize = 3 + 256 + 4;

#[test]
fn sentencepiece_says_everything() {
    let found = parse(&model().concat()).unwrap();
    let json = parse(&written(&sentence_piece())).unwrap();
    let mut scores = vec![0.0; 259];
    scores.extend([-4.0, -5.0, -6.0, -2.0, -1.0]);
    assert_eq!(found.kind, VocabularyKind::SentencePiece { order: MergeOrder::Scores(scores) });
    assert_eq!(found, Vocabulary { kind: found.kind.clone(), ..json }, "all else is as tokenizer.json has it");
    let encode = |vocabulary: &Vocabulary| {
        Tokenizer::from_vocabulary(vocabulary).unwrap().encode("ab é", Encode::default()).unwrap()
    };
    assert_eq!(encode(&found), [263, 261, 259, 3 + 0xC3, 3 + 0xA9]);

    let with = |trainer: &[u8], normalizer: &[u8]| {
        let mut fields = model();
        let last = fields.len() - 1;
        (fields[last - 1], fields[last]) = (field(2, trainer), field(3, normalizer));
        parse(&fields.concat()).unwrap()
    };
    let found = with(&TRAINER, b"");
    assert!(found.add_space_prefix && found.remove_extra_whitespaces, "sentencepiece's defaults");
    let none = [&TRAINER[..], &[0xC8, 2], &[0xFF; 9], &[1, 0xD0, 2], &[0xFF; 9], &[1]].concat();
    let found = with(&none, &[0x18, 0]);
    assert_eq!((found.bos, found.eos, found.add_space_prefix), (None, None, false));
}

#[test]
fn broken_sentencepiece_is_refused() {
    let with = |index: usize, bytes: Vec<u8>| {
        let mut fields = model();
        fields[index] = bytes;
        fields.concat()
    };
    let malformed = |index, bytes, words: &str| refused(&with(index, bytes), true, words);
    let unsupported = |index, bytes, words: &str| refused(&with(index, bytes), false, words);
    let trainer = |bytes: &[u8]| field(2, &[&TRAINER, bytes].concat());
    malformed(5, field(1, &field(1, b"a\xFF")), "piece 5 is not UTF-8");
    malformed(5, field(1, b""), "piece 5 is empty");
    malformed(LAST, piece("a", f32::NAN, 1), "the score of piece 263, \"a\", is not a number");
    malformed(LAST, piece("x", 0.0, 7), "piece 263, \"x\", has no type from 1 to 6");
    malformed(LAST, piece("x", 0.0, 0), "has no type");
    malformed(LAST, piece("a", 0.0, 1), "the piece \"a\" appears twice");
    malformed(LAST, piece("x", 0.0, 2), "it has 2 unknown pieces; expected one");
    malformed(0, piece("x", 0.0, 1), "it has 0 unknown pieces");
    malformed(LAST, piece("x", 0.0, 6), "the byte piece \"x\" is none of <0x00> to <0xFF>");
    malformed(3, piece("x", 0.0, 1), "it has 255 byte pieces; expected 256");
    malformed(LAST + 1, field(2, &[0x18, 2]), "it has 256 byte pieces; expected 0");
    malformed(LAST + 1, trainer(&[0xC8, 2, 99]), "its bos_id is 99, which is no control piece of its 264");
    malformed(LAST + 1, trainer(&[0xD0, 2, 0xFF, 0xFF, 3]), "its eos_id is 65535");
    malformed(LAST + 1, field(2, &[0x18]), "its TrainerSpec is cut off");
    malformed(LAST + 2, field(3, &[0x12, 5, 0]), "its NormalizerSpec is cut off");
    malformed(LAST + 2, vec![0x0B], "it has a field of wire type 3");
    malformed(LAST + 2, vec![0x08, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF], "more than ten bytes");
    malformed(LAST, field(1, &[0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F, 1]), "at piece 263, a piece is cut off");
    refused(b"\n", true, "dir/tiny is not a valid sentencepiece file: it is cut off");
    refused(b"\n\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01", true, "it is cut off");
    unsupported(LAST + 1, field(2, &[0x18, 1]), "it is of model type 1 (unigram); supported is 2 (BPE)");
    unsupported(LAST + 1, field(2, b""), "it is of model type 1 (unigram)");
    unsupported(LAST + 1, field(2, &[0x18, 4]), "it is of model type 4 (char)");
    unsupported(LAST + 1, trainer(&[0xC0, 1, 1]), "white space as a suffix");
    unsupported(LAST + 2, field(3, &[0x12, 3, 1, 2, 3]), "it normalizes text by a map of 3 bytes");
    unsupported(LAST + 2, field(3, &[0x28, 0]), "it does not escape white space");
    unsupported(LAST, piece("<tool>", 0.0, 4), "piece 263, \"<tool>\", is user-defined");
    damage(&model().concat(), 5);
}

#[test]
fn what_is_no_tokenizer_is_refused() {
    let known = "tokenizers are read from GGUF, tokenizer.json, and the tokenizer.model of Llama 3 and Llama 2";
    for (file, begin) in [(&b"Once upon a time there was"[..], "Once upon a time"), (b"", ""), (b"[1]", "[1]")] {
        refused(file, false, &format!("it begins with \"{begin}\"; {known}"));
    }
    refused(b"\x80\x02}q\x00", false, "it begins with \"\\x80\\x02}q\\x00\"");
    // What is read through a source may be a GGUF file too.
    let read = |bytes: Vec<u8>| pollster::block_on(tokenizer::read(&llamita::source::Bytes::new("dir/tiny", bytes)));
    assert_eq!(read(super::Gguf::tiny().bytes()).unwrap().tokens[6], "▁a");
    assert_eq!(read(written(&byte_level())).unwrap(), parse(&written(&byte_level())).unwrap());
    assert!(read(Vec::new()).is_err());
    let mut bare = super::Gguf::tiny();
    bare.metadata.retain(|(key, _)| !key.starts_with(b"tokenizer"));
    assert!(read(bare.bytes()).unwrap_err().to_string().contains("it holds no tokenizer"));
    let long = read([&b"{"[..], &vec![b' '; 64 << 20]].concat()).unwrap_err().to_string();
    assert!(long.contains("at most 67108864 bytes are read; it has 67108865"), "{long}");
    let mut large = written(&byte_level());
    large.resize(40 << 20, b' ');
    assert_eq!(read(large).unwrap(), parse(&written(&byte_level())).unwrap(), "in pieces");
}
