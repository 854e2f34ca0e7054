//! A row of a matrix as a file stores it, read into quants and scales: the only place that knows the order of bits in a
//! file (`ggml-quants.c` of ggml), which is left behind when weights are packed.
//!
//! Quants are unsigned numbers of at most eight bits before any zero point is taken off; scales and minima are f16 bits
//! or small integers, as the file has them. Which of these methods answer depends on the encoding; a packing asks for
//! those that it stores.

use super::Encoding;

/// Elements of a block of a row, and quants that are read at a time.
pub const BLOCK: usize = 32;
/// Blocks of a superblock of 256 elements.
pub const BLOCKS_PER_SUPER: usize = 8;

/// A row in its file.
#[derive(Clone, Copy)]
pub(crate) struct Row<'a> {
    encoding: Encoding,
    bytes: &'a [u8],
}

impl<'a> Row<'a> {
    /// The row that these bytes are; [`Encoding::row_bytes`] says how many there are.
    pub(crate) fn new(encoding: Encoding, bytes: &'a [u8]) -> Self {
        Self { encoding, bytes }
    }

    /// The bits of the elements of block `g`, of which the last block of a row may have fewer than 32: F32.
    pub(crate) fn words(self, g: usize) -> impl Iterator<Item = u32> {
        assert_eq!(self.encoding, Encoding::F32, "its elements have no 32 bits");
        self.bytes.as_chunks().0[g * BLOCK..].iter().take(BLOCK).map(|bytes| u32::from_le_bytes(*bytes))
    }

    /// The bits of the elements of block `g`, of which the last block of a row may have fewer than 32: F16 and BF16.
    pub(crate) fn half_words(self, g: usize) -> impl Iterator<Item = u16> {
        assert!(matches!(self.encoding, Encoding::F16 | Encoding::BF16), "its elements have no 16 bits");
        self.bytes.as_chunks().0[g * BLOCK..].iter().take(BLOCK).map(|bytes| u16::from_le_bytes(*bytes))
    }

    /// The 32 quants of block `g`: every encoding but those of plain numbers.
    pub(crate) fn quants(self, g: usize) -> [u8; BLOCK] {
        // The last block of a row of INT8 may have fewer than 32.
        let signed = |i: usize| self.cols_apart().0.get(g * BLOCK + i).copied().unwrap_or(0);
        match self.encoding {
            Encoding::INT4 => return std::array::from_fn(|i| signed(i).wrapping_add(8)),
            Encoding::INT8 => return std::array::from_fn(signed),
            _ => {}
        }
        let per_file_block = self.encoding.block_len() / BLOCK;
        let (block, j) = (self.file_block(g / per_file_block), g % per_file_block);
        let two_bits = |bytes: &[u8], i: usize| bytes[32 * (j / 4) + i] >> (2 * (j % 4)) & 3;
        let four_bits = |bytes: &[u8], i: usize| bytes[32 * (j / 2) + i] >> (4 * (j % 2)) & 15;
        let bit = |bytes: &[u8], i: usize| bytes[i] >> j & 1;
        match self.encoding {
            Encoding::F32 | Encoding::F16 | Encoding::BF16 => self.lacks("quants"),
            Encoding::INT4 | Encoding::INT8 => unreachable!("they stand apart from their scales"),
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

    /// Quants and scales of an encoding that keeps them apart.
    fn cols_apart(self) -> (&'a [u8], &'a [u8]) {
        let quants = match self.encoding {
            Encoding::INT4 => self.bytes.len() / self.encoding.block_bytes() * BLOCK,
            Encoding::INT8 => self.bytes.len() - 4,
            _ => self.lacks("scales apart from its quants"),
        };
        self.bytes.split_at(quants)
    }

    /// The scale of block `g` in f32: INT4, and INT8, whose blocks share it.
    pub(crate) fn wide_scale(self, g: usize) -> f32 {
        let (_, scales) = self.cols_apart();
        let g = if self.encoding == Encoding::INT8 { 0 } else { g };
        f32::from_le_bytes(scales.as_chunks().0[g])
    }

    /// The scale of block `g` in f16 bits.
    pub(crate) fn scale(self, g: usize) -> u16 {
        match self.encoding {
            Encoding::Q8_0 | Encoding::Q4_0 | Encoding::Q5_0 | Encoding::IQ4_NL => half_word(self.file_block(g)),
            _ => self.lacks("a scale per block"),
        }
    }

    /// The scale and the minimum of block `g` in f16 bits.
    pub(crate) fn scale_and_minimum(self, g: usize) -> [u16; 2] {
        match self.encoding {
            Encoding::Q4_1 | Encoding::Q5_1 => half_words(self.file_block(g)),
            _ => self.lacks("a scale and a minimum per block"),
        }
    }

    /// The scale of superblock `s` in f16 bits, which multiplies the scales of its blocks.
    pub(crate) fn super_scale(self, s: usize) -> u16 {
        let block = self.file_block(s);
        match self.encoding {
            Encoding::Q3_K | Encoding::Q6_K => half_word(&block[self.encoding.block_bytes() - 2..]),
            Encoding::IQ4_XS => half_word(block),
            _ => self.lacks("a scale per superblock"),
        }
    }

    /// The scale of superblock `s` and the scale of its minima, both in f16 bits.
    pub(crate) fn super_scale_and_minimum(self, s: usize) -> [u16; 2] {
        let block = self.file_block(s);
        match self.encoding {
            Encoding::Q2_K => half_words(&block[80..]),
            Encoding::Q4_K | Encoding::Q5_K => half_words(block),
            _ => self.lacks("a scale and a minimum per superblock"),
        }
    }

    /// A byte for each 16 elements of superblock `s`: Q2_K has a scale in the low nibble and a minimum in the high one,
    /// Q6_K a signed scale.
    pub(crate) fn scale_bytes(self, s: usize) -> [u8; 16] {
        let block = self.file_block(s);
        let first = match self.encoding {
            Encoding::Q2_K => 0,
            Encoding::Q6_K => 192,
            _ => self.lacks("a byte per 16 elements"),
        };
        std::array::from_fn(|i| block[first + i])
    }

    /// Two 6-bit numbers for each block of superblock `s`: Q4_K and Q5_K have scale and minimum, Q3_K the scales of
    /// both halves, plus 32.
    pub(crate) fn scale_pairs(self, s: usize) -> [[u8; 2]; BLOCKS_PER_SUPER] {
        let block = self.file_block(s);
        match self.encoding {
            Encoding::Q3_K => {
                let scales = &block[96..108];
                let scale =
                    |i: usize| scales[i % 8] >> (4 * (i / 8)) & 15 | (scales[8 + i % 4] >> (2 * (i / 4)) & 3) << 4;
                std::array::from_fn(|j| [scale(2 * j), scale(2 * j + 1)])
            }
            Encoding::Q4_K | Encoding::Q5_K => {
                let scales = &block[4..16];
                std::array::from_fn(|j| match j {
                    0..4 => [scales[j] & 63, scales[4 + j] & 63],
                    _ => [scales[4 + j] & 15 | scales[j - 4] >> 6 << 4, scales[4 + j] >> 4 | scales[j] >> 6 << 4],
                })
            }
            _ => self.lacks("pairs of 6 bits"),
        }
    }

    /// A 6-bit scale, plus 32, for each block of superblock `s`: IQ4_XS.
    pub(crate) fn six_bit_scales(self, s: usize) -> [u8; BLOCKS_PER_SUPER] {
        if self.encoding != Encoding::IQ4_XS {
            self.lacks("6-bit scales");
        }
        let block = self.file_block(s);
        let high = half_word(&block[2..]);
        std::array::from_fn(|j| block[4 + j / 2] >> (4 * (j % 2)) & 15 | ((high >> (2 * j) & 3) as u8) << 4)
    }

    /// Block `b` of the encoding's own size.
    fn file_block(self, b: usize) -> &'a [u8] {
        let bytes = self.encoding.block_bytes();
        &self.bytes[b * bytes..][..bytes]
    }

    fn lacks(self, what: &str) -> ! {
        unreachable!("{} has no {what}", self.encoding.name())
    }
}

/// Low nibbles of 16 bytes, then their high nibbles.
fn nibbles(bytes: &[u8]) -> [u8; BLOCK] {
    std::array::from_fn(|i| bytes[i % 16] >> (4 * (i / 16)) & 15)
}

/// Adds a fifth bit, one per element.
fn with_bits(quants: [u8; BLOCK], bits: &[u8]) -> [u8; BLOCK] {
    let bits = u32::from_le_bytes([bits[0], bits[1], bits[2], bits[3]]);
    std::array::from_fn(|i| quants[i] | ((bits >> i & 1) as u8) << 4)
}

/// The first two bytes.
fn half_word(bytes: &[u8]) -> u16 {
    u16::from_le_bytes([bytes[0], bytes[1]])
}

/// The first four bytes.
fn half_words(bytes: &[u8]) -> [u16; 2] {
    [half_word(bytes), half_word(&bytes[2..])]
}
