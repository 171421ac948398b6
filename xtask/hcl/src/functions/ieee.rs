//! Logarithm and power to the last bit as in Go, where every platform computes
//! the same; the system's library may round another way.

/// Natural logarithm by the method of FreeBSD's `e_log.c`: `x` is `2^k * (1+f)`
/// with `1+f` near 1, and `ln(1+f)` a polynomial in `s = f/(2+f)`.
pub(super) fn ln(x: f64) -> f64 {
    const LN2_HIGH: f64 = 6.931_471_803_691_238e-1;
    const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;
    const L: [f64; 7] = [
        6.666_666_666_666_735e-1,
        3.999_999_999_940_942e-1,
        2.857_142_874_366_239e-1,
        2.222_219_843_214_978_4e-1,
        1.818_357_216_161_805e-1,
        1.531_383_769_920_937_3e-1,
        1.479_819_860_511_658_6e-1,
    ];
    if x.is_nan() || x < 0.0 {
        return f64::NAN;
    }
    if x == 0.0 {
        return f64::NEG_INFINITY;
    }
    if x.is_infinite() {
        return x;
    }
    let (mut fraction, mut exponent) = frexp(x);
    if fraction < std::f64::consts::FRAC_1_SQRT_2 {
        fraction *= 2.0;
        exponent -= 1;
    }
    let (f, k) = (fraction - 1.0, f64::from(exponent));
    let s = f / (2.0 + f);
    let s2 = s * s;
    let s4 = s2 * s2;
    let odd = s2 * (L[0] + s4 * (L[2] + s4 * (L[4] + s4 * L[6])));
    let even = s4 * (L[1] + s4 * (L[3] + s4 * L[5]));
    let half = 0.5 * f * f;
    k * LN2_HIGH - ((half - (s * (half + (odd + even)) + k * LN2_LOW)) - f)
}

/// Power. Whole exponents multiply as Go does; for others the last digit may
/// differ from Go's.
pub(super) fn pow(x: f64, y: f64) -> f64 {
    /// Beyond this, every result is zero, one or infinite anyway.
    const LARGEST: f64 = 1e9;
    let ordinary = x.is_finite() && x != 0.0 && y.fract() == 0.0 && y.abs() <= LARGEST;
    if !ordinary {
        return x.powf(y);
    }
    let (mut factor, mut factor_exponent) = frexp(x);
    let (mut result, mut exponent) = (1.0, 0i64);
    let mut rest = y.abs();
    while rest >= 1.0 {
        // An exponent that large cannot come back into range.
        if factor_exponent.abs() > 1 << 20 {
            exponent += i64::from(factor_exponent);
            break;
        }
        if rest % 2.0 == 1.0 {
            result *= factor;
            exponent += i64::from(factor_exponent);
        }
        factor *= factor;
        factor_exponent *= 2;
        if factor < 0.5 {
            factor *= 2.0;
            factor_exponent -= 1;
        }
        rest = (rest / 2.0).floor();
    }
    if y < 0.0 {
        (result, exponent) = (1.0 / result, -exponent);
    }
    ldexp(result, exponent)
}

/// `x` as a fraction of at least 0.5 and below 1, and a power of two.
fn frexp(x: f64) -> (f64, i32) {
    const SCALE: f64 = 18_014_398_509_481_984.0; // 2^54, lifts subnormal numbers
    let (x, shift) = if x.abs() < f64::MIN_POSITIVE { (x * SCALE, 54) } else { (x, 0) };
    let bits = x.to_bits();
    let biased = i32::try_from((bits >> 52) & 0x7ff).unwrap_or(0);
    let fraction = f64::from_bits((bits & !(0x7ff << 52)) | (1022 << 52));
    (fraction, biased - 1022 - shift)
}

/// `fraction * 2^exponent`.
fn ldexp(fraction: f64, exponent: i64) -> f64 {
    let mut value = fraction;
    let mut rest = exponent.clamp(-4000, 4000);
    while rest != 0 {
        // Small steps keep intermediate results exact until the last one.
        let step = rest.clamp(-1000, 1000);
        value *= 2f64.powi(i32::try_from(step).unwrap_or(0));
        rest -= step;
    }
    value
}

#[cfg(test)]
mod tests {
    use super::{frexp, ldexp, ln, pow};

    #[test]
    fn close_to_the_system() {
        for x in [1e-310, 0.1, 0.5, 0.999, 1.0, 1.5, 2.0, 3.0, 7.0, 1e10, f64::MAX] {
            let (fraction, exponent) = frexp(x);
            assert_eq!(ldexp(fraction, exponent.into()), x);
            assert!((ln(x) - x.ln()).abs() <= x.ln().abs() * 1e-15, "ln {x}");
            for y in [-3.0, -1.0, 0.0, 1.0, 2.0, 10.0, 31.0, 1e6, -1e6] {
                let (ours, system) = (pow(x, y), x.powf(y));
                let near = (ours - system).abs() <= system.abs() * 1e-9;
                assert!(near || ours == system, "{x}^{y}: {ours} {system}");
            }
        }
        assert!(ln(-1.0).is_nan() && pow(-8.0, 0.3).is_nan());
        assert_eq!((pow(-2.0, 3.0), pow(0.0, 0.0), pow(2.0, 1e9)), (-8.0, 1.0, f64::INFINITY));
    }
}
