//! Evaluated bodies as JSON, for plans and fingerprints.

use std::collections::BTreeMap;

use packer_hcl::body::Body;
use packer_hcl::evaluated::{Evaluated, Provisioner};
use packer_hcl::value::{Data, Value as Hcl};
use serde_json::{Map, Value, json};

/// What stands for a secret in a text that is shown.
const MASK: &str = "(sensitive)";

/// The secrets of a template: values declared sensitive. A file that holds one
/// is marked as a whole by evaluation; here it is shown with only these hidden.
#[derive(Clone, Debug, Default)]
pub struct Secrets(Vec<String>);

impl Secrets {
    /// Those of variables and locals.
    #[must_use]
    pub fn of(evaluated: &Evaluated) -> Self {
        let variables = evaluated.variables.values().filter(|v| v.sensitive).map(|v| &v.value);
        let locals = evaluated.locals.values().filter(|l| l.sensitive).map(|l| &l.value);
        let mut found = vec![];
        variables.chain(locals).for_each(|value| texts(value, &mut found));
        // The longer first: one may be part of another.
        found.sort_by_key(|text| std::cmp::Reverse(text.len()));
        found.dedup();
        Self(found)
    }

    fn value(&self, value: &Hcl) -> Value {
        match (value.data(), value.as_str()) {
            (_, Some(text)) if value.is_sensitive() && text.contains('\n') => {
                self.0.iter().fold(text.to_owned(), |t, s| t.replace(s, MASK)).into()
            }
            (Data::Mapping(map), _) if !value.is_sensitive() => self.map(map),
            _ => value.to_plan_json(),
        }
    }

    fn map<K: ToString>(&self, map: &BTreeMap<K, Hcl>) -> Value {
        Value::Object(map.iter().map(|(k, v)| (k.to_string(), self.value(v))).collect())
    }
}

fn texts(value: &Hcl, found: &mut Vec<String>) {
    match value.as_str() {
        Some(text) if !text.is_empty() => found.push(text.to_owned()),
        _ => value.children().for_each(|child| texts(child, found)),
    }
}

/// Attributes by name, then nested blocks by type as lists.
#[must_use]
pub fn body(body: &Body, secrets: &Secrets) -> Value {
    let mut map: Map<String, Value> = body
        .attributes
        .iter()
        .map(|(name, attribute)| (name.clone(), secrets.value(&attribute.value)))
        .collect();
    for block in &body.blocks {
        let entry = map.entry(block.block_type.clone()).or_insert_with(|| json!([]));
        if let Value::Array(list) = entry {
            list.push(self::body(&block.body, secrets));
        }
    }
    Value::Object(map)
}

/// A provisioner with its type.
#[must_use]
pub fn provisioner(provisioner: &Provisioner, secrets: &Secrets) -> Value {
    let mut value = json!({ "type": provisioner.provisioner_type });
    if let (Value::Object(map), Value::Object(more)) =
        (&mut value, body(&provisioner.body, secrets))
    {
        map.extend(more);
    }
    value
}
