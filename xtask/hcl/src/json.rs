//! Values as JSON.

use serde_json::{Map, Number as JsonNumber, Value as Json};

use crate::number::Number;
use crate::value::{Data, Value};

impl Value {
    /// The value as JSON. Numbers that are not whole or do not fit 64 bits
    /// become floats. An unknown part is an error that names its origin.
    pub fn to_json(&self) -> Result<Json, NotKnown> {
        match self.data() {
            Data::Null => Ok(Json::Null),
            Data::Unknown(unknown) => {
                Err(NotKnown { origin: unknown.origin.as_ref().map(ToString::to_string) })
            }
            Data::Bool(flag) => Ok(Json::Bool(*flag)),
            Data::Number(number) => Ok(number_to_json(number)),
            Data::String(text) => Ok(Json::String(text.to_string())),
            Data::Sequence(values) => values.iter().map(Value::to_json).collect(),
            Data::Mapping(values) => {
                let mut object = Map::new();
                for (name, value) in values.iter() {
                    object.insert(name.to_string(), value.to_json()?);
                }
                Ok(Json::Object(object))
            }
        }
    }

    /// Like [`Value::to_json`], for plans: unknown parts become
    /// `{"unknown": origin}` and sensitive parts `{"sensitive": true}`.
    pub fn to_plan_json(&self) -> Json {
        if self.is_sensitive() {
            return serde_json::json!({ "sensitive": true });
        }
        match self.data() {
            Data::Unknown(unknown) => serde_json::json!({ "unknown": unknown.origin.as_deref() }),
            Data::Sequence(values) => values.iter().map(Value::to_plan_json).collect(),
            Data::Mapping(values) => {
                let entry = |(name, value): (&crate::value::Str, &Value)| {
                    (name.to_string(), value.to_plan_json())
                };
                Json::Object(values.iter().map(entry).collect())
            }
            _ => self.to_json().unwrap_or(Json::Null),
        }
    }
}

fn number_to_json(number: &Number) -> Json {
    if let Some(whole) = number.to_i64() {
        return Json::Number(whole.into());
    }
    JsonNumber::from_f64(number.to_f64()).map_or(Json::Null, Json::Number)
}

/// A value is needed that is not known before the build runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotKnown {
    /// The expression it stems from.
    pub origin: Option<String>,
}

impl std::fmt::Display for NotKnown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let origin = self.origin.as_deref().unwrap_or("something that only the build tells");
        write!(f, "not known before the build runs: depends on {origin}")
    }
}

impl std::error::Error for NotKnown {}
