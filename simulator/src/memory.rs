//! Memory that lanes share, and who used it last: the happens-before of a dispatch is its barriers.
//!
//! Two invocations of a workgroup are ordered by a barrier between them that affects the memory; those of different
//! workgroups by nothing. So a cell remembers its last write and its last read, each with the number of barriers before
//! it, which does not depend on the order in which waves happened to run.

use crate::code::{Access, Count, Leaf, Line, Memory, Space};
use crate::faults::{Faults, Kind};

/// More than one of them.
const MANY: u32 = u32::MAX;

/// The last uses of a cell. A phase of 0 is none.
#[derive(Clone, Copy, Debug, Default)]
struct Uses {
    write_phase: u32,
    write_group: u32,
    write_lane: u32,
    write_line: Line,
    read_phase: u32,
    read_group: u32,
    read_lane: u32,
    read_line: Line,
}

/// An invocation at a moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// Its workgroup, counted through the grid.
    pub(crate) group: u32,
    /// Its index in the workgroup.
    pub(crate) lane: u32,
    pub(crate) line: Line,
    /// Barriers of this memory before it, counted through the run from 1.
    pub(crate) phase: u32,
    /// The first phase whose uses count: workgroup memory is new in every workgroup.
    pub(crate) first_phase: u32,
}

/// One memory and what is known of it.
#[derive(Debug)]
pub(crate) struct State {
    name: String,
    space: Space,
    pub(crate) cell_bytes: u32,
    pub(crate) cells: u32,
    pub(crate) words: Vec<u32>,
    uses: Vec<Uses>,
}

impl State {
    pub(crate) fn new(memory: &Memory, words: Vec<u32>) -> Self {
        let cells = words.len() as u32 * (4 / memory.cell_bytes);
        let uses = if Self::shared(memory.space) { vec![Uses::default(); cells as usize] } else { Vec::new() };
        let (name, cell_bytes) = (memory.name.clone(), memory.cell_bytes);
        Self { name, space: memory.space, cell_bytes, cells, words, uses }
    }

    /// Whether lanes may write it.
    fn shared(space: Space) -> bool {
        matches!(space, Space::Workgroup | Space::Storage { written: true })
    }

    pub(crate) fn is_shared(&self) -> bool {
        Self::shared(self.space)
    }

    pub(crate) fn is_storage(&self) -> bool {
        matches!(self.space, Space::Storage { .. })
    }

    pub(crate) fn is_workgroup(&self) -> bool {
        self.space == Space::Workgroup
    }

    /// Elements of an array.
    #[inline(always)]
    pub(crate) fn count(&self, count: Count, stride: u32) -> u32 {
        match count {
            Count::Fixed(count) => count,
            Count::Runtime { begin } => self.cells.saturating_sub(begin) / stride,
        }
    }

    /// The cell that an access leads to at these indices. An index out of bounds is a fault; then the last element is
    /// loaded, and nothing is stored.
    #[inline(always)]
    pub(crate) fn cell(
        &self,
        access: &Access,
        index: impl Fn(u32) -> u32,
        stores: bool,
        moment: Moment,
        faults: &mut Faults,
    ) -> Option<u32> {
        let mut at = access.begin;
        for term in &access.terms {
            let (own, count) = (index(term.index), self.count(term.count, term.stride));
            if own >= count {
                faults.add(Kind::OutOfBounds, [access.line, 0], || {
                    let verb = if stores { "writes" } else { "reads" };
                    format!("{} {verb} element {own} of {}, which has {count}", moment.who(), self.name)
                });
                if stores || count == 0 {
                    return None;
                }
            }
            at += own.min(count - 1) * term.stride;
        }
        Some(at)
    }

    #[inline(always)]
    pub(crate) fn read(&self, cell: u32, leaf: Leaf) -> u32 {
        if self.cell_bytes == 4 {
            return self.words[cell as usize];
        }
        let word = self.words[cell as usize / 2];
        if !leaf.half {
            return word;
        }
        half::f16::from_bits((word >> (16 * (cell % 2))) as u16).to_f32().to_bits()
    }

    #[inline(always)]
    pub(crate) fn write(&mut self, cell: u32, leaf: Leaf, value: u32) {
        if self.cell_bytes == 4 {
            self.words[cell as usize] = value;
        } else if leaf.half {
            let (word, shift) = (&mut self.words[cell as usize / 2], 16 * (cell % 2));
            let bits = u32::from(half::f16::from_f32(f32::from_bits(value)).to_bits());
            *word = *word & !(0xffff << shift) | bits << shift;
        } else {
            self.words[cell as usize / 2] = value;
        }
    }

    /// The cells of a scalar.
    fn cells_of(&self, cell: u32, leaf: Leaf) -> std::ops::Range<usize> {
        let len = if self.cell_bytes == 2 && !leaf.half { 2 } else { 1 };
        cell as usize..cell as usize + len
    }

    /// Notes a read.
    #[inline(always)]
    pub(crate) fn note_read(&mut self, cell: u32, leaf: Leaf, now: Moment, faults: &mut Faults) {
        for cell in self.cells_of(cell, leaf) {
            let uses = self.uses[cell];
            if self.space == Space::Workgroup && uses.write_phase < now.first_phase {
                self.uninitialised(cell, now, faults);
            } else if uses.written_apart(now) {
                self.race(cell, now, "reads", [uses.write_group, uses.write_lane], "wrote", uses.write_line, faults);
            }
            let own = &mut self.uses[cell];
            if own.read_phase < now.first_phase {
                (own.read_group, own.read_lane) = (now.group, now.lane);
            } else if own.read_group != now.group {
                own.read_group = MANY;
            } else if own.read_phase != now.phase {
                own.read_lane = now.lane;
            } else if own.read_lane != now.lane {
                own.read_lane = MANY;
            }
            (own.read_phase, own.read_line) = (now.phase, now.line);
        }
    }

    /// Notes a write.
    #[inline(always)]
    pub(crate) fn note_write(&mut self, cell: u32, leaf: Leaf, now: Moment, faults: &mut Faults) {
        for cell in self.cells_of(cell, leaf) {
            let uses = self.uses[cell];
            if uses.written_apart(now) {
                self.race(cell, now, "writes", [uses.write_group, uses.write_lane], "wrote", uses.write_line, faults);
            } else if uses.read_apart(now) {
                self.race(cell, now, "writes", [uses.read_group, uses.read_lane], "read", uses.read_line, faults);
            }
            let own = &mut self.uses[cell];
            own.write_phase = now.phase;
            (own.write_group, own.write_lane, own.write_line) = (now.group, now.lane, now.line);
        }
    }

    /// Notes an atomic operation: a place of an atomic type has no others, so nothing races.
    pub(crate) fn note_atomic(&mut self, cell: u32, reads: bool, now: Moment, faults: &mut Faults) {
        let cell = cell as usize;
        if reads && self.space == Space::Workgroup && self.uses[cell].write_phase < now.first_phase {
            self.uninitialised(cell, now, faults);
        }
        self.uses[cell].write_phase = now.phase;
    }

    #[cold]
    fn uninitialised(&self, cell: usize, now: Moment, faults: &mut Faults) {
        faults.add(Kind::Uninitialised, [now.line, 0], || {
            format!("{} reads {}, which nobody wrote", now.who(), self.place(cell))
        });
    }

    #[cold]
    #[allow(clippy::too_many_arguments, reason = "two sides of a sentence")]
    fn race(&self, cell: usize, now: Moment, verb: &str, other: [u32; 2], past: &str, line: Line, faults: &mut Faults) {
        faults.add(Kind::Race, [now.line, line], || {
            let [group, lane] = other;
            let whom = match (group, lane) {
                (MANY, _) => "invocations of several workgroups".to_owned(),
                (group, MANY) if group == now.group => "several invocations of its workgroup".to_owned(),
                (group, MANY) => format!("several invocations of workgroup {group}"),
                (group, lane) => format!("invocation {lane} of workgroup {group}"),
            };
            let why =
                if group == now.group { "without a barrier between them" } else { "and nothing orders workgroups" };
            format!("{} {verb} {}, which {whom} {past} {why}", now.who(), self.place(cell))
        });
    }

    /// A cell as messages call it.
    fn place(&self, cell: usize) -> String {
        match self.space {
            Space::Workgroup => format!("scalar {cell} of {}", self.name),
            _ => format!("byte {} of {}", cell * self.cell_bytes as usize, self.name),
        }
    }
}

impl Uses {
    /// Whether another invocation wrote it, and nothing orders the two.
    #[inline(always)]
    fn written_apart(&self, now: Moment) -> bool {
        self.write_phase >= now.first_phase
            && (self.write_group != now.group || (self.write_phase == now.phase && self.write_lane != now.lane))
    }

    /// Whether another invocation read it, and nothing orders the two.
    #[inline(always)]
    fn read_apart(&self, now: Moment) -> bool {
        self.read_phase >= now.first_phase
            && (self.read_group != now.group || (self.read_phase == now.phase && self.read_lane != now.lane))
    }
}

impl Moment {
    pub(crate) fn who(self) -> String {
        format!("invocation {} of workgroup {}", self.lane, self.group)
    }
}
