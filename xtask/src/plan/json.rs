//! Evaluated bodies as JSON, for plans and fingerprints.

use packer_hcl::body::Body;
use packer_hcl::evaluated::Provisioner;
use serde_json::{Map, Value, json};

/// Attributes by name, then nested blocks by type as lists.
#[must_use]
pub fn body(body: &Body) -> Value {
    let mut map: Map<String, Value> = body
        .attributes
        .iter()
        .map(|(name, attribute)| (name.clone(), attribute.value.to_plan_json()))
        .collect();
    for block in &body.blocks {
        let entry = map.entry(block.block_type.clone()).or_insert_with(|| json!([]));
        if let Value::Array(list) = entry {
            list.push(self::body(&block.body));
        }
    }
    Value::Object(map)
}

/// A provisioner with its type.
#[must_use]
pub fn provisioner(provisioner: &Provisioner) -> Value {
    let mut value = json!({ "type": provisioner.provisioner_type });
    if let (Value::Object(map), Value::Object(more)) = (&mut value, body(&provisioner.body)) {
        map.extend(more);
    }
    value
}
