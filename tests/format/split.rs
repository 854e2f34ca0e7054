//! Checkpoints that were split into several files.

use llamita::error::{Error, Result};
use llamita::internals::format::{self, Checkpoint, ReadScope};
use llamita::source::{self, Bytes, Parts, Source, part_names};
use llamita::{DeviceChoice, LoadOptions, Model};

use super::builder::{Gguf, Value};
use super::open;

fn tiny() -> Gguf {
    let mut gguf = Gguf::tiny();
    // Numbers that tell tensors from each other, and one part from the next.
    for (i, tensor) in gguf.tensors.iter_mut().enumerate() {
        let norm = (1.0 + i as f32 / 16.0).to_le_bytes();
        let quants = (0..32).map(|j| (i * 29 + j * 37) as u8);
        // A scale of 1/32 and 32 signed bytes.
        let block: Vec<u8> = [0x00, 0x28].into_iter().chain(quants).collect();
        let unit = if tensor.kind == 0 { &norm[..] } else { &block };
        let len = tensor.data.len();
        tensor.data = unit.iter().copied().cycle().take(len).collect();
    }
    gguf
}

fn joined(parts: &[Gguf]) -> Parts<'static> {
    let file = |(i, part): (usize, &Gguf)| -> Box<dyn Source> {
        Box::new(Bytes::new(format!("dir/tiny-{:05}-of-{:05}.gguf", i + 1, parts.len()), part.bytes()))
    };
    Parts::new(parts.iter().enumerate().map(file).collect()).expect("there are parts")
}

fn read(parts: &[Gguf]) -> Result<Checkpoint> {
    pollster::block_on(format::read(&joined(parts), ReadScope::Everything))
}

#[track_caller]
fn refused(parts: &[Gguf], words: &str) -> Error {
    let error = read(parts).expect_err("the parts are refused");
    assert!(error.to_string().contains(words), "{error} does not say {words:?}");
    error
}

#[test]
fn parts_are_read_as_one() {
    let whole = tiny();
    let expected = open(&whole.bytes()).expect("it is valid");
    let (shape, tensors) = expected.model.as_ref().expect("a model");
    // The first part may hold no tensors at all (`--no-tensor-first-split`).
    for counts in [vec![11], vec![4, 7], vec![1, 1, 9], vec![0, 5, 6], vec![0, 0, 11], vec![1; 11]] {
        let parts = whole.split(&counts);
        let source = joined(&parts);
        let found = pollster::block_on(format::read(&source, ReadScope::Everything))
            .unwrap_or_else(|e| panic!("{counts:?}: {e}"));
        let (found_shape, found_tensors) = found.model.as_ref().expect("a model");
        assert_eq!(found_shape, shape);
        assert_eq!(found.tensors, expected.tensors);
        assert_eq!(found.vocabulary, expected.vocabulary);
        assert_eq!(found_tensors.iter().count(), 11);
        for ((a_id, a), (b_id, b)) in tensors.iter().zip(found_tensors.iter()) {
            assert_eq!(a_id, b_id);
            let len = (a.bytes.end - a.bytes.start) as usize;
            assert_eq!(
                (a.rows, a.cols, a.encoding, len as u64),
                (b.rows, b.cols, b.encoding, b.bytes.end - b.bytes.start)
            );
            let bytes = pollster::block_on(source.read_at(b.bytes.start, len)).expect("it is there");
            assert_eq!(bytes.as_ref(), &whole.bytes()[a.bytes.start as usize..][..len], "{counts:?}");
        }
    }
}

/// Logits at every position of a few ids.
fn logits(source: &dyn Source) -> Vec<f32> {
    let options = LoadOptions { device: DeviceChoice::Cpu, ..Default::default() };
    let model = pollster::block_on(Model::load(source, options)).expect("it loads");
    let scorer = model.scorer(5).expect("there is memory");
    let mut all = Vec::new();
    pollster::block_on(scorer.logits(&[1, 5, 6, 3, 5], |_, row| all.extend_from_slice(row))).expect("it runs");
    all
}

#[test]
fn a_split_model_computes_what_the_whole_one_does() {
    let whole = tiny();
    let expected = logits(&Bytes::new("whole.gguf", whole.bytes()));
    assert!(expected.iter().all(|v| v.is_finite()) && expected.iter().any(|v| v.abs() > 0.1), "{expected:?}");
    assert_eq!(logits(&joined(&whole.split(&[4, 3, 4]))), expected);
    let mut other = whole.split(&[4, 3, 4]);
    other[2].tensors[0].data[5] ^= 64;
    assert_ne!(logits(&joined(&other)), expected, "a changed weight in the last part shows");
}

#[test]
fn a_joined_source_reads_any_range() {
    let files: Vec<Vec<u8>> = vec![(0..50).collect(), vec![7], (100..200).collect()];
    let all = files.concat();
    let sources = files.iter().map(|file| Box::new(Bytes::new("x", file.clone())) as Box<dyn Source>);
    let parts = Parts::new(sources.collect()).expect("there are parts");
    assert_eq!((parts.len(), parts.parts().len()), (151, 3));
    for start in 0..all.len() {
        for end in start..=all.len() {
            let found = pollster::block_on(parts.read_at(start as u64, end - start)).expect("it is inside");
            assert_eq!(found, &all[start..end]);
        }
    }
    let error = pollster::block_on(parts.read_at(100, 52)).expect_err("it passes the end");
    assert!(error.to_string().contains("52 bytes at offset 100 pass the end at 151"), "{error}");
    assert!(Parts::new(Vec::new()).is_err());
}

#[test]
fn parts_that_do_not_belong_together_are_refused() {
    let parts = tiny().split(&[4, 3, 4]);
    refused(
        &[parts[1].clone(), parts[0].clone(), parts[2].clone()],
        "dir/tiny-00001-of-00003.gguf is not a valid GGUF file: it is part 2 of 3 (split.no is 1), and was given as part 1",
    );
    refused(
        &[parts[0].clone(), parts[2].clone(), parts[1].clone()],
        "dir/tiny-00002-of-00003.gguf is not a valid GGUF file: it is part 3 of 3 (split.no is 2), and was given as part 2",
    );
    refused(&[parts[0].clone(), parts[0].clone(), parts[2].clone()], "it is part 1 of 3");
    refused(&parts[..2], "split.count is 3, and it was given as part 1 of 2");
    let error = refused(&parts[..1], "it is part 1 of 3 (split.no, split.count) and came alone");
    assert!(matches!(error, Error::Unsupported { .. }), "{error:?}");
    refused(
        &[tiny(), tiny()],
        "it was not split (split.count is 1, or missing), and was given as part 1 of 2; a whole file has another name than \
         -00001-of-00002.gguf",
    );

    let mut lacking = parts.clone();
    lacking[1].tensors.remove(0);
    refused(&lacking, "split.tensors.count is 11, and its 3 parts hold 10 tensors");
    let mut twice = parts.clone();
    twice[2].tensors[0].name = twice[0].tensors[1].name.clone();
    refused(
        &twice,
        "dir/tiny-00003-of-00003.gguf is not a valid GGUF file: the tensor blk.0.attn_norm.weight is in a part",
    );
    let mut broken = parts.clone();
    broken[2].magic = *b"nope";
    refused(&broken, "dir/tiny-00003-of-00003.gguf is not a valid GGUF file: it begins with");
    let mut odd = parts.clone();
    odd[1].set("split.no", Value::string("1"));
    refused(&odd, "dir/tiny-00002-of-00003.gguf is not a valid GGUF file: split.no is the string");
    let mut foreign = parts.clone();
    foreign[1].set("general.architecture", Value::string("qwen2"));
    refused(&foreign, "dir/tiny-00002-of-00003.gguf is not supported: general.architecture is \"qwen2\"");
    read(&parts).expect("nothing was wrong before");
}

/// That it is a part is what to say of a part, before anything that it lacks.
#[test]
fn a_part_alone_is_called_one() {
    let parts = tiny().split(&[4, 3, 4]);
    let alone = |bytes: Vec<u8>| {
        let source = Bytes::new("alone.gguf", bytes);
        let error =
            pollster::block_on(format::read(&source, ReadScope::Everything)).expect_err("it is a part").to_string();
        let model =
            pollster::block_on(format::read(&source, ReadScope::ModelOnly)).expect_err("it is a part").to_string();
        assert_eq!(error, model);
        error
    };
    for (i, part) in parts.iter().enumerate() {
        let words =
            format!("alone.gguf is not supported: it is part {} of 3 (split.no, split.count) and came alone", i + 1);
        let whole = part.bytes();
        assert!(alone(whole.clone()).starts_with(&words), "{}", alone(whole));
        // What is cut off in the data is a part still.
        let cut = part.bytes();
        assert!(alone(cut[..cut.len() - 1].to_vec()).starts_with(&words));
        let mut unknown = part.clone();
        unknown.tensors[0].kind = 16;
        assert!(alone(unknown.bytes()).starts_with(&words), "{}", alone(unknown.bytes()));
    }
    // Parts that somebody put behind each other, in any order.
    for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2]] {
        let bytes: Vec<u8> = order.iter().flat_map(|i| parts[*i].bytes()).collect();
        let rest = bytes.len() - parts[order[0]].bytes().len();
        let words = format!("it is part {} of 3 (split.no, split.count), and {rest} bytes follow", order[0] + 1);
        let error = alone(bytes);
        assert!(error.contains(&words) && error.ends_with("llama-gguf-split --merge"), "{error}");
    }
    // Another model is called that first: its other parts would not help.
    let mut other = parts[0].clone();
    other.set("general.architecture", Value::string("qwen2"));
    assert!(alone(other.bytes()).contains("general.architecture is \"qwen2\""));
    // The first part has the whole tokenizer, and others have none.
    let tokenizer = |part: &Gguf| {
        pollster::block_on(format::read(&Bytes::new("alone.gguf", part.bytes()), ReadScope::TokenizerOnly))
    };
    let error = tokenizer(&parts[1]).expect_err("it is a part").to_string();
    assert!(error.contains("it is part 2 of 3"), "{error}");
}

/// Every truncation of the last part is seen, as it is in a single file.
#[test]
fn truncated_parts_are_refused() {
    let parts = tiny().split(&[4, 7]);
    let [first, last] = [parts[0].bytes(), parts[1].bytes()];
    for len in 0..last.len() {
        let files: Vec<Box<dyn Source>> =
            vec![Box::new(Bytes::new("a", first.clone())), Box::new(Bytes::new("b", last[..len].to_vec()))];
        let error = pollster::block_on(format::read(&Parts::new(files).expect("two"), ReadScope::Everything))
            .expect_err("it is cut off");
        assert!(error.to_string().starts_with("b is not a valid GGUF file"), "{len}: {error}");
    }
}

#[test]
fn names_of_parts() {
    let names = part_names("Llama-3.1-70B-Q4_K_M-00002-of-00003.gguf").expect("it is a part");
    assert_eq!(names[0], "Llama-3.1-70B-Q4_K_M-00001-of-00003.gguf");
    assert_eq!((names.len(), names[2].as_str()), (3, "Llama-3.1-70B-Q4_K_M-00003-of-00003.gguf"));
    for other in
        ["model.gguf", "a-00004-of-00003.gguf", "a-00000-of-00003.gguf", "a-1-of-3.gguf", "a-00001-of-00003.bin"]
    {
        assert_eq!(part_names(other), None, "{other}");
    }
    assert_eq!(part_names("a-+0001-of-00003.gguf"), None);
}

#[test]
fn files_are_found_beside_the_one_that_is_named() {
    let folder = std::env::temp_dir().join(format!("llamita-split-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let path = |i: usize| folder.join(format!("tiny-{i:05}-of-00003.gguf"));
    for (i, part) in tiny().split(&[4, 3, 4]).iter().enumerate() {
        std::fs::write(path(i + 1), part.bytes()).expect("a file");
    }
    for i in 1..=3 {
        let source = source::open(path(i)).expect("all parts are there");
        assert_eq!(source.parts().len(), 3);
        let checkpoint =
            pollster::block_on(format::read(source.as_ref(), ReadScope::Everything)).expect("they belong together");
        assert_eq!(checkpoint.tensors.len(), 11);
    }
    let renamed = folder.join("renamed.gguf");
    std::fs::copy(path(1), &renamed).expect("a copy");
    let alone =
        pollster::block_on(format::read(source::open(&renamed).expect("a file").as_ref(), ReadScope::Everything));
    assert!(alone.expect_err("it is a part").to_string().contains("came alone"));
    std::fs::remove_file(path(2)).expect("it was there");
    let error = source::open(path(1)).err().expect("a part is missing").to_string();
    assert!(
        error.contains("tiny-00002-of-00003.gguf") && error.contains("it is part 2 of 3, by the name of "),
        "{error}"
    );
    std::fs::remove_dir_all(&folder).expect("it was there");
}
