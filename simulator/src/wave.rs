//! A wave: lanes that run the same operation at a time, those that are active.

mod memory;
mod subgroup;

use crate::code::{Atomic, Code, Count, LocalAccess, Op, Place};
use crate::faults::{Faults, Kind};
use crate::lanes::{self, Apply, Registers};
use crate::memory::{Moment, State};
use crate::traffic::Traffic;

/// Rounds of loops that one wave may take.
const MOST_ROUNDS: u64 = 1 << 28;

/// Why a wave stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// At a barrier.
    Barrier(Place),
    /// Before an access to memory that others may write, since it took as many as it should.
    Paused,
    Done,
}

/// What the waves of a workgroup share.
pub(crate) struct Shared<'a> {
    pub(crate) code: &'a Code,
    pub(crate) memories: Vec<State>,
    pub(crate) faults: Faults,
    pub(crate) traffic: Option<Traffic>,
    /// The workgroup, counted through the grid.
    pub(crate) group: u32,
    /// Barriers of storage and of workgroup memory so far; and before this workgroup.
    pub(crate) storage_phase: u32,
    pub(crate) workgroup_phase: u32,
    pub(crate) first_workgroup_phase: u32,
}

/// A wave of at most `L` lanes.
pub(crate) struct Wave<const L: usize> {
    pub(crate) registers: Box<Registers<L>>,
    /// The index of its first lane in the workgroup.
    pub(crate) first: u32,
    pub(crate) at: Place,
    pub(crate) exists: u128,
    active: u128,
    /// Masks of nested control flow: lanes that left or wait, and a second mask.
    slots: Vec<[u128; 2]>,
    /// Lanes that wrote each register of variables without an initial value.
    marks: Vec<u128>,
    rounds: u64,
}

impl<const L: usize> Wave<L> {
    pub(crate) fn new(code: &Code, first: u32, invocations: u32) -> Self {
        let mut registers = vec![[0; L]; code.registers].into_boxed_slice();
        for (register, word) in registers.iter_mut().zip(&code.constants) {
            *register = [*word; L];
        }
        let lanes = (invocations - first).min(L as u32);
        let exists = u128::MAX >> (128 - lanes);
        let (slots, marks) = (vec![[0; 2]; code.slots], vec![0; code.marks]);
        Self { registers, first, at: 0, exists, active: exists, slots, marks, rounds: 0 }
    }

    /// Makes it ready for another workgroup.
    pub(crate) fn restart(&mut self) {
        (self.at, self.active, self.rounds) = (0, self.exists, 0);
    }

    fn moment(&self, shared: &Shared, workgroup: bool, lane: usize, line: u32) -> Moment {
        let (phase, first_phase) = match workgroup {
            true => (shared.workgroup_phase, shared.first_workgroup_phase),
            false => (shared.storage_phase, 1),
        };
        Moment { group: shared.group, lane: self.first + lane as u32, line, phase, first_phase }
    }

    /// Runs until there is a reason to stop, or `accesses` to memory that others may write were made.
    pub(crate) fn run(&mut self, shared: &mut Shared, mut accesses: u64) -> Stop {
        let code = shared.code;
        loop {
            let op = &code.ops[self.at as usize];
            self.at += 1;
            match op {
                Op::Unary { op, to, a } => {
                    op.each(Apply { registers: &mut self.registers, to: *to, from: [*a] });
                }
                Op::Binary { op, to, a, b } => {
                    op.each(Apply { registers: &mut self.registers, to: *to, from: [*a, *b] });
                }
                Op::Ternary { op, to, a, b, c } => {
                    op.each(Apply { registers: &mut self.registers, to: *to, from: [*a, *b, *c] });
                }
                Op::Dot { to, len, a, b } => self.dot(*to, &a[..*len as usize], &b[..*len as usize]),
                Op::Pick { to, from, index, line } => self.pick(shared, *to, from, *index, *line),
                Op::Copy { to, from } => self.registers[*to as usize] = self.registers[*from as usize],
                Op::Set { to, from } => self.set(*to, *from),
                Op::LoadLocal(access) => self.load_local(shared, access),
                Op::StoreLocal(access) => self.store_local(shared, access),
                Op::Unmark { first, len } => self.mark(*first, *len, false),
                Op::Mark { first, len } => self.mark(*first, *len, true),
                Op::CheckMarks { variable, first, len, line } => {
                    for mark in *first..*first + *len {
                        self.check_mark(shared, *variable, mark, self.active, *line);
                    }
                }
                Op::Load(access) | Op::Store(access) | Op::Atomic { access, .. }
                    if accesses == 0 && shared.memories[access.memory as usize].is_shared() =>
                {
                    self.at -= 1;
                    return Stop::Paused;
                }
                Op::Load(access) => {
                    self.load(shared, access);
                    accesses -= u64::from(shared.memories[access.memory as usize].is_shared());
                }
                Op::Store(access) => {
                    self.store(shared, access);
                    accesses -= 1;
                }
                Op::Atomic { access, atomic, operand, old } => {
                    self.atomic(shared, access, *atomic, *operand, *old);
                    accesses -= 1;
                }
                Op::Length { to, memory, begin, stride } => {
                    let count = Count::Runtime { begin: *begin };
                    self.registers[*to as usize] = [shared.memories[*memory as usize].count(count, *stride); L];
                }
                Op::Collective { op, scan, identity, to, from, line } => {
                    self.meet(shared, *line);
                    self.collective(*op, *scan, *identity, *to, *from);
                }
                Op::Gather { gather, to, from, line } => {
                    self.meet(shared, *line);
                    self.gather(*gather, *to, *from);
                }
                Op::Ballot { to, predicate, line } => {
                    self.meet(shared, *line);
                    self.ballot(*to, *predicate);
                }
                Op::CheckUniform { from, line } => self.check_uniform(shared, *from, *line),
                Op::Barrier { line, .. } => {
                    if self.active == self.exists {
                        return Stop::Barrier(self.at - 1);
                    }
                    self.meet(shared, *line);
                }
                Op::If { condition, slot, otherwise } => {
                    let taken = self.active & self.condition(*condition);
                    self.slots[*slot as usize][0] = self.active & !taken;
                    self.active = taken;
                    if taken == 0 {
                        self.at = *otherwise;
                    }
                }
                Op::Else { slot, end } => {
                    let others = std::mem::replace(&mut self.slots[*slot as usize][0], self.active);
                    self.active = others;
                    if others == 0 {
                        self.at = *end;
                    }
                }
                Op::Join { slot } | Op::Rejoin { slot } => self.active |= self.slots[*slot as usize][0],
                Op::Enter { slot } => self.slots[*slot as usize] = [0; 2],
                Op::BreakIf { condition, when, slot, end } => {
                    let mask = self.condition(*condition);
                    let leaving = self.active & if *when { mask } else { !mask };
                    self.slots[*slot as usize][0] |= leaving;
                    self.active &= !leaving;
                    if self.active == 0 {
                        self.at = *end;
                    }
                }
                Op::Leave { slot } | Op::EndCase { slot } => {
                    self.slots[*slot as usize][0] |= std::mem::take(&mut self.active);
                }
                Op::Continue { slot } => self.slots[*slot as usize][1] |= std::mem::take(&mut self.active),
                Op::Continuing { slot, end } => {
                    self.active |= std::mem::take(&mut self.slots[*slot as usize][1]);
                    if self.active == 0 {
                        self.at = *end;
                    }
                }
                Op::Repeat { slot, begin } => {
                    if self.active == 0 {
                        self.active = self.slots[*slot as usize][0];
                    } else {
                        self.at = *begin;
                        self.rounds += 1;
                        if self.rounds == MOST_ROUNDS {
                            shared.faults.add(Kind::Divergence, [0, 0], || {
                                format!("a wave takes {MOST_ROUNDS} rounds of loops and has no end")
                            });
                        }
                    }
                }
                Op::Switch { slot } => self.slots[*slot as usize] = [0, self.active],
                Op::Case { slot, selector, values, but, default, end } => {
                    let chosen = self.registers[*selector as usize];
                    let is = |word: &u32| values.contains(word) || (*default && !but.contains(word));
                    let matching = chosen.map(|word| u32::from(is(&word)));
                    self.active = self.slots[*slot as usize][1] & lanes::mask_of(&matching);
                    if self.active == 0 {
                        self.at = *end;
                    }
                }
                Op::EndSwitch { slot } => self.active = self.slots[*slot as usize][0],
                Op::SkipIfNone { end } => {
                    if self.active == 0 {
                        self.at = *end;
                    }
                }
                Op::End => return Stop::Done,
            }
            if shared.faults.stopped {
                return Stop::Done;
            }
        }
    }

    #[inline(always)]
    fn condition(&self, register: u32) -> u128 {
        lanes::mask_of(&self.registers[register as usize])
    }

    /// Operations that all invocations have to take part in: a barrier, or one of a subgroup.
    fn meet(&mut self, shared: &mut Shared, line: u32) {
        if self.active == self.exists || self.active == 0 {
            return;
        }
        let absent = lanes::of_mask(self.exists & !self.active).next().unwrap_or_default() as u32 + self.first;
        let present = lanes::of_mask(self.active).next().unwrap_or_default() as u32 + self.first;
        let group = shared.group;
        shared.faults.add(Kind::Divergence, [line, 0], || {
            format!(
                "invocation {present} of workgroup {group} waits for all others, and invocation {absent} does not come: \
                 control flow is not uniform"
            )
        });
    }

    fn dot(&mut self, to: u32, a: &[u32], b: &[u32]) {
        let mut sums = [0f32; L];
        for (i, (a, b)) in a.iter().zip(b).enumerate() {
            let (a, b) = (&self.registers[*a as usize], &self.registers[*b as usize]);
            for (lane, sum) in sums.iter_mut().enumerate() {
                let product = f32::from_bits(a[lane]) * f32::from_bits(b[lane]);
                *sum = if i == 0 { product } else { *sum + product };
            }
        }
        self.registers[to as usize] = sums.map(f32::to_bits);
    }

    fn pick(&mut self, shared: &mut Shared, to: u32, from: &[u32], index: u32, line: u32) {
        let indices = self.registers[index as usize];
        for lane in lanes::of_mask(self.active) {
            let (index, count) = (indices[lane] as usize, from.len());
            if index >= count {
                let moment = self.moment(shared, false, lane, line);
                shared.faults.add(Kind::OutOfBounds, [line, 0], || {
                    format!("{} reads component {index} of a value, which has {count}", moment.who())
                });
            }
            self.registers[to as usize][lane] = self.registers[from[index.min(count - 1)] as usize][lane];
        }
    }

    #[inline(always)]
    fn set(&mut self, to: u32, from: u32) {
        if self.active == self.exists {
            self.registers[to as usize] = self.registers[from as usize];
            return;
        }
        let from = self.registers[from as usize];
        let to = &mut self.registers[to as usize];
        for lane in lanes::of_mask(self.active) {
            to[lane] = from[lane];
        }
    }

    fn mark(&mut self, first: u32, len: u32, written: bool) {
        for mark in &mut self.marks[first as usize..(first + len) as usize] {
            *mark = if written { *mark | self.active } else { *mark & !self.active };
        }
    }

    fn check_mark(&self, shared: &mut Shared, variable: u32, mark: u32, lanes: u128, line: u32) {
        let missing = lanes & !self.marks[mark as usize];
        if missing != 0 {
            let moment = self.moment(shared, false, missing.trailing_zeros() as usize, line);
            let name = &shared.code.variables[variable as usize].name;
            shared.faults.add(Kind::Uninitialised, [line, 0], || {
                format!("{} reads {name}, which has no initial value and was not written", moment.who())
            });
        }
    }

    /// The register that each active lane means, as the distance from the first of the variable's part.
    fn distance(&self, shared: &mut Shared, access: &LocalAccess, lane: usize, stores: bool) -> Option<u32> {
        let mut distance = 0;
        for term in &access.terms {
            let Count::Fixed(count) = term.count else { return None };
            let index = self.registers[term.index as usize][lane];
            if index >= count {
                let moment = self.moment(shared, false, lane, access.line);
                let name = &shared.code.variables[access.variable as usize].name;
                shared.faults.add(Kind::OutOfBounds, [access.line, 0], || {
                    let verb = if stores { "writes" } else { "reads" };
                    format!("{} {verb} element {index} of {name}, which has {count}", moment.who())
                });
                if stores {
                    return None;
                }
            }
            distance += index.min(count - 1) * term.stride;
        }
        Some(distance)
    }

    fn marks_of(&self, shared: &Shared, access: &LocalAccess, distance: u32) -> Option<u32> {
        let variable = &shared.code.variables[access.variable as usize];
        variable.marks.map(|marks| marks + access.begin + distance - variable.begin)
    }

    fn load_local(&mut self, shared: &mut Shared, access: &LocalAccess) {
        for lane in lanes::of_mask(self.active) {
            let Some(distance) = self.distance(shared, access, lane, false) else { continue };
            for (i, to) in (0..).zip(&access.registers) {
                let from = (access.begin + distance + i) as usize;
                self.registers[*to as usize][lane] = self.registers[from][lane];
                if let Some(marks) = self.marks_of(shared, access, distance) {
                    self.check_mark(shared, access.variable, marks + i, 1 << lane, access.line);
                }
            }
        }
    }

    fn store_local(&mut self, shared: &mut Shared, access: &LocalAccess) {
        for lane in lanes::of_mask(self.active) {
            let Some(distance) = self.distance(shared, access, lane, true) else { continue };
            for (i, from) in (0..).zip(&access.registers) {
                let to = (access.begin + distance + i) as usize;
                self.registers[to][lane] = self.registers[*from as usize][lane];
                if let Some(marks) = self.marks_of(shared, access, distance) {
                    self.marks[(marks + i) as usize] |= 1 << lane;
                }
            }
        }
    }

    /// What an atomic operation leaves behind.
    fn updated(&self, atomic: Atomic, old: u32, operand: u32, lane: usize) -> u32 {
        match atomic {
            Atomic::Update(function) => function.of([old, operand]),
            Atomic::Exchange => operand,
            Atomic::CompareExchange(compare) => {
                if self.registers[compare as usize][lane] == old {
                    operand
                } else {
                    old
                }
            }
        }
    }
}
