//! Packed weight layouts: the single owner of bit order.
//!
//! A matrix of `n` rows and `k` columns is cut along `k` into blocks of 32 and superblocks of 256. Rows are padded with
//! zeros to [`ROW_ALIGN`], columns to 32. Block `g` of row `r` stands at index `((r / TR) * G + g) * TR + r % TR`, where `G`
//! is the number of blocks per row and `TR` the tile: 64 puts the same block of adjacent rows side by side (GPUs that
//! coalesce), 1 is row-major. Superblocks are ordered the same way. All planes of a matrix share one buffer of
//! `vec4<u32>`:
//!
//! | type | plane 0, per block | plane 1, per superblock | plane 2, per superblock | plane 3 |
//! |---|---|---|---|---|
//! | F32 | 32 floats | | | |
//! | F16 | 32 halves | | | |
//! | Q8_0 | 32 signed bytes | 8 half scales | | |
//! | Q4_0 | 32 nibbles | 8 half scales | | |
//! | Q6_K | 32 low nibbles | 8 x 32 high 2-bit parts | 16 signed byte scales | a half per superblock |
//!
//! *Nibbles*: word `w` of a block holds elements `8w .. 8w+8`: the low nibbles of its four bytes are `8w .. 8w+4`, the high
//! nibbles `8w+4 .. 8w+8`, so that `(word >> (4 * (q & 1))) & 0x0f0f0f0f` is quad `q` of the block as four bytes.
//! *2-bit parts*: word `q / 4` of a block's two, bits `2 * (q & 3)` and up of each byte, are quad `q`.
//!
//! ```
//! use llamita::{format::WeightType, pack::Layout};
//! // One Q4_0 block as GGUF has it: scale 0.5, and element j is (nibble - 8) * 0.5.
//! let mut block = vec![0x00, 0x38];
//! block.extend((0..16u8).map(|j| j | (15 - j) << 4)); // elements 0..16 are j - 8, elements 16..32 are 7 - j
//! let layout = Layout::new(WeightType::Q4_0, 1, 32, 1);
//! let words = layout.pack_all(&[&block]);
//! assert_eq!(words[0], 0x7654_3210_u32.to_le_bytes().iter().enumerate().fold(0, |word, (i, _)| {
//!     word | (i as u32) << (8 * i) | (i as u32 + 4) << (8 * i + 4)
//! }));
//! assert_eq!(layout.block(&words, 0, 0)[..4], [-4.0, -3.5, -3.0, -2.5]);
//! ```

use half::f16;

use crate::format::WeightType;
use crate::kernel::round_up;

/// Elements of a block.
pub const BLOCK: usize = 32;
/// Blocks of a superblock.
pub const BLOCKS_PER_SUPER: usize = 8;
/// Rows are padded to a multiple of this, which every tile and every workgroup's share of rows divides.
pub const ROW_ALIGN: usize = 64;
/// Words of a `vec4<u32>`.
const VEC: usize = 4;

/// How a matrix, or a part of one, lies in its buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Layout {
    /// Storage type.
    pub kind: WeightType,
    /// Rows, without padding.
    pub rows: usize,
    /// Columns, without padding.
    pub cols: usize,
    /// Rows of a tile, `TR`.
    pub tile: usize,
}

impl Layout {
    /// The layout of `rows` x `cols` weights in tiles of `tile` rows.
    pub fn new(kind: WeightType, rows: usize, cols: usize, tile: usize) -> Self {
        assert!(ROW_ALIGN.is_multiple_of(tile), "a tile of {tile} rows does not divide {ROW_ALIGN}");
        Self { kind, rows, cols, tile }
    }

    /// Blocks per row, `G`.
    pub fn blocks(&self) -> usize {
        self.cols.div_ceil(BLOCK)
    }

    /// Superblocks per row.
    pub fn supers(&self) -> usize {
        self.blocks().div_ceil(BLOCKS_PER_SUPER)
    }

    fn padded_rows(&self) -> usize {
        round_up(self.rows, ROW_ALIGN)
    }

    /// Words that one row takes in each plane, times 64 rows (one plane packs eight rows into a `vec4`).
    fn plane_words_per_64_rows(&self) -> [usize; 4] {
        let (blocks, supers) = (self.blocks() * ROW_ALIGN, self.supers() * ROW_ALIGN);
        match self.kind {
            WeightType::F32 => [32 * blocks, 0, 0, 0],
            WeightType::F16 => [16 * blocks, 0, 0, 0],
            WeightType::Q8_0 => [8 * blocks, 4 * supers, 0, 0],
            WeightType::Q4_0 => [4 * blocks, 4 * supers, 0, 0],
            WeightType::Q6_K => [4 * blocks, 16 * supers, 4 * supers, supers / 2],
        }
    }

    /// First word of each plane.
    pub fn plane_starts(&self) -> [usize; 4] {
        let tiles = self.padded_rows() / ROW_ALIGN;
        let mut start = 0;
        self.plane_words_per_64_rows().map(|words| {
            let here = start;
            start += words * tiles;
            here
        })
    }

    /// First `vec4` of planes 1 to 3, as kernels get them.
    pub fn planes(&self) -> [u32; 3] {
        let [_, a, b, c] = self.plane_starts();
        [a, b, c].map(|word| (word / VEC) as u32)
    }

    /// Words of the whole buffer.
    pub fn words(&self) -> usize {
        self.plane_words_per_64_rows().iter().sum::<usize>() * (self.padded_rows() / ROW_ALIGN)
    }

    /// Index of unit `i` of `count` per row in the tiled order.
    fn index(&self, row: usize, i: usize, count: usize) -> usize {
        ((row / self.tile) * count + i) * self.tile + row % self.tile
    }

    /// Packs consecutive rows, the first of them a multiple of [`ROW_ALIGN`], into one slab per plane; a slab goes to
    /// the word that [`Self::slab_start`] names. `rows` are the file's bytes; missing rows up to the next multiple of
    /// [`ROW_ALIGN`] become zeros.
    pub fn pack(&self, rows: &[&[u8]]) -> [Vec<u32>; 4] {
        let tiles = rows.len().div_ceil(ROW_ALIGN);
        let mut planes = self.plane_words_per_64_rows().map(|words| vec![0u32; words * tiles]);
        for (row, bytes) in rows.iter().enumerate() {
            self.pack_row(&mut planes, row, bytes);
        }
        planes
    }

    /// Where a slab of plane `plane` goes whose first row is `first_row`, in words.
    pub fn slab_start(&self, plane: usize, first_row: usize) -> usize {
        assert!(first_row.is_multiple_of(ROW_ALIGN));
        self.plane_starts()[plane] + self.plane_words_per_64_rows()[plane] * (first_row / ROW_ALIGN)
    }

    /// Packs a whole matrix.
    pub fn pack_all(&self, rows: &[&[u8]]) -> Vec<u32> {
        assert_eq!(rows.len(), self.rows);
        self.pack(rows).concat()
    }

    fn pack_row(&self, planes: &mut [Vec<u32>; 4], row: usize, bytes: &[u8]) {
        let (blocks, supers) = (self.blocks(), self.supers());
        match self.kind {
            WeightType::F32 => {
                for (i, v) in bytes.chunks_exact(4).enumerate() {
                    let at = self.index(row, i / BLOCK, blocks) * 32 + i % BLOCK;
                    planes[0][at] = u32::from_le_bytes([v[0], v[1], v[2], v[3]]);
                }
            }
            WeightType::F16 => {
                for (i, v) in bytes.chunks_exact(2).enumerate() {
                    let at = self.index(row, i / BLOCK, blocks) * 16 + i % BLOCK / 2;
                    planes[0][at] |= u32::from(u16::from_le_bytes([v[0], v[1]])) << (16 * (i & 1));
                }
            }
            WeightType::Q8_0 => {
                for (g, block) in bytes.chunks_exact(34).enumerate() {
                    self.put_scale(&mut planes[1], row, g, [block[0], block[1]]);
                    let at = self.index(row, g, blocks) * 8;
                    for (w, v) in block[2..].chunks_exact(4).enumerate() {
                        planes[0][at + w] = u32::from_le_bytes([v[0], v[1], v[2], v[3]]);
                    }
                }
            }
            WeightType::Q4_0 => {
                for (g, block) in bytes.chunks_exact(18).enumerate() {
                    self.put_scale(&mut planes[1], row, g, [block[0], block[1]]);
                    let quants = &block[2..];
                    let nibble = |j: usize| quants[j & 15] >> (4 * (j >> 4)) & 15;
                    let at = self.index(row, g, blocks) * 4;
                    put_nibbles(&mut planes[0][at..at + 4], nibble);
                }
            }
            WeightType::Q6_K => {
                for (s, block) in bytes.chunks_exact(210).enumerate() {
                    let super_index = self.index(row, s, supers);
                    for j in 0..BLOCKS_PER_SUPER {
                        let quant = |i: usize| q6_k_quant(block, j * BLOCK + i);
                        let at = self.index(row, s * BLOCKS_PER_SUPER + j, blocks) * 4;
                        put_nibbles(&mut planes[0][at..at + 4], |i| quant(i) & 15);
                        for i in 0..BLOCK {
                            let (quad, byte) = (i / 4, i % 4);
                            planes[1][super_index * 16 + 2 * j + quad / 4] |=
                                u32::from(quant(i) >> 4) << (8 * byte + 2 * (quad & 3));
                        }
                    }
                    for (w, v) in block[192..208].chunks_exact(4).enumerate() {
                        planes[2][super_index * 4 + w] = u32::from_le_bytes([v[0], v[1], v[2], v[3]]);
                    }
                    let scale = u32::from(u16::from_le_bytes([block[208], block[209]]));
                    planes[3][super_index / 2] |= scale << (16 * (super_index & 1));
                }
            }
        }
    }

    fn put_scale(&self, plane: &mut [u32], row: usize, g: usize, bytes: [u8; 2]) {
        let super_index = self.index(row, g / BLOCKS_PER_SUPER, self.supers());
        let j = g % BLOCKS_PER_SUPER;
        plane[super_index * 4 + j / 2] |= u32::from(u16::from_le_bytes(bytes)) << (16 * (j & 1));
    }

    /// The 32 numbers of block `g` of row `row`: exactly what the file's own formula gives, rounded to f32.
    pub fn block(&self, words: &[u32], row: usize, g: usize) -> [f32; BLOCK] {
        let starts = self.plane_starts();
        let index = self.index(row, g, self.blocks());
        let (s, j) = (self.index(row, g / BLOCKS_PER_SUPER, self.supers()), g % BLOCKS_PER_SUPER);
        let half_at = |word: u32, odd: usize| f16::from_bits((word >> (16 * odd)) as u16).to_f32();
        let nibble = |block: &[u32], i: usize| block[i / 8] >> (8 * (i % 4) + 4 * (i / 4 % 2)) & 15;
        match self.kind {
            WeightType::F32 => {
                let block = &words[index * 32..][..32];
                std::array::from_fn(|i| f32::from_bits(block[i]))
            }
            WeightType::F16 => {
                let block = &words[index * 16..][..16];
                std::array::from_fn(|i| half_at(block[i / 2], i & 1))
            }
            WeightType::Q8_0 => {
                let scale = half_at(words[starts[1] + s * 4 + j / 2], j & 1);
                let block = &words[index * 8..][..8];
                std::array::from_fn(|i| scale * f32::from((block[i / 4] >> (8 * (i % 4))) as i8))
            }
            WeightType::Q4_0 => {
                let scale = half_at(words[starts[1] + s * 4 + j / 2], j & 1);
                let block = &words[index * 4..][..4];
                std::array::from_fn(|i| scale * (nibble(block, i) as f32 - 8.0))
            }
            WeightType::Q6_K => {
                let low = &words[index * 4..][..4];
                let high = &words[starts[1] + s * 16 + 2 * j..][..2];
                let scales = &words[starts[2] + s * 4..][..4];
                let scale = half_at(words[starts[3] + s / 2], s & 1);
                std::array::from_fn(|i| {
                    let (quad, byte, part) = (i / 4, i % 4, 2 * j + i / 16);
                    let two_bits = high[quad / 4] >> (8 * byte + 2 * (quad & 3)) & 3;
                    let sub_scale = f32::from((scales[part / 4] >> (8 * (part % 4))) as i8);
                    scale * sub_scale * ((nibble(low, i) | two_bits << 4) as f32 - 32.0)
                })
            }
        }
    }
}

/// Writes 32 nibbles in the order drawn at the top of this file.
fn put_nibbles(words: &mut [u32], nibble: impl Fn(usize) -> u8) {
    for (w, word) in words.iter_mut().enumerate() {
        for byte in 0..4 {
            let pair = u32::from(nibble(8 * w + byte)) | u32::from(nibble(8 * w + 4 + byte)) << 4;
            *word |= pair << (8 * byte);
        }
    }
}

/// Element `i` of a Q6_K superblock as an unsigned 6-bit number (`ggml-quants.c`, `dequantize_row_q6_K`).
fn q6_k_quant(block: &[u8], i: usize) -> u8 {
    let (half, l, quarter) = (i / 128, i % 32, i / 32 % 4);
    let low = block[64 * half + l + 32 * (quarter & 1)] >> (4 * (quarter >> 1)) & 15;
    let high = block[128 + 32 * half + l] >> (2 * quarter) & 3;
    low | high << 4
}

/// The numbers of a row as the file stores it: the formula of the file format, without packing.
pub fn decode_row(kind: WeightType, bytes: &[u8], cols: usize) -> Vec<f32> {
    let layout = Layout::new(kind, 1, cols, 1);
    let words = layout.pack_all(&[bytes]);
    let mut row: Vec<f32> = (0..layout.blocks()).flat_map(|g| layout.block(&words, 0, g)).collect();
    row.truncate(cols);
    row
}
