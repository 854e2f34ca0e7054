//! From the bytes of a file into planes.

use super::{BLOCK, BLOCKS_PER_SUPER, Layout, file};
use crate::format::Encoding;
use crate::weights::Packing;

impl Layout {
    /// Packs one row into planes that begin with a multiple of 64 rows.
    pub(super) fn pack_row(&self, planes: &mut [Vec<u32>; 4], row: usize, encoding: Encoding, bytes: &[u8]) {
        let blocks = self.blocks();
        match self.packing {
            Packing::F32 => {
                for (i, v) in bytes.chunks_exact(4).enumerate() {
                    planes[0][self.index(row, i / BLOCK, blocks) * 32 + i % BLOCK] = word(v);
                }
            }
            Packing::F16 | Packing::BF16 => {
                for (i, v) in bytes.chunks_exact(2).enumerate() {
                    let at = self.index(row, i / BLOCK, blocks) * 16 + i % BLOCK / 2;
                    planes[0][at] |= half_word(v) << (16 * (i & 1));
                }
            }
            _ => {
                let per_block = encoding.block_len() / BLOCK;
                for (b, block) in bytes.chunks_exact(encoding.block_bytes()).enumerate() {
                    for j in 0..per_block {
                        self.put_quants(planes, row, b * per_block + j, &file::quants(encoding, block, j));
                    }
                    self.put_scales(planes, row, b, encoding, block);
                }
            }
        }
    }

    /// Writes the quants of block `g`.
    fn put_quants(&self, planes: &mut [Vec<u32>; 4], row: usize, g: usize, quants: &[u8; BLOCK]) {
        let index = self.index(row, g, self.blocks());
        let (s, j) = (self.index(row, g / BLOCKS_PER_SUPER, self.supers()), g % BLOCKS_PER_SUPER);
        // Quad q as four bytes.
        let quads: [u32; 8] = std::array::from_fn(|q| word(&quants[4 * q..]));
        let parts = |shift: usize, mask: u32| quads.map(|quad| quad >> shift & mask);
        match self.packing {
            Packing::Q8_0 => planes[0][index * 8..][..8].copy_from_slice(&quads),
            Packing::Q2_K | Packing::Q3_K => {
                planes[0][index * 2..][..2].copy_from_slice(&interleave::<2>(parts(0, 0x0303_0303)));
            }
            Packing::Q6_K => {
                let words = six_bits(quads);
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

    /// Writes the scales of the file's block `b`.
    fn put_scales(&self, planes: &mut [Vec<u32>; 4], row: usize, b: usize, encoding: Encoding, block: &[u8]) {
        let in_super = if encoding.block_len() == BLOCK { BLOCKS_PER_SUPER } else { 1 };
        let (s, j) = (self.index(row, b / in_super, self.supers()), b % in_super);
        match self.packing {
            Packing::F32 | Packing::F16 | Packing::BF16 => {}
            Packing::Q8_0 | Packing::Q4_0 | Packing::IQ4_NL | Packing::Q5_0 => {
                planes[1][s * 4 + j / 2] |= half_word(block) << (16 * (j & 1));
            }
            Packing::Q4_1 | Packing::Q5_1 => planes[1][s * 8 + j] = word(block),
            Packing::Q2_K => {
                for (w, bytes) in block[..16].chunks_exact(4).enumerate() {
                    planes[1][s * 4 + w] = word(bytes);
                }
                planes[2][s] = word(&block[80..]);
            }
            Packing::Q3_K => {
                planes[1][s * 4..][..4].copy_from_slice(&header(encoding, block, half_word(&block[108..])));
            }
            Packing::Q4_K | Packing::Q5_K => {
                planes[1][s * 4..][..4].copy_from_slice(&header(encoding, block, word(block)));
            }
            Packing::Q6_K => {
                for (w, bytes) in block[192..208].chunks_exact(4).enumerate() {
                    planes[2][s * 4 + w] = word(bytes);
                }
                planes[3][s / 2] |= half_word(&block[208..]) << (16 * (s & 1));
            }
            Packing::IQ4_XS => {
                planes[1][s * 2] = word(block);
                planes[1][s * 2 + 1] = word(&block[4..]);
            }
        }
    }
}

/// Eight pairs of 6 bits, and the word that follows them.
fn header(encoding: Encoding, block: &[u8], last: u32) -> [u32; 4] {
    let mut header = [0, 0, 0, last];
    for j in 0..BLOCKS_PER_SUPER {
        let [a, b] = file::pair(encoding, block, j).map(u32::from);
        header[0] |= (a & 15) << (4 * j);
        header[1] |= (b & 15) << (4 * j);
        header[2] |= (a >> 4 | b >> 4 << 2) << (4 * j);
    }
    header
}

/// Eight quads of small numbers into `N` words: `8 / N` quads share a word, the first in the lowest bits of its bytes.
fn interleave<const N: usize>(quads: [u32; 8]) -> [u32; N] {
    std::array::from_fn(|w| (0..8 / N).fold(0, |word, i| word | quads[8 / N * w + i] << (N * i)))
}

/// Eight quads of six bits into six words: the fourth of a half in what the other three leave of their bytes.
fn six_bits(quads: [u32; 8]) -> [u32; 6] {
    std::array::from_fn(|w| {
        let (half, i) = (w / 3 * 4, w % 3);
        quads[half + i] | (quads[half + 3] >> (2 * i) & 0x0303_0303) << 6
    })
}

fn word(bytes: &[u8]) -> u32 {
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

fn half_word(bytes: &[u8]) -> u32 {
    u32::from(u16::from_le_bytes([bytes[0], bytes[1]]))
}
