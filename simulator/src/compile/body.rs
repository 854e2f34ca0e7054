//! Functions: their variables, their values, and pointers, which are known when a call is inlined.

use naga::valid::FunctionInfo;
use naga::{Block, Expression, Function, Handle, Statement, TypeInner};

use super::types::{self, Distance};
use super::{Compiled, Compiler};
use crate::code::{Access, Count, Leaf, Line, LocalAccess, Op, Register, Term};

/// What an expression is.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// Its scalars.
    Registers(Vec<Register>),
    Pointer(Pointer),
}

/// The variable that a pointer leads into.
#[derive(Clone, Copy, Debug)]
pub(super) enum Root {
    Variable(u32),
    Memory(u32),
}

/// A step of a pointer at an index that lanes compute; no count is that of a runtime array, which begins there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    index: Register,
    stride: Distance,
    count: Option<u32>,
    begin: Distance,
}

impl Step {
    pub(super) fn index(&self) -> Register {
        self.index
    }
}

#[derive(Clone, Debug)]
pub(super) struct Pointer {
    pub(super) root: Root,
    pub(super) at: Distance,
    pub(super) steps: Vec<Step>,
    pub(super) inner: TypeInner,
}

/// Where `break` and `continue` go.
#[derive(Debug)]
pub(super) enum Target {
    Loop { slot: u32, exits: Vec<u32> },
    Switch { slot: u32 },
}

/// How a function returns.
#[derive(Debug)]
pub(super) enum Returns {
    /// At its end, with these registers.
    AtEnd(Option<Vec<Register>>),
    /// From several places, through a variable.
    Anywhere { slot: u32, result: Option<u32> },
}

/// A function as it is inlined.
pub(super) struct Body<'a> {
    pub(super) function: &'a Function,
    pub(super) info: &'a FunctionInfo,
    pub(super) arguments: Vec<Value>,
    pub(super) values: Vec<Option<Value>>,
    pub(super) variables: Vec<u32>,
    pub(super) targets: Vec<Target>,
    pub(super) returns: Returns,
}

impl<'a> Body<'a> {
    pub(super) fn new(function: &'a Function, info: &'a FunctionInfo, arguments: Vec<Value>) -> Self {
        let values = vec![None; function.expressions.len()];
        Self {
            function,
            info,
            arguments,
            values,
            variables: Vec::new(),
            targets: Vec::new(),
            returns: Returns::AtEnd(None),
        }
    }
}

/// Returns within a block.
fn returns(block: &Block) -> usize {
    let of = |statement: &Statement| match statement {
        Statement::Return { .. } => 1,
        Statement::Block(block) => returns(block),
        Statement::If { accept, reject, .. } => returns(accept) + returns(reject),
        Statement::Switch { cases, .. } => cases.iter().map(|case| returns(&case.body)).sum(),
        Statement::Loop { body, continuing, .. } => returns(body) + returns(continuing),
        _ => 0,
    };
    block.iter().map(of).sum()
}

impl<'a> Compiler<'a> {
    /// Inlines a function; gives the scalars of its result.
    pub(super) fn function(&mut self, body: &mut Body<'a>) -> Compiled<Option<Vec<Register>>> {
        let function = body.function;
        let module = self.module;
        for (handle, local) in function.local_variables.iter() {
            let span = function.local_variables.get_span(handle);
            let len = self.known(types::scalars(module, &module.types[local.ty].inner), span)?.len() as u32;
            // Those without a name are naga's own, for `&&` and `||`, which it sets.
            let watched = local.init.is_none() && local.name.is_some();
            let variable = self.variable(local.name.as_deref(), len, watched);
            body.variables.push(variable);
            let from = match local.init {
                Some(init) => self.registers(body, init)?,
                None => {
                    let zero = self.constant(0);
                    vec![zero; len as usize]
                }
            };
            self.set(variable, &from, false);
        }
        let at_end = matches!(function.body.last(), Some(Statement::Return { .. }));
        let count = returns(&function.body);
        if count == 0 || (count == 1 && at_end) {
            self.block(body, &function.body)?;
            return match &mut body.returns {
                Returns::AtEnd(registers) => Ok(registers.take()),
                Returns::Anywhere { .. } => unreachable!("it returns at its end"),
            };
        }
        let result = match &function.result {
            Some(result) => {
                let scalars = types::scalars(module, &module.types[result.ty].inner);
                let len = self.known(scalars, naga::Span::UNDEFINED)?.len() as u32;
                Some(self.variable(None, len, false))
            }
            None => None,
        };
        let slot = self.slot();
        self.push(Op::Enter { slot });
        body.returns = Returns::Anywhere { slot, result };
        self.block(body, &function.body)?;
        self.push(Op::Rejoin { slot });
        self.depth -= 1;
        Ok(result.map(|variable| {
            let variable = &self.code.variables[variable as usize];
            (variable.begin..variable.begin + variable.len).collect()
        }))
    }

    /// The scalars of an expression.
    pub(super) fn registers(&mut self, body: &mut Body<'a>, handle: Handle<Expression>) -> Compiled<Vec<Register>> {
        match self.value_of(body, handle)? {
            Value::Registers(registers) => Ok(registers),
            Value::Pointer(_) => {
                self.unknown("a pointer where a value is needed", body.function.expressions.get_span(handle))
            }
        }
    }

    /// The one scalar of an expression.
    pub(super) fn scalar(&mut self, body: &mut Body<'a>, handle: Handle<Expression>) -> Compiled<Register> {
        Ok(self.registers(body, handle)?[0])
    }

    pub(super) fn pointer(&mut self, body: &mut Body<'a>, handle: Handle<Expression>) -> Compiled<Pointer> {
        match self.value_of(body, handle)? {
            Value::Pointer(pointer) => Ok(pointer),
            Value::Registers(_) => {
                self.unknown("a value where a pointer is needed", body.function.expressions.get_span(handle))
            }
        }
    }

    /// An expression, evaluated here unless it was before: constants are wherever they are used.
    pub(super) fn value_of(&mut self, body: &mut Body<'a>, handle: Handle<Expression>) -> Compiled<Value> {
        if let Some(value) = &body.values[handle.index()] {
            return Ok(value.clone());
        }
        let value = self.expression(body, handle)?;
        body.values[handle.index()] = Some(value.clone());
        Ok(value)
    }

    /// The type of an expression.
    pub(super) fn inner(&self, body: &Body<'a>, handle: Handle<Expression>) -> TypeInner {
        body.info[handle].ty.inner_with(&self.module.types).clone()
    }

    /// A pointer to a part at an index that lanes compute.
    pub(super) fn step(&self, pointer: &Pointer, index: Register) -> Option<Pointer> {
        let part = types::part(self.module, &pointer.inner)?;
        let mut further = Pointer { inner: part.inner, ..pointer.clone() };
        match self.constant_of(index) {
            Some(known) if part.count.is_some_and(|count| known < count) => {
                further.at = further.at + part.stride * known;
            }
            _ => further.steps.push(Step { index, stride: part.stride, count: part.count, begin: pointer.at }),
        }
        Some(further)
    }

    /// The place in memory that a pointer leads to, with a register for each scalar.
    pub(super) fn access(
        &mut self,
        pointer: &Pointer,
        memory: u32,
        registers: &[Register],
        line: Line,
    ) -> Result<Box<Access>, types::Unknown> {
        let scalars = types::scalars(self.module, &pointer.inner)?;
        let own = &self.code.memories[memory as usize];
        let in_workgroup = own.binding.is_none();
        let cell_bytes = own.cell_bytes;
        let cells = |distance: Distance| if in_workgroup { distance.scalars } else { distance.bytes / cell_bytes };
        let terms = pointer.steps.iter().map(|step| Term {
            index: step.index,
            stride: cells(step.stride),
            count: match step.count {
                Some(count) => Count::Fixed(count),
                None => Count::Runtime { begin: cells(step.begin) },
            },
        });
        let leaf = |((at, half), register): (types::ScalarAt, &Register)| Leaf {
            at: cells(at),
            half: half && !in_workgroup,
            register: *register,
        };
        Ok(Box::new(Access {
            memory,
            begin: cells(pointer.at),
            terms: terms.collect(),
            leaves: scalars.into_iter().zip(registers).map(leaf).collect(),
            atomic: matches!(pointer.inner, TypeInner::Atomic(_)),
            line,
        }))
    }

    fn local_access(&self, pointer: &Pointer, variable: u32, registers: Vec<Register>, line: Line) -> Box<LocalAccess> {
        let terms = pointer.steps.iter().map(|step| Term {
            index: step.index,
            stride: step.stride.scalars,
            count: Count::Fixed(step.count.unwrap_or_default()),
        });
        Box::new(LocalAccess {
            variable,
            begin: self.code.variables[variable as usize].begin + pointer.at.scalars,
            terms: terms.collect(),
            registers,
            line,
        })
    }

    /// Loads what a pointer leads to.
    pub(super) fn load(&mut self, pointer: &Pointer, line: Line) -> Result<Vec<Register>, types::Unknown> {
        let len = types::scalars(self.module, &pointer.inner)?.len() as u32;
        let registers: Vec<Register> = (0..len).map(|_| self.value()).collect();
        match pointer.root {
            Root::Memory(memory) => {
                let access = self.access(pointer, memory, &registers, line)?;
                self.push(Op::Load(access));
            }
            Root::Variable(variable) if pointer.steps.is_empty() => {
                let at = pointer.at.scalars;
                let own = &self.code.variables[variable as usize];
                let begin = own.begin + at;
                if let Some(marks) = own.marks {
                    self.push(Op::CheckMarks { variable, first: marks + at, len, line });
                }
                for (i, to) in registers.iter().enumerate() {
                    self.push(Op::Copy { to: *to, from: begin + i as Register });
                }
            }
            Root::Variable(variable) => {
                let access = self.local_access(pointer, variable, registers.clone(), line);
                self.push(Op::LoadLocal(access));
            }
        }
        Ok(registers)
    }

    /// Stores into what a pointer leads to.
    pub(super) fn store(&mut self, pointer: &Pointer, from: &[Register], line: Line) -> Result<(), types::Unknown> {
        match pointer.root {
            Root::Memory(memory) => {
                let access = self.access(pointer, memory, from, line)?;
                self.push(Op::Store(access));
            }
            Root::Variable(variable) if pointer.steps.is_empty() => {
                let own = &self.code.variables[variable as usize];
                let (begin, marks) = (own.begin + pointer.at.scalars, own.marks);
                for (i, from) in from.iter().enumerate() {
                    self.push(Op::Set { to: begin + i as Register, from: *from });
                }
                if let Some(marks) = marks {
                    self.push(Op::Mark { first: marks + pointer.at.scalars, len: from.len() as u32 });
                }
            }
            Root::Variable(variable) => {
                let access = self.local_access(pointer, variable, from.to_vec(), line);
                self.push(Op::StoreLocal(access));
            }
        }
        Ok(())
    }
}
