//! Packed weights: every type against the bits that the `gguf` package decodes, and against the file's own size.

use std::path::Path;

use half::f16;
use llamita::internals::format::Encoding;
use llamita::internals::weights::Packing;
use llamita::internals::weights::pack::{BLOCK, Layout, decode_packed, decode_row};
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
    // Of f16 scales a row has a power of two, four bytes.
    for (packing, bytes, per_row) in [(Packing::INT4, 20, 0), (Packing::INT4_F16, 18, 4)] {
        let device = 4 * Layout::new(packing, 128, 2048, 64).words();
        assert!(packing.takes(Encoding::INT4), "{}", packing.name());
        assert_eq!(device, 128 * (2048 / 32 * bytes + per_row), "{}", packing.name());
    }
    // A row that ends within a superblock has its scales padded.
    assert!(Layout::new(Packing::Q4_0, 64, 32, 64).words() * 4 > 64 * 18);
}

/// A row of INT4: quants from -8 to 7, and scales.
fn int4_row(scales: &[f32]) -> Vec<u8> {
    let quants = (0..BLOCK * scales.len()).map(|i| (i * 7 % 16) as u8).map(|quant| quant.wrapping_sub(8));
    quants.chain(scales.iter().flat_map(|scale| scale.to_le_bytes())).collect()
}

/// Scales that are rounded to f16 cost an NMSE below 1e-7 whatever their size; and those within its range become what f16
/// makes of them, since a power of two changes no digit.
#[test]
fn scales_of_any_size_round_like_f16() {
    const BLOCKS: usize = 24;
    // The digits of a seeded generator, over a factor of eight.
    let digits = |i: usize| 0.25 + 1.75 * ((i as u32).wrapping_mul(2_654_435_761) as f32 / u32::MAX as f32);
    let decoded = |packing: Packing, scales: &[f32]| {
        decode_packed(packing, Encoding::INT4, &[&int4_row(scales)], BLOCK * scales.len())
    };
    for size in [1.0, 0.004, 1e6, -1e6, 1e-7, 3e-5, 1e30, 1e-30] {
        let scales: Vec<f32> = (0..BLOCKS).map(|i| size * digits(i)).collect();
        let [kept, rounded] = [Packing::INT4, Packing::INT4_F16].map(|packing| decoded(packing, &scales));
        let sum = |numbers: &mut dyn Iterator<Item = f64>| numbers.map(|number| number.powi(2)).sum::<f64>();
        let error = sum(&mut kept.iter().zip(&rounded).map(|(a, b)| f64::from(*a) - f64::from(*b)));
        let nmse = error / sum(&mut kept.iter().map(|number| f64::from(*number)));
        assert!(nmse > 1e-9 && nmse <= 1e-7, "scales of {size}: an NMSE of {nmse:.1e}");
        if (0.001..65504.0).contains(&size) {
            let alone: Vec<f32> = scales.iter().map(|scale| f16::from_f32(*scale).to_f32()).collect();
            assert_eq!(bits(&rounded), bits(&decoded(Packing::INT4, &alone)), "scales of {size}");
        }
    }
    // Rows of zeros, of the least and of the largest numbers.
    for scales in [[0.0; BLOCKS], [f32::MAX / 16.0; BLOCKS], [f32::from_bits(1); BLOCKS]] {
        let rounded = decoded(Packing::INT4_F16, &scales);
        assert!(rounded.iter().all(|number| number.is_finite()), "{scales:?}");
    }
    assert!(decoded(Packing::INT4_F16, &[0.0; BLOCKS]).iter().all(|number| *number == 0.0));
}
