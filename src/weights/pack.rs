//! Packed weights: how a matrix lies on the device. This file, `encode.rs` and `decode.rs` beside it, and the readers
//! in `shaders/lib` (`q4_0.wgsl` …) know the order of bits there. The order of bits in a file is known to
//! `src/format/row.rs`.
//!
//! # One row of Q4_0, from the file to a register
//!
//! 1. **File.** A row of `k` weights is `k / 32` blocks of 18 bytes. A block has a scale `d` in f16 and 16 bytes: byte `i` holds
//!    the quant of weight `i` in its low nibble and that of weight `16 + i` in its high nibble. A weight is
//!    `d * (quant - 8)`; 8 is the zero point.
//! 2. **Host.** `src/model/loader.rs` reads whole rows, about 4 MiB at a time. `src/format/row.rs` gives the 32 quants of a
//!    block as 32 bytes, in the order of the weights, and the bits of its `d`.
//! 3. **Packed.** [`Layout::pack`] writes the quants of a block into four words of plane 0, one `vec4<u32>`: word `w` holds
//!    weights `8w .. 8w+8`. The scales of eight blocks are eight f16 numbers, one `vec4<u32>` of plane 1. Bits are moved and none
//!    is changed: a row takes 18 bytes per block again.
//! 4. **Device.** With a tile of `TR` rows, the quants of block `g` of row `r` are the `vec4<u32>` with the index
//!    `((r / TR) * G + g) * TR + p`, where `p` is the place of the row in its tile. Invocations that have adjacent pairs of
//!    rows load adjacent vectors at `TR = 64`.
//! 5. **Register.** The reader (`shaders/lib/q4_0.wgsl`) loads the scales once per eight blocks and the quants of a block at
//!    once. `vec4` `q` of the block is `(word[q / 2] >> (4 * (q & 1))) & 0x0f0f0f0f`: four quants, a byte each, which
//!    `shaders/lib/bytes.wgsl` makes a `vec4`. The kernel multiplies them with four elements of x, sums over the block, takes 8 times the
//!    sum of x off, and multiplies by `d` (`shaders/lib/product_f32.wgsl`).
//!
//! # Planes
//!
//! A matrix of `n` rows and `k` columns is cut along `k` into blocks of 32 and superblocks of 256. Rows are padded with
//! zeros to a multiple of [`ROW_ALIGN`], columns to a multiple of 32. Block `g` of row `r` stands at index
//! `((r / TR) * G + g) * TR + p`, where `G` is the number of blocks per row, `TR` the rows of a tile, and `p` the place of
//! the row in its tile: `(r % 2) * TR / 2 + r % TR / 2`, the even rows first. An invocation has pairs of rows, so adjacent
//! invocations load adjacent blocks of the even rows, and then of the odd ones. `TR` = 1 is row-major. Superblocks are
//! ordered the same way. All planes of a matrix share one buffer of `vec4<u32>`, one behind the other:
//!
//! | packing | plane 0, per block | plane 1, per superblock | plane 2, per superblock | plane 3 |
//! |---|---|---|---|---|
//! | F32 | 32 f32 | | | |
//! | F16, BF16 | 32 numbers of 16 bits | | | |
//! | Q8_0 | 32 signed bytes | 8 f16 scales | | |
//! | Q4_0, IQ4_NL | 32 nibbles | 8 f16 scales | | |
//! | Q4_1 | 32 nibbles | 8 pairs of f16: scale, minimum | | |
//! | Q5_0 | 32 low nibbles | 8 f16 scales | 8 x 32 high bits | |
//! | Q5_1 | 32 low nibbles | 8 pairs of f16: scale, minimum | 8 x 32 high bits | |
//! | Q2_K | 32 2-bit quants | 16 bytes: scale, minimum as nibbles | d, dmin in f16 | |
//! | Q3_K | 32 times 2 low bits | 8 pairs of 6 bits: scales of 16; d | 8 x 32 high bits | |
//! | Q4_K | 32 nibbles | 8 pairs of 6 bits: scale, minimum; d, dmin | | |
//! | Q5_K | 32 low nibbles | 8 pairs of 6 bits: scale, minimum; d, dmin | 8 x 32 high bits | |
//! | Q6_K | words 0 to 3 of 32 6-bit quants | words 4 and 5, per block | 16 signed byte scales | d in f16, per superblock |
//! | IQ4_XS | 32 nibbles | d, 8 times 2 high bits, 8 low nibbles of scales | | |
//! | INT4 | 32 nibbles | 8 f32 scales | | |
//! | INT4_F16 | 32 nibbles | 8 f16 scales | an f32 per row, by its place: the power of two that they are multiples of | |
//! | INT8 | 32 signed bytes | an f32 scale per row, by its place | | |
//!
//! A block has eight *vec4s*: `vec4` `q` is weights `4q .. 4q+4`, which a shader takes at once.
//!
//! *Nibbles*: word `w` of a block holds elements `8w .. 8w+8`: the low nibbles of its four bytes are `8w .. 8w+4`, the
//! high nibbles `8w+4 .. 8w+8`.
//! *2 bits*: word `q / 4` of a block's two, bits `2 * (q & 3)` and up of each byte, are vec4 `q`.
//! *High bits*: bit `q` of each byte of a block's word is vec4 `q`.
//! *6-bit quants*: three words per half of a block. The low six bits of their bytes are its first three vec4s; the two
//! bits above, from the first word on, make up its fourth, the lowest first.
//! *Pairs of 6 bits* `(a, b)`: nibble `j` of word 0 is the low part of `a`, of word 1 that of `b`; nibble `j` of word 2
//! is the high part of `a`, and above it that of `b`. Word 3 holds d, and dmin in its upper half.
//! *IQ4_XS*: two words, as in the file: d in the lower half of the first, the high two bits of eight scales in its
//! upper half, their low nibbles in the second. Two superblocks share a `vec4`.
//!
//! ```
//! use llamita::internals::{format::Encoding, weights::{Packing, pack::Layout}};
//! // One Q4_0 block as GGUF has it: the scale is 0.5, and a weight is (quant - 8) * 0.5.
//! let mut block = vec![0x00, 0x38];
//! block.extend((0..16u8).map(|j| j | (15 - j) << 4)); // quants 0..16 are 0, 1, 2 …, quants 16..32 are 15, 14, 13 …
//! let layout = Layout::new(Packing::Q4_0, 1, 32, 1);
//! let words = layout.pack_all(Encoding::Q4_0, &[&block]);
//! // The low nibbles of the first word are quants 0 to 3, the high nibbles quants 4 to 7.
//! assert_eq!(words[0], 0x7654_3210_u32.to_le_bytes().iter().enumerate().fold(0, |word, (i, _)| {
//!     word | (i as u32) << (8 * i) | (i as u32 + 4) << (8 * i + 4)
//! }));
//! assert_eq!(layout.block(&words, 0, 0)[..4], [-4.0, -3.5, -3.0, -2.5]);
//! ```

mod decode;
mod encode;

use super::Packing;
pub use crate::format::{BLOCK, BLOCKS_PER_SUPER};
use crate::format::{Encoding, Row};
pub use encode::row_unit;

/// Rows of a matrix are padded to a multiple of this number, which is a multiple of every tile and of the rows of every
/// workgroup.
pub const ROW_ALIGN: usize = 64;
/// Words of a `vec4<u32>`.
const VEC: usize = 4;

/// How a matrix, or a shard of one, lies in its buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Layout {
    /// Which planes it has.
    pub packing: Packing,
    /// Rows, `n`, without padding.
    pub rows: usize,
    /// Columns, `k`, without padding.
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
        self.rows.next_multiple_of(ROW_ALIGN)
    }

    /// Words (of four bytes) that [`ROW_ALIGN`] rows take in each plane. A single row takes less than a `vec4` of some
    /// planes, or less than a word.
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
            Packing::INT4 => [4 * blocks, 8 * supers, 0, 0],
            Packing::INT4_F16 => [4 * blocks, 4 * supers, ROW_ALIGN, 0],
            Packing::INT8 => [8 * blocks, ROW_ALIGN, 0, 0],
        }
    }

    /// First word of each plane in the buffer.
    pub fn plane_starts(&self) -> [usize; 4] {
        let tiles = self.padded_rows() / ROW_ALIGN;
        let mut start = 0;
        self.plane_words_per_64_rows().map(|words| {
            let here = start;
            start += words * tiles;
            here
        })
    }

    /// First `vec4` of planes 1 to 3 in the buffer, as kernels get them.
    pub fn planes(&self) -> [u32; 3] {
        let [_, a, b, c] = self.plane_starts();
        [a, b, c].map(|word| (word / VEC) as u32)
    }

    /// Words (of four bytes) of the whole buffer.
    pub fn words(&self) -> usize {
        self.plane_words_per_64_rows().iter().sum::<usize>() * (self.padded_rows() / ROW_ALIGN)
    }

    /// The place of a row among rows: the even rows of a tile come first.
    fn place(&self, row: usize) -> usize {
        let within = row % self.tile;
        row - within + within % 2 * (self.tile / 2) + within / 2
    }

    /// Index of block or superblock `i`, of which a row has `count`, in the tiled order.
    fn index(&self, row: usize, i: usize, count: usize) -> usize {
        let place = self.place(row);
        (place / self.tile * count + i) * self.tile + place % self.tile
    }

    /// Packs consecutive rows, whose first is a multiple of [`ROW_ALIGN`], into words of each plane; those of a plane
    /// go to [`Self::slab_start`]. `rows` are the rows' bytes in the file, [`Encoding::row_bytes`] each; rows that lack
    /// to the next multiple of [`ROW_ALIGN`] become zeros.
    ///
    /// # Panics
    /// Where weights of this encoding are not packed like this.
    pub fn pack(&self, encoding: Encoding, rows: &[&[u8]]) -> [Vec<u32>; 4] {
        assert!(self.packing.takes(encoding), "{} is packed otherwise", encoding.name());
        let tiles = rows.len().div_ceil(ROW_ALIGN);
        let mut planes = self.plane_words_per_64_rows().map(|words| vec![0u32; words * tiles]);
        for (row, bytes) in rows.iter().enumerate() {
            self.pack_row(&mut planes, row, Row::new(encoding, bytes));
        }
        planes
    }

    /// The word of the buffer where what [`Self::pack`] gave for plane `plane` goes, if it began with row `first_row`.
    pub fn slab_start(&self, plane: usize, first_row: usize) -> usize {
        assert!(first_row.is_multiple_of(ROW_ALIGN));
        self.plane_starts()[plane] + self.plane_words_per_64_rows()[plane] * (first_row / ROW_ALIGN)
    }

    /// Packs every row: the words of the whole buffer.
    pub fn pack_all(&self, encoding: Encoding, rows: &[&[u8]]) -> Vec<u32> {
        assert_eq!(rows.len(), self.rows);
        self.pack(encoding, rows).concat()
    }
}

/// The numbers of a row of `cols` elements as a file stores it, by the formula of the file's format.
pub fn decode_row(encoding: Encoding, bytes: &[u8], cols: usize) -> Vec<f32> {
    let mut row = decode_packed(Packing::of(encoding), encoding, &[bytes], cols);
    row.truncate(cols);
    row
}

/// The numbers of rows of `cols` elements as a file stores them, after they were packed; each row is padded with zeros to
/// whole blocks.
pub fn decode_packed(packing: Packing, encoding: Encoding, rows: &[&[u8]], cols: usize) -> Vec<f32> {
    let layout = Layout::new(packing, rows.len(), cols, 1);
    let words = layout.pack_all(encoding, rows);
    let blocks = (0..rows.len()).flat_map(|row| (0..layout.blocks()).map(move |g| (row, g)));
    blocks.flat_map(|(row, g)| layout.block(&words, row, g)).collect()
}
