//! Prints values as `packer console` does.

use packer_hcl::number::Number;
use packer_hcl::quote::quote;
use packer_hcl::value::{Data, Value};

/// What the console shows for a value.
pub fn show(value: &Value) -> String {
    if !value.is_wholly_known() {
        return "<unknown>".to_owned();
    }
    nested(value, false)
}

fn nested(value: &Value, inside: bool) -> String {
    match value.data() {
        Data::Null => "null".to_owned(),
        Data::Unknown(_) => "<unknown>".to_owned(),
        Data::Bool(flag) => flag.to_string(),
        Data::Number(value) => number(value),
        Data::String(text) if inside => quote(text),
        Data::String(text) => text.to_string(),
        Data::Sequence(values) => {
            let line = |value: &Value| format!("{},\n", indented(&nested(value, true)));
            let lines: String = values.iter().map(line).collect();
            if lines.is_empty() { "[]".to_owned() } else { format!("[\n{lines}]") }
        }
        Data::Mapping(values) => {
            // Nulls are left out.
            let known = values.iter().filter(|(_, value)| !value.is_null());
            let line = |(name, value): (&packer_hcl::types::Str, &Value)| {
                format!("{}\n", indented(&format!("{} = {}", quote(name), nested(value, true))))
            };
            let lines: String = known.map(line).collect();
            match values.is_empty() {
                true => "{}".to_owned(),
                false if lines.is_empty() => "{}".to_owned(),
                false => format!("{{\n{lines}}}"),
            }
        }
    }
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

/// Integers of 64 bits exactly, everything else as Go prints a double: the
/// shortest digits, with an exponent below 0.0001 and from 1000000 on.
fn number(number: &Number) -> String {
    if let Some(whole) = number.to_i64() {
        return whole.to_string();
    }
    let value = number.to_f64();
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e').expect("an exponent");
    let exponent: i32 = exponent.parse().expect("a number");
    if (-4..6).contains(&exponent) {
        return value.to_string();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}
