//! Variable files in JSON.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value as Json;

use crate::diagnostic::Diagnostic;
use crate::number::Number;
use crate::source::{Range, Source, Span};
use crate::types::Type;
use crate::value::{Str, Value};

/// Names and values of a JSON variable file, and where each name stands.
pub(crate) fn parse(source: &Arc<Source>) -> Result<Vec<(Str, Value, Span)>, Diagnostic> {
    let parsed: Json = serde_json::from_str(source.text()).map_err(|error| {
        let span = Span::new(source, place(source, error.line(), error.column()));
        Diagnostic::error("Invalid JSON", format!("{error}."), span)
    })?;
    let Json::Object(entries) = parsed else {
        let span = Span::new(source, Range { start: 0, end: 1 });
        let detail = "A JSON object is required, to set each variable by name.";
        return Err(Diagnostic::error("Root value must be object", detail, span));
    };
    let entry = |(name, json): (String, Json)| {
        let span = Span::new(source, name_range(source, &name));
        (Str::from(name), from_json(&json), span)
    };
    Ok(entries.into_iter().map(entry).collect())
}

/// The range of a line and column as the JSON parser counts them.
fn place(source: &Source, line: usize, column: usize) -> Range {
    let before: usize =
        source.text().split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let start = u32::try_from(before + column.saturating_sub(1)).unwrap_or(u32::MAX);
    Range { start, end: start.saturating_add(1) }
}

fn name_range(source: &Source, name: &str) -> Range {
    let quoted = serde_json::to_string(name).unwrap_or_default();
    let start = source.text().find(&quoted).unwrap_or(0);
    let fit = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
    Range { start: fit(start), end: fit(start + quoted.len()) }
}

fn from_json(json: &Json) -> Value {
    match json {
        Json::Null => Value::null(Type::Dynamic),
        Json::Bool(flag) => Value::bool(*flag),
        // The text of a JSON number is always one of ours.
        Json::Number(number) => {
            let parsed = Number::parse(&number.to_string());
            parsed.map_or_else(|| Value::dynamic(None), Value::number)
        }
        Json::String(text) => Value::string(text),
        Json::Array(elements) => Value::tuple(elements.iter().map(from_json).collect()),
        Json::Object(entries) => {
            let entry =
                |(name, json): (&String, &Json)| (crate::value::normalize(name), from_json(json));
            Value::object(entries.iter().map(entry).collect::<BTreeMap<Str, Value>>())
        }
    }
}
