//! Numbers to quants, as `quantize_row_*_ref` of `ggml-quants.c` of ggml does it.

use half::f16;

use super::{BLOCK, Encoding};

/// A row of numbers as a file of `encoding`, Q4_0 or Q8_0, stores it. The last block is filled up with zeros.
///
/// # Panics
/// For any other encoding.
pub(crate) fn quantize_row(encoding: Encoding, numbers: &[f32]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(encoding.row_bytes(numbers.len().next_multiple_of(BLOCK)));
    for block in numbers.chunks(BLOCK) {
        let mut x = [0.0; BLOCK];
        x[..block.len()].copy_from_slice(block);
        match encoding {
            Encoding::Q4_0 => q4_0(&x, &mut bytes),
            Encoding::Q8_0 => q8_0(&x, &mut bytes),
            _ => unreachable!("nothing is quantized to {}", encoding.name()),
        }
    }
    bytes
}

/// The number of largest magnitude becomes -8.
fn q4_0(x: &[f32; BLOCK], bytes: &mut Vec<u8>) {
    let largest = x.iter().fold(0.0_f32, |most, v| if v.abs() > most.abs() { *v } else { most });
    let d = largest / -8.0;
    let inverse = if d == 0.0 { 0.0 } else { d.recip() };
    let quant = |v: f32| (v * inverse + 8.5).clamp(0.0, 15.0) as u8;
    bytes.extend(f16::from_f32(d).to_le_bytes());
    bytes.extend((0..BLOCK / 2).map(|i| quant(x[i]) | quant(x[i + BLOCK / 2]) << 4));
}

/// The number of largest magnitude becomes 127, or -127.
fn q8_0(x: &[f32; BLOCK], bytes: &mut Vec<u8>) {
    let d = x.iter().fold(0.0_f32, |most, v| most.max(v.abs())) / 127.0;
    let inverse = if d == 0.0 { 0.0 } else { d.recip() };
    bytes.extend(f16::from_f32(d).to_le_bytes());
    bytes.extend(x.iter().map(|v| (v * inverse).round() as i8 as u8));
}

#[cfg(test)]
mod tests {
    use safetensors::SafeTensors;

    use super::*;

    /// Rows that the `gguf` package quantized (`tests/fixtures/make_blocks.py`).
    #[test]
    fn the_bytes_are_those_of_the_gguf_package() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/blocks.safetensors");
        let file = std::fs::read(path).expect("the fixture is there");
        let tensors = SafeTensors::deserialize(&file).expect("the fixture is valid");
        let tensor = |name: &str| tensors.tensor(name).unwrap_or_else(|e| panic!("{name}: {e}"));
        let numbers = tensor("numbers");
        let cols = numbers.shape()[1];
        let numbers: Vec<f32> = numbers.data().as_chunks().0.iter().map(|word| f32::from_le_bytes(*word)).collect();
        assert!(numbers.len() >= 8 * cols);
        for encoding in [Encoding::Q4_0, Encoding::Q8_0] {
            let expected = tensor(&format!("{}.quantized", encoding.name()));
            let rows = numbers.chunks(cols).zip(expected.data().chunks(encoding.row_bytes(cols)));
            for (row, (numbers, expected)) in rows.enumerate() {
                let found = quantize_row(encoding, numbers);
                let differs = found.iter().zip(expected).position(|(a, b)| a != b);
                assert_eq!((differs, found.len()), (None, expected.len()), "{}, row {row}", encoding.name());
            }
        }
    }

    /// A block that is not full ends with zeros.
    #[test]
    fn rows_of_any_length() {
        for encoding in [Encoding::Q4_0, Encoding::Q8_0] {
            let numbers: Vec<f32> = (0..40).map(|i| i as f32 / 8.0 - 3.0).collect();
            let filled: Vec<f32> = numbers.iter().copied().chain([0.0; 24]).collect();
            assert_eq!(quantize_row(encoding, &numbers), quantize_row(encoding, &filled));
        }
    }
}
