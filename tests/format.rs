//! GGUF files of every kind: whole, broken, hostile, and merely odd.

#[path = "common/archive.rs"]
mod archive;
#[path = "common/gguf.rs"]
mod builder;
#[path = "common/heap.rs"]
mod heap;
#[path = "format/hints.rs"]
mod hints;
#[path = "format/int4.rs"]
mod int4;
#[path = "format/layers.rs"]
mod layers;
#[path = "format/layouts_of_meta.rs"]
mod layouts_of_meta;
#[path = "format/loading_meta.rs"]
mod loading_meta;
#[path = "format/meta.rs"]
mod meta;
#[path = "format/model.rs"]
mod model;
#[path = "format/norms.rs"]
mod norms;
#[path = "format/pytorch.rs"]
mod pytorch;
#[path = "format/reading.rs"]
mod reading;
#[path = "common/shared.rs"]
mod shared;
#[path = "format/split.rs"]
mod split;
#[path = "format/table.rs"]
mod table;
#[path = "format/tiny_meta.rs"]
mod tiny_meta;
#[path = "format/tokenizers.rs"]
mod tokenizers;
#[path = "format/vocabulary.rs"]
mod vocabulary;

use builder::{Gguf, Value};
use heap::peak;
use llamita::error::{Error, Result};
use llamita::internals::arch::tensors::Role;
use llamita::internals::format::gguf::{self, Step};
use llamita::internals::format::{Checkpoint, Encoding, MergeOrder, TokenType, VocabularyKind};

/// Parses the first bytes of a file that was not split.
fn parse(name: &str, bytes: &[u8], file_len: u64) -> Result<Step> {
    gguf::parse(&[gguf::Beginning { name, bytes, file_len }])
}

/// Parses a file as [`gguf::read`] does, in two ways that must agree, and watches the memory.
///
/// The worst that a token costs is a `String` of 24 bytes where the file has a length of 8; a key costs its place in a
/// map, and there are at most 4096.
fn open(file: &[u8]) -> Result<Checkpoint> {
    let len = file.len() as u64;
    let keys = file.get(16..18).map_or(0, |count| usize::from(u16::from_le_bytes([count[0], count[1]])).min(4096));
    let watched = |prefix: &[u8]| {
        let (step, bytes) = peak(|| parse("dir/tiny.gguf", prefix, len));
        let limit = 4 * file.len() + 128 * keys + (16 << 10);
        assert!(bytes <= limit, "{bytes} bytes were allocated for a file of {len}, more than {limit}");
        step
    };
    let whole = watched(file);
    let mut end = 0;
    let stepped = loop {
        match watched(&file[..end]) {
            Ok(Step::Need { part: 0, end: more }) => {
                assert!(more > end as u64 && more <= len, "{more} bytes are asked for after {end} of {len}");
                end = more as usize;
            }
            Ok(Step::Factors(unscaled)) => {
                let range = unscaled.range();
                break unscaled.finish(&file[range.start as usize..range.end as usize]);
            }
            Ok(Step::Done(checkpoint)) => break Ok(*checkpoint),
            Ok(Step::Need { part, .. }) => panic!("part {part} of one file is asked for"),
            Err(error) => break Err(error),
        }
    };
    match (whole, stepped) {
        (Ok(Step::Done(whole)), Ok(stepped)) => {
            assert_eq!(format!("{whole:?}"), format!("{stepped:?}"));
            Ok(stepped)
        }
        (Err(whole), Err(stepped)) => {
            assert_eq!(whole.to_string(), stepped.to_string());
            Err(stepped)
        }
        (whole, stepped) => panic!("all at once {whole:?}, in steps {stepped:?}"),
    }
}

/// Fails unless a file is refused in these words.
#[track_caller]
fn refused(file: &[u8], words: &str) -> Error {
    match open(file) {
        Ok(checkpoint) => panic!("accepted, instead of {words:?}: {checkpoint:?}"),
        Err(error) => {
            let text = error.to_string();
            assert!(text.contains(words), "{text:?} does not say {words:?}");
            assert!(text.starts_with("dir/tiny.gguf is not "), "{text:?} does not name the file");
            error
        }
    }
}

#[track_caller]
fn malformed(change: impl FnOnce(&mut Gguf), words: &str) {
    changed(Gguf::tiny(), change, words, true);
}

#[track_caller]
fn unsupported(change: impl FnOnce(&mut Gguf), words: &str) {
    changed(Gguf::tiny(), change, words, false);
}

#[track_caller]
fn changed(mut gguf: Gguf, change: impl FnOnce(&mut Gguf), words: &str, malformed: bool) {
    open(&gguf.bytes()).expect("the file is valid before the change");
    change(&mut gguf);
    let error = refused(&gguf.bytes(), words);
    assert_eq!(matches!(error, Error::Malformed { .. }), malformed, "{error:?} is of the wrong kind");
}

#[track_caller]
fn accepted(change: impl FnOnce(&mut Gguf)) -> Checkpoint {
    let mut gguf = Gguf::tiny();
    change(&mut gguf);
    open(&gguf.bytes()).expect("an odd file is valid too")
}

/// The change that sets a key.
fn set(key: &str, value: Value) -> impl FnOnce(&mut Gguf) {
    move |gguf| {
        gguf.set(key, value);
    }
}

/// The change that takes a key away.
fn unset(key: &str) -> impl FnOnce(&mut Gguf) {
    move |gguf| {
        gguf.unset(key);
    }
}

#[test]
fn a_template_without_a_letter_is_none() {
    for (template, expected) in [("", None), (" \n\t", None), (" {{ x }}\n", Some(" {{ x }}\n"))] {
        let mut gguf = Gguf::tiny();
        gguf.set("tokenizer.chat_template", Value::string(template));
        assert_eq!(open(&gguf.bytes()).unwrap().chat_template.as_deref(), expected, "{template:?}");
    }
}

#[test]
fn tiny_file_says_everything() {
    let mut gguf = Gguf::tiny();
    gguf.set("general.name", Value::string("Tiny"));
    gguf.set("tokenizer.chat_template", Value::string("{{ x }}"));
    gguf.set("general.sampling.temp", Value::F32(0.5));
    gguf.set("general.sampling.top_k", Value::I32(40));
    gguf.set("general.sampling.top_p", Value::F32(0.75));
    gguf.set("general.sampling.min_p", Value::F32(0.05));
    gguf.set("general.sampling.penalty_repeat", Value::F32(1.1));
    gguf.set("general.sampling.penalty_last_n", Value::I32(32));
    let checkpoint = open(&gguf.bytes()).unwrap();
    assert_eq!((checkpoint.name.as_str(), checkpoint.format.as_str()), ("Tiny", "GGUF v3"));
    assert_eq!(checkpoint.chat_template.as_deref(), Some("{{ x }}"));
    let sampling = checkpoint.sampling;
    assert_eq!((sampling.temperature, sampling.top_k, sampling.top_p), (Some(0.5), Some(40), Some(0.75)));
    assert_eq!(
        (sampling.min_p, sampling.repetition_penalty, sampling.penalty_last_n),
        (Some(0.05), Some(1.1), Some(32))
    );

    let (shape, tensors) = checkpoint.model.unwrap();
    assert_eq!((shape.dim, shape.ffn, shape.layers, shape.vocabulary, shape.context), (32, 64, 1, 7, 64));
    assert_eq!((shape.heads, shape.kv_heads, shape.head_dim, shape.norm_eps), (2, 1, 16, 1e-5));
    assert_eq!(shape.rope_frequencies.len(), 8);
    assert!((shape.rope_frequencies[1] - 10_000f64.powf(-2.0 / 16.0)).abs() < 1e-15);
    let [down, norm, k] = [Role::FfnDown, Role::AttnNorm, Role::AttnK].map(|role| &tensors[role.in_block(0)]);
    assert_eq!((down.rows, down.cols, down.encoding), (32, 64, Encoding::Q8_0));
    assert_eq!(down.bytes.end - down.bytes.start, 32 * 2 * 34);
    assert_eq!((norm.rows, norm.cols, norm.encoding), (1, 32, Encoding::F32));
    assert_eq!((k.rows, k.cols), (16, 32));
    assert!(tensors.get(Role::Output.of_model()).is_none());
    let header = gguf.header().0.len() as u64;
    assert_eq!(tensors[Role::TokenEmbd.of_model()].bytes, header..header + 7 * 34);
    assert_eq!(checkpoint.tensors.len(), 11);
    let summary = &checkpoint.tensors["blk.0.ffn_down.weight"];
    assert_eq!((summary.dims.as_slice(), summary.kind.as_str(), summary.bytes), ([32, 64].as_slice(), "Q8_0", 2176));

    let vocabulary = checkpoint.vocabulary.unwrap();
    assert_eq!(vocabulary.tokens[6], "▁a");
    let scores = vec![0.0, 0.0, 0.0, 0.0, -3.0, -2.0, -1.0];
    assert_eq!(vocabulary.kind, VocabularyKind::SentencePiece { order: MergeOrder::Scores(scores) });
    assert_eq!(
        vocabulary.token_types[..4],
        [TokenType::Unknown, TokenType::Control, TokenType::Control, TokenType::Byte]
    );
    assert_eq!(
        (vocabulary.bos, vocabulary.eos, vocabulary.unknown),
        (Some(1), Some(2), Some(0)),
        "sentencepiece's own"
    );
    assert_eq!(vocabulary.end_of_generation, [2, 1]);
    assert!(vocabulary.add_bos && vocabulary.add_space_prefix && !vocabulary.remove_extra_whitespaces);
}

#[test]
fn every_truncation_is_refused() {
    let file = Gguf::tiny().bytes();
    open(&file).unwrap();
    // The last tensor is F32, so the file ends where its data ends.
    for len in 0..file.len() {
        refused(&file[..len], if len < 24 { "left of" } else { "" });
    }
}

#[test]
fn what_is_no_gguf_is_refused() {
    malformed(|gguf| gguf.magic = *b"ggjt", "begins with \"ggjt\" instead of \"GGUF\"");
    malformed(|gguf| gguf.magic = [0x80, 2, b'.', 0], r#"begins with "\x80\x02.\x00""#);
    unsupported(|gguf| gguf.magic = *b"FUGG", "byte-swapped");
    unsupported(|gguf| gguf.version = 1, "GGUF version 1; versions 2 and 3");
    unsupported(|gguf| gguf.version = 4, "GGUF version 4");
    unsupported(|gguf| gguf.version = 0, "GGUF version 0");
    unsupported(|gguf| gguf.version = 3u32.swap_bytes(), "byte-swapped (big-endian) GGUF file of version 3");
    refused(b"", "needs 4 bytes, and 0 are left of 0");
}

#[test]
fn absurd_counts_and_lengths_are_refused() {
    malformed(|gguf| gguf.metadata_count = Some(u64::MAX), "announces 18446744073709551615 metadata entries");
    malformed(|gguf| gguf.metadata_count = Some(4097), "4097 metadata entries; at most 4096");
    malformed(|gguf| gguf.tensor_count = Some(1 << 40), "announces 1099511627776 tensors");
    malformed(|gguf| gguf.tensor_count = Some(12), "tensor 11");
    malformed(|gguf| gguf.metadata_count = Some(14), "the name of tensor 0 needs");
    malformed(|gguf| gguf.metadata_count = Some(12), "tensor tokenizer.ggml.token_type has 9 dimensions");
    let array = |kind: u32, count: u64| Value::Raw(9, [&kind.to_le_bytes()[..], &count.to_le_bytes()].concat());
    for (kind, each) in [(0u32, 1u64), (3, 2), (6, 4), (8, 8), (9, 12), (10, 8)] {
        for count in [100_000, 1 << 61, u64::MAX] {
            let words = format!("x needs {count}");
            malformed(set("x", array(kind, count)), &words);
            assert!(each == 1 || count.checked_mul(each).is_none() || count * each > 100_000);
        }
    }
    malformed(set("x", Value::Raw(8, u64::MAX.to_le_bytes().to_vec())), "x needs 18446744073709551615 bytes");
    malformed(set("x", Value::Raw(8, (1u64 << 40).to_le_bytes().to_vec())), "x needs 1099511627776 bytes");
    // 20 000 announced strings fit the file as bytes would, and not as strings.
    let mut gguf = Gguf::tiny();
    gguf.trailing = 100_000;
    changed(gguf, set("x", array(8, 20_000)), "x needs 20000 times at least 8 bytes", true);
}

#[test]
fn broken_metadata_is_refused() {
    malformed(|gguf| gguf.metadata.push((Vec::new(), Value::U8(1))), "the key of metadata entry 13 has 0 bytes");
    malformed(
        |gguf| gguf.metadata.push((vec![b'x'; 65_536], Value::U8(1))),
        "entry 13 has 65536 bytes; expected 1 to 65535",
    );
    malformed(
        |gguf| gguf.metadata.insert(0, (b"ab\xFFc".to_vec(), Value::U8(1))),
        "metadata entry 0 is not UTF-8 at byte 34",
    );
    malformed(set("x", Value::Raw(13, vec![0; 8])), "x has value type 13");
    malformed(set("x", Value::Array(13, Vec::new())), "x is an array of type 13");
    let mut deep = Value::Array(4, Vec::new());
    for _ in 0..4 {
        deep = Value::Array(9, vec![deep]);
    }
    malformed(set("x", deep), "x nests arrays more than 4 deep");
    for alignment in [Value::U32(0), Value::U32(4), Value::U32(48), Value::U64(1 << 40), Value::I32(-8)] {
        malformed(set("general.alignment", alignment), "expected a power of two from 8 to 2^31");
    }
    malformed(set("general.alignment", Value::string("32")), "general.alignment is the string \"32\"");
}

#[test]
fn other_kinds_of_file_are_refused() {
    unsupported(set("general.architecture", Value::string("gemma3")), "\"gemma3\"; only \"llama\"");
    malformed(unset("general.architecture"), "the key general.architecture is missing");
    malformed(set("general.architecture", Value::U32(1)), "general.architecture is the integer 1");
    unsupported(set("split.count", Value::U16(3)), "it is part 1 of 3 (split.no, split.count) and came alone");
    // The architecture is what to say about a file of another model, whatever else it has.
    let other = |gguf: &mut Gguf| {
        gguf.set("general.architecture", Value::string("qwen3"));
        gguf.get("token_embd.weight").kind = 12;
    };
    unsupported(other, "qwen3");
    let mut nothing = Gguf::new();
    nothing.set("general.architecture", Value::string("llama"));
    refused(&nothing.bytes(), "holds neither tensors nor a vocabulary");
}

#[test]
fn broken_tensors_are_refused() {
    const Q: &str = "blk.0.attn_q.weight";
    malformed(|gguf| gguf.get(Q).name = Vec::new(), "the name of tensor 2 has 0 bytes");
    malformed(|gguf| gguf.get(Q).name = vec![b'x'; 65], "the name of tensor 2 has 65 bytes; expected 1 to 64");
    malformed(|gguf| gguf.get(Q).name = b"q\xFF".to_vec(), "the name of tensor 2 is not UTF-8");
    malformed(
        |gguf| gguf.get(Q).name = b"blk.0.attn_k.weight".to_vec(),
        "the tensor blk.0.attn_k.weight appears twice",
    );
    malformed(|gguf| (gguf.get(Q).n_dims, gguf.get(Q).dims) = (0, Vec::new()), "attn_q.weight has 0 dimensions");
    malformed(|gguf| (gguf.get(Q).n_dims, gguf.get(Q).dims) = (5, vec![1; 5]), "attn_q.weight has 5 dimensions");
    malformed(|gguf| gguf.get(Q).n_dims = u32::MAX, "attn_q.weight has 4294967295 dimensions");
    malformed(|gguf| gguf.get(Q).dims[1] = 0, "attn_q.weight has a dimension of 0 in [32, 0]");
    malformed(|gguf| gguf.get(Q).dims = vec![1 << 33, 1 << 33], "more than 2^64 elements in [8589934592, 8589934592]");
    malformed(|gguf| (gguf.get(Q).kind, gguf.get(Q).dims) = (0, vec![1 << 33, 1 << 30]), "passes 2^64 bytes");
    malformed(|gguf| gguf.get(Q).dims = vec![32, 1 << 40], "attn_q.weight has 37383395344384 bytes at offset");
    malformed(|gguf| gguf.get(Q).dims = vec![33, 32], "rows of 33 elements; type Q8_0 comes in blocks of 32");
    for (kind, name) in [(10, "Q2_K"), (11, "Q3_K"), (12, "Q4_K"), (13, "Q5_K"), (14, "Q6_K"), (23, "IQ4_XS")] {
        let words = format!("tensor {Q} has rows of 32 elements; type {name} comes in blocks of 256");
        malformed(|gguf| gguf.get(Q).kind = kind, &words);
    }
    for (kind, name) in [(2, "Q4_0"), (3, "Q4_1"), (6, "Q5_0"), (7, "Q5_1"), (8, "Q8_0"), (20, "IQ4_NL")] {
        let words = format!("tensor {Q} has rows of 48 elements; type {name} comes in blocks of 32");
        malformed(|gguf| (gguf.get(Q).kind, gguf.get(Q).dims) = (kind, vec![48, 32]), &words);
    }
    malformed(|gguf| gguf.get(Q).offset = Some(8), "attn_q.weight is at offset 8, which is no multiple of 32");
    malformed(|gguf| gguf.get(Q).offset = Some(u64::MAX - 31), "passes 2^64 bytes");
    malformed(|gguf| gguf.get(Q).offset = Some(1 << 63), "at offset 9223372036854775808 of the data");
    malformed(|gguf| gguf.get(Q).offset = Some(0), "tensors blk.0.attn_q.weight and token_embd.weight overlap");
    for (kind, name) in [(16, "IQ2_XXS"), (21, "IQ3_S"), (15, "Q8_K"), (31, "Q4_0_4_4"), (39, "MXFP4"), (24, "I8")] {
        let words = format!(
            "{Q} has type {name}; supported types are F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K, Q3_K, Q4_K, Q5_K, \
             Q6_K, IQ4_NL, IQ4_XS"
        );
        unsupported(|gguf| gguf.get(Q).kind = kind, &words);
    }
    unsupported(|gguf| gguf.get(Q).kind = 77, "has type number 77, which is not known; supported types are F32");
    unsupported(|gguf| gguf.get(Q).kind = u32::MAX, "has type number 4294967295");
}
