//! Subgroup operations: a wave is a subgroup.

use super::{Shared, Wave};
use crate::code::{Gather, Scan};
use crate::faults::Kind;
use crate::lanes;
use crate::scalar::Binary;

/// What a lane gets of one that is not there: WGSL leaves it open, and a signalling NaN shows where it is used.
const NOBODY: u32 = 0x7fa5_a5a5;

impl<const L: usize> Wave<L> {
    pub(super) fn collective(&mut self, op: Binary, scan: Scan, identity: u32, to: u32, from: u32) {
        let values = self.registers[from as usize];
        let mut all = identity;
        let mut result = [identity; L];
        for lane in lanes::of_mask(self.active) {
            if scan == Scan::Exclusive {
                result[lane] = all;
            }
            all = op.of([all, values[lane]]);
            if scan == Scan::Inclusive {
                result[lane] = all;
            }
        }
        self.registers[to as usize] = if scan == Scan::Reduce { [all; L] } else { result };
    }

    pub(super) fn gather(&mut self, gather: Gather, to: u32, from: u32) {
        let values = self.registers[from as usize];
        let first = self.active.trailing_zeros();
        let operand = |register: u32, lane: usize| self.registers[register as usize][lane];
        let mut result = [NOBODY; L];
        for (lane, result) in result.iter_mut().enumerate() {
            let own = lane as u32;
            let other = match gather {
                Gather::First => first,
                Gather::Lane(register) => operand(register, lane),
                Gather::Up(register) => own.wrapping_sub(operand(register, lane)),
                Gather::Down(register) => own.wrapping_add(operand(register, lane)),
                Gather::Xor(register) => own ^ operand(register, lane),
                Gather::Quad(register) => own / 4 * 4 + operand(register, lane),
                Gather::QuadSwap(bits) => own ^ bits,
            };
            if (other as usize) < L && self.active >> other & 1 == 1 {
                *result = values[other as usize];
            }
        }
        self.registers[to as usize] = result;
    }

    pub(super) fn ballot(&mut self, to: [u32; 4], predicate: Option<u32>) {
        let mask = self.active & predicate.map_or(u128::MAX, |register| self.condition(register));
        for (i, register) in to.into_iter().enumerate() {
            self.registers[register as usize] = [(mask >> (32 * i)) as u32; L];
        }
    }

    /// An index that all invocations of a wave have to share.
    pub(super) fn check_uniform(&self, shared: &mut Shared, from: u32, line: u32) {
        let values = self.registers[from as usize];
        let mut words = lanes::of_mask(self.active).map(|lane| values[lane]);
        let first = words.next();
        if let Some(other) = words.find(|word| Some(*word) != first) {
            let (group, first) = (shared.group, first.unwrap_or_default());
            shared.faults.add(Kind::Divergence, [line, 0], || {
                format!("invocations of workgroup {group} load uniformly from elements {first} and {other}")
            });
        }
    }
}
