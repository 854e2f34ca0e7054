//! Packed weights: every type against the bits that the `gguf` package decodes, and against the file's own size.

use std::path::Path;

use llamita::internals::format::Encoding;
use llamita::internals::weights::Packing;
use llamita::internals::weights::pack::{BLOCK, Layout, decode_row};
use safetensors::SafeTensors;

/// Rows of a type as a file has them, and the numbers that they stand for (`tests/fixtures/make_blocks.py`).
struct Fixture {
    rows: Vec<Vec<u8>>,
    bits: Vec<Vec<u32>>,
}

fn fixture(encoding: Encoding) -> Fixture {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/blocks.safetensors");
    let file = std::fs::read(path).expect("the fixture is there");
    let tensors = SafeTensors::deserialize(&file).expect("the fixture is valid");
    let tensor = |part: &str| tensors.tensor(&format!("{}.{part}", encoding.name())).expect("every type is there");
    let (file, bits) = (tensor("file"), tensor("bits"));
    let rows = file.shape()[0];
    let words = bits.data().as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word)).collect::<Vec<_>>();
    Fixture {
        rows: file.data().chunks(file.data().len() / rows).map(<[u8]>::to_vec).collect(),
        bits: words.chunks(words.len() / rows).map(<[u32]>::to_vec).collect(),
    }
}

fn bits(numbers: &[f32]) -> Vec<u32> {
    numbers.iter().map(|number| number.to_bits()).collect()
}

#[test]
fn every_type_decodes_to_the_bits_of_the_gguf_package() {
    for encoding in Encoding::ALL {
        let Fixture { rows, bits: expected } = fixture(encoding);
        let cols = expected[0].len();
        assert_eq!(rows[0].len(), encoding.row_bytes(cols), "{}", encoding.name());
        for tile in [1, 8, 64] {
            let layout = Layout::new(Packing::of(encoding), rows.len(), cols, tile);
            let words = layout.pack_all(encoding, &rows.iter().map(Vec::as_slice).collect::<Vec<_>>());
            assert_eq!(words.len(), layout.words());
            for (row, expected) in expected.iter().enumerate() {
                let found: Vec<f32> = (0..layout.blocks()).flat_map(|g| layout.block(&words, row, g)).collect();
                let differs = bits(&found).iter().zip(expected).position(|(a, b)| a != b);
                assert_eq!(differs, None, "{} in tiles of {tile}: row {row}, {:?}", encoding.name(), found);
            }
        }
    }
}

/// No bit of a block is ignored: where one changes, numbers change. In a single block, scales of zero may hide it.
#[test]
fn every_bit_of_a_block_counts() {
    for encoding in Encoding::ALL {
        let cols = encoding.block_len().max(BLOCK);
        let bytes = encoding.row_bytes(cols);
        let fixture = fixture(encoding);
        // Scales that are kept apart stand behind all quants of the row.
        let apart = encoding.scale_bytes(cols);
        let block = |row: &Vec<u8>| {
            let scales = row.len() - encoding.scale_bytes(fixture.bits[0].len());
            [&row[..bytes - apart], &row[scales..][..apart]].concat()
        };
        let blocks: Vec<Vec<u8>> = fixture.rows.iter().map(block).collect();
        // Four bits of the bytes of INT4 say all; the loader refuses others than those of the sign.
        let says_nothing = |bit: usize| encoding == Encoding::INT4 && bit < 8 * cols && bit % 8 >= 4;
        for bit in (0..8 * bytes).filter(|bit| !says_nothing(*bit)) {
            let counts = blocks.iter().any(|block| {
                let mut changed = block.clone();
                changed[bit / 8] ^= 1 << (bit % 8);
                bits(&decode_row(encoding, &changed, cols)) != bits(&decode_row(encoding, block, cols))
            });
            assert!(counts, "{}: bit {bit} of {} changes nothing", encoding.name(), 8 * bytes);
        }
    }
}

/// Rows of whole superblocks take at most 3 % more on the device than in the file, and most types nothing.
#[test]
fn packed_weights_are_as_small_as_the_file() {
    // Of INT4 the file has a byte per quant.
    for encoding in Encoding::ALL.into_iter().filter(|encoding| *encoding != Encoding::INT4) {
        for (rows, cols) in [(64, 256), (128, 2048), (3072, 8192)] {
            let file = rows * encoding.row_bytes(cols);
            let device = 4 * Layout::new(Packing::of(encoding), rows, cols, 64).words();
            let more = device as f64 / file as f64 - 1.0;
            assert!((0.0..=0.03).contains(&more), "{} {rows}x{cols}: {device} bytes of {file}", encoding.name());
            assert_eq!(device == file, encoding != Encoding::Q3_K, "{}: {device} bytes of {file}", encoding.name());
        }
    }
    for (packing, bytes) in [(Packing::INT4, 20), (Packing::Q4_0, 18)] {
        let device = 4 * Layout::new(packing, 128, 2048, 64).words();
        assert!(packing.takes(Encoding::INT4) && device == 128 * 2048 / 32 * bytes, "{}: {device}", packing.name());
    }
    // A row that ends within a superblock has its scales padded.
    assert!(Layout::new(Packing::Q4_0, 64, 32, 64).words() * 4 > 64 * 18);
}
