//! Odd but valid files, random damage, sources, and the real files beside the project.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;

use futures::future::LocalBoxFuture;
use llamita::error::Result;
use llamita::internals::arch::tensors::{Role, TensorId};
use llamita::internals::format::{self, Checkpoint, ReadScope, TokenType};
use llamita::source::{Bytes, File, MAX_READ_BYTES, Source};
use llamita::tokenizer::Tokenizer;
use proptest::prelude::*;

use super::builder::{Gguf, Value};
use super::shared::shared;
use super::{accepted, open, peak, refused, set};

#[test]
fn valid_oddities_are_read() {
    let expected = open(&Gguf::tiny().bytes()).unwrap().model.unwrap();
    let same_but_place = |checkpoint: Checkpoint| {
        let (shape, tensors) = checkpoint.model.unwrap();
        assert_eq!(shape, expected.0);
        assert_eq!(tensors[Role::FfnDown.in_block(0)].encoding, expected.1[Role::FfnDown.in_block(0)].encoding);
        tensors
    };
    assert_eq!(accepted(|gguf| gguf.version = 2).format, "GGUF v2");
    let tensors = same_but_place(accepted(|gguf| {
        gguf.alignment = 64;
        gguf.set("general.alignment", Value::U32(64));
    }));
    assert!(tensors[Role::TokenEmbd.of_model()].bytes.start.is_multiple_of(64));
    same_but_place(accepted(|gguf| gguf.tensors.reverse()));
    same_but_place(accepted(|gguf| gguf.metadata.reverse()));
    same_but_place(accepted(|gguf| gguf.trailing = 77));
    same_but_place(accepted(|gguf| {
        gguf.set("llama.block_count", Value::U64(1)).set("llama.embedding_length", Value::I16(32));
        gguf.set("llama.attention.head_count", Value::U8(2)).set("llama.context_length", Value::I32(64));
        gguf.set("llama.attention.layer_norm_rms_epsilon", Value::F64(1e-5));
    }));
    // Offsets need not follow each other, nor the descriptions.
    let tensors = same_but_place(accepted(|gguf| {
        let end = gguf.bytes().len() as u64;
        gguf.get("token_embd.weight").offset = Some(end.next_multiple_of(32));
        gguf.trailing = 2 * end as usize;
    }));
    assert!(tensors[Role::TokenEmbd.of_model()].bytes.start > tensors[Role::OutputNorm.of_model()].bytes.end);
    same_but_place(accepted(|gguf| {
        gguf.get("token_embd.weight").dims.push(1);
        gguf.get("token_embd.weight").n_dims = 3;
        gguf.get("output_norm.weight").dims.extend([1, 1, 1]);
        gguf.get("output_norm.weight").n_dims = 4;
    }));
    let all = [
        Value::U8(1),
        Value::I8(-1),
        Value::U16(2),
        Value::I16(-2),
        Value::U32(3),
        Value::I32(-3),
        Value::F32(f32::NAN),
        Value::Bool(true),
        Value::string(""),
        Value::U64(u64::MAX),
        Value::I64(i64::MIN),
        Value::F64(0.5),
        Value::Array(8, Vec::new()),
        Value::Array(9, vec![Value::Array(6, Vec::new()), Value::Array(7, vec![Value::Bool(false)])]),
    ];
    same_but_place(accepted(|gguf| {
        for (index, value) in all.into_iter().enumerate() {
            gguf.set(&format!("vendor.{index} with spaces and ü"), value);
        }
    }));
    same_but_place(accepted(|gguf| {
        let longest = "x".repeat(65_535);
        gguf.set(&longest, Value::U8(0));
    }));
    let untied = accepted(|gguf| {
        gguf.tensor("output.weight", &[32, 7], 1, true);
    });
    assert_eq!(untied.model.unwrap().1.get(Role::Output.of_model()).map(|tensor| tensor.rows), Some(7));
    assert_eq!(untied.name, "tiny.gguf", "no name of its own: the file's");
    let halves = accepted(|gguf| gguf.get("output_norm.weight").kind = 1);
    assert_eq!(halves.model.unwrap().1[Role::OutputNorm.of_model()].bytes.end % 32, 0);
    let silent = accepted(|gguf| {
        gguf.unset("tokenizer.ggml.model");
    });
    assert!(silent.vocabulary.is_none() && silent.model.is_some());
    assert_eq!(accepted(set("general.sampling.top_k", Value::I32(0))).sampling.top_k, None);
    let last_n = |n| accepted(set("general.sampling.penalty_last_n", Value::I32(n))).sampling.penalty_last_n;
    assert_eq!((last_n(-1), last_n(0)), (Some(u32::MAX), Some(0)), "the whole context, and nothing");
    let alone = open(&Gguf::byte_level().bytes()).unwrap();
    assert!(alone.model.is_none() && alone.vocabulary.is_some() && alone.tensors.is_empty());
}

/// Headers that are large and say nothing: what they cost is measured in [`open`].
#[test]
fn large_headers_cost_little() {
    let zeros = |kind: u32, count: u64, bytes: usize| {
        Value::Raw(9, [&kind.to_le_bytes()[..], &count.to_le_bytes(), &vec![0; bytes]].concat())
    };
    let mut gguf = Gguf::tiny();
    gguf.set("tokenizer.ggml.token_type", zeros(0, 1 << 20, 1 << 20));
    refused(&gguf.bytes(), "tokenizer.ggml.token_type has 1048576 elements for 7 tokens");
    let mut gguf = Gguf::tiny();
    gguf.set("tokenizer.ggml.tokens", zeros(8, 1 << 17, 8 << 17));
    refused(&gguf.bytes(), "tokenizer.ggml.scores has 7 elements for 131072 tokens");
    let mut gguf = Gguf::tiny();
    gguf.set("tokenizer.ggml.tokens", zeros(8, (1 << 20) + 1, (8 << 20) + 8));
    refused(&gguf.bytes(), "it has 1048577 tokens; at most 1048576");
    let mut gguf = Gguf::tiny();
    for index in 0..4000 {
        gguf.metadata.push((format!("{index}").into_bytes(), Value::U8(0)));
    }
    open(&gguf.bytes()).unwrap();
}

/// Memory that counts how it is read.
struct Watched {
    bytes: Vec<u8>,
    reads: RefCell<Vec<(u64, usize)>>,
}

impl Source for Watched {
    fn name(&self) -> &str {
        "dir/tiny.gguf"
    }

    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_at(&self, offset: u64, len: usize) -> LocalBoxFuture<'_, Result<Cow<'_, [u8]>>> {
        self.reads.borrow_mut().push((offset, len));
        assert!(len <= MAX_READ_BYTES, "{len} bytes at once");
        let bytes = &self.bytes[offset as usize..offset as usize + len];
        Box::pin(std::future::ready(Ok(Cow::Borrowed(bytes))))
    }
}

#[test]
fn headers_are_read_in_pieces_and_once() {
    let mut gguf = Gguf::tiny();
    let filling = (40usize << 20) as u64;
    gguf.set("filling", Value::Raw(9, [&0u32.to_le_bytes()[..], &filling.to_le_bytes(), &vec![0; 40 << 20]].concat()));
    gguf.tensor("rope_freqs.weight", &[8], 0, true);
    gguf.get("rope_freqs.weight").data = 1.0f32.to_le_bytes().repeat(8);
    gguf.trailing = 64 << 20;
    let source = Watched { bytes: gguf.bytes(), reads: RefCell::default() };
    let checkpoint = pollster::block_on(format::read(&source, ReadScope::Everything)).unwrap();
    assert_eq!(checkpoint.model.unwrap().0.layers, 1);
    let reads = source.reads.into_inner();
    let mut end = 0;
    for (offset, len) in &reads {
        assert_eq!(*offset, end, "nothing is read twice, nothing left out");
        end += *len as u64;
    }
    assert!(reads.len() <= 8 && end < 82 << 20, "{reads:?}");

    // Many small things are no reason for many small reads: 3 MB of strings in 1 + 1 + 2 MiB.
    let mut gguf = Gguf::tiny();
    gguf.set("filling", Value::strings(&["four"; 250_000]));
    let source = Watched { bytes: gguf.bytes(), reads: RefCell::default() };
    pollster::block_on(format::read(&source, ReadScope::Everything)).unwrap();
    assert_eq!(source.reads.into_inner().len(), 3);

    let small = Watched { bytes: Gguf::tiny().bytes(), reads: RefCell::default() };
    pollster::block_on(format::read(&small, ReadScope::Everything)).unwrap();
    assert_eq!(small.reads.into_inner().len(), 1);
    let cut = Gguf::tiny().bytes();
    let error = pollster::block_on(format::read(&Bytes::new("cut.gguf", &cut[..900]), ReadScope::Everything))
        .unwrap_err()
        .to_string();
    assert!(error.starts_with("cut.gguf is not a valid GGUF file"), "{error}");
    let error = pollster::block_on(format::read(&Bytes::new("none.gguf", Vec::new()), ReadScope::Everything))
        .unwrap_err()
        .to_string();
    assert!(error.contains("0 are left of 0"), "{error}");
}

#[test]
fn endless_headers_are_not_read() {
    // A file of 1 TB that begins with a key of 200 MB.
    let mut header = Gguf::tiny().header().0[..24].to_vec();
    header.extend((200u64 << 20).to_le_bytes());
    let (result, bytes) = peak(|| crate::parse("x", &header, 1 << 40));
    let error = result.unwrap_err().to_string();
    assert!(error.contains("its header needs 209715232 bytes, and at most 134217728 are read"), "{error}");
    assert!(bytes < 4096, "{bytes}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is done to a file, it is refused in words or read within its bounds, and the tokenizer of what is left
    /// does not fail otherwise either.
    #[test]
    fn damage_is_refused_or_harmless(
        byte_level in any::<bool>(),
        flips in prop::collection::vec((0..4000usize, any::<u8>()), 0..4),
        splice in prop::option::of((0..4000usize, 0..4000usize, 0..64usize)),
        cut in prop::option::of(0..30_000usize),
    ) {
        let mut file = if byte_level { Gguf::byte_level() } else { Gguf::tiny() }.bytes();
        for (at, value) in flips {
            let at = at % file.len();
            file[at] ^= value;
        }
        if let Some((from, to, len)) = splice {
            let from = from % file.len();
            let piece = file[from..file.len().min(from + len)].to_vec();
            let to = to % file.len();
            file.splice(to..to, piece);
        }
        if let Some(cut) = cut {
            file.truncate(cut);
        }
        if let Ok(checkpoint) = open(&file) {
            if let Some((shape, tensors)) = &checkpoint.model {
                prop_assert!(tensors.iter().all(|(_, tensor)| tensor.bytes.end <= file.len() as u64));
                prop_assert_eq!(shape.rope_frequencies.len() * 2, shape.head_dim);
                let found = |id: TensorId| id.spec().optional || tensors.get(id).is_some();
                prop_assert!(TensorId::all(shape.arch, shape.layers).all(found));
            }
            if let Some(Ok(tokenizer)) = checkpoint.vocabulary.as_ref().map(Tokenizer::from_vocabulary) {
                let ids = tokenizer.encode("a <s>A b", Default::default()).unwrap_or_default();
                tokenizer.decode(&ids);
            }
        }
    }
}

fn read_file(path: &Path) -> Checkpoint {
    pollster::block_on(format::read(&File::open(path).expect("the file opens"), ReadScope::Everything))
        .expect("the file parses")
}

/// Number of tensors by storage type.
fn kinds(checkpoint: &Checkpoint) -> BTreeMap<&str, usize> {
    let mut kinds = BTreeMap::new();
    for tensor in checkpoint.tensors.values() {
        *kinds.entry(tensor.kind.as_str()).or_default() += 1;
    }
    kinds
}

/// Files that the `gguf` package wrote, which are part of the project.
#[test]
fn fixtures_are_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut read = 0;
    for entry in std::fs::read_dir(folder).expect("the fixtures") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "gguf") {
            continue;
        }
        let checkpoint = read_file(&path);
        Tokenizer::from_vocabulary(checkpoint.vocabulary.as_ref().expect("a vocabulary")).expect("a tokenizer");
        let (shape, _) = checkpoint.model.expect("a model");
        if path.file_name().is_some_and(|name| name == "random-q4_0-llama3-h64.gguf") {
            let plain = llamita::internals::arch::shape::rope_frequencies(64, 500_000.0);
            for (pair, golden) in [(14, 1.0), (15, 1.651329), (16, 3.292262), (17, 9.666729), (18, 32.0), (31, 32.0)] {
                let divisor = plain[pair] / shape.rope_frequencies[pair];
                assert!((divisor - golden).abs() < 1e-5, "pair {pair}: {divisor} is not {golden}");
            }
        }
        read += 1;
    }
    assert!(read >= 8, "{read} fixtures");
}

#[test]
fn shared_models_have_their_shapes() {
    let Some(folder) = shared("shared_models_have_their_shapes") else { return };
    let models = [
        // name, [dim, ffn, layers, heads, kv heads, head size, vocabulary, context]
        ("stories260K", [64, 172, 5, 8, 4, 8, 512, 512]),
        ("stories260K-ffn192", [64, 192, 5, 8, 4, 8, 512, 512]),
        ("babyllama105", [128, 352, 5, 8, 4, 16, 105, 256]),
    ];
    for (name, numbers) in models {
        for kind in ["F32", "F16", "Q8_0", "Q4_0"] {
            let path = folder.join(format!("models/{name}/gguf/{name}-{kind}.gguf"));
            let checkpoint = read_file(&path);
            let (shape, tensors) = checkpoint.model.as_ref().unwrap();
            let found = [
                shape.dim,
                shape.ffn,
                shape.layers,
                shape.heads,
                shape.kv_heads,
                shape.head_dim,
                shape.vocabulary,
                shape.context,
            ];
            assert_eq!(found, numbers, "{name} {kind}");
            assert_eq!((shape.norm_eps, tensors.get(Role::Output.of_model()).is_none()), (1e-5, true));
            assert_eq!(checkpoint.name, name);
            // 11 norms; the tied embedding of a Q4_0 file is Q8_0, and rows of 172 stay F16.
            let odd_rows = if name == "stories260K" { 5 } else { 0 };
            let expected: BTreeMap<&str, usize> = match kind {
                "F32" => [("F32", 47)].into(),
                "F16" => [("F32", 11), ("F16", 36)].into(),
                "Q8_0" => [("F32", 11), ("F16", odd_rows), ("Q8_0", 36 - odd_rows)].into(),
                _ => [("F32", 11), ("F16", odd_rows), ("Q8_0", 1), ("Q4_0", 35 - odd_rows)].into(),
            };
            assert_eq!(
                kinds(&checkpoint),
                expected.into_iter().filter(|(_, count)| *count > 0).collect(),
                "{name} {kind}"
            );
            let end = tensors[Role::FfnDown.in_block(4)].bytes.end;
            assert_eq!(
                end.next_multiple_of(32),
                std::fs::metadata(&path).unwrap().len(),
                "the last tensor ends the file"
            );
            let vocabulary = checkpoint.vocabulary.as_ref().unwrap();
            assert_eq!(vocabulary.token_types[..3], [TokenType::Unknown, TokenType::Control, TokenType::Control]);
            assert_eq!((vocabulary.bos, vocabulary.eos, vocabulary.unknown), (Some(1), Some(2), Some(0)));
            assert!(vocabulary.remove_extra_whitespaces);
        }
    }
}

#[test]
fn shared_llama3_vocabulary_is_whole() {
    let Some(folder) = shared("shared_llama3_vocabulary_is_whole") else { return };
    let path = folder.join("tokenizers/llama3/ggml-vocab-llama3.gguf");
    let checkpoint = read_file(&path);
    assert!(checkpoint.model.is_none());
    let vocabulary = checkpoint.vocabulary.unwrap();
    assert_eq!(vocabulary.tokens.len(), 128_256);
    assert_eq!(vocabulary.end_of_generation, [128_001, 128_000, 128_008, 128_009]);
    assert_eq!((vocabulary.bos, vocabulary.eos, vocabulary.unknown), (Some(128_000), Some(128_001), None));
    let bytes = std::fs::read(path).unwrap();
    for len in [1 << 20, 5_000_000, bytes.len() - 100] {
        refused(&bytes[..len], "");
    }
}
