//! Statements: control flow by masks, stores, barriers, subgroups.

use naga::{
    AtomicFunction, Block, CollectiveOperation, Direction, GatherMode, ScalarKind, Span, Statement, SubgroupOperation,
    SwitchCase, SwitchValue, TypeInner,
};

use super::body::{Body, Returns, Root, Target, Value};
use super::types;
use super::{Compiled, Compiler};
use crate::code::{Atomic, Barrier, Gather, Op, Scan};
use crate::scalar::Binary;

/// Whether lanes may leave a block otherwise than at its end.
fn leaves(block: &Block) -> bool {
    block.iter().any(|statement| match statement {
        Statement::Break | Statement::Continue | Statement::Return { .. } => true,
        Statement::Block(block) => leaves(block),
        Statement::If { accept, reject, .. } => leaves(accept) || leaves(reject),
        Statement::Switch { cases, .. } => cases.iter().any(|case| leaves(&case.body)),
        Statement::Loop { body, continuing, .. } => leaves(body) || leaves(continuing),
        _ => false,
    })
}

impl<'a> Compiler<'a> {
    /// Compiles a block. Where nobody is active any more, the rest of it is skipped.
    pub(super) fn block(&mut self, body: &mut Body<'a>, block: &'a Block) -> Compiled<()> {
        let mut skips = Vec::new();
        for (statement, span) in block.span_iter() {
            self.statement(body, statement, *span)?;
            let left = match statement {
                Statement::If { accept, reject, .. } => leaves(accept) || leaves(reject),
                Statement::Switch { cases, .. } => cases.iter().any(|case| leaves(&case.body)),
                Statement::Loop { .. } | Statement::Block(_) => true,
                _ => false,
            };
            if left {
                skips.push(self.push(Op::SkipIfNone { end: 0 }));
            }
        }
        skips.into_iter().for_each(|skip| self.aim(skip));
        Ok(())
    }

    fn statement(&mut self, body: &mut Body<'a>, statement: &'a Statement, span: Span) -> Compiled<()> {
        let line = self.line(span);
        match statement {
            Statement::Emit(range) => {
                for handle in range.clone() {
                    // Within a loop, what was evaluated before is evaluated again.
                    body.values[handle.index()] = None;
                    self.value_of(body, handle)?;
                }
            }
            Statement::Block(block) => self.block(body, block)?,
            Statement::If { condition, accept, reject } => {
                let condition = self.scalar(body, *condition)?;
                self.branch(body, condition, accept, reject)?;
            }
            Statement::Switch { selector, cases } => {
                let selector = self.scalar(body, *selector)?;
                self.switch(body, selector, cases, span)?;
            }
            Statement::Loop { body: inner, continuing, break_if } => {
                let slot = self.slot();
                self.push(Op::Enter { slot });
                let begin = self.here();
                body.targets.push(Target::Loop { slot, exits: Vec::new() });
                self.block(body, inner)?;
                let continues = self.push(Op::Continuing { slot, end: 0 });
                self.block(body, continuing)?;
                if let Some(condition) = break_if {
                    let condition = self.scalar(body, *condition)?;
                    let end = self.here() + 1;
                    self.push(Op::BreakIf { condition, when: true, slot, end });
                }
                self.aim(continues);
                if let Some(Target::Loop { exits, .. }) = body.targets.pop() {
                    exits.into_iter().for_each(|exit| self.aim(exit));
                }
                self.push(Op::Repeat { slot, begin });
                self.depth -= 1;
            }
            Statement::Break => match body.targets.last() {
                Some(Target::Loop { slot, .. } | Target::Switch { slot }) => {
                    let slot = *slot;
                    self.push(Op::Leave { slot });
                }
                None => return self.unknown("a break outside of a loop", span),
            },
            Statement::Continue => {
                let slot = body.targets.iter().rev().find_map(|target| match target {
                    Target::Loop { slot, .. } => Some(*slot),
                    Target::Switch { .. } => None,
                });
                let Some(slot) = slot else { return self.unknown("a continue outside of a loop", span) };
                self.push(Op::Continue { slot });
            }
            Statement::Return { value } => {
                let registers = match value {
                    Some(value) => Some(self.registers(body, *value)?),
                    None => None,
                };
                match &mut body.returns {
                    Returns::AtEnd(result) => *result = registers,
                    Returns::Anywhere { slot, result } => {
                        let (slot, result) = (*slot, *result);
                        if let (Some(variable), Some(registers)) = (result, registers) {
                            self.set(variable, &registers, true);
                        }
                        self.push(Op::Leave { slot });
                    }
                }
            }
            Statement::ControlBarrier(which) => {
                let (workgroup, storage) =
                    (which.contains(naga::Barrier::WORK_GROUP), which.contains(naga::Barrier::STORAGE));
                if !workgroup && !storage {
                    return self.unknown("this barrier", span);
                }
                self.push(Op::Barrier { barrier: Barrier { workgroup, storage }, line });
            }
            Statement::Store { pointer, value } => {
                let pointer = self.pointer(body, *pointer)?;
                let from = self.registers(body, *value)?;
                let stored = self.store(&pointer, &from, line);
                self.known(stored, span)?;
            }
            Statement::Atomic { pointer, fun, value, result } => {
                let pointer = self.pointer(body, *pointer)?;
                let operand = self.scalar(body, *value)?;
                let (Root::Memory(memory), TypeInner::Atomic(scalar)) = (pointer.root, pointer.inner.clone()) else {
                    return self.unknown("an atomic operation on this", span);
                };
                let signed = match scalar.kind {
                    ScalarKind::Sint => true,
                    ScalarKind::Uint => false,
                    _ => return self.unknown("an atomic operation on this type", span),
                };
                let mut compare = None;
                let atomic = match fun {
                    AtomicFunction::Add => Atomic::Update(Binary::Add),
                    AtomicFunction::Subtract => Atomic::Update(Binary::Subtract),
                    AtomicFunction::And => Atomic::Update(Binary::And),
                    AtomicFunction::InclusiveOr => Atomic::Update(Binary::Or),
                    AtomicFunction::ExclusiveOr => Atomic::Update(Binary::Xor),
                    AtomicFunction::Min => Atomic::Update(if signed { Binary::MinI } else { Binary::MinU }),
                    AtomicFunction::Max => Atomic::Update(if signed { Binary::MaxI } else { Binary::MaxU }),
                    AtomicFunction::Exchange { compare: None } => Atomic::Exchange,
                    AtomicFunction::Exchange { compare: Some(with) } => {
                        let with = self.scalar(body, *with)?;
                        compare = Some(with);
                        Atomic::CompareExchange(with)
                    }
                };
                let old = self.value();
                let access = self.access(&pointer, memory, &[old], line);
                let access = self.known(access, span)?;
                self.push(Op::Atomic { access, atomic, operand, old });
                if let Some(result) = result {
                    let mut registers = vec![old];
                    if let Some(with) = compare {
                        registers.push(self.binary(Binary::Equal, old, with));
                    }
                    body.values[result.index()] = Some(Value::Registers(registers));
                }
            }
            Statement::WorkGroupUniformLoad { pointer, result } => {
                let barrier = Barrier { workgroup: true, storage: false };
                let pointer = self.pointer(body, *pointer)?;
                self.push(Op::Barrier { barrier, line });
                let loaded = self.load(&pointer, line);
                let registers = self.known(loaded, span)?;
                for step in pointer.steps.iter().map(super::body::Step::index) {
                    self.push(Op::CheckUniform { from: step, line });
                }
                self.push(Op::Barrier { barrier, line });
                body.values[result.index()] = Some(Value::Registers(registers));
            }
            Statement::Call { function, arguments, result } => {
                let mut values = Vec::new();
                for argument in arguments {
                    values.push(self.value_of(body, *argument)?);
                }
                let mut inner = Body::new(&self.module.functions[*function], &self.info[*function], values);
                let registers = self.function(&mut inner)?;
                if let Some(result) = result {
                    let registers = registers.unwrap_or_default();
                    body.values[result.index()] = Some(Value::Registers(registers));
                }
            }
            Statement::SubgroupBallot { result, predicate } => {
                let predicate = match predicate {
                    Some(predicate) => Some(self.scalar(body, *predicate)?),
                    None => None,
                };
                let to = [(); 4].map(|()| self.value());
                self.push(Op::Ballot { to, predicate, line });
                body.values[result.index()] = Some(Value::Registers(to.to_vec()));
            }
            Statement::SubgroupGather { mode, argument, result } => {
                let gather = self.gather(body, mode)?;
                let from = self.registers(body, *argument)?;
                let mut registers = Vec::new();
                for from in from {
                    let to = self.value();
                    self.push(Op::Gather { gather, to, from, line });
                    registers.push(to);
                }
                body.values[result.index()] = Some(Value::Registers(registers));
            }
            Statement::SubgroupCollectiveOperation { op, collective_op, argument, result } => {
                let inner = self.inner(body, *argument);
                let scalar =
                    types::scalar_of(&inner).filter(|scalar| scalar.width == 4 || scalar.kind == ScalarKind::Bool);
                let Some(scalar) = scalar else { return self.unknown("a subgroup operation on this type", span) };
                let Some((op, identity)) = collective(*op, scalar.kind) else {
                    return self.unknown(format!("the subgroup operation {op:?} on {:?}", scalar.kind), span);
                };
                let scan = match collective_op {
                    CollectiveOperation::Reduce => Scan::Reduce,
                    CollectiveOperation::InclusiveScan => Scan::Inclusive,
                    CollectiveOperation::ExclusiveScan => Scan::Exclusive,
                };
                let from = self.registers(body, *argument)?;
                let mut registers = Vec::new();
                for from in from {
                    let to = self.value();
                    self.push(Op::Collective { op, scan, identity, to, from, line });
                    registers.push(to);
                }
                body.values[result.index()] = Some(Value::Registers(registers));
            }
            other => {
                let text = format!("{other:?}");
                let name = text.split(['(', ' ', '{']).next().unwrap_or_default();
                return self.unknown(format!("the statement {name}"), span);
            }
        }
        Ok(())
    }

    fn gather(&mut self, body: &mut Body<'a>, mode: &GatherMode) -> Compiled<Gather> {
        Ok(match mode {
            GatherMode::BroadcastFirst => Gather::First,
            GatherMode::Broadcast(lane) | GatherMode::Shuffle(lane) => Gather::Lane(self.scalar(body, *lane)?),
            GatherMode::ShuffleDown(by) => Gather::Down(self.scalar(body, *by)?),
            GatherMode::ShuffleUp(by) => Gather::Up(self.scalar(body, *by)?),
            GatherMode::ShuffleXor(by) => Gather::Xor(self.scalar(body, *by)?),
            GatherMode::QuadBroadcast(lane) => Gather::Quad(self.scalar(body, *lane)?),
            GatherMode::QuadSwap(Direction::X) => Gather::QuadSwap(1),
            GatherMode::QuadSwap(Direction::Y) => Gather::QuadSwap(2),
            GatherMode::QuadSwap(Direction::Diagonal) => Gather::QuadSwap(3),
        })
    }

    fn branch(&mut self, body: &mut Body<'a>, condition: u32, accept: &'a Block, reject: &'a Block) -> Compiled<()> {
        if let Some(known) = self.constant_of(condition) {
            return self.block(body, if known != 0 { accept } else { reject });
        }
        // Most loops end like this. Within another branch, its masks have to be joined first.
        let breaks = |block: &Block| matches!(&block[..], [Statement::Break]);
        if let Some(Target::Loop { slot, .. }) = body.targets.last()
            && self.depth == slot + 1
            && (breaks(accept) && reject.is_empty() || breaks(reject) && accept.is_empty())
        {
            let op = Op::BreakIf { condition, when: breaks(accept), slot: *slot, end: 0 };
            let exit = self.push(op);
            if let Some(Target::Loop { exits, .. }) = body.targets.last_mut() {
                exits.push(exit);
            }
            return Ok(());
        }
        let slot = self.slot();
        let first = self.push(Op::If { condition, slot, otherwise: 0 });
        self.block(body, accept)?;
        self.aim(first);
        if !reject.is_empty() {
            let second = self.push(Op::Else { slot, end: 0 });
            self.block(body, reject)?;
            self.aim(second);
        }
        self.push(Op::Join { slot });
        self.depth -= 1;
        Ok(())
    }

    fn switch(&mut self, body: &mut Body<'a>, selector: u32, cases: &'a [SwitchCase], span: Span) -> Compiled<()> {
        let value = |case: &SwitchCase| match case.value {
            SwitchValue::I32(value) => Some(value as u32),
            SwitchValue::U32(value) => Some(value),
            SwitchValue::Default => None,
        };
        let all: Box<[u32]> = cases.iter().filter_map(value).collect();
        let slot = self.slot();
        self.push(Op::Switch { slot });
        body.targets.push(Target::Switch { slot });
        let (mut values, mut default) = (Vec::new(), false);
        for case in cases {
            values.extend(value(case));
            default |= matches!(case.value, SwitchValue::Default);
            if case.fall_through {
                if !case.body.is_empty() {
                    return self.unknown("a case that falls through", span);
                }
                continue;
            }
            let values = std::mem::take(&mut values).into();
            let op =
                Op::Case { slot, selector, values, but: all.clone(), default: std::mem::take(&mut default), end: 0 };
            let next = self.push(op);
            self.block(body, &case.body)?;
            self.push(Op::EndCase { slot });
            self.aim(next);
        }
        body.targets.pop();
        self.push(Op::EndSwitch { slot });
        self.depth -= 1;
        Ok(())
    }
}

/// The function that combines lanes, and what it leaves as it is.
fn collective(op: SubgroupOperation, kind: ScalarKind) -> Option<(Binary, u32)> {
    use ScalarKind::{Bool, Float, Sint, Uint};
    Some(match (op, kind) {
        (SubgroupOperation::Add, Float) => (Binary::AddF, 0),
        (SubgroupOperation::Add, Uint | Sint) => (Binary::Add, 0),
        (SubgroupOperation::Mul, Float) => (Binary::MultiplyF, 1f32.to_bits()),
        (SubgroupOperation::Mul, Uint | Sint) => (Binary::Multiply, 1),
        (SubgroupOperation::Min, Float) => (Binary::MinF, f32::INFINITY.to_bits()),
        (SubgroupOperation::Min, Uint) => (Binary::MinU, u32::MAX),
        (SubgroupOperation::Min, Sint) => (Binary::MinI, i32::MAX as u32),
        (SubgroupOperation::Max, Float) => (Binary::MaxF, f32::NEG_INFINITY.to_bits()),
        (SubgroupOperation::Max, Uint) => (Binary::MaxU, 0),
        (SubgroupOperation::Max, Sint) => (Binary::MaxI, i32::MIN as u32),
        (SubgroupOperation::And, Uint | Sint) => (Binary::And, u32::MAX),
        (SubgroupOperation::Or, Uint | Sint) => (Binary::Or, 0),
        (SubgroupOperation::Xor, Uint | Sint) => (Binary::Xor, 0),
        (SubgroupOperation::All, Bool) => (Binary::And, 1),
        (SubgroupOperation::Any, Bool) => (Binary::Or, 0),
        _ => return None,
    })
}
