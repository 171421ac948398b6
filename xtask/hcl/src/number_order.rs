//! The order of numbers.

use std::cmp::Ordering;

use crate::number::Number;

impl Number {
    /// Numeric order; `-0` equals `0`.
    pub fn compare(&self, other: &Self) -> Ordering {
        match (self.sign(), other.sign()) {
            (a, b) if a != b => a.cmp(&b),
            (0, _) => Ordering::Equal,
            (sign, _) => {
                let order = self.compare_magnitude(other);
                if sign < 0 { order.reverse() } else { order }
            }
        }
    }

    /// -1, 0 or 1.
    pub fn sign(&self) -> i8 {
        match (self.is_zero(), self.is_negative()) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        }
    }

    fn compare_magnitude(&self, other: &Self) -> Ordering {
        match (self.parts(), other.parts()) {
            (Some((a, exponent_a)), Some((b, exponent_b))) => {
                let low = exponent_a.min(exponent_b);
                (a << exponent_a.abs_diff(low)).cmp(&(b << exponent_b.abs_diff(low)))
            }
            _ => self.is_infinite().cmp(&other.is_infinite()),
        }
    }
}
