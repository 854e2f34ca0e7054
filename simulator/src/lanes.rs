//! Loops over the lanes of a wave, one compiled for each function of scalars.

/// All registers of a wave of `L` lanes.
pub type Registers<const L: usize> = [[u32; L]];

/// Registers, the one that is written, and those that are read.
pub struct Apply<'a, const L: usize, const N: usize> {
    pub registers: &'a mut Registers<L>,
    pub to: u32,
    pub from: [u32; N],
}

impl<const L: usize, const N: usize> Apply<'_, L, N> {
    /// Applies a function of scalars to each lane.
    #[inline(always)]
    pub fn each(self, function: impl Fn([u32; N]) -> u32) {
        let from = self.from.map(|register| self.registers[register as usize]);
        let to = &mut self.registers[self.to as usize];
        for (lane, to) in to.iter_mut().enumerate() {
            *to = function(std::array::from_fn(|i| from[i][lane]));
        }
    }
}

/// The lanes of a mask, from the lowest.
pub fn of_mask(mask: u128) -> impl Iterator<Item = usize> {
    let mut rest = mask;
    std::iter::from_fn(move || {
        if rest == 0 {
            return None;
        }
        let lane = rest.trailing_zeros() as usize;
        rest &= rest - 1;
        Some(lane)
    })
}

/// The lanes whose word is not zero.
#[inline(always)]
pub fn mask_of<const L: usize>(words: &[u32; L]) -> u128 {
    let mut mask = 0;
    for (lane, word) in words.iter().enumerate() {
        mask |= u128::from(*word != 0) << lane;
    }
    mask
}
