//! Meta's checkpoints as several files behind one source, as a page hands them over.

use std::borrow::Cow;
use std::cell::RefCell;
use std::rc::Rc;

use futures::future::LocalBoxFuture;
use llamita::error::Result;
use llamita::internals::format::{self, ReadScope};
use llamita::source::{self, Bytes, Parts, Source};

use super::archive::{Tensor, archive, pickle, tensors};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/meta-bf16");

fn file(name: &str) -> Vec<u8> {
    std::fs::read(format!("{FOLDER}/{name}")).expect("the fixture")
}

fn joined(files: &[(&str, Vec<u8>)]) -> Parts<'static> {
    let file = |(name, bytes): &(&str, Vec<u8>)| -> Box<dyn Source> { Box::new(Bytes::new(*name, bytes.clone())) };
    Parts::new(files.iter().map(file).collect()).expect("there are files")
}

#[test]
fn dropped_files_are_one_checkpoint() {
    let opened = source::open(FOLDER).expect("the fixture");
    let expected = pollster::block_on(format::read(opened.as_ref(), ReadScope::Everything)).expect("it is valid");
    let files = ["consolidated.00.pth", "params.json", "tokenizer.model"].map(|name| (name, file(name)));
    let [weights, params, tokenizer] = files;
    let readme = ("checklist.chk", b"anything".to_vec());
    for files in [
        vec![weights.clone(), params.clone(), tokenizer.clone()],
        vec![weights.clone(), tokenizer.clone(), params.clone()],
        vec![weights.clone(), readme, tokenizer, params.clone()],
    ] {
        let source = joined(&files);
        let found = pollster::block_on(format::read(&source, ReadScope::Everything)).expect("it is valid");
        assert_eq!(
            (&found.model, &found.vocabulary, &found.tensors),
            (&expected.model, &expected.vocabulary, &expected.tensors)
        );
        assert_eq!((found.name.as_str(), found.format.as_str()), ("consolidated.00.pth", "PyTorch"));
    }
    let error =
        pollster::block_on(format::read(&joined(&[weights, params]), ReadScope::Everything)).expect_err("no tokenizer");
    assert!(
        error.to_string().starts_with("consolidated.00.pth is not supported: its tokenizer.model is missing"),
        "{error}"
    );
}

/// A source that remembers what it was asked for.
struct Watched {
    bytes: Vec<u8>,
    reads: Rc<RefCell<Vec<(u64, usize)>>>,
}

impl Source for Watched {
    fn name(&self) -> &str {
        "consolidated.00.pth"
    }

    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_at(&self, offset: u64, len: usize) -> LocalBoxFuture<'_, Result<Cow<'_, [u8]>>> {
        self.reads.borrow_mut().push((offset, len));
        Box::pin(async move { Ok(Cow::Borrowed(&self.bytes[offset as usize..offset as usize + len])) })
    }
}

#[test]
fn weights_are_not_read_before_they_are_needed() {
    const LARGE: usize = 8 << 20;
    let params = r#"{"dim": 32, "n_layers": 1, "n_heads": 4, "multiple_of": 32}"#;
    let shapes: [(&str, Vec<i64>); 11] = [
        ("tok_embeddings.weight", vec![LARGE as i64 / 64, 32]),
        ("layers.0.attention.wq.weight", vec![32, 32]),
        ("layers.0.attention.wk.weight", vec![32, 32]),
        ("layers.0.attention.wv.weight", vec![32, 32]),
        ("layers.0.attention.wo.weight", vec![32, 32]),
        ("layers.0.feed_forward.w1.weight", vec![96, 32]),
        ("layers.0.feed_forward.w2.weight", vec![32, 96]),
        ("layers.0.feed_forward.w3.weight", vec![96, 32]),
        ("layers.0.attention_norm.weight", vec![32]),
        ("layers.0.ffn_norm.weight", vec![1, 32, 1]),
        ("norm.weight", vec![32]),
    ];
    let described: Vec<Tensor> =
        shapes.iter().enumerate().map(|(i, (name, dims))| Tensor::new(name, "BFloat16Storage", i, dims)).collect();
    let keys: Vec<String> = (0..shapes.len()).map(|i| i.to_string()).collect();
    let storages = keys.iter().zip(&described).map(|(key, tensor)| (key.as_str(), vec![0; 2 * tensor.len as usize]));
    let bytes = archive(pickle(&tensors(&described)), &storages.collect::<Vec<_>>()).bytes();
    let reads = Rc::new(RefCell::new(Vec::new()));
    let weights: Box<dyn Source> = Box::new(Watched { bytes, reads: reads.clone() });
    let params: Box<dyn Source> = Box::new(Bytes::new("params.json", params.as_bytes()));
    let source = Parts::new(vec![weights, params]).expect("there are files");
    let checkpoint = pollster::block_on(format::read(&source, ReadScope::ModelOnly)).expect("it is valid");
    let (shape, tensors) = checkpoint.model.expect("a model");
    assert_eq!((shape.vocabulary, shape.ffn, shape.context), (LARGE / 64, 96, 4096));
    assert_eq!(tensors.iter().count(), 11);
    // The beginning, the end, and the headers of entries that are in neither.
    let reads = reads.borrow();
    let read: usize = reads.iter().map(|(_, len)| len).sum();
    assert!(reads.len() <= 13 && read < (1 << 20) + (70 << 10), "{reads:?}");
}
