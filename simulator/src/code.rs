//! The flat form of a shader that waves execute: calls are inlined, composites are scalars in registers, and a register
//! holds 32 bits of every lane.

use crate::scalar::{Binary, Ternary, Unary};

/// A register of a wave.
pub type Register = u32;
/// A place of [`Code::ops`].
pub type Place = u32;
/// A line of the WGSL text, from 1.
pub type Line = u32;

/// A step of an address: `index * stride`, in cells or registers. The index has to be below the count.
#[derive(Clone, Debug)]
pub struct Term {
    pub index: Register,
    pub stride: u32,
    pub count: Count,
}

/// How many elements an array has.
#[derive(Clone, Copy, Debug)]
pub enum Count {
    /// As the type says.
    Fixed(u32),
    /// All that fit the binding behind this many cells.
    Runtime { begin: u32 },
}

/// A scalar of what is loaded or stored.
#[derive(Clone, Copy, Debug)]
pub struct Leaf {
    /// Cells from the beginning.
    pub at: u32,
    /// A number in f16: a cell of two bytes, held as f32.
    pub half: bool,
    pub register: Register,
}

/// A load or store in memory that lanes share.
#[derive(Clone, Debug)]
pub struct Access {
    pub memory: u32,
    /// First cell.
    pub begin: u32,
    pub terms: Vec<Term>,
    pub leaves: Vec<Leaf>,
    pub atomic: bool,
    pub line: Line,
}

/// A load or store of a part of a variable, at an index that lanes compute.
#[derive(Clone, Debug)]
pub struct LocalAccess {
    pub variable: u32,
    /// First register.
    pub begin: Register,
    pub terms: Vec<Term>,
    /// One register for each register of the part.
    pub registers: Vec<Register>,
    pub line: Line,
}

/// A variable of a function, or of an invocation, in registers that follow each other.
#[derive(Clone, Debug)]
pub struct Variable {
    pub name: String,
    pub begin: Register,
    pub len: u32,
    /// Place of its first register in the wave's marks of what was written; only where it has no initial value.
    pub marks: Option<u32>,
}

/// What an atomic operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Atomic {
    /// The new value is a function of the old one and the operand.
    Update(Binary),
    Exchange,
    /// Exchanges where the old value is the one in this register.
    CompareExchange(Register),
}

/// How lanes combine what they have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scan {
    Reduce,
    Inclusive,
    Exclusive,
}

/// From which lane a lane takes a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gather {
    First,
    Lane(Register),
    Up(Register),
    Down(Register),
    Xor(Register),
    Quad(Register),
    QuadSwap(u32),
}

/// Which memory a barrier orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Barrier {
    pub workgroup: bool,
    pub storage: bool,
}

/// One operation. Values are computed for all lanes of a wave, also those that are not active; variables and memory
/// change for active lanes only.
#[derive(Clone, Debug)]
pub enum Op {
    Unary {
        op: Unary,
        to: Register,
        a: Register,
    },
    Binary {
        op: Binary,
        to: Register,
        a: Register,
        b: Register,
    },
    Ternary {
        op: Ternary,
        to: Register,
        a: Register,
        b: Register,
        c: Register,
    },
    /// A sum of up to four products in f32, from the first on.
    Dot {
        to: Register,
        len: u8,
        a: [Register; 4],
        b: [Register; 4],
    },
    /// A component of a value, at an index that lanes compute.
    Pick {
        to: Register,
        from: Box<[Register]>,
        index: Register,
        line: Line,
    },
    /// A snapshot of a variable.
    Copy {
        to: Register,
        from: Register,
    },
    /// Sets a variable.
    Set {
        to: Register,
        from: Register,
    },
    LoadLocal(Box<LocalAccess>),
    StoreLocal(Box<LocalAccess>),
    /// Forgets that registers of a variable were written.
    Unmark {
        first: u32,
        len: u32,
    },
    Mark {
        first: u32,
        len: u32,
    },
    CheckMarks {
        variable: u32,
        first: u32,
        len: u32,
        line: Line,
    },
    Load(Box<Access>),
    Store(Box<Access>),
    Atomic {
        access: Box<Access>,
        atomic: Atomic,
        operand: Register,
        old: Register,
    },
    /// Elements of a runtime array.
    Length {
        to: Register,
        memory: u32,
        begin: u32,
        stride: u32,
    },
    Collective {
        op: Binary,
        scan: Scan,
        identity: u32,
        to: Register,
        from: Register,
        line: Line,
    },
    Gather {
        gather: Gather,
        to: Register,
        from: Register,
        line: Line,
    },
    Ballot {
        to: [Register; 4],
        predicate: Option<Register>,
        line: Line,
    },
    /// The value of lane 0 of the workgroup, which all lanes have to share.
    CheckUniform {
        from: Register,
        line: Line,
    },
    Barrier {
        barrier: Barrier,
        line: Line,
    },
    If {
        condition: Register,
        slot: u32,
        otherwise: Place,
    },
    Else {
        slot: u32,
        end: Place,
    },
    Join {
        slot: u32,
    },
    /// A loop, or a function that lanes leave at several places.
    Enter {
        slot: u32,
    },
    /// Lanes leave the loop where the condition is `when`.
    BreakIf {
        condition: Register,
        when: bool,
        slot: u32,
        end: Place,
    },
    Leave {
        slot: u32,
    },
    Continue {
        slot: u32,
    },
    Continuing {
        slot: u32,
        end: Place,
    },
    Repeat {
        slot: u32,
        begin: Place,
    },
    Switch {
        slot: u32,
    },
    Case {
        slot: u32,
        selector: Register,
        values: Box<[u32]>,
        but: Box<[u32]>,
        default: bool,
        end: Place,
    },
    EndCase {
        slot: u32,
    },
    /// Lanes that left at any place go on from here.
    Rejoin {
        slot: u32,
    },
    EndSwitch {
        slot: u32,
    },
    SkipIfNone {
        end: Place,
    },
    End,
}

impl Op {
    /// Hands every register to `visit`, with whether it is written as a value.
    pub fn registers(&mut self, visit: &mut impl FnMut(&mut Register, bool)) {
        match self {
            Self::Unary { to, a, .. } => {
                visit(a, false);
                visit(to, true);
            }
            Self::Binary { to, a, b, .. } => {
                visit(a, false);
                visit(b, false);
                visit(to, true);
            }
            Self::Ternary { to, a, b, c, .. } => {
                [a, b, c].into_iter().for_each(|register| visit(register, false));
                visit(to, true);
            }
            Self::Dot { to, len, a, b } => {
                let len = *len as usize;
                a[..len].iter_mut().chain(&mut b[..len]).for_each(|register| visit(register, false));
                visit(to, true);
            }
            Self::Pick { to, from, index, .. } => {
                from.iter_mut().for_each(|register| visit(register, false));
                visit(index, false);
                visit(to, true);
            }
            Self::Copy { to, from } | Self::Collective { to, from, .. } => {
                visit(from, false);
                visit(to, true);
            }
            Self::Set { to, from } => {
                visit(from, false);
                visit(to, false);
            }
            Self::LoadLocal(access) => {
                access.terms.iter_mut().for_each(|term| visit(&mut term.index, false));
                visit(&mut access.begin, false);
                access.registers.iter_mut().for_each(|register| visit(register, true));
            }
            Self::StoreLocal(access) => {
                access.terms.iter_mut().for_each(|term| visit(&mut term.index, false));
                visit(&mut access.begin, false);
                access.registers.iter_mut().for_each(|register| visit(register, false));
            }
            Self::Load(access) => {
                access.terms.iter_mut().for_each(|term| visit(&mut term.index, false));
                access.leaves.iter_mut().for_each(|leaf| visit(&mut leaf.register, true));
            }
            Self::Store(access) => {
                access.terms.iter_mut().for_each(|term| visit(&mut term.index, false));
                access.leaves.iter_mut().for_each(|leaf| visit(&mut leaf.register, false));
            }
            Self::Atomic { access, atomic, operand, old } => {
                access.terms.iter_mut().for_each(|term| visit(&mut term.index, false));
                if let Atomic::CompareExchange(compare) = atomic {
                    visit(compare, false);
                }
                visit(operand, false);
                visit(old, true);
            }
            Self::Length { to, .. } => visit(to, true),
            Self::Gather { gather, to, from, .. } => {
                visit(from, false);
                match gather {
                    Gather::Lane(r) | Gather::Up(r) | Gather::Down(r) | Gather::Xor(r) | Gather::Quad(r) => {
                        visit(r, false);
                    }
                    Gather::First | Gather::QuadSwap(_) => {}
                }
                visit(to, true);
            }
            Self::Ballot { to, predicate, .. } => {
                predicate.iter_mut().for_each(|register| visit(register, false));
                to.iter_mut().for_each(|register| visit(register, true));
            }
            Self::CheckUniform { from, .. } => visit(from, false),
            Self::If { condition, .. } | Self::BreakIf { condition, .. } => visit(condition, false),
            Self::Case { selector, .. } => visit(selector, false),
            _ => {}
        }
    }

    /// Sets the place that a jump goes to.
    pub fn aim(&mut self, at: Place) {
        match self {
            Self::If { otherwise: end, .. }
            | Self::Else { end, .. }
            | Self::BreakIf { end, .. }
            | Self::Continuing { end, .. }
            | Self::Case { end, .. }
            | Self::SkipIfNone { end } => *end = at,
            _ => unreachable!("only jumps are aimed"),
        }
    }
}

/// Which memory a global variable is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    Uniform,
    Storage { written: bool },
    Workgroup,
}

/// A global variable that lanes share.
#[derive(Clone, Debug)]
pub struct Memory {
    pub name: String,
    pub space: Space,
    /// Its binding in group 0.
    pub binding: Option<u32>,
    /// Bytes of a cell, the least that is loaded or stored: two where there are f16 in a buffer.
    pub cell_bytes: u32,
    /// Cells, and of a buffer the least.
    pub cells: u32,
}

/// A value that each lane has from the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuiltIn {
    GlobalId(usize),
    LocalId(usize),
    LocalIndex,
    Workgroup(usize),
    Workgroups(usize),
    WorkgroupSize(usize),
    SubgroupSize,
    SubgroupId,
    SubgroupCount,
    WithinSubgroup,
}

/// A shader's code and what it needs.
#[derive(Clone, Debug, Default)]
pub struct Code {
    pub ops: Vec<Op>,
    /// Registers of a wave; the constants are the first.
    pub registers: usize,
    pub constants: Vec<u32>,
    /// Masks of nested control flow.
    pub slots: usize,
    /// Marks of variables without an initial value.
    pub marks: usize,
    pub variables: Vec<Variable>,
    pub memories: Vec<Memory>,
    pub built_ins: Vec<(BuiltIn, Register)>,
    pub workgroup_size: [u32; 3],
}
