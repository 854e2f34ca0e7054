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
//! | F16, BF16 | 32 halves | | | |
//! | Q8_0 | 32 signed bytes | 8 half scales | | |
//! | Q4_0, IQ4_NL | 32 nibbles | 8 half scales | | |
//! | Q4_1 | 32 nibbles | 8 pairs of halves: scale, minimum | | |
//! | Q5_0 | 32 low nibbles | 8 half scales | 8 x 32 high bits | |
//! | Q5_1 | 32 low nibbles | 8 pairs of halves: scale, minimum | 8 x 32 high bits | |
//! | Q2_K | 32 2-bit quants | 16 bytes: scale, minimum as nibbles | halves d, dmin | |
//! | Q3_K | 32 low 2-bit parts | 8 pairs of 6 bits: scales of 16; d | 8 x 32 high bits | |
//! | Q4_K | 32 nibbles | 8 pairs of 6 bits: scale, minimum; d, dmin | | |
//! | Q5_K | 32 low nibbles | 8 pairs of 6 bits: scale, minimum; d, dmin | 8 x 32 high bits | |
//! | Q6_K | words 0 to 3 of 32 6-bit quants | words 4 and 5, per block | 16 signed byte scales | a half per superblock |
//! | IQ4_XS | 32 nibbles | d, 8 high 2-bit parts, 8 low nibbles of scales | | |
//!
//! *Nibbles*: word `w` of a block holds elements `8w .. 8w+8`: the low nibbles of its four bytes are `8w .. 8w+4`, the high
//! nibbles `8w+4 .. 8w+8`, so that `(word >> (4 * (q & 1))) & 0x0f0f0f0f` is quad `q` of the block as four bytes.
//! *2-bit parts*: word `q / 4` of a block's two, bits `2 * (q & 3)` and up of each byte, are quad `q`.
//! *High bits*: bit `q` of each byte of a block's word is quad `q`.
//! *6-bit quants*: three words per half of a block. The low six bits of their bytes are its first three quads; the two bits
//! above, from the first word on, are the parts of its fourth, the lowest first.
//! *Pairs of 6 bits* `(a, b)`: nibble `j` of word 0 is the low part of `a`, of word 1 that of `b`; nibble `j` of word 2 is
//! the high part of `a`, and above it that of `b`. Word 3 holds d, and dmin in its upper half.
//! *IQ4_XS*: the first 8 bytes of the file's block as they are, so two superblocks share a `vec4`.
//!
//! ```
//! use llamita::internals::{format::Encoding, weights::{Packing, pack::Layout}};
//! // One Q4_0 block as GGUF has it: scale 0.5, and element j is (nibble - 8) * 0.5.
//! let mut block = vec![0x00, 0x38];
//! block.extend((0..16u8).map(|j| j | (15 - j) << 4)); // elements 0..16 are j - 8, elements 16..32 are 7 - j
//! let layout = Layout::new(Packing::Q4_0, 1, 32, 1);
//! let words = layout.pack_all(Encoding::Q4_0, &[&block]);
//! assert_eq!(words[0], 0x7654_3210_u32.to_le_bytes().iter().enumerate().fold(0, |word, (i, _)| {
//!     word | (i as u32) << (8 * i) | (i as u32 + 4) << (8 * i + 4)
//! }));
//! assert_eq!(layout.block(&words, 0, 0)[..4], [-4.0, -3.5, -3.0, -2.5]);
//! ```

mod decode;
mod encode;
mod file;

use super::Packing;
use crate::format::Encoding;
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
    pub packing: Packing,
    /// Rows, without padding.
    pub rows: usize,
    /// Columns, without padding.
    pub cols: usize,
    /// Rows of a tile, `TR`.
    pub tile: usize,
}

impl Layout {
    /// The layout of `rows` x `cols` weights in tiles of `tile` rows.
    pub fn new(packing: Packing, rows: usize, cols: usize, tile: usize) -> Self {
        assert!(ROW_ALIGN.is_multiple_of(tile), "a tile of {tile} rows does not divide {ROW_ALIGN}");
        Self { packing, rows, cols, tile }
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

    /// Words that 64 rows take in each plane; of a single row, some take less than a `vec4`, or than a word.
    fn plane_words_per_64_rows(&self) -> [usize; 4] {
        let (blocks, supers) = (self.blocks() * ROW_ALIGN, self.supers() * ROW_ALIGN);
        match self.packing {
            Packing::F32 => [32 * blocks, 0, 0, 0],
            Packing::F16 | Packing::BF16 => [16 * blocks, 0, 0, 0],
            Packing::Q8_0 => [8 * blocks, 4 * supers, 0, 0],
            Packing::Q4_0 | Packing::IQ4_NL | Packing::Q4_K => [4 * blocks, 4 * supers, 0, 0],
            Packing::Q4_1 => [4 * blocks, 8 * supers, 0, 0],
            Packing::Q5_0 | Packing::Q5_K => [4 * blocks, 4 * supers, 8 * supers, 0],
            Packing::Q5_1 => [4 * blocks, 8 * supers, 8 * supers, 0],
            Packing::Q2_K => [2 * blocks, 4 * supers, supers, 0],
            Packing::Q3_K => [2 * blocks, 4 * supers, 8 * supers, 0],
            Packing::Q6_K => [4 * blocks, 2 * blocks, 4 * supers, supers / 2],
            Packing::IQ4_XS => [4 * blocks, 2 * supers, 0, 0],
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
    pub fn pack(&self, encoding: Encoding, rows: &[&[u8]]) -> [Vec<u32>; 4] {
        assert_eq!(Packing::of(encoding), self.packing, "{} is packed otherwise", encoding.name());
        let tiles = rows.len().div_ceil(ROW_ALIGN);
        let mut planes = self.plane_words_per_64_rows().map(|words| vec![0u32; words * tiles]);
        for (row, bytes) in rows.iter().enumerate() {
            self.pack_row(&mut planes, row, encoding, bytes);
        }
        planes
    }

    /// Where a slab of plane `plane` goes whose first row is `first_row`, in words.
    pub fn slab_start(&self, plane: usize, first_row: usize) -> usize {
        assert!(first_row.is_multiple_of(ROW_ALIGN));
        self.plane_starts()[plane] + self.plane_words_per_64_rows()[plane] * (first_row / ROW_ALIGN)
    }

    /// Packs a whole matrix.
    pub fn pack_all(&self, encoding: Encoding, rows: &[&[u8]]) -> Vec<u32> {
        assert_eq!(rows.len(), self.rows);
        self.pack(encoding, rows).concat()
    }
}

/// The numbers of a row as the file stores it: the formula of the file format, without packing.
pub fn decode_row(encoding: Encoding, bytes: &[u8], cols: usize) -> Vec<f32> {
    let layout = Layout::new(Packing::of(encoding), 1, cols, 1);
    let words = layout.pack_all(encoding, &[bytes]);
    let mut row: Vec<f32> = (0..layout.blocks()).flat_map(|g| layout.block(&words, 0, g)).collect();
    row.truncate(cols);
    row
}
