//! Attributes and indices.

use crate::convert::convert;
use crate::diagnostic::{Diagnostic, listed, meant_or_known, short, suggest};
use crate::eval::Evaluator;
use crate::quote::quote;
use crate::source::Range;
use crate::types::Type;
use crate::value::{Str, Value};

const UNSUPPORTED: &str = "Unsupported attribute";
const INVALID_INDEX: &str = "Invalid index";
const NO_ELEMENT: &str = "The given key does not identify an element in this collection value";

impl Evaluator<'_> {
    /// `object.name`.
    pub(super) fn attribute(&mut self, object: &Value, name: &str, step: Range) -> Value {
        if object.is_null() {
            return self.error(
                step,
                "Attempt to get attribute from null value",
                "This value is null, so it does not have any attributes.",
            );
        }
        let found = match object.ty() {
            Type::Object(object_type) => match object_type.attributes.get(name) {
                Some(ty) => self.part(object, name, ty),
                None => {
                    let known = object_type.attributes.keys().map(|name| &**name);
                    return self.no_attribute(name, known, step);
                }
            },
            Type::Map(element) => match object.as_mapping() {
                None => self.part(object, name, element),
                Some(map) => match map.get(name) {
                    Some(value) => value.clone(),
                    None => {
                        let label = visible_keys(object);
                        let label = label.and_then(|known| meant_or_known(name, known));
                        let name = quote(name);
                        let detail =
                            format!("This map does not have an element with the key {name}.");
                        return self.remark(step, "Missing map element", detail, label);
                    }
                },
            },
            Type::Dynamic => Value::dynamic(origin_of_part(object, name)),
            other => {
                let detail = unsupported_detail(other, name);
                return self.error(step, UNSUPPORTED, detail);
            }
        };
        found.mark(object.is_sensitive())
    }

    /// A named part, unknown if the whole is.
    fn part(&self, object: &Value, name: &str, ty: &Type) -> Value {
        match object.get(name) {
            Some(value) => value.clone(),
            None => Value::unknown(ty.clone(), origin_of_part(object, name)),
        }
    }

    fn no_attribute<'n>(
        &mut self,
        name: &str,
        known: impl Iterator<Item = &'n str>,
        step: Range,
    ) -> Value {
        let detail = format!("This object does not have an attribute named {}.", quote(name));
        self.remark(step, UNSUPPORTED, detail, meant_or_known(name, known))
    }

    /// Notes an error with a remark below the marked text; the result is unknown.
    pub(super) fn remark(
        &mut self,
        range: Range,
        summary: &str,
        detail: impl Into<String>,
        label: Option<String>,
    ) -> Value {
        let span = self.span(range);
        self.problems.push(Diagnostic::error(summary, detail, span).with_label(label));
        Value::dynamic(None)
    }

    /// `collection[key]`.
    pub(super) fn index(&mut self, collection: &Value, key: &Value, step: Range) -> Value {
        if collection.is_null() {
            return self.error(
                step,
                "Attempt to index null value",
                "This value is null, so it does not have any indices.",
            );
        }
        if key.is_null() {
            return self.error(step, INVALID_INDEX, "Can't use a null value as an indexing key.");
        }
        let origin = collection.unknown_origin().or_else(|| key.unknown_origin());
        let found = match collection.ty() {
            Type::Dynamic => Ok(Value::dynamic(origin)),
            _ if *key.ty() == Type::Dynamic => Ok(Value::dynamic(origin)),
            Type::List(_) | Type::Tuple(_) => in_sequence(collection, key, origin),
            Type::Map(_) => in_map(collection, key, origin),
            Type::Object(_) => in_object(collection, key, origin),
            Type::Set(_) => Err(
                "Elements of a set are identified only by their value and don't have any separate \
                 index or key to select with, so it's only possible to perform operations across \
                 all elements of the set."
                    .to_owned(),
            ),
            _ => Err("This value does not have any indices.".to_owned()),
        };
        match found {
            Ok(value) => value.mark(collection.is_sensitive() || key.is_sensitive()),
            Err(detail) => self.remark(step, INVALID_INDEX, detail, choices(collection, key)),
        }
    }
}

/// Keys that may be shown: a secret has none.
fn visible_keys(object: &Value) -> Option<Vec<&str>> {
    let keys = object.as_mapping()?.keys().map(|key| &**key);
    (!object.is_sensitive()).then(|| keys.collect())
}

/// Which key was given, because a template shows only where it comes from, and
/// what there is instead.
fn choices(collection: &Value, key: &Value) -> Option<String> {
    let key = convert(key, &Type::String).ok().filter(|key| !key.is_sensitive())?;
    let given = key.as_str()?;
    if collection.is_sensitive() {
        return None;
    }
    if let Some(values) = collection.as_sequence() {
        given.parse::<f64>().ok()?;
        let last = values.len().checked_sub(1)?;
        return Some(format!("the index is {given}, that of the last element {last}"));
    }
    let known = visible_keys(collection)?;
    let what = short(given);
    Some(match (suggest(given, known.iter().copied()), listed(&known)) {
        (Some(near), _) => format!("there is no {what}: did you mean `{near}`?"),
        (None, Some(known)) => format!("there is no {what}; {known}"),
        (None, None) if known.is_empty() => format!("there is no {what}: it is empty"),
        (None, None) => format!("there is no {what}"),
    })
}

/// `build` is unknown, so `build.Host` is; the longer name says more.
fn origin_of_part(object: &Value, name: &str) -> Option<Str> {
    object.unknown_origin().map(|origin| format!("{origin}.{name}").into())
}

fn unsupported_detail(ty: &Type, name: &str) -> String {
    match ty {
        Type::List(element) => match &**element {
            Type::Object(object) if object.attributes.contains_key(name) => format!(
                "Can't access attributes on a list of objects. Did you mean to access attribute {} \
                 for a specific element of the list, or across all elements of the list?",
                quote(name)
            ),
            Type::Object(_) => "Can't access attributes on a list of objects. Did you mean to \
                 access an attribute for a specific element of the list, or across all elements \
                 of the list?"
                .to_owned(),
            _ => "This value does not have any attributes.".to_owned(),
        },
        Type::Set(element) if element.is_object() => "Can't access attributes on a set of \
             objects. Did you mean to access an attribute across all elements of the set?"
            .to_owned(),
        primitive if primitive.is_primitive() => {
            let name = primitive.friendly_name();
            format!("Can't access attributes on a primitive-typed value ({name}).")
        }
        _ => "This value does not have any attributes.".to_owned(),
    }
}

type Found = Result<Value, String>;

fn bad_key(error: &dyn std::fmt::Display) -> String {
    format!("{NO_ELEMENT}: {error}.")
}

fn in_sequence(collection: &Value, key: &Value, origin: Option<Str>) -> Found {
    let key = convert(key, &Type::Number).map_err(|error| bad_key(&error))?;
    let types = collection.ty().tuple_elements();
    let unknown = |index: Option<usize>| match (collection.ty().element(), index) {
        (Some(element), _) => Value::unknown(element.clone(), origin.clone()),
        (None, Some(index)) => match types.get(index) {
            Some(ty) => Value::unknown(ty.clone(), origin.clone()),
            None => Value::dynamic(origin.clone()),
        },
        (None, None) => Value::dynamic(origin.clone()),
    };
    let Some(number) = key.as_number() else { return Ok(unknown(None)) };
    let index = number.to_usize();
    match (collection.as_sequence(), index) {
        (Some(values), Some(index)) if index < values.len() => {
            Ok(values.get(index).cloned().unwrap_or_else(|| Value::dynamic(None)))
        }
        (None, index) if collection.ty().is_list() => Ok(unknown(index)),
        (None, Some(index)) if index < types.len() => Ok(unknown(Some(index))),
        (values, _) => {
            let length = values.map_or(types.len(), <[Value]>::len);
            Err(out_of_range(number, index, length))
        }
    }
}

fn out_of_range(number: &crate::number::Number, index: Option<usize>, length: usize) -> String {
    if !number.is_integer() {
        return format!(
            "{NO_ELEMENT}: indexing a sequence requires a whole number, but the given index has a \
             fractional part."
        );
    }
    if number.sign() < 0 {
        return format!("{NO_ELEMENT}: a negative number is not a valid index for a sequence.");
    }
    if index == Some(0) && length == 0 {
        return format!("{NO_ELEMENT}: the collection has no elements.");
    }
    // HCL says so only for the first index past the end; it holds for all.
    format!(
        "{NO_ELEMENT}: the given index is greater than or equal to the length of the collection."
    )
}

fn in_map(collection: &Value, key: &Value, origin: Option<Str>) -> Found {
    let element = collection.ty().element().cloned().unwrap_or(Type::Dynamic);
    let key = convert(key, &Type::String).map_err(|error| bad_key(&error))?;
    match (collection.as_mapping(), key.as_str()) {
        (Some(map), Some(name)) => map.get(name).cloned().ok_or_else(|| format!("{NO_ELEMENT}.")),
        _ => Ok(Value::unknown(element, origin)),
    }
}

fn in_object(collection: &Value, key: &Value, origin: Option<Str>) -> Found {
    let was_number = *key.ty() == Type::Number;
    let key = convert(key, &Type::String).map_err(|error| bad_key(&error))?;
    let Some(name) = key.as_str() else { return Ok(Value::dynamic(origin)) };
    let Some(ty) = collection.ty().attributes().and_then(|types| types.get(name)) else {
        let hint = if was_number {
            " An object only supports looking up attributes by name, not by numeric index."
        } else {
            ""
        };
        return Err(format!("{NO_ELEMENT}.{hint}"));
    };
    let unknown = || Value::unknown(ty.clone(), origin_of_part(collection, name));
    Ok(collection.get(name).cloned().unwrap_or_else(unknown))
}
