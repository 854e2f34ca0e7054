//! From planes to numbers, by the formulas of the encodings (`ggml-quants.c` of ggml), each in the order of its
//! roundings.

use half::f16;

use super::{BLOCK, BLOCKS_PER_SUPER, Layout};
use crate::weights::Packing;

/// What a nibble of IQ4_NL and IQ4_XS stands for (`kvalues_iq4nl` in `ggml-common.h`).
const IQ4_VALUES: [f32; 16] =
    [-127.0, -104.0, -83.0, -65.0, -49.0, -35.0, -22.0, -10.0, 1.0, 13.0, 25.0, 38.0, 53.0, 69.0, 89.0, 113.0];

impl Layout {
    /// The 32 numbers of block `g` of row `row`: exactly the results of the encoding's formula, rounded to f32. `words`
    /// is the whole buffer.
    pub fn block(&self, words: &[u32], row: usize, g: usize) -> [f32; BLOCK] {
        let starts = self.plane_starts();
        let index = self.index(row, g, self.blocks());
        let (s, j) = (self.index(row, g / BLOCKS_PER_SUPER, self.supers()), g % BLOCKS_PER_SUPER);
        let plane = |p: usize, first: usize| &words[starts[p] + first..];
        let four_bits = || spread::<4>(plane(0, index * 4));
        let two_bits = || spread::<2>(plane(0, index * 2));
        let high_bits = || spread::<1>(plane(2, s * 8 + j));
        let scale = || half_at(plane(1, s * 4)[j / 2], j & 1);
        let scale_and_minimum = || [0, 1].map(|odd| half_at(plane(1, s * 8)[j], odd));
        match self.packing {
            Packing::F32 => std::array::from_fn(|i| f32::from_bits(plane(0, index * 32)[i])),
            Packing::F16 => std::array::from_fn(|i| half_at(plane(0, index * 16)[i / 2], i & 1)),
            Packing::BF16 => {
                std::array::from_fn(|i| f32::from_bits(plane(0, index * 16)[i / 2] >> (16 * (i & 1)) << 16))
            }
            Packing::Q8_0 => {
                let (d, quants) = (scale(), plane(0, index * 8));
                std::array::from_fn(|i| d * f32::from((quants[i / 4] >> (8 * (i % 4))) as i8))
            }
            Packing::INT8 => {
                let (d, quants) = (f32::from_bits(plane(1, self.place(row))[0]), plane(0, index * 8));
                std::array::from_fn(|i| d * f32::from((quants[i / 4] >> (8 * (i % 4))) as i8))
            }
            Packing::INT4 => {
                let d = f32::from_bits(plane(1, s * 8)[j]);
                symmetric([d; 2], four_bits().map(|q| f32::from(q) - 8.0))
            }
            Packing::INT4_F16 => {
                let d = scale() * f32::from_bits(plane(2, self.place(row))[0]);
                symmetric([d; 2], four_bits().map(|q| f32::from(q) - 8.0))
            }
            Packing::Q4_0 => symmetric([scale(); 2], four_bits().map(|q| f32::from(q) - 8.0)),
            Packing::IQ4_NL => symmetric([scale(); 2], four_bits().map(|q| IQ4_VALUES[usize::from(q)])),
            Packing::Q5_0 => symmetric([scale(); 2], join(four_bits(), high_bits(), 4).map(|q| f32::from(q) - 16.0)),
            Packing::Q4_1 => {
                let [d, m] = scale_and_minimum();
                four_bits().map(|q| d * f32::from(q) + m)
            }
            Packing::Q5_1 => {
                let [d, m] = scale_and_minimum();
                join(four_bits(), high_bits(), 4).map(|q| d * f32::from(q) + m)
            }
            Packing::Q2_K => {
                let [d, dmin] = [0, 1].map(|odd| half_at(plane(2, s)[0], odd));
                let quants = two_bits();
                std::array::from_fn(|i| {
                    let part = 2 * j + i / 16;
                    let byte = (plane(1, s * 4)[part / 4] >> (8 * (part % 4))) as u8;
                    d * f32::from(byte & 15) * f32::from(quants[i]) - dmin * f32::from(byte >> 4)
                })
            }
            Packing::Q3_K => {
                let header = plane(1, s * 4);
                let d = half_at(header[3], 0);
                let scales = pair(header, j).map(|scale| d * (scale - 32.0));
                symmetric(scales, join(two_bits(), high_bits(), 2).map(|q| f32::from(q) - 4.0))
            }
            Packing::Q4_K | Packing::Q5_K => {
                let header = plane(1, s * 4);
                let [scale, minimum] = pair(header, j);
                let (d, m) = (half_at(header[3], 0) * scale, half_at(header[3], 1) * minimum);
                let quants = match self.packing {
                    Packing::Q4_K => four_bits(),
                    _ => join(four_bits(), high_bits(), 4),
                };
                quants.map(|q| d * f32::from(q) - m)
            }
            Packing::Q6_K => {
                let d = half_at(plane(3, s / 2)[0], s & 1);
                let bytes = plane(2, s * 4)[j / 2] >> (16 * (j & 1));
                let scales = [bytes as i8, (bytes >> 8) as i8].map(|scale| d * f32::from(scale));
                let [a, b] = [plane(0, index * 4), plane(1, index * 2)];
                symmetric(scales, six_bits([a[0], a[1], a[2], a[3], b[0], b[1]]).map(|q| f32::from(q) - 32.0))
            }
            Packing::IQ4_XS => {
                let header = plane(1, s * 2);
                let scale = header[1] >> (4 * j) & 15 | (header[0] >> (16 + 2 * j) & 3) << 4;
                let d = half_at(header[0], 0) * (scale as f32 - 32.0);
                symmetric([d; 2], four_bits().map(|q| IQ4_VALUES[usize::from(q)]))
            }
        }
    }
}

/// Quants with their zero point taken off, times the scale of their half of the block.
fn symmetric(scales: [f32; 2], quants: [f32; BLOCK]) -> [f32; BLOCK] {
    std::array::from_fn(|i| scales[i / 16] * quants[i])
}

/// Quants of `N` bits, of which a word holds `8 / N` vec4s.
fn spread<const N: usize>(words: &[u32]) -> [u8; BLOCK] {
    std::array::from_fn(|i| {
        let (vec4, byte) = (i / 4, i % 4);
        (words[vec4 * N / 8] >> (8 * byte + N * (vec4 % (8 / N)))) as u8 & ((1 << N) - 1)
    })
}

/// A block of 6-bit quants from its six words.
fn six_bits(words: [u32; 6]) -> [u8; BLOCK] {
    std::array::from_fn(|i| {
        let (half, vec4, shift) = (i / 16 * 3, i / 4 % 4, 8 * (i % 4));
        let byte = |w: usize| (words[half + w] >> shift) as u8;
        if vec4 < 3 { byte(vec4) & 63 } else { byte(0) >> 6 | byte(1) >> 6 << 2 | byte(2) >> 6 << 4 }
    })
}

/// Quants from their lowest `bits` bits and the bits above.
fn join(low: [u8; BLOCK], high: [u8; BLOCK], bits: usize) -> [u8; BLOCK] {
    std::array::from_fn(|i| low[i] | high[i] << bits)
}

/// Pair `j` of the 6-bit numbers of a superblock.
fn pair(header: &[u32], j: usize) -> [f32; 2] {
    let [a, b, high] = [0, 1, 2].map(|w| header[w] >> (4 * j));
    [a & 15 | (high & 3) << 4, b & 15 | (high & 12) << 2].map(|value| value as f32)
}

/// The f16 in the lower half of a word, or in its upper half where `odd` is 1.
fn half_at(word: u32, odd: usize) -> f32 {
    f16::from_bits((word >> (16 * odd)) as u16).to_f32()
}
