//! Reads timestamps and durations as Go's `time` package does, which is laxer
//! than RFC 3339, and explains what is wrong in cty's words.

use super::time::{Civil, Time, days_in};
use crate::quote::quote;

/// How a timestamp is written.
#[derive(Clone, Copy)]
pub(super) struct Form {
    /// Between date and time; `None` for a date alone.
    pub(super) separator: Option<char>,
    /// Month and day, minute and second must have two digits.
    pub(super) padded: bool,
    /// An offset (or `Z`) follows.
    pub(super) zone: bool,
}

/// RFC 3339.
pub(super) const RFC3339: Form = Form { separator: Some('T'), padded: true, zone: true };

/// Where reading stopped: the part of Go's layout that did not fit, and the
/// text there.
#[derive(Debug)]
struct Mismatch {
    part: &'static str,
    rest: String,
    /// A complete sentence instead.
    message: Option<&'static str>,
}

impl Mismatch {
    fn new(part: &'static str, rest: &str) -> Self {
        Self { part, rest: rest.to_owned(), message: None }
    }

    /// cty's explanation.
    fn explain(&self) -> String {
        const INTRO: &str = "not a valid RFC3339 timestamp:";
        if let Some(message) = self.message {
            return format!("{INTRO} {message}");
        }
        let what = match self.part {
            "2006" => "year",
            "01" => "month",
            "02" => "day of month",
            "15" => "hour",
            "04" => "minute",
            "05" => "second",
            "Z07:00" => "UTC offset",
            "T" => return format!("{INTRO} missing required time introducer 'T'"),
            ":" | "-" => {
                let part = quote(self.part);
                return match self.rest.as_str() {
                    "" => format!("{INTRO} end of string where {part} is expected"),
                    rest => format!("{INTRO} found {} where {part} is expected", quote(rest)),
                };
            }
            _ => "timestamp segment",
        };
        match (what, self.rest.as_str()) {
            (_, "") => format!("{INTRO} end of string before {what}"),
            ("hour", rest) if rest.contains(':') => {
                format!("{INTRO} hour must be between 0 and 23 inclusive")
            }
            ("hour" | "minute", rest) if rest.len() != 2 => {
                format!("{INTRO} {what} must have exactly two digits")
            }
            (_, rest) => format!("{INTRO} cannot use {} as {what}", quote(rest)),
        }
    }
}

/// Reads a timestamp in exactly the form of RFC 3339.
pub(super) fn strict(text: &str) -> Result<Time, String> {
    let time = Reader { rest: text }.time(RFC3339).map_err(|mismatch| mismatch.explain())?;
    // Go overlooks a few things that the RFC does not allow.
    let bytes = text.as_bytes();
    let tail = |count: usize| text.get(text.len().saturating_sub(count)..).unwrap_or("");
    let two_digits = |text: &str| text.get(..2).and_then(|digits| digits.parse::<u8>().ok());
    let lapse = if bytes.get(12) == Some(&b':') {
        Some(Mismatch::new("15", text.get(11..12).unwrap_or("")))
    } else if bytes.get(19) == Some(&b',') {
        Some(Mismatch::new(".", ","))
    } else if text.ends_with('Z') {
        None
    } else if two_digits(tail(5)) >= Some(24) || two_digits(tail(2)) >= Some(60) {
        Some(Mismatch::new("Z07:00", tail(6)))
    } else {
        None
    };
    lapse.map_or(Ok(time), |mismatch| Err(mismatch.explain()))
}

/// Reads a timestamp as Go's `time.Parse` does.
pub(super) fn lax(text: &str, form: Form) -> Option<Time> {
    Reader { rest: text }.time(form).ok()
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn time(mut self, form: Form) -> Result<Time, Mismatch> {
        let mut civil = self.date(form)?;
        let (mut nanos, mut offset) = (0, 0);
        if let Some(separator) = form.separator {
            self.literal(if separator == 'T' {
                "T"
            } else if separator == 't' {
                "t"
            } else {
                " "
            })?;
            // Go reads an hour of one digit even where the layout has two.
            civil.hour = self.number("15", false, 0..=23)?;
            self.literal(":")?;
            civil.minute = self.number("04", form.padded, 0..=59)?;
            self.literal(":")?;
            civil.second = self.number("05", form.padded, 0..=59)?;
            nanos = self.fraction();
        }
        if form.zone {
            offset = self.offset()?;
        }
        if !self.rest.is_empty() {
            return Err(Mismatch::new("", self.rest));
        }
        if civil.day < 1 || civil.day > days_in(civil.year, civil.month) {
            let message = Some("day out of range");
            return Err(Mismatch { part: "", rest: String::new(), message });
        }
        Ok(civil.at(nanos, offset))
    }

    fn date(&mut self, form: Form) -> Result<Civil, Mismatch> {
        let year = self.rest.get(..4).filter(|year| year.bytes().all(|b| b.is_ascii_digit()));
        let year = year.and_then(|year| year.parse().ok());
        let year = year.ok_or_else(|| Mismatch::new("2006", self.rest))?;
        self.skip(4);
        self.literal("-")?;
        let month = self.number("01", form.padded, 1..=12)?;
        self.literal("-")?;
        // Whether the month has this day is checked at the end.
        let day = self.number("02", form.padded, 0..=99)?;
        Ok(Civil { year, month, day, ..Civil::default() })
    }

    fn skip(&mut self, count: usize) {
        self.rest = self.rest.get(count..).unwrap_or("");
    }

    fn literal(&mut self, wanted: &'static str) -> Result<(), Mismatch> {
        match self.rest.strip_prefix(wanted) {
            Some(rest) => {
                self.rest = rest;
                Ok(())
            }
            None => Err(Mismatch::new(wanted, self.rest)),
        }
    }

    /// One or two digits, or exactly two.
    fn number(
        &mut self,
        part: &'static str,
        two: bool,
        range: std::ops::RangeInclusive<i64>,
    ) -> Result<i64, Mismatch> {
        let digits = self.rest.bytes().take(2).take_while(u8::is_ascii_digit).count();
        let value = self.rest.get(..digits).and_then(|digits| digits.parse::<i64>().ok());
        let value = value.filter(|_| !two || digits == 2);
        let value = value.ok_or_else(|| Mismatch::new(part, self.rest))?;
        self.skip(digits);
        // Go reports a number out of range with the text after it.
        if range.contains(&value) { Ok(value) } else { Err(Mismatch::new(part, self.rest)) }
    }

    /// A point or comma and digits, of which nine count.
    fn fraction(&mut self) -> u32 {
        let digits = self.rest.strip_prefix(['.', ',']).unwrap_or("");
        let count = digits.bytes().take_while(u8::is_ascii_digit).count();
        let nanos: String = digits.chars().take(count.min(9)).collect();
        if count > 0 {
            self.skip(count + 1);
        }
        format!("{nanos:0<9}").parse().unwrap_or(0)
    }

    fn offset(&mut self) -> Result<i64, Mismatch> {
        const PART: &str = "Z07:00";
        if let Some(rest) = self.rest.strip_prefix('Z') {
            self.rest = rest;
            return Ok(0);
        }
        let bytes = self.rest.as_bytes();
        let digit = |index: usize| {
            bytes.get(index).filter(|byte| byte.is_ascii_digit()).map(|byte| i64::from(byte - b'0'))
        };
        let pair = |index: usize| Some(digit(index)? * 10 + digit(index + 1)?);
        let sign = match bytes.first() {
            Some(b'+') => 1,
            Some(b'-') => -1,
            _ => return Err(Mismatch::new(PART, self.rest)),
        };
        let (Some(hours), Some(b':'), Some(minutes)) = (pair(1), bytes.get(3), pair(4)) else {
            return Err(Mismatch::new(PART, self.rest));
        };
        self.skip(6);
        // Some people write offsets of 24 hours or 60 minutes.
        if hours > 24 || minutes > 60 {
            return Err(Mismatch::new(PART, self.rest));
        }
        Ok(sign * (hours * 3600 + minutes * 60))
    }
}

/// Reads a duration such as `-1h30m` or `1.5s`, in nanoseconds.
pub(super) fn duration(text: &str) -> Result<i64, String> {
    let quoted = quote(text);
    let invalid = || format!("time: invalid duration {quoted}");
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let negative = text.starts_with('-');
    if unsigned == "0" {
        return Ok(0);
    }
    if unsigned.is_empty() {
        return Err(invalid());
    }
    let mut total: u64 = 0;
    let mut rest = unsigned;
    while !rest.is_empty() {
        let (whole, after) = split_digits(rest);
        let (fraction, after) = match after.strip_prefix('.') {
            Some(after) => split_digits(after),
            None => ("", after),
        };
        if whole.is_empty() && fraction.is_empty() {
            return Err(invalid());
        }
        let end = after.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(after.len());
        let (name, after) = after.split_at(end);
        if name.is_empty() {
            return Err(format!("time: missing unit in duration {quoted}"));
        }
        let unit = unit_nanos(name)
            .ok_or_else(|| format!("time: unknown unit {} in duration {quoted}", quote(name)))?;
        let part = part_nanos(whole, fraction, unit).ok_or_else(invalid)?;
        total = total.checked_add(part).ok_or_else(invalid)?;
        rest = after;
    }
    let total = i128::from(total);
    i64::try_from(if negative { -total } else { total }).map_err(|_overflow| invalid())
}

fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(text.bytes().take_while(u8::is_ascii_digit).count())
}

fn unit_nanos(name: &str) -> Option<u64> {
    Some(match name {
        "ns" => 1,
        // Both the micro sign and the Greek letter.
        "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    })
}

fn part_nanos(whole: &str, fraction: &str, unit: u64) -> Option<u64> {
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    // 18 digits are more than a nanosecond of an hour.
    let kept: String = fraction.chars().take(18).collect();
    let scale = 10u128.pow(u32::try_from(kept.len()).ok()?);
    let part = kept.parse::<u128>().unwrap_or(0) * u128::from(unit) / scale;
    whole.checked_mul(unit)?.checked_add(u64::try_from(part).ok()?)
}
