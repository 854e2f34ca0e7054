//! Expressions: operators and conversions, component by component; what only names scalars takes no operation.

use naga::{
    BinaryOperator, Expression, Handle, RelationalFunction, ScalarKind, Span, SwizzleComponent, TypeInner,
    UnaryOperator,
};

use super::body::{Body, Pointer, Root, Value};
use super::types::{self, Distance};
use super::{Compiled, Compiler, Global};
use crate::code::{Op, Register};
use crate::scalar::{Binary, Ternary, Unary};

impl<'a> Compiler<'a> {
    pub(super) fn unary(&mut self, op: Unary, a: Register) -> Register {
        if let Some(a) = self.constant_of(a) {
            return self.constant(op.of([a]));
        }
        let to = self.value();
        self.push(Op::Unary { op, to, a });
        to
    }

    pub(super) fn binary(&mut self, op: Binary, a: Register, b: Register) -> Register {
        if let (Some(a), Some(b)) = (self.constant_of(a), self.constant_of(b)) {
            return self.constant(op.of([a, b]));
        }
        let to = self.value();
        self.push(Op::Binary { op, to, a, b });
        to
    }

    pub(super) fn ternary(&mut self, op: Ternary, a: Register, b: Register, c: Register) -> Register {
        if let (Some(a), Some(b), Some(c)) = (self.constant_of(a), self.constant_of(b), self.constant_of(c)) {
            return self.constant(op.of([a, b, c]));
        }
        match (op, self.constant_of(a)) {
            (Ternary::Select, Some(0)) => return c,
            (Ternary::Select, Some(_)) => return b,
            _ => {}
        }
        let to = self.value();
        self.push(Op::Ternary { op, to, a, b, c });
        to
    }

    /// A sum of products in f32, from the first on.
    pub(super) fn dot(&mut self, a: &[Register], b: &[Register]) -> Register {
        let four = |registers: &[Register]| std::array::from_fn(|i| registers.get(i).copied().unwrap_or_default());
        let to = self.value();
        self.push(Op::Dot { to, len: a.len() as u8, a: four(a), b: four(b) });
        to
    }

    /// Rounds what was computed of f16 in f32.
    pub(super) fn rounded(&mut self, inner: &TypeInner, registers: Vec<Register>) -> Vec<Register> {
        let half = types::scalar_of(inner).is_some_and(|s| types::is_half(s) == Ok(true));
        if !half {
            return registers;
        }
        registers.into_iter().map(|register| self.unary(Unary::RoundToF16, register)).collect()
    }

    pub(super) fn expression(&mut self, body: &mut Body<'a>, handle: Handle<Expression>) -> Compiled<Value> {
        let module = self.module;
        let function = body.function;
        let span = function.expressions.get_span(handle);
        let line = self.line(span);
        let registers = match &function.expressions[handle] {
            Expression::Literal(literal) => {
                let word = self.literal(*literal, span)?;
                vec![self.constant(word)]
            }
            Expression::Constant(constant) => {
                let words = self.constant_words(module.constants[*constant].init)?;
                words.into_iter().map(|word| self.constant(word)).collect()
            }
            Expression::ZeroValue(ty) => {
                let scalars = self.known(types::scalars(module, &module.types[*ty].inner), span)?;
                let zero = self.constant(0);
                vec![zero; scalars.len()]
            }
            Expression::Compose { components, .. } => {
                let mut all = Vec::new();
                for component in components {
                    all.extend(self.registers(body, *component)?);
                }
                all
            }
            Expression::Access { base, index } => {
                let index = self.scalar(body, *index)?;
                match self.value_of(body, *base)? {
                    Value::Pointer(pointer) => {
                        return match self.step(&pointer, index) {
                            Some(further) => Ok(Value::Pointer(further)),
                            None => self.unknown("an index into this", span),
                        };
                    }
                    Value::Registers(from) => {
                        let inner = self.inner(body, *base);
                        let Some(part) = types::part(module, &inner) else {
                            return self.unknown("an index into this value", span);
                        };
                        self.pick(&from, part.stride.scalars as usize, index, line)
                    }
                }
            }
            Expression::AccessIndex { base, index } => match self.value_of(body, *base)? {
                Value::Pointer(pointer) => {
                    let (inner, from) = self.known(types::member(module, &pointer.inner, *index), span)?;
                    return Ok(Value::Pointer(Pointer { inner, at: pointer.at + from, ..pointer }));
                }
                Value::Registers(registers) => {
                    let inner = self.inner(body, *base);
                    let (part, from) = self.known(types::member(module, &inner, *index), span)?;
                    let len = self.known(types::scalars(module, &part), span)?.len();
                    registers[from.scalars as usize..][..len].to_vec()
                }
            },
            Expression::Splat { size, value } => vec![self.scalar(body, *value)?; *size as usize],
            Expression::Swizzle { size, vector, pattern } => {
                let from = self.registers(body, *vector)?;
                let of = |component: &SwizzleComponent| from[*component as usize];
                pattern[..*size as usize].iter().map(of).collect()
            }
            Expression::FunctionArgument(index) => return Ok(body.arguments[*index as usize].clone()),
            Expression::GlobalVariable(global) => {
                let root = match self.globals[global] {
                    Global::Memory(memory) => Root::Memory(memory),
                    Global::Variable(variable) => Root::Variable(variable),
                };
                let inner = module.types[module.global_variables[*global].ty].inner.clone();
                return Ok(Value::Pointer(Pointer { root, at: Distance::default(), steps: Vec::new(), inner }));
            }
            Expression::LocalVariable(local) => {
                let root = Root::Variable(body.variables[local.index()]);
                let inner = module.types[function.local_variables[*local].ty].inner.clone();
                return Ok(Value::Pointer(Pointer { root, at: Distance::default(), steps: Vec::new(), inner }));
            }
            Expression::Load { pointer } => {
                let pointer = self.pointer(body, *pointer)?;
                let loaded = self.load(&pointer, line);
                self.known(loaded, span)?
            }
            Expression::Unary { op, expr } => {
                let inner = self.inner(body, *expr);
                let a = self.registers(body, *expr)?;
                let kind = self.kind(&inner, span)?;
                let op = match (op, kind) {
                    (UnaryOperator::Negate, ScalarKind::Float) => Unary::NegateF,
                    (UnaryOperator::Negate, _) => Unary::NegateI,
                    (UnaryOperator::LogicalNot, _) => Unary::NotB,
                    (UnaryOperator::BitwiseNot, _) => Unary::NotU,
                };
                a.into_iter().map(|a| self.unary(op, a)).collect()
            }
            Expression::Binary { op, left, right } => {
                let inners = [self.inner(body, *left), self.inner(body, *right)];
                let (a, b) = (self.registers(body, *left)?, self.registers(body, *right)?);
                self.operator(*op, &inners, &a, &b, span)?
            }
            Expression::Select { condition, accept, reject } => {
                let condition = self.registers(body, *condition)?;
                let (a, b) = (self.registers(body, *accept)?, self.registers(body, *reject)?);
                let of = |i: usize| if condition.len() == 1 { condition[0] } else { condition[i] };
                (0..a.len()).map(|i| self.ternary(Ternary::Select, of(i), a[i], b[i])).collect()
            }
            Expression::Relational { fun, argument } => {
                let a = self.registers(body, *argument)?;
                match fun {
                    RelationalFunction::All => vec![self.fold(Binary::And, &a)],
                    RelationalFunction::Any => vec![self.fold(Binary::Or, &a)],
                    RelationalFunction::IsNan => a.into_iter().map(|a| self.unary(Unary::IsNan, a)).collect(),
                    RelationalFunction::IsInf => a.into_iter().map(|a| self.unary(Unary::IsInf, a)).collect(),
                }
            }
            Expression::Math { fun, arg, arg1, arg2, arg3 } => {
                let inner = self.inner(body, *arg);
                let mut arguments = Vec::new();
                for argument in [Some(*arg), *arg1, *arg2, *arg3].into_iter().flatten() {
                    arguments.push(self.registers(body, argument)?);
                }
                let result = self.math(*fun, &inner, &arguments, span)?;
                let inner = self.inner(body, handle);
                self.rounded(&inner, result)
            }
            Expression::As { expr, kind, convert } => {
                let inner = self.inner(body, *expr);
                let from = self.kind(&inner, span)?;
                let a = self.registers(body, *expr)?;
                self.conversion(&inner, from, *kind, *convert, a, span)?
            }
            Expression::ArrayLength(pointer) => {
                let pointer = self.pointer(body, *pointer)?;
                let (Root::Memory(memory), Some(part)) = (pointer.root, types::part(module, &pointer.inner)) else {
                    return self.unknown("the length of this", span);
                };
                let cell_bytes = self.code.memories[memory as usize].cell_bytes;
                let to = self.value();
                let (begin, stride) = (pointer.at.bytes / cell_bytes, part.stride.bytes / cell_bytes);
                self.push(Op::Length { to, memory, begin, stride });
                vec![to]
            }
            other => {
                let text = format!("{other:?}");
                let name = text.split(['(', ' ', '{']).next().unwrap_or_default();
                return self.unknown(format!("the expression {name}"), span);
            }
        };
        Ok(Value::Registers(registers))
    }

    /// A part of a value at an index that lanes compute.
    fn pick(&mut self, from: &[Register], len: usize, index: Register, line: u32) -> Vec<Register> {
        if let Some(known) = self.constant_of(index)
            && let Some(part) = from.chunks_exact(len).nth(known as usize)
        {
            return part.to_vec();
        }
        let of = |i: usize| from.iter().skip(i).step_by(len).copied().collect::<Box<[Register]>>();
        let mut picked = Vec::new();
        for i in 0..len {
            let to = self.value();
            self.push(Op::Pick { to, from: of(i), index, line });
            picked.push(to);
        }
        picked
    }

    fn fold(&mut self, op: Binary, a: &[Register]) -> Register {
        a[1..].iter().fold(a[0], |all, one| self.binary(op, all, *one))
    }

    pub(super) fn kind(&self, inner: &TypeInner, span: Span) -> Compiled<ScalarKind> {
        match types::scalar_of(inner) {
            Some(scalar) => {
                self.known(types::is_half(scalar), span)?;
                Ok(scalar.kind)
            }
            None => self.unknown(format!("an operator on {}", types::name(self.module, inner)), span),
        }
    }

    fn operator(
        &mut self,
        op: BinaryOperator,
        inners: &[TypeInner; 2],
        a: &[Register],
        b: &[Register],
        span: Span,
    ) -> Compiled<Vec<Register>> {
        let kind = self.kind(&inners[0], span)?;
        if op == BinaryOperator::Multiply
            && let Some(product) = self.matrix_product(inners, a, b)
        {
            return Ok(self.rounded(&inners[0], product));
        }
        let Some(function) = function_of(op, kind) else {
            return self.unknown(format!("the operator {op:?} on {kind:?}"), span);
        };
        let turned = matches!(op, BinaryOperator::Greater | BinaryOperator::GreaterEqual);
        let of = |all: &[Register], i: usize| if all.len() == 1 { all[0] } else { all[i] };
        let mut result = Vec::new();
        for i in 0..a.len().max(b.len()) {
            let (a, b) = if turned { (of(b, i), of(a, i)) } else { (of(a, i), of(b, i)) };
            result.push(self.binary(function, a, b));
        }
        let arithmetic = matches!(
            op,
            BinaryOperator::Add
                | BinaryOperator::Subtract
                | BinaryOperator::Multiply
                | BinaryOperator::Divide
                | BinaryOperator::Modulo
        );
        Ok(if arithmetic { self.rounded(&inners[0], result) } else { result })
    }

    /// Products with a matrix, which is a list of columns; nothing where neither is one, or the other is a scalar.
    fn matrix_product(&mut self, inners: &[TypeInner; 2], a: &[Register], b: &[Register]) -> Option<Vec<Register>> {
        match (&inners[0], &inners[1]) {
            (TypeInner::Matrix { rows, .. }, TypeInner::Vector { .. }) => Some(self.transform(a, *rows as usize, b)),
            (TypeInner::Vector { size, .. }, TypeInner::Matrix { .. }) => {
                Some(b.chunks_exact(*size as usize).map(|column| self.dot(a, column)).collect())
            }
            (TypeInner::Matrix { columns, rows, .. }, TypeInner::Matrix { .. }) => {
                let columns = b.chunks_exact(*columns as usize);
                Some(columns.flat_map(|column| self.transform(a, *rows as usize, column)).collect())
            }
            _ => None,
        }
    }

    fn transform(&mut self, matrix: &[Register], rows: usize, vector: &[Register]) -> Vec<Register> {
        let row = |i: usize| matrix.iter().skip(i).step_by(rows).copied().collect::<Vec<_>>();
        (0..rows).map(|i| self.dot(&row(i), vector)).collect()
    }

    fn conversion(
        &mut self,
        inner: &TypeInner,
        from: ScalarKind,
        to: ScalarKind,
        convert: Option<u8>,
        a: Vec<Register>,
        span: Span,
    ) -> Compiled<Vec<Register>> {
        use ScalarKind::{Bool, Float, Sint, Uint};
        let Some(width) = convert else {
            let half = types::scalar_of(inner).is_some_and(|scalar| scalar.width != 4);
            return if half { self.unknown("a bitcast of f16", span) } else { Ok(a) };
        };
        if to != Bool && width != 4 && (to, width) != (Float, 2) {
            return self.unknown(format!("a conversion to {} bits", 8 * u32::from(width)), span);
        }
        let op = match (from, to) {
            (Float, Uint) => Some(Unary::ToU),
            (Float, Sint) => Some(Unary::ToI),
            (Uint, Float) => Some(Unary::FromU),
            (Sint, Float) => Some(Unary::FromI),
            (Bool, Float) => Some(Unary::FromB),
            (Float, Bool) => Some(Unary::FloatToB),
            (Uint | Sint, Bool) => Some(Unary::ToB),
            (Float, Float) | (Uint | Sint | Bool, Uint | Sint) | (Bool, Bool) => None,
            _ => return self.unknown(format!("a conversion from {from:?} to {to:?}"), span),
        };
        let converted = match op {
            Some(op) => a.into_iter().map(|a| self.unary(op, a)).collect(),
            None => a,
        };
        if to == Float && width == 2 {
            return Ok(converted.into_iter().map(|a| self.unary(Unary::RoundToF16, a)).collect());
        }
        Ok(converted)
    }
}

/// The function of an operator; the operands of those for greater numbers change places.
fn function_of(op: BinaryOperator, kind: ScalarKind) -> Option<Binary> {
    use BinaryOperator as O;
    use ScalarKind::{Bool, Float, Sint, Uint};
    Some(match (op, kind) {
        (O::Add, Float) => Binary::AddF,
        (O::Add, Uint | Sint) => Binary::Add,
        (O::Subtract, Float) => Binary::SubtractF,
        (O::Subtract, Uint | Sint) => Binary::Subtract,
        (O::Multiply, Float) => Binary::MultiplyF,
        (O::Multiply, Uint | Sint) => Binary::Multiply,
        (O::Divide, Float) => Binary::DivideF,
        (O::Divide, Uint) => Binary::DivideU,
        (O::Divide, Sint) => Binary::DivideI,
        (O::Modulo, Float) => Binary::ModuloF,
        (O::Modulo, Uint) => Binary::ModuloU,
        (O::Modulo, Sint) => Binary::ModuloI,
        (O::Equal, Float) => Binary::EqualF,
        (O::Equal, _) => Binary::Equal,
        (O::NotEqual, Float) => Binary::NotEqualF,
        (O::NotEqual, _) => Binary::NotEqual,
        (O::Less | O::Greater, Float) => Binary::LessF,
        (O::Less | O::Greater, Uint) => Binary::LessU,
        (O::Less | O::Greater, Sint) => Binary::LessI,
        (O::LessEqual | O::GreaterEqual, Float) => Binary::LessEqualF,
        (O::LessEqual | O::GreaterEqual, Uint) => Binary::LessEqualU,
        (O::LessEqual | O::GreaterEqual, Sint) => Binary::LessEqualI,
        (O::And | O::LogicalAnd, Uint | Sint | Bool) => Binary::And,
        (O::InclusiveOr | O::LogicalOr, Uint | Sint | Bool) => Binary::Or,
        (O::ExclusiveOr, Uint | Sint | Bool) => Binary::Xor,
        (O::ShiftLeft, Uint | Sint) => Binary::ShiftLeft,
        (O::ShiftRight, Uint) => Binary::ShiftRightU,
        (O::ShiftRight, Sint) => Binary::ShiftRightI,
        _ => return None,
    })
}
