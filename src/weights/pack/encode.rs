//! From the quants and scales of a row into planes.

use half::f16;

use super::{BLOCK, BLOCKS_PER_SUPER, Layout};
use crate::format::Row;
use crate::weights::Packing;

impl Layout {
    /// Packs one row into planes that begin with a multiple of 64 rows.
    pub(super) fn pack_row(&self, planes: &mut [Vec<u32>; 4], row: usize, from: Row<'_>) {
        let (blocks, index) = (self.blocks(), |g: usize| self.index(row, g, self.blocks()));
        match self.packing {
            Packing::F32 => {
                for g in 0..blocks {
                    for (to, word) in planes[0][index(g) * 32..].iter_mut().zip(from.words(g)) {
                        *to = word;
                    }
                }
            }
            Packing::F16 | Packing::BF16 => {
                for g in 0..blocks {
                    let to = &mut planes[0][index(g) * 16..][..16];
                    for (i, half) in from.half_words(g).enumerate() {
                        to[i / 2] |= u32::from(half) << (16 * (i & 1));
                    }
                }
            }
            _ => {
                for g in 0..blocks {
                    self.put_quants(planes, row, g, &from.quants(g));
                }
                self.put_scales(planes, row, from);
            }
        }
    }

    /// Writes the quants of block `g`.
    fn put_quants(&self, planes: &mut [Vec<u32>; 4], row: usize, g: usize, quants: &[u8; BLOCK]) {
        let index = self.index(row, g, self.blocks());
        let (s, j) = (self.index(row, g / BLOCKS_PER_SUPER, self.supers()), g % BLOCKS_PER_SUPER);
        // vec4 q as four bytes.
        let vec4s: [u32; 8] = std::array::from_fn(|q| u32::from_le_bytes(std::array::from_fn(|i| quants[4 * q + i])));
        let parts = |shift: usize, mask: u32| vec4s.map(|vec4| vec4 >> shift & mask);
        match self.packing {
            Packing::Q8_0 | Packing::INT8 => planes[0][index * 8..][..8].copy_from_slice(&vec4s),
            Packing::Q2_K | Packing::Q3_K => {
                planes[0][index * 2..][..2].copy_from_slice(&interleave::<2>(parts(0, 0x0303_0303)));
            }
            Packing::Q6_K => {
                let words = six_bits(vec4s);
                planes[0][index * 4..][..4].copy_from_slice(&words[..4]);
                planes[1][index * 2..][..2].copy_from_slice(&words[4..]);
            }
            _ => planes[0][index * 4..][..4].copy_from_slice(&interleave::<4>(parts(0, 0x0f0f_0f0f))),
        }
        match self.packing {
            Packing::Q3_K => [planes[2][s * 8 + j]] = interleave::<1>(parts(2, 0x0101_0101)),
            Packing::Q5_0 | Packing::Q5_1 | Packing::Q5_K => {
                [planes[2][s * 8 + j]] = interleave::<1>(parts(4, 0x0101_0101));
            }
            _ => {}
        }
    }

    /// Writes the scales of every block and superblock.
    fn put_scales(&self, planes: &mut [Vec<u32>; 4], row: usize, from: Row<'_>) {
        let index = |s: usize| self.index(row, s, self.supers());
        // Each block with the index of its superblock and its place there; each superblock with its index.
        let blocks = || (0..self.blocks()).map(|g| (g, index(g / BLOCKS_PER_SUPER), g % BLOCKS_PER_SUPER));
        let supers = || (0..self.supers()).map(|i| (i, index(i)));
        match self.packing {
            Packing::F32 | Packing::F16 | Packing::BF16 => {}
            Packing::Q8_0 | Packing::Q4_0 | Packing::IQ4_NL | Packing::Q5_0 => {
                for (g, s, j) in blocks() {
                    planes[1][s * 4 + j / 2] |= u32::from(from.scale(g)) << (16 * (j & 1));
                }
            }
            Packing::Q4_1 | Packing::Q5_1 => {
                for (g, s, j) in blocks() {
                    planes[1][s * 8 + j] = halves(from.scale_and_minimum(g));
                }
            }
            Packing::Q2_K => {
                for (i, s) in supers() {
                    planes[1][s * 4..][..4].copy_from_slice(&bytes(from.scale_bytes(i)));
                    planes[2][s] = halves(from.super_scale_and_minimum(i));
                }
            }
            Packing::Q3_K => {
                for (i, s) in supers() {
                    let header = header(from.scale_pairs(i), u32::from(from.super_scale(i)));
                    planes[1][s * 4..][..4].copy_from_slice(&header);
                }
            }
            Packing::Q4_K | Packing::Q5_K => {
                for (i, s) in supers() {
                    let header = header(from.scale_pairs(i), halves(from.super_scale_and_minimum(i)));
                    planes[1][s * 4..][..4].copy_from_slice(&header);
                }
            }
            Packing::Q6_K => {
                for (i, s) in supers() {
                    planes[2][s * 4..][..4].copy_from_slice(&bytes(from.scale_bytes(i)));
                    planes[3][s / 2] |= u32::from(from.super_scale(i)) << (16 * (s & 1));
                }
            }
            Packing::INT4 => {
                for (g, s, j) in blocks() {
                    planes[1][s * 8 + j] = from.wide_scale(g).to_bits();
                }
            }
            Packing::INT4_F16 => {
                let unit = row_unit((0..self.blocks()).map(|g| from.wide_scale(g)));
                planes[2][self.place(row)] = unit.to_bits();
                for (g, s, j) in blocks() {
                    let scale = f16::from_f32(from.wide_scale(g) / unit);
                    planes[1][s * 4 + j / 2] |= u32::from(scale.to_bits()) << (16 * (j & 1));
                }
            }
            Packing::INT8 => planes[1][self.place(row)] = from.wide_scale(0).to_bits(),
            Packing::IQ4_XS => {
                for (i, s) in supers() {
                    let scales = from.six_bit_scales(i).into_iter().map(u32::from).enumerate();
                    let [high, low] = scales.fold([0, 0], |[high, low], (j, scale)| {
                        [high | scale >> 4 << (2 * j), low | (scale & 15) << (4 * j)]
                    });
                    planes[1][s * 2] = u32::from(from.super_scale(i)) | high << 16;
                    planes[1][s * 2 + 1] = low;
                }
            }
        }
    }
}

/// The power of two that the scales of a row of INT4 are divided by before they are rounded to f16, which is exact: the
/// largest becomes 16384 to 32768, so that none is infinite, and what subnormal numbers round is less than a
/// 2^39th of it.
pub fn row_unit(scales: impl IntoIterator<Item = f32>) -> f32 {
    let largest = scales.into_iter().fold(0.0, |most: f32, scale| most.max(scale.abs()));
    // f32 has a bias of 127, and its subnormal numbers count as the least exponent.
    let exponent = (largest.to_bits() >> 23).saturating_sub(14).max(1);
    if largest == 0.0 { 1.0 } else { f32::from_bits(exponent << 23) }
}

/// The four words of a superblock: its eight pairs of 6-bit numbers, and the last word as it is.
fn header(pairs: [[u8; 2]; BLOCKS_PER_SUPER], last: u32) -> [u32; 4] {
    let mut header = [0, 0, 0, last];
    for (j, pair) in pairs.into_iter().enumerate() {
        let [a, b] = pair.map(u32::from);
        header[0] |= (a & 15) << (4 * j);
        header[1] |= (b & 15) << (4 * j);
        header[2] |= (a >> 4 | b >> 4 << 2) << (4 * j);
    }
    header
}

/// Eight vec4s of quants of `N` bits into `N` words: `8 / N` vec4s share a word, the first in the lowest bits of its
/// bytes.
fn interleave<const N: usize>(vec4s: [u32; 8]) -> [u32; N] {
    std::array::from_fn(|w| (0..8 / N).fold(0, |word, i| word | vec4s[8 / N * w + i] << (N * i)))
}

/// Eight vec4s of 6-bit quants into six words: the fourth vec4 of each half fills the bits that the other three leave
/// free in their bytes.
fn six_bits(vec4s: [u32; 8]) -> [u32; 6] {
    std::array::from_fn(|w| {
        let (half, i) = (w / 3 * 4, w % 3);
        vec4s[half + i] | (vec4s[half + 3] >> (2 * i) & 0x0303_0303) << 6
    })
}

/// Two f16 numbers into a word, the first in its lower half.
fn halves([low, high]: [u16; 2]) -> u32 {
    u32::from(low) | u32::from(high) << 16
}

/// Sixteen bytes into four words, the first in the lowest bits.
fn bytes(bytes: [u8; 16]) -> [u32; 4] {
    std::array::from_fn(|w| u32::from_le_bytes(std::array::from_fn(|i| bytes[4 * w + i])))
}
