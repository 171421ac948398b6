//! The format strings of `formatdate`: runs of one letter, literals in single
//! quotes, everything else as it is.

use super::time::Time;
use crate::quote::quote;

/// The time as the format says. The error is for the format argument.
pub(super) fn render(format: &str, time: &Time) -> Result<String, String> {
    let mut output = String::new();
    let mut rest = format;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '\'' => quoted_length(rest).ok_or("unterminated literal '")?,
            'a'..='z' | 'A'..='Z' => rest.chars().take_while(|c| *c == first).count(),
            _ => first.len_utf8(),
        };
        let (token, after) = rest.split_at_checked(length).unwrap_or((rest, ""));
        match first {
            '\'' if token == "''" => output.push('\''),
            '\'' => {
                let inner = token.get(1..length - 1).unwrap_or("");
                output.push_str(&inner.replace("''", "'"));
            }
            'a'..='z' | 'A'..='Z' => output.push_str(&verb(token, first, time)?),
            _ => output.push_str(token),
        }
        rest = after;
    }
    Ok(output)
}

/// Length of a literal with its quotes; two quotes inside stand for one.
fn quoted_length(text: &str) -> Option<usize> {
    if text.starts_with("''") {
        return Some(2);
    }
    let bytes = text.as_bytes();
    let mut index = 1;
    loop {
        match (bytes.get(index)?, bytes.get(index + 1)) {
            (b'\'', Some(b'\'')) => index += 2,
            (b'\'', _) => return Some(index + 1),
            _ => index += 1,
        }
    }
}

fn verb(token: &str, letter: char, time: &Time) -> Result<String, String> {
    let civil = time.civil();
    let short = |name: &str| name.get(..3).unwrap_or(name).to_owned();
    let hour12 = if civil.hour % 12 == 0 { 12 } else { civil.hour % 12 };
    let invalid = |expected: &str| format!("invalid date format verb {}: {expected}", quote(token));
    let number = |value: i64, expected: &str| match token.len() {
        1 => Ok(value.to_string()),
        2 => Ok(format!("{value:02}")),
        _ => Err(invalid(expected)),
    };
    match (letter, token.len()) {
        ('Y', 2) => Ok(format!("{:02}", civil.year % 100)),
        ('Y', 4) => Ok(format!("{:04}", civil.year)),
        ('Y', _) => Err(invalid("year must either be \"YY\" or \"YYYY\"")),
        ('M', 3) => Ok(short(civil.month_name())),
        ('M', 4) => Ok(civil.month_name().to_owned()),
        ('M', _) => number(civil.month, "month must be \"M\", \"MM\", \"MMM\", or \"MMMM\""),
        ('D', _) => number(civil.day, "day of month must either be \"D\" or \"DD\""),
        ('E', 3) => Ok(short(time.weekday_name())),
        ('E', 4) => Ok(time.weekday_name().to_owned()),
        ('E', _) => Err(invalid("day of week must either be \"EEE\" or \"EEEE\"")),
        ('h', _) => number(civil.hour, "24-hour must either be \"h\" or \"hh\""),
        ('H', _) => number(hour12, "12-hour must either be \"H\" or \"HH\""),
        ('A', 2) => Ok(if civil.hour < 12 { "AM" } else { "PM" }.to_owned()),
        ('a', 2) => Ok(if civil.hour < 12 { "am" } else { "pm" }.to_owned()),
        ('A' | 'a', _) => Err(invalid(&format!("must be \"{letter}{letter}\""))),
        ('m', _) => number(civil.minute, "minute must either be \"m\" or \"mm\""),
        ('s', _) => number(civil.second, "second must either be \"s\" or \"ss\""),
        ('Z', 1) => Ok(time.zone("Z", ":")),
        ('Z', 3) => Ok(time.zone("UTC", "")),
        ('Z', 4) => Ok(time.zone("", "")),
        ('Z', 5) => Ok(time.zone("", ":")),
        ('Z', _) => Err(invalid("timezone must be Z, ZZZZ, or ZZZZZ")),
        _ => Err(format!("invalid date format verb {}", quote(token))),
    }
}
