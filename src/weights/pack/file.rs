//! The bit order of the file formats (`ggml-quants.c` of ggml), which is left behind at load.

use super::BLOCK;
use crate::format::Encoding;

/// The quants of 32 elements: the `j`-th part of a block of the file, as unsigned numbers before any bias.
pub(super) fn quants(kind: Encoding, block: &[u8], j: usize) -> [u8; BLOCK] {
    let two_bits = |bytes: &[u8], i: usize| bytes[32 * (j / 4) + i] >> (2 * (j % 4)) & 3;
    let four_bits = |bytes: &[u8], i: usize| bytes[32 * (j / 2) + i] >> (4 * (j % 2)) & 15;
    let bit = |bytes: &[u8], i: usize| bytes[i] >> j & 1;
    match kind {
        Encoding::F32 | Encoding::F16 | Encoding::BF16 => unreachable!("{} has no quants", kind.name()),
        Encoding::Q8_0 => std::array::from_fn(|i| block[2 + i]),
        Encoding::Q4_0 | Encoding::IQ4_NL => nibbles(&block[2..]),
        Encoding::Q4_1 => nibbles(&block[4..]),
        Encoding::Q5_0 => with_bits(nibbles(&block[6..]), &block[2..]),
        Encoding::Q5_1 => with_bits(nibbles(&block[8..]), &block[4..]),
        Encoding::IQ4_XS => nibbles(&block[8 + 16 * j..]),
        Encoding::Q2_K => std::array::from_fn(|i| two_bits(&block[16..], i)),
        Encoding::Q3_K => std::array::from_fn(|i| two_bits(&block[32..], i) | bit(block, i) << 2),
        Encoding::Q4_K => std::array::from_fn(|i| four_bits(&block[16..], i)),
        Encoding::Q5_K => std::array::from_fn(|i| four_bits(&block[48..], i) | bit(&block[16..], i) << 4),
        Encoding::Q6_K => {
            let low = &block[64 * (j / 4) + 32 * (j % 2)..];
            let high = &block[128 + 32 * (j / 4)..];
            std::array::from_fn(|i| low[i] >> (4 * (j / 2 % 2)) & 15 | (high[i] >> (2 * (j % 4)) & 3) << 4)
        }
    }
}

/// Low nibbles of 16 bytes, then their high nibbles.
fn nibbles(bytes: &[u8]) -> [u8; BLOCK] {
    std::array::from_fn(|i| bytes[i % 16] >> (4 * (i / 16)) & 15)
}

/// Adds a fifth bit, one per element.
fn with_bits(quants: [u8; BLOCK], bits: &[u8]) -> [u8; BLOCK] {
    std::array::from_fn(|i| quants[i] | (bits[i / 8] >> (i % 8) & 1) << 4)
}

/// The two 6-bit numbers of the `j`-th 32 elements of a superblock: scale and minimum, or the scales of both halves.
pub(super) fn pair(kind: Encoding, block: &[u8], j: usize) -> [u8; 2] {
    if kind == Encoding::Q3_K {
        let scales = &block[96..108];
        return [2 * j, 2 * j + 1]
            .map(|i| scales[i % 8] >> (4 * (i / 8)) & 15 | (scales[8 + i % 4] >> (2 * (i / 4)) & 3) << 4);
    }
    let scales = &block[4..16];
    if j < 4 {
        return [scales[j] & 63, scales[4 + j] & 63];
    }
    [scales[4 + j] & 15 | scales[j - 4] >> 6 << 4, scales[4 + j] >> 4 | scales[j] >> 6 << 4]
}
