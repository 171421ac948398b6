//! `jsonencode` and `jsondecode`.

use super::args::{any, at, string, text};
use super::json_read;
use crate::function::{Function, FunctionError, Kind, Returns};
use crate::types::{Str, Type};
use crate::value::{Data, Value};

pub(super) static JSONENCODE: Function = Function {
    name: "jsonencode",
    params: &[any("val").with_unknown().with_dynamic().nullable()],
    variadic: None,
    returns: Returns::Always(Kind::String),
    not_null: true,
    body: |_, args, _| {
        let value = at(args, 0)?;
        if !value.is_wholly_known() {
            return Ok(Value::unknown_with_prefix(value.unknown_origin(), first_character(value)));
        }
        encode(value).map(Value::string).map_err(FunctionError::new)
    },
};

pub(super) static JSONDECODE: Function = Function {
    name: "jsondecode",
    params: &[string("str")],
    variadic: None,
    returns: Returns::From(|args| match at(args, 0)?.as_str() {
        Some(text) => Ok(json_read::decode(text)?.ty().clone()),
        None => Ok(Type::Dynamic),
    }),
    not_null: false,
    body: |_, args, _| json_read::decode(text(args, 0)?),
};

/// What the JSON of an unknown value begins with, if it cannot be null.
fn first_character(value: &Value) -> Option<Str> {
    if value.may_be_null() {
        return None;
    }
    let first = match value.ty() {
        Type::String => "\"",
        Type::Object(_) | Type::Map(_) => "{",
        Type::Tuple(_) | Type::List(_) | Type::Set(_) => "[",
        Type::Dynamic | Type::Bool | Type::Number => return None,
    };
    Some(first.into())
}

/// The value as JSON without spaces; keys are in order. Numbers keep all their
/// digits.
pub(super) fn encode(value: &Value) -> Result<String, String> {
    let mut output = String::new();
    append(value, &mut output)?;
    Ok(output)
}

/// The text as a JSON string.
pub(super) fn quoted(text: &str) -> String {
    let mut output = String::with_capacity(text.len() + 2);
    append_string(text, &mut output);
    output
}

fn append(value: &Value, output: &mut String) -> Result<(), String> {
    match value.data() {
        Data::Null => output.push_str("null"),
        Data::Unknown(_) => return Err("value is not known".to_owned()),
        Data::Bool(flag) => output.push_str(if *flag { "true" } else { "false" }),
        Data::Number(number) if number.is_infinite() => {
            return Err("cannot serialize infinity as JSON".to_owned());
        }
        Data::Number(number) => output.push_str(&number.text()),
        Data::String(text) => append_string(text, output),
        Data::Sequence(values) => {
            output.push('[');
            for (index, value) in values.iter().enumerate() {
                output.push_str(if index > 0 { "," } else { "" });
                append(value, output)?;
            }
            output.push(']');
        }
        Data::Mapping(values) => {
            output.push('{');
            for (index, (name, value)) in values.iter().enumerate() {
                output.push_str(if index > 0 { "," } else { "" });
                append_string(name, output);
                output.push(':');
                append(value, output)?;
            }
            output.push('}');
        }
    }
    Ok(())
}

/// Go's encoder escapes what would end a script in HTML or JavaScript.
fn append_string(text: &str, output: &mut String) {
    output.push('"');
    for character in text.chars() {
        match character {
            '"' => output.push_str("\\\""),
            '\\' => output.push_str("\\\\"),
            '\u{8}' => output.push_str("\\b"),
            '\u{c}' => output.push_str("\\f"),
            '\n' => output.push_str("\\n"),
            '\r' => output.push_str("\\r"),
            '\t' => output.push_str("\\t"),
            '\0'..='\u{1f}' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                output.push_str(&format!("\\u{:04x}", u32::from(character)));
            }
            _ => output.push(character),
        }
    }
    output.push('"');
}
