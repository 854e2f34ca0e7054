//! The ways in which weights are stored on the device.

use crate::format::Encoding;

/// How packed weights are stored on the device: which planes they have, and which WGSL reader decodes them. The table
/// in [`pack`](super::pack) shows the planes.
///
/// # How to add a packing
/// 1. A variant here, a row of the table behind it, and its planes in the table of [`pack`](super::pack) and in
///    `Layout::plane_words_per_64_rows`.
/// 2. `src/weights/pack/encode.rs`: quants and scales into planes. `src/weights/pack/decode.rs`: planes into numbers.
/// 3. A reader, `shaders/lib/NAME.wgsl`, and its lines in `src/kernels/storage.rs`.
#[allow(non_camel_case_types, reason = "a packing has the name of the encoding that it was made for")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the table in pack.rs describes each")]
pub enum Packing {
    F32,
    F16,
    BF16,
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q8_0,
    Q2_K,
    Q3_K,
    Q4_K,
    Q5_K,
    Q6_K,
    IQ4_NL,
    IQ4_XS,
    INT4,
    INT4_F16,
    INT8,
}

/// Every packing in the order of the variants, and its name in reports and labels.
const TABLE: [(Packing, &str); 18] = [
    (Packing::F32, "F32"),
    (Packing::F16, "F16"),
    (Packing::BF16, "BF16"),
    (Packing::Q4_0, "Q4_0"),
    (Packing::Q4_1, "Q4_1"),
    (Packing::Q5_0, "Q5_0"),
    (Packing::Q5_1, "Q5_1"),
    (Packing::Q8_0, "Q8_0"),
    (Packing::Q2_K, "Q2_K"),
    (Packing::Q3_K, "Q3_K"),
    (Packing::Q4_K, "Q4_K"),
    (Packing::Q5_K, "Q5_K"),
    (Packing::Q6_K, "Q6_K"),
    (Packing::IQ4_NL, "IQ4_NL"),
    (Packing::IQ4_XS, "IQ4_XS"),
    (Packing::INT4, "INT4"),
    (Packing::INT4_F16, "INT4_F16"),
    (Packing::INT8, "INT8"),
];

impl Packing {
    /// Every packing that kernels can read.
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

    /// The packing that weights of an encoding get. Several encodings may share one.
    pub const fn of(encoding: Encoding) -> Self {
        match encoding {
            Encoding::F32 => Self::F32,
            Encoding::F16 => Self::F16,
            Encoding::BF16 => Self::BF16,
            Encoding::Q4_0 => Self::Q4_0,
            Encoding::Q4_1 => Self::Q4_1,
            Encoding::Q5_0 => Self::Q5_0,
            Encoding::Q5_1 => Self::Q5_1,
            Encoding::Q8_0 => Self::Q8_0,
            Encoding::Q2_K => Self::Q2_K,
            Encoding::Q3_K => Self::Q3_K,
            Encoding::Q4_K => Self::Q4_K,
            Encoding::Q5_K => Self::Q5_K,
            Encoding::Q6_K => Self::Q6_K,
            Encoding::IQ4_NL => Self::IQ4_NL,
            Encoding::IQ4_XS => Self::IQ4_XS,
            Encoding::INT4 => Self::INT4,
            Encoding::INT8 => Self::INT8,
        }
    }

    /// Whether weights of an encoding can be packed like this: as [`Self::of`] says, or INT4 with scales that are
    /// rounded to f16.
    pub fn takes(self, encoding: Encoding) -> bool {
        Self::of(encoding) == self || (encoding == Encoding::INT4 && self == Self::INT4_F16)
    }

    /// The name in reports and labels.
    pub const fn name(self) -> &'static str {
        TABLE[self as usize].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A packing that is missing in the list would have no kernel cases.
    #[test]
    fn every_packing_is_listed() {
        for encoding in Encoding::ALL {
            assert!(Packing::ALL.contains(&Packing::of(encoding)), "{}", encoding.name());
        }
    }
}
