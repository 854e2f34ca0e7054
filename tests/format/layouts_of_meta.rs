//! Meta's three kinds of checkpoints, written again: as `safetensors`, and with tensors whose rows or columns lie apart.

use std::path::Path;

use llamita::internals::format::meta::Stored;
use llamita::internals::format::pytorch::{Pieces, Step, parse};
use llamita::source::{self, Bytes, Parts, Source};
use llamita::{DeviceChoice, LoadOptions, Model, PackingChoice, Quantize, Sampling};
use pollster::block_on;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, serialize};

use super::archive::{Tensor, archive, pickle, tensors};

const KINDS: [&str; 3] = ["bf16", "spinquant", "qlora"];
const IDS: [u32; 12] = [1, 300, 45, 7, 1200, 2000, 9, 88, 640, 5, 31, 1999];

/// The tensors of a file with their bytes.
fn stored(kind: &str) -> Vec<(Stored, Vec<u8>)> {
    let bytes = std::fs::read(folder(kind).join("consolidated.00.pth")).expect("the fixture");
    let mut pieces = Pieces::new("consolidated.00.pth", bytes.len() as u64);
    pieces.add(0, bytes.clone());
    let Step::Done(stored) = parse(&pieces).expect("it is valid") else { panic!("all of it is there") };
    // Rows one behind the other, also where the file has them otherwise.
    let own = |stored: Stored| {
        let data = &bytes[stored.bytes.start as usize..stored.bytes.end as usize];
        let Some([row_stride, col_stride]) = stored.strides else { return (stored.clone(), data.to_vec()) };
        let (rows, cols) = (stored.dims[0], stored.dims[1]);
        let size = stored.dtype.bytes();
        let places = (0..rows).flat_map(|row| (0..cols).map(move |col| (row * row_stride + col * col_stride) * size));
        let data = places.flat_map(|at| data[at as usize..][..size as usize].to_vec()).collect();
        (stored, data)
    };
    // A head that is the embedding by another name is left out; int4 checkpoints have one of their own.
    stored.into_iter().filter(|stored| kind != "bf16" || stored.name != "output.weight").map(own).collect()
}

fn folder(kind: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models/meta").join(kind)
}

fn load(source: &dyn Source, packing: PackingChoice) -> Model {
    let options = LoadOptions { device: DeviceChoice::Cpu, ids_only: true, packing, ..Default::default() };
    block_on(Model::load(source, options)).unwrap_or_else(|error| panic!("{error}"))
}

/// The fixture as it is.
fn original(kind: &str, packing: PackingChoice) -> Model {
    load(source::open(folder(kind)).expect("the fixture").as_ref(), packing)
}

/// Other weights with the numbers of the fixture.
fn with_weights(kind: &str, name: &str, weights: Vec<u8>, packing: PackingChoice) -> Model {
    let params = std::fs::read(folder(kind).join("params.json")).expect("the fixture");
    let files: Vec<Box<dyn Source>> =
        vec![Box::new(Bytes::new(name, weights)), Box::new(Bytes::new("params.json", params))];
    load(&Parts::new(files).expect("there are files"), packing)
}

fn logits(model: &Model) -> Vec<f32> {
    let mut all = Vec::new();
    let scorer = model.scorer(IDS.len()).expect("there is memory");
    block_on(scorer.logits(&IDS, |_, row| all.extend_from_slice(row))).expect("the ids can be scored");
    all
}

fn greedy(model: &Model) -> Vec<u32> {
    let mut session = model.session().expect("there is memory");
    let sampling = Sampling { max_tokens: 24, ignore_eos: true, ..Sampling::greedy() };
    let mut reply = session.reply_ids(&IDS, sampling).expect("it fits");
    while let Some(piece) = block_on(reply.next()) {
        piece.expect("the CPU works");
    }
    reply.token_ids().to_vec()
}

#[test]
fn safetensors_give_the_same() {
    for kind in KINDS {
        let tensors = stored(kind);
        let views = tensors.iter().map(|(stored, data)| {
            let dtype = match stored.dtype.name() {
                "BF16" => Dtype::BF16,
                "I8" => Dtype::I8,
                _ => Dtype::F32,
            };
            let dims = stored.dims.iter().map(|dim| *dim as usize).collect();
            (stored.name.as_str(), TensorView::new(dtype, dims, data).expect("whole tensors"))
        });
        let resaved = serialize(views, None).expect("it is valid");
        let resaved = with_weights(kind, "model.safetensors", resaved, PackingChoice::default());
        let original = original(kind, PackingChoice::default());
        assert_eq!(resaved.parameters(), original.parameters(), "{kind}");
        let ids = greedy(&original);
        assert!(greedy(&resaved) == ids && ids.len() == 24, "{kind}");
        assert!(logits(&resaved) == logits(&original), "{kind}");
    }
}

/// How the numbers of a matrix of so many rows and columns may lie: offset and strides.
type Order = fn(i64, i64) -> (i64, [i64; 2]);

const ORDERS: [(&str, Order); 5] = [
    ("transposed", |rows, _| (0, [1, rows])),
    ("in a wider matrix", |_, cols| (3, [cols + 5, 1])),
    ("in every second column", |_, cols| (1, [2 * cols, 2])),
    ("transposed in a wider matrix", |rows, _| (7, [1, rows + 1])),
    ("transposed in every third row", |rows, _| (2, [3, 3 * rows + 1])),
];

/// The same tensors in another order, with numbers between them that are none.
fn reordered(kind: &str, order: Order) -> Vec<u8> {
    let (mut described, mut storages) = (Vec::new(), Vec::new());
    for (i, (stored, data)) in stored(kind).into_iter().enumerate() {
        let bytes = stored.dtype.bytes() as usize;
        let storage = match stored.dtype.name() {
            "BF16" => "BFloat16Storage",
            "I8" => "CharStorage",
            _ => "FloatStorage",
        };
        let dims: Vec<i64> = stored.dims.iter().map(|dim| *dim as i64).collect();
        let mut tensor = Tensor::new(&stored.name, storage, i, &dims);
        // A vector is a row of a matrix, or a column.
        let (rows, cols) = if let [rows, cols] = dims[..] { (rows, cols) } else { (1, dims[0]) };
        let (offset, strides) = order(rows, cols);
        tensor.offset = offset;
        tensor.strides = if dims.len() == 2 { strides.to_vec() } else { vec![strides[1]] };
        tensor.len = offset + (rows - 1) * strides[0] + (cols - 1) * strides[1] + 2;
        let mut moved = vec![0xFF; tensor.len as usize * bytes];
        moved.iter_mut().step_by(2).for_each(|byte| *byte = 0x55);
        for (at, number) in data.chunks(bytes).enumerate() {
            let (row, col) = (at as i64 / cols, at as i64 % cols);
            let to = (offset + row * strides[0] + col * strides[1]) as usize;
            moved[to * bytes..][..bytes].copy_from_slice(number);
        }
        described.push(tensor);
        storages.push((i.to_string(), moved));
    }
    let storages: Vec<(&str, Vec<u8>)> = storages.iter().map(|(key, data)| (key.as_str(), data.clone())).collect();
    archive(pickle(&tensors(&described)), &storages).bytes()
}

/// Weights, scales, adaptors and norms, bit for bit.
#[test]
fn rows_and_columns_that_lie_apart() {
    for kind in KINDS {
        let expected = logits(&original(kind, PackingChoice::default()));
        for (name, order) in ORDERS {
            let model = with_weights(kind, "moved.pth", reordered(kind, order), PackingChoice::default());
            assert!(logits(&model) == expected, "{kind}, {name}");
        }
    }
    let packing = PackingChoice { quantize: Some(Quantize::Q4_0), ..Default::default() };
    let expected = logits(&original("bf16", packing));
    let model = with_weights("bf16", "moved.pth", reordered("bf16", ORDERS[0].1), packing);
    assert!(logits(&model) == expected && expected != logits(&original("bf16", PackingChoice::default())));
}
