//! The ways in which files store numbers.

/// How a file stores the elements of a tensor. A row is a sequence of blocks; formulas are those of `ggml-quants.c` of
/// ggml, where `q` is a quant, `d` a scale in f16 and `m` a minimum in f16. The last two are those of Meta's quantized
/// checkpoints, which keep quants and scales in two tensors: their row is that of the quants, and behind it that of the
/// scales.
///
/// # How to add an encoding
/// Weights of a new encoding whose quants and scales fit an existing [`Packing`](crate::weights::Packing) need no
/// shader:
/// 1. A variant here, and a row of the table behind it: name, elements of a block, bytes of a block.
/// 2. `src/format/row.rs`: how the bytes of a row become the quants and scales that the packing stores.
/// 3. A line in `Packing::of` (`src/weights/packing.rs`) that names the packing.
/// 4. Rows in `tests/fixtures/make_blocks.py`, whose numbers `tests/pack.rs` compares bit by bit; and the places of its scales
///    in `src/cases/random.rs`, which makes random rows of every encoding.
///
/// A new packing is described at [`Packing`](crate::weights::Packing).
#[allow(non_camel_case_types, reason = "these are the names that every file and tool uses")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Encoding {
    /// IEEE single precision.
    F32,
    /// IEEE half precision.
    F16,
    /// The upper half of an f32.
    BF16,
    /// Blocks of 32, 18 bytes: `d * (q - 8)` with quants of 4 bits.
    Q4_0,
    /// Blocks of 32, 20 bytes: `d * q + m` with quants of 4 bits.
    Q4_1,
    /// Blocks of 32, 22 bytes: `d * (q - 16)` with quants of 5 bits.
    Q5_0,
    /// Blocks of 32, 24 bytes: `d * q + m` with quants of 5 bits.
    Q5_1,
    /// Blocks of 32, 34 bytes: `d * q` with signed quants of 8 bits.
    Q8_0,
    /// Blocks of 256, 84 bytes: quants of 2 bits; a scale and a minimum of 4 bits per 16, multiplied by one f16 each.
    Q2_K,
    /// Blocks of 256, 110 bytes: quants of 3 bits with the zero point 4; a scale of 6 bits per 16, multiplied by one
    /// f16.
    Q3_K,
    /// Blocks of 256, 144 bytes: quants of 4 bits; a scale and a minimum of 6 bits per 32, multiplied by one f16 each.
    Q4_K,
    /// Blocks of 256, 176 bytes: quants of 5 bits; a scale and a minimum of 6 bits per 32, multiplied by one f16 each.
    Q5_K,
    /// Blocks of 256, 210 bytes: quants of 6 bits with the zero point 32; a signed scale of 8 bits per 16, multiplied
    /// by one f16.
    Q6_K,
    /// Blocks of 32, 18 bytes: `d * table[q]` with quants of 4 bits and a fixed table of 16 numbers.
    IQ4_NL,
    /// Blocks of 256, 136 bytes: quants of 4 bits into the same table; a scale of 6 bits per 32, multiplied by one f16.
    IQ4_XS,
    /// Signed quants from -8 to 7, a byte each; then a scale in f32 per 32 of them: `scale * q`.
    INT4,
    /// Signed quants, a byte each; then one scale in f32 for the row: `scale * q`.
    INT8,
}

/// Every encoding in the order of the variants: its name, which is GGUF's where that has it, elements of a block, bytes
/// of a block with its scales.
const TABLE: [(Encoding, &str, usize, usize); 17] = [
    (Encoding::F32, "F32", 1, 4),
    (Encoding::F16, "F16", 1, 2),
    (Encoding::BF16, "BF16", 1, 2),
    (Encoding::Q4_0, "Q4_0", 32, 18),
    (Encoding::Q4_1, "Q4_1", 32, 20),
    (Encoding::Q5_0, "Q5_0", 32, 22),
    (Encoding::Q5_1, "Q5_1", 32, 24),
    (Encoding::Q8_0, "Q8_0", 32, 34),
    (Encoding::Q2_K, "Q2_K", 256, 84),
    (Encoding::Q3_K, "Q3_K", 256, 110),
    (Encoding::Q4_K, "Q4_K", 256, 144),
    (Encoding::Q5_K, "Q5_K", 256, 176),
    (Encoding::Q6_K, "Q6_K", 256, 210),
    (Encoding::IQ4_NL, "IQ4_NL", 32, 18),
    (Encoding::IQ4_XS, "IQ4_XS", 256, 136),
    (Encoding::INT4, "INT4", 32, 36),
    (Encoding::INT8, "INT8", 1, 1),
];

impl Encoding {
    /// Every encoding that is read.
    pub const ALL: [Self; TABLE.len()] = {
        let mut all = [Self::F32; TABLE.len()];
        let mut i = 0;
        while i < all.len() {
            all[i] = TABLE[i].0;
            assert!(all[i] as usize == i, "the table is in the order of the variants");
            i += 1;
        }
        all
    };

    /// Those that GGUF has.
    pub const GGUF: &'static [Self] = Self::ALL.split_at(Self::INT4 as usize).0;

    /// The name in reports: GGUF's, where GGUF has it.
    pub const fn name(self) -> &'static str {
        TABLE[self as usize].1
    }

    /// Whether elements are numbers as they are, without quants.
    pub const fn is_float(self) -> bool {
        matches!(self, Self::F32 | Self::F16 | Self::BF16)
    }

    /// Elements of a block.
    pub const fn block_len(self) -> usize {
        TABLE[self as usize].2
    }

    /// Bytes of a block.
    pub const fn block_bytes(self) -> usize {
        TABLE[self as usize].3
    }

    /// Bytes of a row of `k` elements; `k` is a multiple of [`Self::block_len`].
    pub const fn row_bytes(self, k: usize) -> usize {
        k / self.block_len() * self.block_bytes() + if matches!(self, Self::INT8) { 4 } else { 0 }
    }

    /// Bytes of a number that has a place of its own: of F32, F16 and BF16, and of a quant whose scale stands apart.
    pub const fn item_bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::BF16 => 2,
            _ => 1,
        }
    }

    /// Bytes of the scales in a row of `k` elements, where the file keeps them in a tensor of their own; else 0.
    pub const fn scale_bytes(self, k: usize) -> usize {
        match self {
            Self::INT4 | Self::INT8 => self.row_bytes(k) - k,
            _ => 0,
        }
    }
}
