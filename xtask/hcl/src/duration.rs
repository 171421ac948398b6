//! Durations in Go's notation.

use std::time::Duration;

/// Reads a duration such as `1h30m`, `1.5s` or `0`. Units are ns, us, ms, s, m
/// and h. The error says what is wrong, without a final period.
pub fn parse(text: &str) -> Result<Duration, String> {
    let invalid =
        || format!("{} is not a duration such as \"90s\" or \"1h30m\"", crate::quote::quote(text));
    if text.starts_with('-') {
        return Err(format!("{} is a negative duration", crate::quote::quote(text)));
    }
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(invalid)?;
        let (number, after) = rest.split_at(digits);
        let unit_end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        let number: f64 = number.parse().map_err(|_| invalid())?;
        seconds += number * unit_seconds(unit).ok_or_else(invalid)?;
        rest = after;
    }
    Duration::try_from_secs_f64(seconds).map_err(|_| invalid())
}

fn unit_seconds(unit: &str) -> Option<f64> {
    Some(match unit {
        "ns" => 1e-9,
        "us" | "\u{b5}s" | "\u{3bc}s" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let table = [("0", 0), ("90s", 90_000), ("1h30m", 5_400_000), ("1.5s", 1500), ("2ms", 2)];
        for (text, millis) in table {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "5", "s", "1d", "1h-5m", "-1s", "1.2.3s", "1e99h"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
