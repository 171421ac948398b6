//! Equality with unknowns, as cty's `Equals`.

use crate::types::Type;
use crate::value::{Data, Str, Value};

impl Value {
    /// Whether two values are equal: true, false, or unknown where a part that
    /// decides is not known. Types count: `1` does not equal `"1"`. Nulls are
    /// equal whatever their type.
    #[must_use]
    pub fn equals(&self, other: &Value) -> Value {
        let sensitive = self.contains_sensitive() || other.contains_sensitive();
        let result = match compare(self, other) {
            Some(equal) => Value::bool(equal),
            None => {
                let origin = self.unknown_origin().or_else(|| other.unknown_origin());
                Value::unknown_not_null(Type::Bool, origin)
            }
        };
        result.mark(sensitive)
    }
}

/// `None` if it cannot be decided yet.
fn compare(a: &Value, b: &Value) -> Option<bool> {
    if a.is_null() && !b.may_be_null() || b.is_null() && !a.may_be_null() {
        return Some(false);
    }
    match (a.is_known(), b.is_known()) {
        (false, false) => return None,
        (true, false) => return compare_with_unknown(a, b),
        (false, true) => return compare_with_unknown(b, a),
        (true, true) => {}
    }
    if a.is_null() || b.is_null() {
        return Some(a.is_null() && b.is_null());
    }
    if a.ty().has_dynamic() || b.ty().has_dynamic() {
        let impossible = a.ty().conforms_to(b.ty()).is_err() && b.ty().conforms_to(a.ty()).is_err();
        return if impossible { Some(false) } else { None };
    }
    if a.ty() != b.ty() {
        return Some(false);
    }
    compare_data(a, b)
}

fn compare_with_unknown(known: &Value, unknown: &Value) -> Option<bool> {
    let prefix = unknown.as_unknown().and_then(|unknown| unknown.prefix.as_deref());
    if let (Some(text), Some(prefix)) = (known.as_str(), prefix) {
        return if text.starts_with(prefix) { None } else { Some(false) };
    }
    if known.is_null() || unknown.ty().has_dynamic() || known.ty() == unknown.ty() {
        return None;
    }
    Some(false)
}

fn compare_data(a: &Value, b: &Value) -> Option<bool> {
    match (a.data(), b.data()) {
        (Data::Bool(a), Data::Bool(b)) => Some(a == b),
        (Data::Number(a), Data::Number(b)) => Some(a.equals(b)),
        (Data::String(a), Data::String(b)) => Some(a == b),
        (Data::Sequence(_), Data::Sequence(_)) if a.ty().is_set() => compare_sets(a, b),
        (Data::Sequence(a), Data::Sequence(b)) => {
            if a.len() != b.len() {
                return Some(false);
            }
            all_equal(a.iter().zip(b.iter()))
        }
        (Data::Mapping(a), Data::Mapping(b)) => {
            let same_names = a.len() == b.len() && a.keys().all(|name: &Str| b.contains_key(name));
            if !same_names {
                return Some(false);
            }
            all_equal(a.values().zip(b.values()))
        }
        _ => Some(false),
    }
}

/// cty stops at the first pair that differs or cannot be decided.
fn all_equal<'a>(mut pairs: impl Iterator<Item = (&'a Value, &'a Value)>) -> Option<bool> {
    loop {
        let Some((a, b)) = pairs.next() else { return Some(true) };
        match compare(a, b) {
            Some(true) => {}
            other => return other,
        }
    }
}

fn compare_sets(a: &Value, b: &Value) -> Option<bool> {
    let (left, right) = (a.as_sequence().unwrap_or(&[]), b.as_sequence().unwrap_or(&[]));
    if left.iter().chain(right).any(|element| !element.is_known()) {
        return None;
    }
    if left.len() != right.len() {
        return Some(false);
    }
    // Both are in set order, so equal sets match pairwise.
    Some(left.iter().zip(right).all(|(a, b)| compare(a, b) == Some(true)))
}
