//! What a scalar of YAML 1.1 means, as Packer's library resolves it.

use saphyr_parser::ScalarStyle;

use super::encoding::decode_base64;
use super::time_parse::{Form, lax};
use crate::number::Number;
use crate::quote::quote;
use crate::types::Type;
use crate::value::Value;

/// A resolved scalar.
pub(super) enum Scalar {
    /// An ordinary value.
    Value(Value),
    /// `<<`: as a key, the value is merged into the mapping.
    Merge,
}

/// Tags for scalars, by the part after `tag:yaml.org,2002:`.
const KNOWN: [&str; 7] = ["str", "bool", "int", "float", "null", "timestamp", "binary"];

/// Resolves a scalar with an optional tag.
pub(super) fn resolve(text: &str, style: ScalarStyle, tag: Option<&str>) -> Result<Scalar, String> {
    let short = match tag {
        None => "",
        Some(tag) => tag
            .strip_prefix("tag:yaml.org,2002:")
            .filter(|short| KNOWN.contains(short))
            .ok_or_else(|| format!("unsupported tag {}", quote(tag)))?,
    };
    let quoted = matches!(style, ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted);
    if !matches!(short, "str" | "binary") && has_hint(text) {
        if quoted {
            // Packer does not look at the tag of quoted text that may be a
            // number; the type is found without looking at the quotes, though.
            return tagged(text, if short.is_empty() { "str" } else { short }).map(Scalar::Value);
        }
        if let Some(value) = word(text) {
            return Ok(Scalar::Value(value));
        }
        if short.is_empty() && matches!(text, ".nan" | ".NaN" | ".NAN") {
            return Err("floating point NaN is not supported".to_owned());
        }
        if let Some(value) = number_or_time(text, short) {
            return Ok(Scalar::Value(value));
        }
    }
    if short.is_empty() && text == "<<" {
        return Ok(Scalar::Merge);
    }
    tagged(text, if short.is_empty() { "str" } else { short }).map(Scalar::Value)
}

/// Whether the first character allows anything but a string.
fn has_hint(text: &str) -> bool {
    text.chars().next().is_none_or(|first| "+-0123456789.yYnNtTfFoO~".contains(first))
}

/// Words with a meaning.
fn word(text: &str) -> Option<Value> {
    Some(match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            Value::bool(true)
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            Value::bool(false)
        }
        "" | "~" | "null" | "Null" | "NULL" => Value::null(Type::Dynamic),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => {
            Value::number(Number::infinity(false))
        }
        "-.inf" | "-.Inf" | "-.INF" => Value::number(Number::infinity(true)),
        _ => return None,
    })
}

/// A plain scalar that looks like a number or a timestamp and is one.
fn number_or_time(text: &str, tag: &str) -> Option<Value> {
    let first = text.chars().next()?;
    if first == '.' {
        return Number::parse(text).map(Value::number);
    }
    if !first.is_ascii_digit() && !matches!(first, '+' | '-') {
        return None;
    }
    if matches!(tag, "" | "timestamp")
        && let Some(time) = timestamp(text)
    {
        return Some(time);
    }
    let plain = text.replace('_', "");
    let binary = plain.starts_with("0b") || plain.starts_with("-0b");
    Number::parse(&plain).or_else(|| binary.then(|| integer(&plain)).flatten()).map(Value::number)
}

/// Timestamps become text in the form of RFC 3339.
fn timestamp(text: &str) -> Option<Value> {
    let year = text.bytes().take_while(u8::is_ascii_digit).count();
    if year != 4 || text.as_bytes().get(4) != Some(&b'-') {
        return None;
    }
    let form = |separator: Option<char>, zone: bool| Form { separator, padded: false, zone };
    [form(Some('T'), true), form(Some('t'), true), form(Some(' '), false), form(None, false)]
        .into_iter()
        .find_map(|form| lax(text, form))
        .map(|time| Value::string(time.rfc3339()))
}

/// An integer of 64 bits with a prefix for its base.
fn integer(text: &str) -> Option<Number> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = digits.to_ascii_lowercase();
    let (base, digits) = match lower.get(..2) {
        Some("0x") => (16, lower.get(2..)?),
        Some("0b") => (2, lower.get(2..)?),
        Some("0o") => (8, lower.get(2..)?),
        _ if lower.len() > 1 && lower.starts_with('0') => (8, lower.get(1..)?),
        _ => (10, lower.as_str()),
    };
    let valid = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let magnitude = u64::from_str_radix(digits, base).ok().filter(|_| valid)?;
    let value = i128::from(magnitude);
    let value = if negative { -value } else { value };
    let fits = !negative || i64::try_from(value).is_ok();
    fits.then(|| Number::from_big(value < 0, magnitude.into()))
}

/// Text read as the tag demands.
fn tagged(text: &str, tag: &str) -> Result<Value, String> {
    let wrong = || format!("cannot parse {} as tag:yaml.org,2002:{tag}", quote(text));
    match tag {
        "bool" => word(text).filter(|value| value.as_bool().is_some()).ok_or_else(wrong),
        "int" | "float" => {
            let plain = text.replace('_', "");
            let number = Number::parse(&plain).or_else(|| integer(&plain));
            number.map(Value::number).ok_or_else(wrong)
        }
        "timestamp" => timestamp(text).ok_or_else(wrong),
        "null" => Ok(Value::null(Type::Dynamic)),
        "binary" if decode_base64(text).is_err() => Err(format!("{}: not valid base64", wrong())),
        _ => Ok(Value::string(text)),
    }
}
