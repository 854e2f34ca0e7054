//! Memory transactions: how many cache lines the accesses of waves touch.

use std::collections::HashSet;

/// Bytes of a line.
pub const LINE_BYTES: u64 = 64;

/// What waves moved from and to one buffer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// Loads and stores of a wave: one for all of its lanes.
    pub accesses: u64,
    /// Distinct lines of each access, added up.
    pub lines: u64,
    /// Distinct bytes of each access, added up.
    pub useful_bytes: u64,
    /// Distinct lines of each workgroup, added up.
    pub workgroup_lines: u64,
}

impl Moved {
    /// Bytes of the lines of all accesses.
    pub fn moved_bytes(&self) -> u64 {
        self.lines * LINE_BYTES
    }

    /// Useful over moved bytes: 1 where every byte of a line is used by the access that moves it.
    pub fn coalescing(&self) -> f64 {
        self.useful_bytes as f64 / self.moved_bytes().max(1) as f64
    }

    /// Both together.
    pub fn and(&self, other: &Self) -> Self {
        Self {
            accesses: self.accesses + other.accesses,
            lines: self.lines + other.lines,
            useful_bytes: self.useful_bytes + other.useful_bytes,
            workgroup_lines: self.workgroup_lines + other.workgroup_lines,
        }
    }
}

/// The counts of a run, by memory.
#[derive(Debug)]
pub(crate) struct Traffic {
    pub(crate) of: Vec<Moved>,
    /// Lines that the running workgroup touched.
    lines: HashSet<(usize, u64)>,
    scratch: Vec<(u64, u64)>,
}

impl Traffic {
    pub(crate) fn new(memories: usize) -> Self {
        Self { of: vec![Moved::default(); memories], lines: HashSet::new(), scratch: Vec::new() }
    }

    /// Counts an access of a wave: where each scalar begins, and its bytes.
    pub(crate) fn count(&mut self, memory: usize, scalars: impl Iterator<Item = (u64, u64)>) {
        self.scratch.clear();
        self.scratch.extend(scalars);
        self.scratch.sort_unstable();
        self.scratch.dedup();
        let of = &mut self.of[memory];
        of.accesses += 1;
        let mut last = None;
        for (begin, len) in &self.scratch {
            of.useful_bytes += len;
            let line = begin / LINE_BYTES;
            if last != Some(line) {
                of.lines += 1;
                if self.lines.insert((memory, line)) {
                    of.workgroup_lines += 1;
                }
                last = Some(line);
            }
        }
    }

    pub(crate) fn next_workgroup(&mut self) {
        self.lines.clear();
    }
}
