//! Loads, stores and atomic operations of a wave in memory that lanes share.

use super::{Shared, Wave};
use crate::code::{Access, Atomic};
use crate::lanes;

impl<const L: usize> Wave<L> {
    pub(super) fn load(&mut self, shared: &mut Shared, access: &Access) {
        let memory = access.memory as usize;
        if access.terms.is_empty() && !shared.memories[memory].is_shared() {
            // All lanes load the same.
            for leaf in &access.leaves {
                let word = shared.memories[memory].read(access.begin + leaf.at, *leaf);
                self.registers[leaf.register as usize] = [word; L];
            }
            self.count(shared, access);
            return;
        }
        let (noted, in_workgroup) = (shared.memories[memory].is_shared(), shared.memories[memory].is_workgroup());
        for lane in lanes::of_mask(self.active) {
            let moment = self.moment(shared, in_workgroup, lane, access.line);
            let state = &mut shared.memories[memory];
            let index = |register: u32| self.registers[register as usize][lane];
            let cell = state.cell(access, index, false, moment, &mut shared.faults);
            for leaf in &access.leaves {
                let word = cell.map_or(0, |cell| state.read(cell + leaf.at, *leaf));
                self.registers[leaf.register as usize][lane] = word;
                if let (true, Some(cell)) = (noted, cell) {
                    match access.atomic {
                        true => state.note_atomic(cell + leaf.at, true, moment, &mut shared.faults),
                        false => state.note_read(cell + leaf.at, *leaf, moment, &mut shared.faults),
                    }
                }
            }
        }
        self.count(shared, access);
    }

    pub(super) fn store(&mut self, shared: &mut Shared, access: &Access) {
        let memory = access.memory as usize;
        let in_workgroup = shared.memories[memory].is_workgroup();
        for lane in lanes::of_mask(self.active) {
            let moment = self.moment(shared, in_workgroup, lane, access.line);
            let state = &mut shared.memories[memory];
            let index = |register: u32| self.registers[register as usize][lane];
            let Some(cell) = state.cell(access, index, true, moment, &mut shared.faults) else { continue };
            for leaf in &access.leaves {
                state.write(cell + leaf.at, *leaf, self.registers[leaf.register as usize][lane]);
                match access.atomic {
                    true => state.note_atomic(cell + leaf.at, false, moment, &mut shared.faults),
                    false => state.note_write(cell + leaf.at, *leaf, moment, &mut shared.faults),
                }
            }
        }
        self.count(shared, access);
    }

    pub(super) fn atomic(&mut self, shared: &mut Shared, access: &Access, atomic: Atomic, operand: u32, old: u32) {
        let memory = access.memory as usize;
        let in_workgroup = shared.memories[memory].is_workgroup();
        for lane in lanes::of_mask(self.active) {
            let moment = self.moment(shared, in_workgroup, lane, access.line);
            let state = &mut shared.memories[memory];
            let index = |register: u32| self.registers[register as usize][lane];
            let Some(cell) = state.cell(access, index, true, moment, &mut shared.faults) else { continue };
            for leaf in &access.leaves {
                let before = state.read(cell + leaf.at, *leaf);
                let after = self.updated(atomic, before, self.registers[operand as usize][lane], lane);
                state.write(cell + leaf.at, *leaf, after);
                state.note_atomic(cell + leaf.at, atomic != Atomic::Exchange, moment, &mut shared.faults);
                self.registers[old as usize][lane] = before;
            }
        }
        self.count(shared, access);
    }

    /// Counts the transactions of an access to a storage buffer.
    fn count(&self, shared: &mut Shared, access: &Access) {
        if shared.traffic.is_none() || !shared.memories[access.memory as usize].is_storage() || self.active == 0 {
            return;
        }
        let mut cells = Vec::new();
        for lane in lanes::of_mask(self.active) {
            let moment = self.moment(shared, false, lane, access.line);
            let index = |register: u32| self.registers[register as usize][lane];
            let state = &shared.memories[access.memory as usize];
            if let Some(cell) = state.cell(access, index, true, moment, &mut shared.faults) {
                cells.extend(access.leaves.iter().map(|leaf| (cell + leaf.at, *leaf)));
            }
        }
        let cell_bytes = shared.memories[access.memory as usize].cell_bytes;
        if let Some(traffic) = &mut shared.traffic {
            let bytes = cells.into_iter().map(|(cell, leaf)| {
                let len = if leaf.half { 2 } else { 4 };
                (u64::from(cell) * u64::from(cell_bytes), len)
            });
            traffic.count(access.memory as usize, bytes);
        }
    }
}
