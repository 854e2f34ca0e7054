//! The ways in which files store numbers.

/// How a file stores the elements of a tensor. A row is a sequence of blocks; formulas are those of `ggml-quants.c` of ggml,
/// where `q` is a quant, `d` a scale in f16 and `m` a minimum in f16.
///
/// # How to add an encoding
/// Weights of a new encoding whose quants and scales fit an existing [`Packing`](crate::weights::Packing) need no shader:
/// 1. A variant here, with its name, the elements and the bytes of a block.
/// 2. `src/format/row.rs`: how the bytes of a row become the quants and scales that the packing stores.
/// 3. A line in `Packing::of` (`src/weights/packing.rs`) that names the packing.
/// 4. Rows in `tests/fixtures/make_blocks.py`, whose numbers `tests/pack.rs` compares bit by bit.
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
    /// Blocks of 256, 110 bytes: quants of 3 bits with the zero point 4; a scale of 6 bits per 16, multiplied by one f16.
    Q3_K,
    /// Blocks of 256, 144 bytes: quants of 4 bits; a scale and a minimum of 6 bits per 32, multiplied by one f16 each.
    Q4_K,
    /// Blocks of 256, 176 bytes: quants of 5 bits; a scale and a minimum of 6 bits per 32, multiplied by one f16 each.
    Q5_K,
    /// Blocks of 256, 210 bytes: quants of 6 bits with the zero point 32; a signed scale of 8 bits per 16, multiplied by one
    /// f16.
    Q6_K,
    /// Blocks of 32, 18 bytes: `d * table[q]` with quants of 4 bits and a fixed table of 16 numbers.
    IQ4_NL,
    /// Blocks of 256, 136 bytes: quants of 4 bits into the same table; a scale of 6 bits per 32, multiplied by one f16.
    IQ4_XS,
}

impl Encoding {
    /// Every encoding that is read.
    pub const ALL: [Self; 15] = [
        Self::F32,
        Self::F16,
        Self::BF16,
        Self::Q4_0,
        Self::Q4_1,
        Self::Q5_0,
        Self::Q5_1,
        Self::Q8_0,
        Self::Q2_K,
        Self::Q3_K,
        Self::Q4_K,
        Self::Q5_K,
        Self::Q6_K,
        Self::IQ4_NL,
        Self::IQ4_XS,
    ];

    /// The name that GGUF gives it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::BF16 => "BF16",
            Self::Q4_0 => "Q4_0",
            Self::Q4_1 => "Q4_1",
            Self::Q5_0 => "Q5_0",
            Self::Q5_1 => "Q5_1",
            Self::Q8_0 => "Q8_0",
            Self::Q2_K => "Q2_K",
            Self::Q3_K => "Q3_K",
            Self::Q4_K => "Q4_K",
            Self::Q5_K => "Q5_K",
            Self::Q6_K => "Q6_K",
            Self::IQ4_NL => "IQ4_NL",
            Self::IQ4_XS => "IQ4_XS",
        }
    }

    /// Elements of a block.
    pub const fn block_len(self) -> usize {
        match self {
            Self::F32 | Self::F16 | Self::BF16 => 1,
            Self::Q4_0 | Self::Q4_1 | Self::Q5_0 | Self::Q5_1 | Self::Q8_0 | Self::IQ4_NL => 32,
            Self::Q2_K | Self::Q3_K | Self::Q4_K | Self::Q5_K | Self::Q6_K | Self::IQ4_XS => 256,
        }
    }

    /// Bytes of a block.
    pub const fn block_bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::BF16 => 2,
            Self::Q4_0 | Self::IQ4_NL => 18,
            Self::Q4_1 => 20,
            Self::Q5_0 => 22,
            Self::Q5_1 => 24,
            Self::Q8_0 => 34,
            Self::Q2_K => 84,
            Self::Q3_K => 110,
            Self::IQ4_XS => 136,
            Self::Q4_K => 144,
            Self::Q5_K => 176,
            Self::Q6_K => 210,
        }
    }

    /// Bytes of a row of `k` elements; `k` is a multiple of [`Self::block_len`].
    pub const fn row_bytes(self, k: usize) -> usize {
        k / self.block_len() * self.block_bytes()
    }
}
