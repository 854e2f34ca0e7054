//! WGSL's built-in functions.

use naga::{MathFunction, ScalarKind, Span, TypeInner};

use super::{Compiled, Compiler};
use crate::code::Register;
use crate::scalar::{Binary, Ternary, Unary};

impl Compiler<'_> {
    /// A built-in function of these arguments, the first of which has the type `inner`.
    pub(super) fn math(
        &mut self,
        function: MathFunction,
        inner: &TypeInner,
        arguments: &[Vec<Register>],
        span: Span,
    ) -> Compiled<Vec<Register>> {
        use MathFunction as M;
        let kind = self.kind(inner, span)?;
        let float = kind == ScalarKind::Float;
        let by_kind = |f, u, i| match kind {
            ScalarKind::Float => f,
            ScalarKind::Uint => u,
            _ => i,
        };
        let (least, most) =
            (by_kind(Binary::MinF, Binary::MinU, Binary::MinI), by_kind(Binary::MaxF, Binary::MaxU, Binary::MaxI));
        if let Some(op) = unary(function, kind) {
            return Ok(arguments[0].iter().map(|a| self.unary(op, *a)).collect());
        }
        let a = &arguments[0];
        let of = |i: usize, at: usize| if arguments[i].len() == 1 { arguments[i][0] } else { arguments[i][at] };
        let each = |compiler: &mut Self, with: &mut dyn FnMut(&mut Self, usize) -> Register| {
            (0..a.len()).map(|at| with(compiler, at)).collect::<Vec<_>>()
        };

        Ok(match function {
            M::Abs => a.clone(),
            M::Min => each(self, &mut |c, i| c.binary(least, of(0, i), of(1, i))),
            M::Max => each(self, &mut |c, i| c.binary(most, of(0, i), of(1, i))),
            M::Clamp => each(self, &mut |c, i| {
                let low = c.binary(most, of(0, i), of(1, i));
                c.binary(least, low, of(2, i))
            }),
            M::Saturate => each(self, &mut |c, i| {
                let (zero, one) = (c.constant(0), c.constant(1f32.to_bits()));
                let low = c.binary(Binary::MaxF, of(0, i), zero);
                c.binary(Binary::MinF, low, one)
            }),
            M::Pow => each(self, &mut |c, i| c.binary(Binary::PowF, of(0, i), of(1, i))),
            M::Atan2 => each(self, &mut |c, i| c.binary(Binary::Atan2F, of(0, i), of(1, i))),
            M::Step => each(self, &mut |c, i| c.binary(Binary::StepF, of(0, i), of(1, i))),
            M::Fma => each(self, &mut |c, i| c.ternary(Ternary::Fma, of(0, i), of(1, i), of(2, i))),
            // a (1 - t) + b t
            M::Mix => each(self, &mut |c, i| {
                let one = c.constant(1f32.to_bits());
                let rest = c.binary(Binary::SubtractF, one, of(2, i));
                let first = c.binary(Binary::MultiplyF, of(0, i), rest);
                let second = c.binary(Binary::MultiplyF, of(1, i), of(2, i));
                c.binary(Binary::AddF, first, second)
            }),
            M::ExtractBits => {
                let op = if kind == ScalarKind::Sint { Ternary::ExtractBitsI } else { Ternary::ExtractBitsU };
                each(self, &mut |c, i| c.ternary(op, of(0, i), of(1, i), of(2, i)))
            }
            M::Dot if float => vec![self.dot(a, &arguments[1])],
            M::Dot => {
                let products = each(self, &mut |c, i| c.binary(Binary::Multiply, of(0, i), of(1, i)));
                vec![products[1..].iter().fold(products[0], |sum, one| self.binary(Binary::Add, sum, *one))]
            }
            M::Length => {
                let square = self.dot(a, a);
                vec![self.unary(Unary::Sqrt, square)]
            }
            M::Distance => {
                let apart = each(self, &mut |c, i| c.binary(Binary::SubtractF, of(0, i), of(1, i)));
                let square = self.dot(&apart, &apart);
                vec![self.unary(Unary::Sqrt, square)]
            }
            M::Normalize => {
                let square = self.dot(a, a);
                let length = self.unary(Unary::Sqrt, square);
                each(self, &mut |c, i| c.binary(Binary::DivideF, of(0, i), length))
            }
            M::Dot4U8Packed => vec![self.binary(Binary::DotU8, a[0], arguments[1][0])],
            M::Dot4I8Packed => vec![self.binary(Binary::DotI8, a[0], arguments[1][0])],
            M::Pack2x16float => vec![self.binary(Binary::PackHalves, a[0], a[1])],
            M::Unpack2x16float => vec![self.unary(Unary::LowHalf, a[0]), self.unary(Unary::HighHalf, a[0])],
            M::Unpack4xU8 | M::Unpack4xI8 => {
                let op = if function == M::Unpack4xU8 { Binary::ByteU } else { Binary::ByteI };
                (0..4)
                    .map(|i| {
                        let index = self.constant(i);
                        self.binary(op, a[0], index)
                    })
                    .collect()
            }
            M::Pack4xU8 | M::Pack4xI8 => vec![self.packed(a)],
            M::Pack4xU8Clamp | M::Pack4xI8Clamp => {
                let (low, high, min, max) = if function == M::Pack4xU8Clamp {
                    (0, 255, Binary::MinU, Binary::MaxU)
                } else {
                    (-128i32 as u32, 127, Binary::MinI, Binary::MaxI)
                };
                let (low, high) = (self.constant(low), self.constant(high));
                let clamped = each(self, &mut |c, i| {
                    let above = c.binary(max, of(0, i), low);
                    c.binary(min, above, high)
                });
                vec![self.packed(&clamped)]
            }
            M::Cross => (0..3)
                .map(|i| {
                    let (j, k) = ((i + 1) % 3, (i + 2) % 3);
                    let first = self.binary(Binary::MultiplyF, of(0, j), of(1, k));
                    let second = self.binary(Binary::MultiplyF, of(0, k), of(1, j));
                    self.binary(Binary::SubtractF, first, second)
                })
                .collect(),
            M::Transpose => {
                let TypeInner::Matrix { rows, .. } = inner else { return self.unknown("transpose of this", span) };
                (0..*rows as usize).flat_map(|i| a.iter().skip(i).step_by(*rows as usize).copied()).collect()
            }
            other => return self.unknown(format!("the function {other:?}"), span),
        })
    }

    /// The low bytes of four words, in one.
    fn packed(&mut self, words: &[Register]) -> Register {
        let mask = self.constant(0xff);
        let mut all = self.constant(0);
        for (i, word) in words.iter().enumerate() {
            let shift = self.constant(8 * i as u32);
            let byte = self.binary(Binary::And, *word, mask);
            let byte = self.binary(Binary::ShiftLeft, byte, shift);
            all = self.binary(Binary::Or, all, byte);
        }
        all
    }
}

/// Functions of each component.
fn unary(function: MathFunction, kind: ScalarKind) -> Option<Unary> {
    use MathFunction as M;
    use ScalarKind::{Float, Sint};
    Some(match (function, kind) {
        (M::Abs, Float) => Unary::AbsF,
        (M::Abs, Sint) => Unary::AbsI,
        (M::Sign, Float) => Unary::SignF,
        (M::Sign, Sint) => Unary::SignI,
        (M::Ceil, _) => Unary::Ceil,
        (M::Floor, _) => Unary::Floor,
        (M::Round, _) => Unary::Round,
        (M::Trunc, _) => Unary::Truncate,
        (M::Fract, _) => Unary::Fract,
        (M::Sqrt, _) => Unary::Sqrt,
        (M::InverseSqrt, _) => Unary::InverseSqrt,
        (M::Exp, _) => Unary::Exp,
        (M::Exp2, _) => Unary::Exp2,
        (M::Log, _) => Unary::Log,
        (M::Log2, _) => Unary::Log2,
        (M::Sin, _) => Unary::Sin,
        (M::Cos, _) => Unary::Cos,
        (M::Tan, _) => Unary::Tan,
        (M::Sinh, _) => Unary::Sinh,
        (M::Cosh, _) => Unary::Cosh,
        (M::Tanh, _) => Unary::Tanh,
        (M::Asin, _) => Unary::Asin,
        (M::Acos, _) => Unary::Acos,
        (M::Atan, _) => Unary::Atan,
        (M::QuantizeToF16, _) => Unary::RoundToF16,
        (M::CountOneBits, _) => Unary::CountOnes,
        (M::CountLeadingZeros, _) => Unary::LeadingZeros,
        (M::CountTrailingZeros, _) => Unary::TrailingZeros,
        (M::ReverseBits, _) => Unary::Reverse,
        (M::FirstTrailingBit, _) => Unary::FirstTrailing,
        (M::FirstLeadingBit, Sint) => Unary::FirstLeadingI,
        (M::FirstLeadingBit, _) => Unary::FirstLeadingU,
        _ => return None,
    })
}
