//! Checks a TOML document against the JSON Schema of its own types, so that
//! all problems come in one go, each with its line. The schema is the one
//! description: what serde reads, what editors complete, what is checked.

use std::ops::Range;
use std::path::Path;
use std::sync::OnceLock;

use serde_json::Value as Schema;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::raw::RawImage;
use crate::finding::{Finding, Place, suggest};

/// The JSON Schema of `image.toml`.
pub fn image_schema() -> &'static Schema {
    static SCHEMA: OnceLock<Schema> = OnceLock::new();
    SCHEMA.get_or_init(|| closed(schemars::schema_for!(RawImage).to_value()))
}

/// Forbids unknown keys in every object that lists its keys.
fn closed(mut schema: Schema) -> Schema {
    match &mut schema {
        Schema::Object(map) => {
            for value in map.values_mut() {
                *value = closed(value.take());
            }
            if map.contains_key("properties") && !map.contains_key("additionalProperties") {
                map.insert("additionalProperties".into(), false.into());
            }
        }
        Schema::Array(items) => {
            for item in items {
                *item = closed(item.take());
            }
        }
        _ => {}
    }
    schema
}

/// Everything in `text` that the schema does not allow.
pub fn check(file: &Path, text: &str) -> Vec<Finding> {
    let (document, errors) = DeTable::parse_recoverable(text);
    let mut checker = Checker { file, text, schema: image_schema(), findings: vec![], more: 0 };
    for error in errors {
        let message = error.message().to_owned();
        let help = Some(DESCRIBED.to_owned());
        checker.add("CAT002", error.span().unwrap_or(0..0), message, help);
    }
    if checker.findings.is_empty() {
        checker.table(document.get_ref(), document.span(), checker.schema, "");
    }
    checker.finish()
}

/// Where to look when the words of the problem are not enough.
pub(super) const DESCRIBED: &str = "`cargo xtask schema` describes every key of the file";

/// Problems of one file that are told one by one: finding the line of each costs a
/// look through the file, and nobody reads thousands.
const MOST: usize = 100;

struct Checker<'a> {
    file: &'a Path,
    text: &'a str,
    schema: &'a Schema,
    findings: Vec<Finding>,
    /// Problems beyond [`MOST`].
    more: usize,
}

impl<'a> Checker<'a> {
    fn finish(mut self) -> Vec<Finding> {
        if let Some(id) = self.findings.last().map(|last| last.id).filter(|_| self.more > 0) {
            let message = format!("{} more problems are not shown", self.more);
            let finding = Finding::error(id, Place::file(self.file), message);
            self.findings.push(finding.help("mend the ones above first"));
        }
        self.findings
    }

    fn add(&mut self, id: &'static str, at: Range<usize>, message: String, help: Option<String>) {
        if self.findings.len() >= MOST {
            self.more += 1;
            return;
        }
        let place = Place::bytes(self.file, self.text, at);
        self.findings.push(Finding { help, ..Finding::error(id, place, message) });
    }

    /// Follows `$ref` and the `anyOf [T, null]` that `Option<T>` becomes.
    fn resolve(&self, schema: &'a Schema) -> &'a Schema {
        let mut current = schema;
        for _ in 0..8 {
            let next = if let Some(path) = current["$ref"].as_str() {
                self.schema.pointer(path.trim_start_matches('#'))
            } else {
                current["anyOf"].as_array().and_then(|any| match any.as_slice() {
                    [one, null] if null["type"] == "null" => Some(one),
                    _ => None,
                })
            };
            match next {
                Some(next) => current = next,
                None => break,
            }
        }
        current
    }

    fn table(&mut self, table: &DeTable<'_>, at: Range<usize>, schema: &'a Schema, path: &str) {
        let schema = self.resolve(schema);
        for (key, value) in table {
            let name: &str = key.get_ref();
            let inner = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
            let property = schema["properties"].get(name);
            let additional = Some(&schema["additionalProperties"]).filter(|s| s.is_object());
            match property.or(additional) {
                Some(schema) => self.value(value, schema, &inner),
                None => self.unknown(name, key.span(), schema, path),
            }
        }
        for required in schema["required"].as_array().into_iter().flatten() {
            let name = required.as_str().unwrap_or_default();
            if !table.keys().any(|k| k.get_ref() == name) {
                let place = if path.is_empty() { "the file".into() } else { format!("`{path}`") };
                let message = format!("{place} needs `{name}`");
                self.add(
                    "CAT003",
                    at.start..at.start,
                    message,
                    describe(&schema["properties"][name]),
                );
            }
        }
    }

    fn unknown(&mut self, name: &str, at: Range<usize>, schema: &Schema, path: &str) {
        let keys: Vec<&str> = schema["properties"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(k, _)| k.as_str())
            .collect();
        let help = match suggest(name, keys.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known here: {}", keys.join(", ")),
        };
        let place = if path.is_empty() { String::new() } else { format!(" in `{path}`") };
        self.add("CAT001", at, format!("unknown key `{name}`{place}"), Some(help));
    }

    fn value(&mut self, value: &Spanned<DeValue<'_>>, schema: &'a Schema, path: &str) {
        let schema = self.resolve(schema);
        match (value.get_ref(), allowed_type(schema)) {
            (DeValue::Table(table), Some("object")) => {
                self.table(table, value.span(), schema, path);
            }
            (DeValue::Array(items), Some("array")) => {
                for item in items {
                    self.value(item, &schema["items"], path);
                }
            }
            (DeValue::String(text), _) if !choices(schema).is_empty() => {
                self.choice(text, value.span(), schema, path);
            }
            (found, Some(wanted)) if json_type(found) != wanted => {
                let message = format!("`{path}` is {}, not {wanted}", json_type(found));
                self.add("CAT004", value.span(), message, describe(schema));
            }
            _ => {}
        }
    }

    fn choice(&mut self, text: &str, at: Range<usize>, schema: &Schema, path: &str) {
        let choices = choices(schema);
        if !choices.contains(&text) {
            let list = choices.iter().map(|c| format!("`{c}`")).collect::<Vec<_>>().join(", ");
            let message = format!("`{path}` cannot be `{text}`");
            self.add("CAT005", at, message, Some(format!("one of {list}")));
        }
    }
}

/// The one JSON type a schema allows besides null, if it is one.
fn allowed_type(schema: &Schema) -> Option<&str> {
    match &schema["type"] {
        Schema::String(one) => Some(one),
        Schema::Array(several) => several.iter().filter_map(Schema::as_str).find(|t| *t != "null"),
        _ => None,
    }
}

/// The words an enum allows: `enum`, or `oneOf` with documented constants.
fn choices(schema: &Schema) -> Vec<&str> {
    let constants = schema["oneOf"].as_array().into_iter().flatten().map(|one| &one["const"]);
    let listed = schema["enum"].as_array().into_iter().flatten();
    listed.chain(constants).filter_map(Schema::as_str).collect()
}

fn describe(schema: &Schema) -> Option<String> {
    schema["description"].as_str().map(|d| d.lines().collect::<Vec<_>>().join(" "))
}

fn json_type(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "string",
        DeValue::Datetime(_) => "date",
        DeValue::Integer(_) => "integer",
        DeValue::Float(_) => "number",
        DeValue::Boolean(_) => "boolean",
        DeValue::Array(_) => "array",
        DeValue::Table(_) => "object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Found by fuzzing: each problem cost a look through the whole file.
    #[test]
    fn thousands_of_problems_are_counted_not_told() {
        let unknown: String = (0..3000).map(|i| format!("nokey{i} = 1\n")).collect();
        let broken = "= 1\n".repeat(3000);
        for (text, expected) in [(unknown, 3000), (broken, 3000)] {
            let found = check(Path::new("image.toml"), &text);
            assert_eq!(found.len(), MOST + 1);
            let last = &found[MOST].message;
            let more: usize = last.split(' ').next().unwrap().parse().unwrap();
            assert!(more + MOST >= expected, "{last}");
        }
    }
}
