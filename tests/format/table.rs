//! The table of tensors and the record of a family: every tensor and key is found by them and checked, and nothing else
//! is read.

use std::collections::BTreeSet;

use llamita::internals::arch::family::{LLAMA, Neutral};
use llamita::internals::arch::tensors::TensorId;
use llamita::internals::format::gguf::Step;
use llamita::internals::format::{Checkpoint, Encoding};

use super::builder::{Gguf, Shape, Value};
use super::parse;

/// Three blocks, and a number of its own for every dimension; the head is a matrix of its own.
fn three() -> Gguf {
    let shape =
        Shape { layers: 3, dim: 128, ffn: 192, heads: 4, kv_heads: 2, vocabulary: 7, context: 64, base: 10_000.0 };
    let mut gguf = Gguf::llama(&shape, 8, false);
    gguf.tensor("output.weight", &[128, 7], 8, false);
    gguf
}

/// Reads the descriptions, or says why they are refused.
fn read(gguf: &Gguf) -> Result<Checkpoint, String> {
    let (header, len) = gguf.header();
    match parse("table.gguf", &header, len).map_err(|error| error.to_string())? {
        Step::Done(checkpoint) => Ok(*checkpoint),
        other => panic!("{other:?}"),
    }
}

fn names(gguf: &Gguf) -> Vec<String> {
    gguf.tensors.iter().map(|spec| String::from_utf8(spec.name.clone()).unwrap()).collect()
}

#[test]
fn the_table_and_a_file_have_the_same_tensors() {
    let gguf = three();
    let of_table: BTreeSet<String> = TensorId::all(&LLAMA, 3).map(|id| format!("{id}.weight")).collect();
    assert_eq!(of_table, names(&gguf).into_iter().collect());
    let (shape, tensors) = read(&gguf).unwrap().model.unwrap();
    assert_eq!(tensors.iter().count(), of_table.len());
    for spec in &gguf.tensors {
        let name = std::str::from_utf8(&spec.name).unwrap().strip_suffix(".weight").unwrap();
        let id = TensorId::find(&LLAMA, name, 3).unwrap_or_else(|| panic!("{name} is not found"));
        let tensor = &tensors[id];
        // In a file the fastest dimension is the first, and a vector has one.
        let dims = [spec.dims.get(1).copied().unwrap_or(1), spec.dims[0]].map(|dim| dim as usize);
        assert_eq!([tensor.rows, tensor.cols], dims, "{name}");
        assert_eq!(id.spec().size(&shape), dims, "{name}");
        assert_eq!(id.spec().is_matrix(), spec.dims.len() == 2, "{name}");
        let encoding = if spec.dims.len() == 2 { Encoding::Q8_0 } else { Encoding::F32 };
        assert_eq!(tensor.encoding, encoding, "{name}");
        assert_eq!(tensor.bytes.end - tensor.bytes.start, (dims[0] * encoding.row_bytes(dims[1])) as u64, "{name}");
        assert_eq!(tensor.file_bytes(), tensor.bytes.end - tensor.bytes.start, "{name}");
    }
    let sum: u64 = tensors.iter().map(|(_, tensor)| tensor.bytes.end - tensor.bytes.start).sum();
    assert_eq!((tensors.bytes(), tensors.start()), (sum, gguf.header().0.len() as u64));
}

#[test]
fn a_tensor_may_be_missing_where_the_table_says_so() {
    for name in names(&three()) {
        let mut gguf = three();
        gguf.tensors.retain(|spec| spec.name != name.as_bytes());
        let id = TensorId::find(&LLAMA, name.strip_suffix(".weight").unwrap(), 3).unwrap();
        match read(&gguf) {
            Ok(checkpoint) => assert!(id.spec().optional && checkpoint.model.unwrap().1.get(id).is_none(), "{name}"),
            Err(error) => {
                let expected = format!("table.gguf is not a valid GGUF file: the tensor {name} is missing");
                assert!(!id.spec().optional && error == expected, "{name}: {error}");
            }
        }
    }
}

#[test]
fn every_dimension_is_checked() {
    let mut checked = 0;
    for name in names(&three()) {
        let dims = three().get(&name).dims.clone();
        for i in 0..dims.len() {
            let mut gguf = three();
            let other = &mut gguf.get(&name).dims;
            other[i] += 32;
            let expected = match (name.as_str(), i) {
                // Its rows are the vocabulary, which the head does not fit then.
                ("token_embd.weight", 1) => {
                    "tensor output.weight has dimensions [128, 7]; expected [128, 39]".to_owned()
                }
                _ => format!("tensor {name} has dimensions {other:?}; expected {dims:?} (fastest first)"),
            };
            let error = read(&gguf).unwrap_err();
            assert!(error.contains(&expected), "{error:?} does not say {expected:?}");
            checked += 1;
        }
    }
    assert_eq!(checked, 2 + 3 * (2 + 2 * 7) + 1 + 2);
}

#[test]
fn other_tensors_are_refused_in_a_block_and_outside() {
    let mut others: Vec<String> = LLAMA
        .tensors
        .iter()
        .map(|role| role.spec())
        .flat_map(|spec| match spec.in_block {
            // A block too many, a number that is written otherwise, and no block at all.
            true => vec![format!("blk.3.{}", spec.stem), format!("blk.01.{}", spec.stem), spec.stem.to_owned()],
            false => vec![format!("blk.0.{}", spec.stem)],
        })
        .map(|name| format!("{name}.weight"))
        .collect();
    others.extend(
        TensorId::all(&LLAMA, 3).flat_map(|id| [format!("{id}.bias"), format!("{id}s.weight"), id.to_string()]),
    );
    for name in others {
        let mut gguf = three();
        gguf.tensor(&name, &[128], 0, false);
        let error = read(&gguf).unwrap_err();
        assert_eq!(error, format!("table.gguf is not supported: a Llama of 3 blocks has no tensor {name}"));
    }
}

/// Every key that would change the computation is refused, and accepted with the values that change nothing.
#[test]
fn every_key_of_the_family_is_looked_at() {
    for (name, neutral) in LLAMA.neutral {
        let key = LLAMA.key(name);
        let numbers = |numbers: &[f32]| numbers.iter().map(|number| Value::F32(*number)).collect();
        let (same, other): (Vec<Value>, Value) = match *neutral {
            Neutral::Zero(_) => (vec![Value::U32(0)], Value::U32(2)),
            Neutral::Texts(texts) => (texts.iter().map(|text| Value::string(text)).collect(), Value::string("other")),
            Neutral::Numbers(neutral) | Neutral::NumbersUnless { numbers: neutral, .. } => {
                (numbers(neutral), Value::F32(3.5))
            }
            // Heads of 32 elements.
            Neutral::AttentionScale => (numbers(&[0.0, 1.0 / 32f32.sqrt()]), Value::F32(3.5)),
            Neutral::WholeContext => (vec![Value::U32(0), Value::U32(64), Value::U32(65)], Value::U32(63)),
            Neutral::Boolean(boolean) => (vec![Value::Bool(boolean)], Value::Bool(!boolean)),
        };
        let with = |value: Value| {
            let mut gguf = three();
            gguf.set(&key, value);
            read(&gguf)
        };
        for value in same {
            with(value).unwrap_or_else(|error| panic!("{error}"));
        }
        let error = with(other).unwrap_err();
        let begin = format!("table.gguf is not supported: {key} is ");
        assert!(error.starts_with(&begin) && error.ends_with(", which is not computed"), "{error}");
        if let Neutral::NumbersUnless { key: switch, text, .. } = *neutral {
            let mut gguf = three();
            gguf.set(&key, Value::F32(3.5)).set(&LLAMA.key(switch), Value::string(text));
            read(&gguf).unwrap_or_else(|error| panic!("{error}"));
        }
    }
}
