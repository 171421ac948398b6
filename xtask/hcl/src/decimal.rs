//! Numbers from and to decimal text, as Go's `big.Float` reads and prints them.

use num_bigint::BigUint;

use crate::number::{LITERAL_PRECISION, MAX_EXPONENT, Number};

/// Longest number text that is read: reading is quadratic in its length.
const MAX_DIGITS: usize = 40_000;

/// Decimal digits `0.d1d2d3… * 10^point`, without trailing zeros.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decimal {
    digits: Vec<u8>,
    point: i64,
}

impl Decimal {
    /// `mantissa * 2^exponent`, exactly.
    fn exact(mantissa: &BigUint, exponent: i64) -> Self {
        let shift = exponent.unsigned_abs();
        let (number, scale) = if exponent >= 0 {
            (mantissa << shift, 0)
        } else {
            // m / 2^k = m * 5^k / 10^k; k is bounded by MAX_EXPONENT.
            let power = u32::try_from(shift).unwrap_or(u32::MAX);
            (mantissa * BigUint::from(5u8).pow(power), shift)
        };
        let digits = number.to_string().into_bytes();
        let point = i64::try_from(digits.len()).unwrap_or(i64::MAX).saturating_sub_unsigned(scale);
        let mut decimal = Self { digits, point };
        decimal.trim();
        decimal
    }

    /// All digits of the magnitude of a finite number; no digits for others.
    pub fn of(number: &Number) -> Self {
        number.parts().map_or(Self { digits: Vec::new(), point: 0 }, |(mantissa, exponent)| {
            Self::exact(mantissa, exponent)
        })
    }

    /// The fewest digits that still identify the number at its precision.
    pub fn shortest(number: &Number) -> Self {
        let Some((mantissa, exponent)) = number.parts() else { return Self::of(number) };
        let mut decimal = Self::exact(mantissa, exponent);
        // Widen the mantissa to precision + 1 bits: one unit there is half a
        // unit in the last place.
        let shift = (number.precision() + 1).saturating_sub(mantissa.bits());
        let wide = mantissa << shift;
        let exponent = exponent.saturating_sub_unsigned(shift);
        let inclusive = !wide.bit(1);
        let lower = Self::exact(&(&wide - 1u32), exponent);
        let upper = Self::exact(&(&wide + 1u32), exponent);
        decimal.shorten(&lower, &upper, inclusive);
        decimal
    }

    /// Cuts digits while the result stays between the two bounds.
    fn shorten(&mut self, lower: &Self, upper: &Self, inclusive: bool) {
        for index in 0..self.digits.len() {
            let (digit, low, high) = (self.at(index), lower.at(index), upper.at(index));
            let down = low != digit || (inclusive && index + 1 == lower.digits.len());
            let up =
                digit != high && (inclusive || digit + 1 < high || index + 1 < upper.digits.len());
            let keep = index + 1;
            match (down, up) {
                (true, true) => return self.round(keep),
                (true, false) => return self.truncate(keep),
                (false, true) => return self.round_up(keep),
                (false, false) => {}
            }
        }
    }

    fn at(&self, index: usize) -> u8 {
        self.digits.get(index).copied().unwrap_or(b'0')
    }

    fn trim(&mut self) {
        while self.digits.last() == Some(&b'0') {
            self.digits.pop();
        }
        if self.digits.is_empty() {
            self.point = 0;
        }
    }

    fn truncate(&mut self, keep: usize) {
        self.digits.truncate(keep);
        self.trim();
    }

    fn round_up(&mut self, keep: usize) {
        self.digits.truncate(keep);
        while self.digits.last() == Some(&b'9') {
            self.digits.pop();
        }
        match self.digits.last_mut() {
            Some(last) => *last += 1,
            None => {
                self.digits.push(b'1');
                self.point += 1;
            }
        }
    }

    /// Rounds to `keep` digits, half to even.
    pub fn round(&mut self, keep: usize) {
        if keep >= self.digits.len() {
            return;
        }
        let next = self.at(keep);
        let exactly_half = next == b'5' && keep + 1 == self.digits.len();
        let up = if exactly_half { keep > 0 && self.at(keep - 1) % 2 == 1 } else { next >= b'5' };
        if up { self.round_up(keep) } else { self.truncate(keep) }
    }

    /// The digits, most significant first, as ASCII.
    pub fn digits(&self) -> &[u8] {
        &self.digits
    }

    /// Position of the decimal point relative to the first digit.
    pub fn point(&self) -> i64 {
        self.point
    }

    /// Plain notation with as many decimals as there are digits.
    pub fn fixed(&self) -> String {
        let mut text = String::with_capacity(self.digits.len() + 2);
        let whole = usize::try_from(self.point).unwrap_or(0);
        if whole == 0 {
            text.push('0');
        }
        text.extend((0..whole).map(|index| char::from(self.at(index))));
        if self.digits.len() > whole {
            text.push('.');
            let zeros = usize::try_from(-self.point.min(0)).unwrap_or(0);
            text.extend(std::iter::repeat_n('0', zeros));
            text.extend(self.digits.iter().skip(whole).map(|digit| char::from(*digit)));
        }
        text
    }

    /// Go's `%.10g`, which cty uses for the order of composite set elements.
    pub(crate) fn general10(&self) -> String {
        let mut rounded = self.clone();
        rounded.round(10);
        let exponent = rounded.point - 1;
        let count = i64::try_from(rounded.digits.len()).unwrap_or(i64::MAX);
        let limit = if 10 > count && count >= rounded.point { count } else { 10 };
        if (-4..limit).contains(&exponent) {
            return rounded.fixed();
        }
        let mut text = String::new();
        text.push(char::from(rounded.at(0)));
        if rounded.digits.len() > 1 {
            text.push('.');
            text.extend(rounded.digits.iter().skip(1).map(|digit| char::from(*digit)));
        }
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{text}e{sign}{:02}", exponent.unsigned_abs())
    }
}

/// See [`Number::parse`].
pub(crate) fn parse_number(text: &str) -> Option<Number> {
    let (negative, rest) = match text.as_bytes().first()? {
        b'-' => (true, text.get(1..)?),
        b'+' => (false, text.get(1..)?),
        _ => (false, text),
    };
    if rest == "Inf" || rest == "inf" {
        return Some(Number::infinity(negative));
    }
    let mark = rest.find(['e', 'E', 'p', 'P']).unwrap_or(rest.len());
    let (mantissa, exponent) = rest.split_at(mark);
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let length = whole.len() + fraction.len();
    if length == 0 || length > MAX_DIGITS || !all_digits(whole) || !all_digits(fraction) {
        return None;
    }
    let decimals = i64::try_from(fraction.len()).ok()?;
    let (two, ten) = match exponent.as_bytes().first() {
        None => (0, -decimals),
        Some(b'e' | b'E') => (0, parse_exponent(exponent.get(1..)?)?.saturating_sub(decimals)),
        Some(_) => (parse_exponent(exponent.get(1..)?)?, -decimals),
    };
    let digits: BigUint = format!("0{whole}{fraction}").parse().ok()?;
    Some(scale(negative, digits, two, ten))
}

/// A signed decimal exponent, saturated far beyond the supported range.
fn parse_exponent(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let value = digits.parse::<i64>().unwrap_or(i64::MAX).min(MAX_EXPONENT * 2);
    Some(if text.starts_with('-') { -value } else { value })
}

/// `digits * 2^two * 10^ten`, rounded the way Go's scanner does it: the power
/// of five is kept to 64 more bits than the result, not exactly.
fn scale(negative: bool, digits: BigUint, two: i64, ten: i64) -> Number {
    let zero_digits = digits.bits() == 0;
    let plain = Number::rounded(negative, digits.clone(), 0, LITERAL_PRECISION, false);
    if zero_digits || plain.is_infinite() {
        return plain;
    }
    let exponent = two.saturating_add(ten);
    if ten == 0 {
        return Number::rounded(negative, digits, exponent, LITERAL_PRECISION, false);
    }
    let bits = digits.bits();
    let whole =
        Number::rounded(negative, digits, exponent.clamp(-MAX_EXPONENT, MAX_EXPONENT), bits, false);
    let power = power_of_five(ten.unsigned_abs(), LITERAL_PRECISION + 64);
    let result = if ten < 0 {
        whole.div_to(&power, LITERAL_PRECISION)
    } else {
        whole.mul_to(&power, LITERAL_PRECISION)
    };
    result.unwrap_or(plain)
}

/// 5^n with every step rounded to `precision` bits.
fn power_of_five(n: u64, precision: u64) -> Number {
    let small = u32::try_from(n.min(27)).unwrap_or(27);
    let mut power = Number::rounded(false, BigUint::from(5u64).pow(small), 0, precision, false);
    let mut rest = n - u64::from(small);
    let wider = precision + 64;
    let mut base = Number::rounded(false, BigUint::from(5u64), 0, wider, false);
    while rest > 0 && !power.is_infinite() {
        if rest & 1 == 1 {
            power = power.mul_to(&base, precision).unwrap_or(power);
        }
        base = base.mul_to(&base, wider).unwrap_or(base);
        rest >>= 1;
    }
    power
}
