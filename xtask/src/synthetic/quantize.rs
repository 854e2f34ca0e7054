//! Rounding to ggml's block types (`ggml-quants.c`): the layouts are its own, the scales those of plain rounding,
//! without its search for better ones. Below them the types of Meta's files, and the Hadamard transform.

use half::{bf16, f16};

/// A tensor's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Block {
    F32,
    F16,
    Q8_0,
    Q4_0,
    Q4K,
    Q6K,
}

impl Block {
    /// ggml's number of it.
    pub fn id(self) -> u32 {
        match self {
            Self::F32 => 0,
            Self::F16 => 1,
            Self::Q4_0 => 2,
            Self::Q8_0 => 8,
            Self::Q4K => 12,
            Self::Q6K => 14,
        }
    }

    /// Elements and bytes of a block.
    pub fn size(self) -> (usize, usize) {
        match self {
            Self::F32 => (1, 4),
            Self::F16 => (1, 2),
            Self::Q8_0 => (32, 34),
            Self::Q4_0 => (32, 18),
            Self::Q4K => (256, 144),
            Self::Q6K => (256, 210),
        }
    }

    /// Appends a row, whose length is a multiple of the block's.
    pub fn quantize(self, row: &[f32], bytes: &mut Vec<u8>) {
        match self {
            Self::F32 => bytes.extend(row.iter().flat_map(|value| value.to_le_bytes())),
            Self::F16 => bytes.extend(row.iter().flat_map(|value| f16::from_f32(*value).to_le_bytes())),
            Self::Q8_0 => row.as_chunks().0.iter().for_each(|block| bytes.extend_from_slice(&q8_0(block))),
            Self::Q4_0 => row.as_chunks().0.iter().for_each(|block| bytes.extend_from_slice(&q4_0(block))),
            Self::Q4K => row.as_chunks().0.iter().for_each(|block| bytes.extend_from_slice(&q4_k(block))),
            Self::Q6K => row.as_chunks().0.iter().for_each(|block| bytes.extend_from_slice(&q6_k(block))),
        }
    }
}

/// The element that is farthest from zero.
fn extreme(values: &[f32]) -> f32 {
    let (low, high) = values.iter().fold((0.0f32, 0.0f32), |(low, high), v| (low.min(*v), high.max(*v)));
    if high > -low { high } else { low }
}

fn reciprocal(value: f32) -> f32 {
    if value == 0.0 { 0.0 } else { 1.0 / value }
}

/// The nearest integer, without the slow path of `round` for halves.
fn nearest(value: f32) -> i32 {
    // Adding 1.5 * 2^23 leaves the integer in the low bits of the sum.
    const SHIFT: f32 = 12_582_912.0;
    (value + SHIFT).to_bits() as i32 - SHIFT.to_bits() as i32
}

fn put_half(bytes: &mut [u8], value: f32) {
    bytes.copy_from_slice(&f16::from_f32(value).to_le_bytes());
}

/// `y = d q`
fn q8_0(values: &[f32; 32]) -> [u8; 34] {
    let d = extreme(values).abs() / 127.0;
    let inverse = reciprocal(d);
    let mut out = [0; 34];
    put_half(&mut out[..2], d);
    for (byte, value) in out[2..].iter_mut().zip(values) {
        *byte = nearest(value * inverse) as i8 as u8;
    }
    out
}

/// `y = d (q - 8)`; element `j` shares a byte with element `j + 16`.
fn q4_0(values: &[f32; 32]) -> [u8; 18] {
    let d = extreme(values) / -8.0;
    let inverse = reciprocal(d);
    let mut out = [0; 18];
    put_half(&mut out[..2], d);
    let q = values.map(|value| ((value * inverse + 8.5) as u8).min(15));
    for (j, byte) in out[2..].iter_mut().enumerate() {
        *byte = q[j] | (q[j + 16] << 4);
    }
    out
}

/// `y = d sc q - dmin mn`, with 6-bit `sc` and `mn` for every 32 elements.
fn q4_k(values: &[f32; 256]) -> [u8; 144] {
    let (mut scales, mut minima) = ([0.0f32; 8], [0.0f32; 8]);
    let (subs, _) = values.as_chunks::<32>();
    for (j, sub) in subs.iter().enumerate() {
        let (low, high) = sub.iter().fold((0.0f32, 0.0f32), |(low, high), v| (low.min(*v), high.max(*v)));
        (scales[j], minima[j]) = ((high - low) / 15.0, -low);
    }
    let (d, dmin) = (extreme(&scales) / 63.0, extreme(&minima) / 63.0);
    let mut out = [0; 144];
    put_half(&mut out[..2], d);
    put_half(&mut out[2..4], dmin);
    let mut q = [0u8; 256];
    for (j, sub) in subs.iter().enumerate() {
        let sc = (nearest(scales[j] * reciprocal(d)) as u8).min(63);
        let mn = (nearest(minima[j] * reciprocal(dmin)) as u8).min(63);
        let packed = &mut out[4..16];
        if j < 4 {
            packed[j] = sc;
            packed[j + 4] = mn;
        } else {
            packed[j + 4] = (sc & 15) | ((mn & 15) << 4);
            packed[j - 4] |= (sc >> 4) << 6;
            packed[j] |= (mn >> 4) << 6;
        }
        let (inverse, offset) = (reciprocal(d * f32::from(sc)), dmin * f32::from(mn));
        for (q, value) in q[32 * j..].iter_mut().zip(sub) {
            *q = nearest((value + offset) * inverse).clamp(0, 15) as u8;
        }
    }
    for c in 0..4 {
        for l in 0..32 {
            out[16 + 32 * c + l] = q[64 * c + l] | (q[64 * c + 32 + l] << 4);
        }
    }
    out
}

/// `y = d sc (q - 32)`, with an 8-bit `sc` for every 16 elements; `d` stands last.
fn q6_k(values: &[f32; 256]) -> [u8; 210] {
    let (subs, _) = values.as_chunks::<16>();
    let mut scales = [0.0f32; 16];
    for (scale, sub) in scales.iter_mut().zip(subs) {
        *scale = extreme(sub) / -32.0;
    }
    let d = extreme(&scales) / -128.0;
    let mut out = [0; 210];
    put_half(&mut out[208..], d);
    let mut q = [0u8; 256];
    for (j, sub) in subs.iter().enumerate() {
        let sc = nearest(scales[j] * reciprocal(d)).clamp(-128, 127);
        out[192 + j] = sc as i8 as u8;
        let inverse = reciprocal(d * sc as f32);
        for (q, value) in q[16 * j..].iter_mut().zip(sub) {
            *q = (nearest(value * inverse).clamp(-32, 31) + 32) as u8;
        }
    }
    for half in 0..2 {
        let q = &q[128 * half..];
        for l in 0..32 {
            out[64 * half + l] = (q[l] & 15) | ((q[l + 64] & 15) << 4);
            out[64 * half + l + 32] = (q[l + 32] & 15) | ((q[l + 96] & 15) << 4);
            out[128 + 32 * half + l] =
                (q[l] >> 4) | ((q[l + 32] >> 4) << 2) | ((q[l + 64] >> 4) << 4) | ((q[l + 96] >> 4) << 6);
        }
    }
    out
}

/// Elements that share a scale in Meta's files.
pub const GROUP: usize = 32;

/// Appends a row as bf16.
pub fn brain(row: &[f32], bytes: &mut Vec<u8>) {
    bytes.extend(row.iter().flat_map(|value| bf16::from_f32(*value).to_le_bytes()));
}

/// Appends a row as integers from `-half` to `half - 1`, one per byte, and a scale in f32 for every `group` of them:
/// `y = s q`, where `s` is the largest magnitude over `half - 0.5` (`get_group_qparams_symmetric` of torchao).
pub fn integers(row: &[f32], group: usize, half: i32, bytes: &mut Vec<u8>, scales: &mut Vec<u8>) {
    for values in row.chunks(group) {
        let scale = extreme(values).abs() / (half as f32 - 0.5);
        let inverse = reciprocal(scale);
        scales.extend(scale.to_le_bytes());
        bytes.extend(values.iter().map(|value| nearest(value * inverse).clamp(-half, half - 1) as i8 as u8));
    }
}

/// Multiplies a row of a power of two by the symmetric Hadamard matrix in Sylvester's order whose square is 1.
pub fn hadamard(row: &mut [f32]) {
    assert!(row.len().is_power_of_two(), "a row of {}", row.len());
    let mut step = 1;
    while step < row.len() {
        for pair in row.chunks_exact_mut(2 * step) {
            let (low, high) = pair.split_at_mut(step);
            for (a, b) in low.iter_mut().zip(high) {
                (*a, *b) = (*a + *b, *a - *b);
            }
        }
        step *= 2;
    }
    let scale = 1.0 / (row.len() as f32).sqrt();
    row.iter_mut().for_each(|value| *value *= scale);
}

#[cfg(test)]
mod tests {
    use super::super::draw::Stream;
    use super::*;

    fn half(bytes: &[u8]) -> f32 {
        f16::from_le_bytes([bytes[0], bytes[1]]).to_f32()
    }

    /// Decodes one block by the formulas of `ggml-quants.c`, element by element.
    fn element(block: Block, b: &[u8], i: usize) -> f32 {
        match block {
            Block::F32 => f32::from_le_bytes([b[0], b[1], b[2], b[3]]),
            Block::F16 => half(b),
            Block::Q8_0 => half(b) * f32::from(b[2 + i] as i8),
            Block::Q4_0 => half(b) * ((b[2 + i % 16] >> (4 * (i / 16)) & 15) as f32 - 8.0),
            Block::Q4K => {
                let (j, s) = (i / 32, &b[4..16]);
                let (sc, mn) = match j {
                    0..4 => (s[j] & 63, s[j + 4] & 63),
                    _ => (s[j + 4] & 15 | s[j - 4] >> 6 << 4, s[j + 4] >> 4 | s[j] >> 6 << 4),
                };
                let q = b[16 + 32 * (j / 2) + i % 32] >> (4 * (j % 2)) & 15;
                half(b) * f32::from(sc) * f32::from(q) - half(&b[2..]) * f32::from(mn)
            }
            Block::Q6K => {
                let (n, l, quarter) = (i / 128, i % 32, i % 128 / 32);
                let low = b[64 * n + l + 32 * (quarter % 2)] >> (4 * (quarter / 2)) & 15;
                let high = b[128 + 32 * n + l] >> (2 * quarter) & 3;
                let sc = f32::from(b[192 + i / 16] as i8);
                half(&b[208..]) * sc * (f32::from(low | high << 4) - 32.0)
            }
        }
    }

    #[test]
    fn blocks_decode_to_what_was_drawn() {
        let mut values = vec![0.0; 1 << 15];
        Stream::new(1, "weights", 0).normals(0.0, 0.02, &mut values);
        // Relative noise of rounding: steps of max/127, max/7.5, range/15 and max/32, of 2.2 deviations or so.
        for (block, noise) in [
            (Block::F32, 0.0..1e-12),
            (Block::F16, 1e-5..1e-3),
            (Block::Q8_0, 1e-3..1e-2),
            (Block::Q4_0, 0.05..0.1),
            (Block::Q4K, 0.05..0.1),
            (Block::Q6K, 0.01..0.025),
        ] {
            let mut bytes = Vec::new();
            block.quantize(&values, &mut bytes);
            let (elements, size) = block.size();
            assert_eq!(bytes.len(), values.len() / elements * size);
            let error: f64 = values
                .iter()
                .enumerate()
                .map(|(i, value)| {
                    let decoded = element(block, &bytes[i / elements * size..], i % elements);
                    f64::from(decoded - value).powi(2)
                })
                .sum();
            let power: f64 = values.iter().map(|value| f64::from(*value).powi(2)).sum();
            let relative = (error / power).sqrt();
            assert!(noise.contains(&relative), "{block:?}: {relative} is not in {noise:?}");
        }
    }

    #[test]
    fn zeros_stay_zeros() {
        for block in [Block::Q8_0, Block::Q4_0, Block::Q4K, Block::Q6K] {
            let mut bytes = Vec::new();
            block.quantize(&[0.0; 256], &mut bytes);
            assert_eq!(element(block, &bytes, 5), 0.0, "{block:?}");
        }
    }

    #[test]
    fn integers_have_their_scales() {
        let (mut bytes, mut scales) = (Vec::new(), Vec::new());
        integers(&[7.5, -7.5, 1.2, -0.5, 0.0, 0.0], 4, 8, &mut bytes, &mut scales);
        assert_eq!(bytes, [7, -8, 1, 0, 0, 0].map(|q: i8| q as u8));
        assert_eq!(scales, [1.0f32.to_le_bytes(), [0; 4]].concat());
        bytes.clear();
        integers(&[127.5, -127.5, 100.4], 3, 128, &mut bytes, &mut scales);
        assert_eq!(bytes, [127, -128, 100].map(|q: i8| q as u8));
    }

    #[test]
    fn the_hadamard_transform_is_sylvesters_and_its_own_inverse() {
        let row = [1.0, 2.0, -3.0, 0.5, 0.0, 7.0, 1.5, -2.0f32];
        let mut found = row;
        hadamard(&mut found);
        for (i, found) in found.iter().enumerate() {
            let sign = |j: usize| if (i & j).count_ones().is_multiple_of(2) { 1.0 } else { -1.0 };
            let expected: f32 = row.iter().enumerate().map(|(j, value)| sign(j) * value).sum();
            assert!((found - expected / 8f32.sqrt()).abs() < 1e-6, "{i}");
        }
        hadamard(&mut found);
        assert!(found.iter().zip(&row).all(|(found, value)| (found - value).abs() < 1e-6), "{found:?}");
    }
}
