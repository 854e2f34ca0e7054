//! Seeded numbers, files' rows and caches for cases.

use half::f16;

use crate::format::Encoding;
use crate::kernels::KvType;
use crate::kernels::generate::seed;
use crate::kernels::sample::philox4x32;
use crate::weights::Packing;
use crate::weights::pack::Layout;

/// Seeded numbers: Philox, counted.
pub(crate) struct Random {
    seed: u32,
    count: u32,
}

impl Random {
    /// The numbers of a case, which are the same for every driver and tier. The seed is a hash of `name`, so that a case
    /// which is added changes no other's numbers.
    pub(crate) fn of(name: &str) -> Self {
        Self { seed: seed(name), count: 0 }
    }

    pub(crate) fn word(&mut self) -> u32 {
        self.count += 1;
        philox4x32([self.count, 0, 0, 0], [self.seed, 0x11a3])[0]
    }

    /// Uniform in [-1, 1).
    pub(crate) fn number(&mut self) -> f32 {
        self.word() as f32 / 2_147_483_648.0 - 1.0
    }

    pub(crate) fn floats(&mut self, count: usize, scale: f32) -> Vec<u32> {
        (0..count).map(|_| (self.number() * scale).to_bits()).collect()
    }

    /// Rows of `width` numbers at a stride of `stride`, zeros between.
    pub(crate) fn rows(&mut self, rows: usize, width: usize, stride: usize, scale: f32) -> Vec<u32> {
        (0..rows * stride).map(|i| if i % stride < width { (self.number() * scale).to_bits() } else { 0 }).collect()
    }

    /// Numbers in BF16, two to a word.
    pub(crate) fn bf16(&mut self, count: usize) -> Vec<u32> {
        (0..count / 2).map(|_| self.number().to_bits() >> 16 | self.number().to_bits() & 0xffff_0000).collect()
    }

    /// Numbers of a KV cache; f16 are mostly plain, with every special kind among them.
    pub(crate) fn cache(&mut self, kv: KvType, count: usize) -> Vec<u32> {
        if kv == KvType::F32 {
            return self.floats(count, 1.0);
        }
        let mut half = |i: usize| match i % 61 {
            7 => f16::from_f32(self.number() * 6e-8),
            19 => f16::from_f32(0.0),
            _ => f16::from_f32(self.number()),
        };
        (0..count / 2).map(|i| u32::from(half(2 * i).to_bits()) | u32::from(half(2 * i + 1).to_bits()) << 16).collect()
    }

    /// Bytes of rows as a file has them: random quants, and scales that are plain, zero, subnormal and large in turn.
    pub(crate) fn file_rows(&mut self, encoding: Encoding, rows: usize, cols: usize) -> Vec<Vec<u8>> {
        // Rows that keep their scales apart end where the matrix does.
        let cols = cols.next_multiple_of(encoding.block_len());
        (0..rows).map(|row| self.file_row(encoding, row, cols)).collect()
    }

    pub(crate) fn file_row(&mut self, encoding: Encoding, row: usize, cols: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(encoding.row_bytes(cols));
        if matches!(encoding, Encoding::INT4 | Encoding::INT8) {
            let most = if encoding == Encoding::INT4 { 8 } else { 128 };
            bytes.extend((0..cols).map(|_| (self.word() as i32).rem_euclid(2 * most) - most).map(|quant| quant as u8));
            let scales = encoding.scale_bytes(cols) / 4;
            bytes.extend((0..scales).flat_map(|g| self.scale(row + g).to_le_bytes()));
            return bytes;
        }
        for block in 0..cols / encoding.block_len() {
            match encoding {
                Encoding::F32 => bytes.extend(self.number().to_le_bytes()),
                Encoding::F16 => {
                    let value = if (row + block) % 251 == 7 { 65504.0 } else { self.number() };
                    bytes.extend(f16::from_f32(value).to_le_bytes());
                }
                Encoding::BF16 => bytes.extend(&self.number().to_le_bytes()[2..]),
                _ => {
                    let start = bytes.len();
                    bytes.extend((0..encoding.block_bytes()).map(|_| self.word() as u8));
                    for (at, share) in scales_of(encoding) {
                        let scale = self.scale(row + block) * share;
                        bytes[start + at..][..2].copy_from_slice(&f16::from_f32(scale).to_le_bytes());
                    }
                }
            }
        }
        bytes
    }

    /// Scales that are plain, zero, subnormal and large in turn.
    pub(crate) fn scale(&mut self, i: usize) -> f32 {
        match i % 23 {
            3 => 0.0,
            5 => 3e-7,
            2 | 11 | 14 | 20 => 30.0,
            _ => self.number() * 0.05,
        }
    }

    /// Scores of splits of attention.
    pub(crate) fn scores(&mut self, count: usize) -> Vec<u32> {
        (0..count).flat_map(|_| [self.number() * 20.0, self.number().abs() + 0.1]).map(f32::to_bits).collect()
    }

    pub(crate) fn packed(&mut self, layout: &Layout) -> Vec<u32> {
        let encoding = encoding_of(layout.packing);
        let rows = self.file_rows(encoding, layout.rows, layout.cols);
        layout.pack_all(encoding, &rows.iter().map(Vec::as_slice).collect::<Vec<_>>())
    }
}

/// An encoding whose weights are packed like that.
pub(crate) fn encoding_of(packing: Packing) -> Encoding {
    Encoding::ALL.into_iter().find(|encoding| packing.takes(*encoding)).expect("some encoding is packed so")
}

/// Where the f16 of a block stand, and by how much they are smaller than the scale of a block of 32.
pub(crate) fn scales_of(encoding: Encoding) -> &'static [(usize, f32)] {
    match encoding {
        Encoding::F32 | Encoding::F16 | Encoding::BF16 | Encoding::INT4 | Encoding::INT8 => &[],
        Encoding::Q4_0 | Encoding::Q5_0 | Encoding::Q8_0 | Encoding::IQ4_NL => &[(0, 1.0)],
        Encoding::Q4_1 | Encoding::Q5_1 => &[(0, 1.0), (2, 8.0)],
        Encoding::Q2_K => &[(80, 1.0 / 4.0), (82, 1.0 / 4.0)],
        Encoding::Q3_K => &[(108, 1.0 / 16.0)],
        Encoding::Q4_K | Encoding::Q5_K => &[(0, 1.0 / 32.0), (2, 1.0 / 8.0)],
        Encoding::Q6_K => &[(208, 1.0 / 32.0)],
        Encoding::IQ4_XS => &[(0, 1.0 / 16.0)],
    }
}
