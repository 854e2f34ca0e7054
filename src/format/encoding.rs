//! The ways in which files store numbers.

/// How a file stores the elements of a tensor.
#[allow(non_camel_case_types, reason = "these are the names that every file and tool uses")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Encoding {
    /// IEEE single.
    F32,
    /// IEEE half.
    F16,
    /// The upper half of an IEEE single.
    BF16,
    /// Blocks of 32: a half scale and 32 nibbles.
    Q4_0,
    /// Blocks of 32: half scale and minimum, and 32 nibbles.
    Q4_1,
    /// Blocks of 32: a half scale and 32 quants of 5 bits.
    Q5_0,
    /// Blocks of 32: half scale and minimum, and 32 quants of 5 bits.
    Q5_1,
    /// Blocks of 32: a half scale and 32 signed bytes.
    Q8_0,
    /// Blocks of 256: 2-bit quants, 4-bit scale and minimum per 16, half scales of both per 256.
    Q2_K,
    /// Blocks of 256: 3-bit quants, a 6-bit scale per 16, a half scale per 256.
    Q3_K,
    /// Blocks of 256: 4-bit quants, 6-bit scale and minimum per 32, half scales of both per 256.
    Q4_K,
    /// Blocks of 256: 5-bit quants, 6-bit scale and minimum per 32, half scales of both per 256.
    Q5_K,
    /// Blocks of 256: 6-bit quants, a signed byte scale per 16, a half scale per 256.
    Q6_K,
    /// Blocks of 32: a half scale and 32 nibbles that point into a table of 16 numbers.
    IQ4_NL,
    /// Blocks of 256: nibbles that point into the same table, a 6-bit scale per 32, a half scale per 256.
    IQ4_XS,
}

impl Encoding {
    /// Every type the engine runs.
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

    /// The name GGUF gives it.
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

    /// Elements per block in the file.
    pub const fn block_len(self) -> usize {
        match self {
            Self::F32 | Self::F16 | Self::BF16 => 1,
            Self::Q4_0 | Self::Q4_1 | Self::Q5_0 | Self::Q5_1 | Self::Q8_0 | Self::IQ4_NL => 32,
            Self::Q2_K | Self::Q3_K | Self::Q4_K | Self::Q5_K | Self::Q6_K | Self::IQ4_XS => 256,
        }
    }

    /// Bytes per block in the file.
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

    /// Bytes of a row of `k` elements in the file; `k` is a multiple of [`Self::block_len`].
    pub const fn row_bytes(self, k: usize) -> usize {
        k / self.block_len() * self.block_bytes()
    }
}
