//! The little language of format strings: `%` flags width .precision
//! [argument] verb, as cty reads it and Go's formatters render it.

use super::json;
use super::string::{MAX_PADDING, graphemes};
use crate::convert::convert;
use crate::decimal::Decimal;
use crate::function::FunctionError;
use crate::number::Number;
use crate::quote::quote;
use crate::types::Type;
use crate::value::Value;

/// One `%…` of a format string.
#[derive(Default)]
struct Verb<'a> {
    /// As written.
    raw: &'a str,
    /// Byte offset in the format string.
    offset: usize,
    /// Which argument, counted from one.
    argument: usize,
    mode: char,
    flags: &'a str,
    width: Option<usize>,
    precision: Option<usize>,
}

/// Renders the arguments, which must be known, as the format string says.
pub(super) fn render(format: &str, args: &[Value]) -> Result<String, FunctionError> {
    let mut output = String::new();
    let mut rest = format;
    let (mut next, mut highest) = (1, 0);
    while let Some(start) = rest.find('%') {
        let (before, from) = rest.split_at(start);
        output.push_str(before);
        if let Some(after) = from.strip_prefix("%%") {
            output.push('%');
            rest = after;
            continue;
        }
        let mut scanner = Scanner { format, position: format.len() - from.len() + 1 };
        let verb = scanner.verb(next)?;
        highest = highest.max(verb.argument);
        next = verb.argument + 1;
        verb.append(&mut output, args)?;
        rest = scanner.rest();
    }
    output.push_str(rest);
    if highest < args.len() {
        // Left over arguments are an error, because they are usually a mistake.
        let message = match highest {
            0 => "too many arguments; no verbs in format string".to_owned(),
            used => format!("too many arguments; only {used} used by format string"),
        };
        return Err(FunctionError::arg(highest + 1, message));
    }
    Ok(output)
}

/// Reads one verb.
struct Scanner<'a> {
    format: &'a str,
    /// Byte offset of what comes next.
    position: usize,
}

impl<'a> Scanner<'a> {
    fn rest(&self) -> &'a str {
        self.format.get(self.position..).unwrap_or("")
    }

    /// Reads all characters from the front that are in the set.
    fn take(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|character| !wanted(character)).unwrap_or(rest.len());
        self.position += end;
        rest.get(..end).unwrap_or("")
    }

    fn verb(&mut self, next: usize) -> Result<Verb<'a>, FunctionError> {
        let offset = self.position - 1;
        let flags = self.take(|c| "0#-+ ".contains(c));
        let width = self.number();
        let precision = if self.rest().starts_with('.') {
            self.position += 1;
            let digits = self.take(|c| c.is_ascii_digit());
            Some(if digits.is_empty() { 0 } else { saturated(digits) })
        } else {
            None
        };
        let argument = self.index()?.unwrap_or(next);
        let Some(mode) = self.rest().chars().next().filter(char::is_ascii_alphabetic) else {
            return Err(self.unexpected());
        };
        self.position += 1;
        let raw = self.format.get(offset..self.position).unwrap_or("");
        Ok(Verb { raw, offset, argument, mode, flags, width, precision })
    }

    /// `[2]`, if it is there.
    fn index(&mut self) -> Result<Option<usize>, FunctionError> {
        if !self.rest().starts_with('[') {
            return Ok(None);
        }
        self.position += 1;
        let index = self.number();
        if index.is_none() || !self.rest().starts_with(']') {
            return Err(self.unexpected());
        }
        self.position += 1;
        Ok(index)
    }

    /// A number that does not begin with zero, if one comes next.
    fn number(&mut self) -> Option<usize> {
        let digits =
            if self.rest().starts_with('0') { "" } else { self.take(|c| c.is_ascii_digit()) };
        (!digits.is_empty()).then(|| saturated(digits))
    }

    fn unexpected(&self) -> FunctionError {
        let position = self.position;
        FunctionError::new(match self.rest().chars().next() {
            None => format!("invalid format string starting at offset {position}"),
            Some(character) => {
                let character = quote_char(character);
                format!("unrecognized format character {character} at offset {position}")
            }
        })
    }
}

/// Digits as a number; too many of them are as good as the greatest.
fn saturated(digits: &str) -> usize {
    digits.parse().unwrap_or(usize::MAX / 2)
}

/// Go's `%q` of a character.
fn quote_char(character: char) -> String {
    match character {
        '\'' => r"'\''".to_owned(),
        '"' => "'\"'".to_owned(),
        _ => format!("'{}'", quote(character.encode_utf8(&mut [0; 4])).trim_matches('"')),
    }
}

impl Verb<'_> {
    fn has(&self, flag: char) -> bool {
        self.flags.contains(flag)
    }

    fn append(&self, output: &mut String, args: &[Value]) -> Result<(), FunctionError> {
        let (raw, at) = (quote(self.raw), self.offset);
        let Some(arg) = self.argument.checked_sub(1).and_then(|index| args.get(index)) else {
            let (index, total) = (self.argument, args.len());
            return Err(FunctionError::new(format!(
                "not enough arguments for {raw} at {at}: need index {index} but have {total} total"
            )));
        };
        let unsupported =
            |why: &str| FunctionError::new(format!("unsupported value for {raw} at {at}: {why}"));
        if self.mode != 'v' && arg.is_null() {
            return Err(unsupported("null value cannot be formatted"));
        }
        if self.width.max(self.precision).is_some_and(|size| size > MAX_PADDING) {
            return Err(unsupported(&format!("a width or precision above {MAX_PADDING}")));
        }
        let to = |ty: Type| convert(arg, &ty).map_err(|error| unsupported(&error.to_string()));
        match self.mode {
            'v' => {
                output.push_str(&self.padded(&self.as_is(arg).map_err(|why| unsupported(&why))?))
            }
            't' => output.push_str(if to(Type::Bool)?.as_bool() == Some(true) {
                "true"
            } else {
                "false"
            }),
            'b' | 'd' | 'o' | 'x' | 'X' => {
                let number = to(Type::Number)?;
                let integer = number.as_number().and_then(|number| self.integer(number));
                output.push_str(&integer.ok_or_else(|| unsupported("an integer is required"))?);
            }
            'e' | 'E' | 'f' | 'g' | 'G' => {
                let number = to(Type::Number)?;
                output.push_str(&number.as_number().map(|n| self.float(n)).unwrap_or_default());
            }
            's' | 'q' => output.push_str(&self.text(to(Type::String)?.as_str().unwrap_or(""))),
            mode => {
                let mode = quote_char(mode);
                let message = format!("unsupported format verb {mode} in {raw} at offset {at}");
                return Err(FunctionError::new(message));
            }
        }
        Ok(())
    }

    /// `%v`: strings and numbers plainly, everything else (and with `#` these
    /// as well) as JSON.
    fn as_is(&self, arg: &Value) -> Result<String, String> {
        match (arg.as_str(), arg.as_number()) {
            (Some(text), _) if !self.has('#') => Ok(text.to_owned()),
            (_, Some(number)) if !self.has('#') => {
                Ok(signed(number, &float_digits(number, 'g', None)))
            }
            _ => json::encode(arg),
        }
    }

    /// `%s` and `%q`; the precision is the number of characters to keep.
    fn text(&self, text: &str) -> String {
        let kept: String = match self.precision {
            Some(count) if count > 0 => graphemes(text).take(count).collect(),
            _ => text.to_owned(),
        };
        if self.mode == 'q' { self.padded(&json::quoted(&kept)) } else { self.padded(&kept) }
    }

    /// Pads to the width, counting characters as a reader sees them.
    fn padded(&self, text: &str) -> String {
        let missing = self.width.unwrap_or(0).saturating_sub(graphemes(text).count());
        let padding = if self.has('0') { "0" } else { " " }.repeat(missing);
        if self.has('-') { format!("{text}{padding}") } else { format!("{padding}{text}") }
    }

    fn sign(&self, negative: bool) -> &'static str {
        match negative {
            true => "-",
            false if self.has('+') => "+",
            false if self.has(' ') => " ",
            false => "",
        }
    }

    /// Go's formatting of a `big.Int`; `None` if it is not whole.
    fn integer(&self, number: &Number) -> Option<String> {
        if !number.is_integer() {
            return None;
        }
        let magnitude = number.truncated_magnitude()?;
        let (radix, prefix) = match self.mode {
            'b' => (2, "0b"),
            'o' => (8, "0"),
            'x' => (16, "0x"),
            'X' => (16, "0X"),
            _ => (10, ""),
        };
        let digits = magnitude.to_str_radix(radix);
        let digits = if self.mode == 'X' { digits.to_uppercase() } else { digits };
        if digits == "0" && self.precision == Some(0) {
            return Some(String::new());
        }
        let prefix = if self.has('#') { prefix } else { "" };
        let head = format!("{}{prefix}", self.sign(number.is_negative() && digits != "0"));
        let zeros = self.precision.unwrap_or(0).saturating_sub(digits.len());
        let body = format!("{}{digits}", "0".repeat(zeros));
        Some(self.aligned(&head, &body, self.precision.is_none()))
    }

    /// Go's formatting of a `big.Float`.
    fn float(&self, number: &Number) -> String {
        let digits = float_digits(number, self.mode, self.precision);
        let sign = match (number.is_infinite(), self.sign(number.is_negative())) {
            (true, "") => "+",
            (_, sign) => sign,
        };
        if self.has('0') && !number.is_infinite() {
            // Unlike for integers, zeros win over alignment to the left.
            let missing = self.width.unwrap_or(0).saturating_sub(sign.len() + digits.len());
            return format!("{sign}{}{digits}", "0".repeat(missing));
        }
        self.aligned(sign, &digits, false)
    }

    /// Head and body in the width: zeros go between them, spaces around.
    fn aligned(&self, head: &str, body: &str, zeros_allowed: bool) -> String {
        let missing = self.width.unwrap_or(0).saturating_sub(head.len() + body.len());
        if self.has('-') {
            format!("{head}{body}{}", " ".repeat(missing))
        } else if self.has('0') && zeros_allowed {
            format!("{head}{}{body}", "0".repeat(missing))
        } else {
            format!("{}{head}{body}", " ".repeat(missing))
        }
    }
}

/// The digits with a minus sign if the number has one.
fn signed(number: &Number, digits: &str) -> String {
    let sign = match (number.is_negative(), number.is_infinite()) {
        (true, _) => "-",
        (false, true) => "+",
        (false, false) => "",
    };
    format!("{sign}{digits}")
}

/// The magnitude in one of Go's float formats. Without a precision, `g` takes
/// as many digits as are needed to read the number back, the others six.
fn float_digits(number: &Number, mode: char, precision: Option<usize>) -> String {
    if number.is_infinite() {
        return "Inf".to_owned();
    }
    let general = matches!(mode, 'g' | 'G');
    let shortest = general && precision.is_none();
    let mut decimal = if shortest { Decimal::shortest(number) } else { Decimal::of(number) };
    let places = precision.unwrap_or(6);
    let letter = if mode.is_ascii_uppercase() { 'E' } else { 'e' };
    match mode {
        'f' => {
            // Digits before the point may be missing: 0.001 has point -2.
            let keep = decimal.point().saturating_add(i64::try_from(places).unwrap_or(i64::MAX));
            if let Ok(keep) = usize::try_from(keep) {
                decimal.round(keep);
            }
            fixed(&decimal, places)
        }
        'e' | 'E' => {
            decimal.round(places.saturating_add(1));
            scientific(&decimal, places, letter)
        }
        _ => {
            if !shortest {
                decimal.round(places.max(1));
            }
            let count = decimal.digits().len();
            let limit = match shortest {
                true => 6,
                false if i64::try_from(count).is_ok_and(|count| count >= decimal.point()) => {
                    places.max(1).min(count)
                }
                false => places.max(1),
            };
            let exponent = decimal.point() - 1;
            if exponent < -4 || i64::try_from(limit).is_ok_and(|limit| exponent >= limit) {
                return scientific(&decimal, count.saturating_sub(1), letter);
            }
            let decimals = i64::try_from(count).unwrap_or(0) - decimal.point();
            fixed(&decimal, usize::try_from(decimals).unwrap_or(0))
        }
    }
}

fn digit(decimal: &Decimal, index: i64) -> char {
    let digit = usize::try_from(index).ok().and_then(|index| decimal.digits().get(index));
    digit.map_or('0', |digit| char::from(*digit))
}

fn fixed(decimal: &Decimal, places: usize) -> String {
    let point = decimal.point();
    let mut text: String = (0..point).map(|index| digit(decimal, index)).collect();
    if text.is_empty() {
        text.push('0');
    }
    if places > 0 {
        text.push('.');
        let places = i64::try_from(places).unwrap_or(0);
        text.extend((0..places).map(|place| digit(decimal, point + place)));
    }
    text
}

fn scientific(decimal: &Decimal, places: usize, letter: char) -> String {
    let mut text = String::from(digit(decimal, 0));
    if places > 0 {
        text.push('.');
        let places = i64::try_from(places).unwrap_or(0);
        text.extend((1..=places).map(|place| digit(decimal, place)));
    }
    let exponent = if decimal.digits().is_empty() { 0 } else { decimal.point() - 1 };
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{text}{letter}{sign}{:02}", exponent.unsigned_abs())
}
