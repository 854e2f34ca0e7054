//! Functions of scalars: what WGSL's operators and built-in functions do to the 32 bits of one component.
//!
//! Operations on f32 are rounded once each. Numbers in f16 are held as f32 and rounded to f16 after each operation.

use half::f16;

use crate::lanes::Apply;

/// Declares an enumeration of functions, their evaluation, and how they are applied to all lanes of a wave.
macro_rules! functions {
    ($(#[$meta:meta])* $name:ident, $count:literal, $operands:pat, { $($variant:ident => $body:expr),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($variant),+ }

        impl $name {
            /// The bits of the result.
            #[inline(always)]
            pub fn of(self, $operands: [u32; $count]) -> u32 {
                match self { $(Self::$variant => $body),+ }
            }

            /// Applies it to lanes, in a loop that is compiled for each function.
            #[inline(always)]
            pub fn each<const L: usize>(self, lanes: Apply<'_, L, $count>) {
                match self { $(Self::$variant => lanes.each(|operands| Self::$variant.of(operands))),+ }
            }
        }
    };
}

fn f(bits: u32) -> f32 {
    f32::from_bits(bits)
}

fn of_float(a: u32, function: impl FnOnce(f32) -> f32) -> u32 {
    function(f(a)).to_bits()
}

fn signed(a: u32, function: impl FnOnce(i32) -> i32) -> u32 {
    function(a as i32) as u32
}

/// Rounded to f16, still in f32.
fn rounded(a: u32) -> u32 {
    f16::from_f32(f(a)).to_f32().to_bits()
}

/// Bits of the position of a set bit, or all ones where there is none.
fn position(bits: u32, of: impl FnOnce(u32) -> u32) -> u32 {
    if bits == 0 { u32::MAX } else { of(bits) }
}

functions! {
    /// Functions of one scalar; the letter is the type of the operand: F f32, I i32, U u32, B bool.
    Unary, 1, [a], {
        NegateF => a ^ 0x8000_0000,
        NegateI => a.wrapping_neg(),
        NotB => u32::from(a == 0),
        NotU => !a,
        AbsF => a & 0x7fff_ffff,
        AbsI => signed(a, i32::wrapping_abs),
        SignF => of_float(a, |a| if a > 0.0 { 1.0 } else if a < 0.0 { -1.0 } else { 0.0 }),
        SignI => signed(a, i32::signum),
        Ceil => of_float(a, f32::ceil),
        Floor => of_float(a, f32::floor),
        Round => of_float(a, f32::round_ties_even),
        Truncate => of_float(a, f32::trunc),
        Fract => of_float(a, |a| a - a.floor()),
        Sqrt => of_float(a, f32::sqrt),
        InverseSqrt => of_float(a, |a| 1.0 / a.sqrt()),
        Exp => of_float(a, f32::exp),
        Exp2 => of_float(a, f32::exp2),
        Log => of_float(a, f32::ln),
        Log2 => of_float(a, f32::log2),
        Sin => of_float(a, f32::sin),
        Cos => of_float(a, f32::cos),
        Tan => of_float(a, f32::tan),
        Sinh => of_float(a, f32::sinh),
        Cosh => of_float(a, f32::cosh),
        Tanh => of_float(a, f32::tanh),
        Asin => of_float(a, f32::asin),
        Acos => of_float(a, f32::acos),
        Atan => of_float(a, f32::atan),
        RoundToF16 => rounded(a),
        FromU => (a as f32).to_bits(),
        FromI => (a as i32 as f32).to_bits(),
        ToU => f(a) as u32,
        ToI => f(a) as i32 as u32,
        FloatToB => u32::from(f(a) != 0.0),
        ToB => u32::from(a != 0),
        FromB => if a == 0 { 0 } else { 1f32.to_bits() },
        IsNan => u32::from(f(a).is_nan()),
        IsInf => u32::from(f(a).is_infinite()),
        CountOnes => a.count_ones(),
        LeadingZeros => a.leading_zeros(),
        TrailingZeros => a.trailing_zeros(),
        Reverse => a.reverse_bits(),
        FirstTrailing => position(a, u32::trailing_zeros),
        FirstLeadingU => position(a, |a| 31 - a.leading_zeros()),
        FirstLeadingI => position(if (a as i32) < 0 { !a } else { a }, |a| 31 - a.leading_zeros()),
        LowHalf => f16::from_bits(a as u16).to_f32().to_bits(),
        HighHalf => f16::from_bits((a >> 16) as u16).to_f32().to_bits(),
    }
}

fn floats(a: u32, b: u32, function: impl FnOnce(f32, f32) -> f32) -> u32 {
    function(f(a), f(b)).to_bits()
}

fn bytes(word: u32) -> [u8; 4] {
    word.to_le_bytes()
}

fn dot_u8(a: u32, b: u32) -> u32 {
    bytes(a).iter().zip(bytes(b)).map(|(a, b)| u32::from(*a) * u32::from(b)).fold(0, u32::wrapping_add)
}

fn dot_i8(a: u32, b: u32) -> u32 {
    let products = bytes(a).into_iter().zip(bytes(b)).map(|(a, b)| i32::from(a as i8) * i32::from(b as i8));
    products.fold(0, i32::wrapping_add) as u32
}

functions! {
    /// Functions of two scalars. Shifts take their amount modulo 32; a quotient by zero is the dividend, a remainder zero.
    Binary, 2, [a, b], {
        AddF => floats(a, b, |a, b| a + b),
        SubtractF => floats(a, b, |a, b| a - b),
        MultiplyF => floats(a, b, |a, b| a * b),
        DivideF => floats(a, b, |a, b| a / b),
        ModuloF => floats(a, b, |a, b| a % b),
        MinF => floats(a, b, f32::min),
        MaxF => floats(a, b, f32::max),
        PowF => floats(a, b, f32::powf),
        Atan2F => floats(a, b, f32::atan2),
        StepF => u32::from(f(a) <= f(b)) * 1f32.to_bits(),
        EqualF => u32::from(f(a) == f(b)),
        NotEqualF => u32::from(f(a) != f(b)),
        LessF => u32::from(f(a) < f(b)),
        LessEqualF => u32::from(f(a) <= f(b)),
        Add => a.wrapping_add(b),
        Subtract => a.wrapping_sub(b),
        Multiply => a.wrapping_mul(b),
        DivideU => a.checked_div(b).unwrap_or(a),
        ModuloU => a.checked_rem(b).unwrap_or(0),
        DivideI => if b == 0 { a } else { (a as i32).wrapping_div(b as i32) as u32 },
        ModuloI => if b == 0 { 0 } else { (a as i32).wrapping_rem(b as i32) as u32 },
        MinU => a.min(b),
        MaxU => a.max(b),
        MinI => (a as i32).min(b as i32) as u32,
        MaxI => (a as i32).max(b as i32) as u32,
        Equal => u32::from(a == b),
        NotEqual => u32::from(a != b),
        LessU => u32::from(a < b),
        LessEqualU => u32::from(a <= b),
        LessI => u32::from((a as i32) < b as i32),
        LessEqualI => u32::from(a as i32 <= b as i32),
        And => a & b,
        Or => a | b,
        Xor => a ^ b,
        ShiftLeft => a.wrapping_shl(b),
        ShiftRightU => a.wrapping_shr(b),
        ShiftRightI => (a as i32).wrapping_shr(b) as u32,
        ByteU => u32::from(bytes(a)[b as usize & 3]),
        ByteI => i32::from(bytes(a)[b as usize & 3] as i8) as u32,
        PackHalves => u32::from(f16::from_f32(f(a)).to_bits()) | u32::from(f16::from_f32(f(b)).to_bits()) << 16,
        DotU8 => dot_u8(a, b),
        DotI8 => dot_i8(a, b),
    }
}

functions! {
    /// Functions of three scalars.
    Ternary, 3, [a, b, c], {
        Select => if a == 0 { c } else { b },
        Fma => f(a).mul_add(f(b), f(c)).to_bits(),
        ExtractBitsU => {
            let (offset, count) = (b.min(32), c.min(32 - b.min(32)));
            if count == 0 { 0 } else { (a >> offset) & (u32::MAX >> (32 - count)) }
        },
        ExtractBitsI => {
            let (offset, count) = (b.min(32), c.min(32 - b.min(32)));
            if count == 0 { 0 } else { (((a << (32 - count - offset)) as i32) >> (32 - count)) as u32 }
        },
    }
}
