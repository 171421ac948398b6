//! Arbitrary-precision numbers with the semantics of Go's `big.Float`, which
//! is what Packer computes with.
//!
//! A number carries its own precision (bits of mantissa): literals and parsed
//! strings have 512, integers made by functions 64, floats 53. Arithmetic
//! rounds to the greater of its operands, half to even. The precision shows:
//! it decides how many decimals `1 / 3` prints.
//!
//! One limit is ours: exponents beyond [`MAX_EXPONENT`] become infinity or
//! zero, where Packer would go on to 2^31 and print millions of digits.

use std::cmp::Ordering;

use num_bigint::BigUint;

pub use crate::decimal::Decimal;

/// Bits of mantissa of a literal or a parsed string.
pub const LITERAL_PRECISION: u64 = 512;

/// Largest binary exponent of a finite number (about 1e±30000). It bounds the
/// memory that one number and its text can take.
pub const MAX_EXPONENT: i64 = 100_000;

/// A number: sign, magnitude and the precision it is rounded to.
#[derive(Clone, Debug)]
pub struct Number {
    negative: bool,
    form: Form,
    precision: u64,
}

/// Magnitude; a finite one is `mantissa * 2^exponent` with an odd mantissa.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Form {
    Zero,
    Finite { mantissa: BigUint, exponent: i64 },
    Infinite,
}

impl Number {
    /// The integer, with 64 bits of precision as Go's `SetInt64`.
    pub fn from_i64(value: i64) -> Self {
        Self::rounded(value < 0, BigUint::from(value.unsigned_abs()), 0, 64, false)
    }

    /// The length or index, with 64 bits of precision.
    pub fn from_usize(value: usize) -> Self {
        Self::rounded(false, BigUint::from(value), 0, 64, false)
    }

    /// The integer of any size, with at least 64 bits of precision.
    pub fn from_big(negative: bool, magnitude: BigUint) -> Self {
        let precision = magnitude.bits().max(64);
        Self::rounded(negative, magnitude, 0, precision, false)
    }

    /// The exact value of the float, with 53 bits of precision; `None` for NaN.
    pub fn from_f64(value: f64) -> Option<Self> {
        if value.is_nan() {
            return None;
        }
        let negative = value.is_sign_negative();
        if value.is_infinite() {
            return Some(Self { negative, form: Form::Infinite, precision: 53 });
        }
        let bits = value.to_bits();
        let fraction = bits & ((1 << 52) - 1);
        let biased = i64::try_from((bits >> 52) & 0x7ff).unwrap_or(0);
        let (mantissa, exponent) =
            if biased == 0 { (fraction, -1074) } else { (fraction | (1 << 52), biased - 1075) };
        Some(Self::rounded(negative, BigUint::from(mantissa), exponent, 53, false))
    }

    /// Reads a decimal number as cty does: optional sign, digits with at most
    /// one point, optional exponent (`e` of ten, `p` of two), or `inf`.
    /// `None` is cty's "a number is required".
    pub fn parse(text: &str) -> Option<Self> {
        crate::decimal::parse_number(text)
    }

    /// `mantissa * 2^exponent` rounded half to even to `precision` bits;
    /// `sticky` says that a non-zero tail was cut off below the mantissa.
    pub(crate) fn rounded(
        negative: bool,
        mantissa: BigUint,
        exponent: i64,
        precision: u64,
        sticky: bool,
    ) -> Self {
        let zero = Self { negative, form: Form::Zero, precision };
        let bits = mantissa.bits();
        if bits == 0 {
            return zero;
        }
        let (mut mantissa, mut exponent) = (mantissa, exponent);
        if bits > precision {
            let shift = bits - precision;
            let half = mantissa.bit(shift - 1);
            let tail = sticky || mantissa.trailing_zeros().is_some_and(|zeros| zeros < shift - 1);
            mantissa >>= shift;
            exponent = exponent.saturating_add_unsigned(shift);
            if half && (tail || mantissa.bit(0)) {
                mantissa += 1u32;
            }
        }
        let zeros = mantissa.trailing_zeros().unwrap_or(0);
        mantissa >>= zeros;
        exponent = exponent.saturating_add_unsigned(zeros);
        let top = exponent.saturating_add_unsigned(mantissa.bits());
        if top > MAX_EXPONENT {
            return Self { negative, form: Form::Infinite, precision };
        }
        if top < -MAX_EXPONENT {
            return zero;
        }
        Self { negative, form: Form::Finite { mantissa, exponent }, precision }
    }

    /// Positive or negative infinity.
    pub fn infinity(negative: bool) -> Self {
        Self { negative, form: Form::Infinite, precision: LITERAL_PRECISION }
    }

    /// Bits of mantissa that results are rounded to.
    pub fn precision(&self) -> u64 {
        self.precision
    }

    /// Whether the sign bit is set; true for `-0` as well.
    pub fn is_negative(&self) -> bool {
        self.negative
    }

    /// Whether this is `0` or `-0`.
    pub fn is_zero(&self) -> bool {
        self.form == Form::Zero
    }

    /// Whether this is infinite.
    pub fn is_infinite(&self) -> bool {
        self.form == Form::Infinite
    }

    /// Whether this is a finite whole number.
    pub fn is_integer(&self) -> bool {
        match &self.form {
            Form::Zero => true,
            Form::Finite { exponent, .. } => *exponent >= 0,
            Form::Infinite => false,
        }
    }

    /// The odd mantissa and its exponent; `None` for zero and infinity.
    pub(crate) fn parts(&self) -> Option<(&BigUint, i64)> {
        match &self.form {
            Form::Finite { mantissa, exponent } => Some((mantissa, *exponent)),
            Form::Zero | Form::Infinite => None,
        }
    }

    /// The magnitude without its fraction; `None` for infinity.
    pub fn truncated_magnitude(&self) -> Option<BigUint> {
        match &self.form {
            Form::Zero => Some(BigUint::ZERO),
            Form::Infinite => None,
            Form::Finite { mantissa, exponent } if *exponent >= 0 => {
                Some(mantissa << exponent.unsigned_abs())
            }
            Form::Finite { mantissa, exponent } => Some(mantissa >> exponent.unsigned_abs()),
        }
    }

    /// The value as an integer if it is exactly one.
    pub fn to_i64(&self) -> Option<i64> {
        if !self.is_integer() {
            return None;
        }
        let magnitude = i128::from(u64::try_from(self.truncated_magnitude()?).ok()?);
        i64::try_from(if self.negative { -magnitude } else { magnitude }).ok()
    }

    /// The value as an index or length if it is exactly one.
    pub fn to_usize(&self) -> Option<usize> {
        self.to_i64().and_then(|value| usize::try_from(value).ok())
    }

    /// The nearest float.
    pub fn to_f64(&self) -> f64 {
        let infinite = if self.negative { f64::NEG_INFINITY } else { f64::INFINITY };
        if self.is_infinite() {
            return infinite;
        }
        // All digits: at a power of two the shortest ones may be nearer to
        // another float.
        let sign = if self.negative { "-" } else { "" };
        format!("{sign}{}", Decimal::of(self).fixed()).parse().unwrap_or(infinite)
    }

    /// The same value rounded to another precision, as Go's `SetPrec`.
    #[must_use]
    pub fn with_precision(&self, precision: u64) -> Self {
        match &self.form {
            Form::Finite { mantissa, exponent } => {
                Self::rounded(self.negative, mantissa.clone(), *exponent, precision, false)
            }
            form => Self { negative: self.negative, form: form.clone(), precision },
        }
    }

    /// The value with the other sign.
    #[must_use]
    pub fn negate(&self) -> Self {
        Self { negative: !self.negative, ..self.clone() }
    }

    /// The value without its sign.
    #[must_use]
    pub fn abs(&self) -> Self {
        Self { negative: false, ..self.clone() }
    }

    /// The sum; `None` for opposite infinities.
    pub fn add(&self, other: &Self) -> Option<Self> {
        let precision = self.precision.max(other.precision);
        match (&self.form, &other.form) {
            (Form::Infinite, Form::Infinite) if self.negative != other.negative => None,
            (Form::Infinite, _) => Some(self.clone()),
            (_, Form::Infinite) => Some(other.clone()),
            (Form::Zero, Form::Zero) => {
                let negative = self.negative && other.negative;
                Some(Self { negative, form: Form::Zero, precision })
            }
            (Form::Zero, _) => Some(other.with_precision(precision)),
            (_, Form::Zero) => Some(self.with_precision(precision)),
            (
                Form::Finite { mantissa: a, exponent: ea },
                Form::Finite { mantissa: b, exponent: eb },
            ) => {
                let low = *ea.min(eb);
                let a = a << ea.abs_diff(low);
                let b = b << eb.abs_diff(low);
                let (negative, sum) = signed_sum(self.negative, a, other.negative, b);
                Some(Self::rounded(negative, sum, low, precision, false))
            }
        }
    }

    /// The difference; `None` for equal infinities.
    pub fn sub(&self, other: &Self) -> Option<Self> {
        self.add(&other.negate())
    }

    /// The product as cty rounds it: to the greater precision, or to what the
    /// product needs, at most 512. `None` for zero times infinity.
    pub fn mul(&self, other: &Self) -> Option<Self> {
        let wide = self.mul_to(other, LITERAL_PRECISION)?;
        let needed = wide.parts().map_or(0, |(mantissa, _)| mantissa.bits());
        Some(wide.with_precision(self.precision.max(other.precision).max(needed)))
    }

    /// The product rounded to `precision` bits.
    pub(crate) fn mul_to(&self, other: &Self, precision: u64) -> Option<Self> {
        let negative = self.negative != other.negative;
        match (&self.form, &other.form) {
            (Form::Infinite, Form::Zero) | (Form::Zero, Form::Infinite) => None,
            (Form::Infinite, _) | (_, Form::Infinite) => {
                Some(Self { negative, form: Form::Infinite, precision })
            }
            (Form::Zero, _) | (_, Form::Zero) => {
                Some(Self { negative, form: Form::Zero, precision })
            }
            (
                Form::Finite { mantissa: a, exponent: ea },
                Form::Finite { mantissa: b, exponent: eb },
            ) => Some(Self::rounded(negative, a * b, ea + eb, precision, false)),
        }
    }

    /// The quotient at the greater precision of both; division of a non-zero
    /// number by zero is infinite. `None` for 0/0 and inf/inf.
    pub fn div(&self, other: &Self) -> Option<Self> {
        self.div_to(other, self.precision.max(other.precision))
    }

    /// The quotient rounded to `precision` bits.
    pub(crate) fn div_to(&self, other: &Self, precision: u64) -> Option<Self> {
        let negative = self.negative != other.negative;
        match (&self.form, &other.form) {
            (Form::Zero, Form::Zero) | (Form::Infinite, Form::Infinite) => None,
            (Form::Zero, _) | (_, Form::Infinite) => {
                Some(Self { negative, form: Form::Zero, precision })
            }
            (Form::Infinite, _) | (_, Form::Zero) => {
                Some(Self { negative, form: Form::Infinite, precision })
            }
            (
                Form::Finite { mantissa: a, exponent: ea },
                Form::Finite { mantissa: b, exponent: eb },
            ) => {
                // Enough bits below the result that one sticky bit decides the rounding.
                let shift = (precision + 2 + b.bits()).saturating_sub(a.bits());
                let numerator = a << shift;
                let quotient = &numerator / b;
                let sticky = &quotient * b != numerator;
                let exponent = (ea - eb).saturating_sub_unsigned(shift);
                Some(Self::rounded(negative, quotient, exponent, precision, sticky))
            }
        }
    }

    /// The remainder of a division that truncates, as cty's `%`; a zero
    /// divisor gives the number itself. `None` where the product is undefined.
    pub fn rem(&self, other: &Self) -> Option<Self> {
        if self.is_infinite() || other.is_infinite() {
            return self.mul(other);
        }
        if other.is_zero() {
            return Some(self.clone());
        }
        let quotient = self.div(other)?;
        let whole = quotient.truncated_magnitude()?;
        let negative = quotient.negative && whole.bits() > 0;
        let whole = Self::rounded(negative, whole, 0, self.precision, false);
        let product = other.mul_to(&whole, self.precision)?;
        Some(self.sub(&product)?.with_precision(self.precision))
    }

    /// Equality as cty defines it: both print the same, and `-0` equals `0`.
    pub fn equals(&self, other: &Self) -> bool {
        if self.negative == other.negative
            && self.form == other.form
            && self.precision == other.precision
        {
            return true;
        }
        if self.is_zero() || other.is_zero() {
            return self.is_zero() && other.is_zero();
        }
        self.text() == other.text()
    }

    /// The shortest decimal text that reads back to this number at its
    /// precision, never with an exponent (Go's `Text('f', -1)`).
    pub fn text(&self) -> String {
        let sign = if self.negative { "-" } else { "" };
        match &self.form {
            Form::Zero => format!("{sign}0"),
            Form::Infinite => format!("{}Inf", if self.negative { "-" } else { "+" }),
            Form::Finite { .. } => format!("{sign}{}", Decimal::shortest(self).fixed()),
        }
    }
}

/// Sum of two signed magnitudes.
fn signed_sum(negative_a: bool, a: BigUint, negative_b: bool, b: BigUint) -> (bool, BigUint) {
    if negative_a == negative_b {
        return (negative_a, a + b);
    }
    match a.cmp(&b) {
        Ordering::Less => (negative_b, b - a),
        Ordering::Equal => (false, BigUint::ZERO),
        Ordering::Greater => (negative_a, a - b),
    }
}

#[cfg(test)]
#[path = "number_test.rs"]
mod tests;
