//! Functions of maps and objects, and `coalesce`.

use std::collections::BTreeMap;

use super::args::{any, at, element_type, elements, marked_as, string, text};
use crate::convert::convert;
use crate::function::{Body, Function, FunctionError, Kind, Param, Returns};
use crate::quote::quote;
use crate::types::{Str, Type};
use crate::unify::unify_with;
use crate::value::Value;

/// A function whose result is never null and whose type follows from its
/// arguments.
const fn function(
    name: &'static str,
    params: &'static [Param],
    returns: fn(&[Value]) -> Result<Type, FunctionError>,
    body: Body,
) -> Function {
    Function { name, params, variadic: None, returns: Returns::From(returns), not_null: true, body }
}

pub(super) static COALESCE: Function = Function {
    variadic: Some(any("vals").with_unknown().with_dynamic().nullable()),
    not_null: false,
    ..function("coalesce", &[], coalesce_type, |_, args, ty| {
        for (index, arg) in args.iter().enumerate() {
            let arg =
                convert(arg, ty).map_err(|error| FunctionError::arg(index, error.to_string()))?;
            if !arg.is_known() {
                return Ok(Value::unknown(ty.clone(), arg.unknown_origin()));
            }
            let empty = *ty == Type::String && arg.as_str() == Some("");
            if !arg.is_null() && !empty {
                return Ok(arg);
            }
        }
        Err(FunctionError::new("no non-null, non-empty-string arguments"))
    })
};

fn coalesce_type(args: &[Value]) -> Result<Type, FunctionError> {
    let types: Vec<Type> = args.iter().map(|arg| arg.ty().clone()).collect();
    unify_with(&types, true)
        .map(|unified| unified.ty)
        .ok_or_else(|| FunctionError::new("all arguments must have the same type"))
}

pub(super) static KEYS: Function = function(
    "keys",
    &[any("inputMap").with_unknown().with_marked()],
    |args| match at(args, 0)?.ty() {
        Type::Map(_) => Ok(Type::list(Type::String)),
        Type::Object(object) => {
            Ok(Type::tuple(object.attributes.keys().map(|_| Type::String).collect()))
        }
        _ => Err(FunctionError::arg(0, "must have map or object type")),
    },
    |_, args, ty| {
        let map = at(args, 0)?;
        let result = match (map.ty().attributes(), map.as_mapping()) {
            // The type tells, even if the value is not known.
            (Some(attributes), _) => Value::tuple(attributes.keys().map(Value::string).collect()),
            (None, Some(values)) => super::args::strings(values.keys()),
            (None, None) => Value::unknown(ty.clone(), map.unknown_origin()),
        };
        Ok(marked_as(result, args))
    },
);

pub(super) static VALUES: Function = function(
    "values",
    &[any("mapping").with_marked()],
    |args| match at(args, 0)?.ty() {
        Type::Map(element) => Ok(Type::list((**element).clone())),
        Type::Object(object) => Ok(Type::tuple(object.attributes.values().cloned().collect())),
        _ => Err(FunctionError::new("values() requires a map as the first argument")),
    },
    |_, args, ty| {
        let values: Vec<Value> = at(args, 0)?.children().cloned().collect();
        let result = match ty {
            Type::List(element) => Value::list((**element).clone(), values),
            _ => Value::tuple(values),
        };
        Ok(marked_as(result, args))
    },
);

pub(super) static LOOKUP: Function = Function {
    not_null: false,
    ..function(
        "lookup",
        &[any("inputMap").with_marked(), string("key").with_marked(), any("default").with_marked()],
        lookup_type,
        |_, args, ty| {
            let (map, key, default) = (at(args, 0)?, text(args, 1)?, at(args, 2)?);
            let marks = map.is_sensitive() || at(args, 1)?.is_sensitive();
            if !map.is_wholly_known() {
                return Ok(Value::unknown(ty.clone(), map.unknown_origin()).mark(marks));
            }
            let found = match map.get(key) {
                Some(found) => found.clone(),
                None => {
                    convert(default, ty).map_err(|error| FunctionError::new(error.to_string()))?
                }
            };
            Ok(found.mark(marks))
        },
    )
};

fn lookup_type(args: &[Value]) -> Result<Type, FunctionError> {
    let (map, key, default) = (at(args, 0)?, at(args, 1)?, at(args, 2)?);
    match (map.ty(), key.as_str()) {
        (Type::Object(_), None) => Ok(Type::Dynamic),
        (Type::Object(object), Some(key)) => {
            Ok(object.attributes.get(key).unwrap_or(default.ty()).clone())
        }
        (Type::Map(element), _) => {
            convert(default, element).map_err(|_mismatch| {
                let message = "the default value must have the same type as the map elements";
                FunctionError::arg(2, message)
            })?;
            Ok((**element).clone())
        }
        _ => Err(FunctionError::arg(0, "lookup() requires a map as the first argument")),
    }
}

pub(super) static MERGE: Function = Function {
    variadic: Some(any("maps").with_dynamic().nullable().with_marked()),
    ..function("merge", &[], merge_type, |_, args, ty| {
        let mut merged: BTreeMap<Str, Value> = BTreeMap::new();
        for values in args.iter().filter_map(Value::as_mapping) {
            merged.extend(values.iter().map(|(name, value)| (name.clone(), value.clone())));
        }
        let result = match ty {
            Type::Map(element) => Value::map((**element).clone(), merged),
            _ => Value::object(merged),
        };
        Ok(marked_as(result, args))
    })
};

/// The type of the arguments if it is the same for all, otherwise an object.
fn merge_type(args: &[Value]) -> Result<Type, FunctionError> {
    let Some(first) = args.first() else { return Ok(Type::empty_object()) };
    let mut merged = BTreeMap::new();
    let mut complete = true;
    for arg in args {
        match (arg.ty(), arg.as_mapping()) {
            (Type::Dynamic, _) => return Ok(Type::Dynamic),
            (Type::Object(_) | Type::Map(_), _) if arg.is_null() => {}
            (Type::Object(object), _) => {
                merged
                    .extend(object.attributes.iter().map(|(name, ty)| (name.clone(), ty.clone())));
            }
            (Type::Map(element), Some(values)) => {
                merged.extend(values.keys().map(|name| (name.clone(), (**element).clone())));
            }
            (Type::Map(_), None) => complete = false,
            (other, _) => {
                let name = quote(&other.friendly_name());
                let message = format!("arguments must be maps or objects, got {name}");
                return Err(FunctionError::new(message));
            }
        }
    }
    if args.iter().all(|arg| arg.ty() == first.ty()) {
        return Ok(first.ty().clone());
    }
    Ok(if complete { Type::object(merged) } else { Type::Dynamic })
}

pub(super) static ZIPMAP: Function = function(
    "zipmap",
    &[Param::new("keys", Kind::List(&Kind::String)).with_marked(), any("values").with_marked()],
    zipmap_type,
    |_, args, ty| {
        let (keys, values) = (at(args, 0)?, at(args, 1)?);
        if !keys.is_wholly_known() {
            let unknown = Value::unknown(ty.clone(), keys.unknown_origin());
            return Ok(marked_as(unknown, args));
        }
        let (names, parts) = (elements(keys), elements(values));
        same_length(names.len(), parts.len())?;
        let mut zipped = BTreeMap::new();
        for (index, (name, part)) in names.iter().zip(parts).enumerate() {
            let name = name.as_str().ok_or_else(|| null_key(index))?;
            zipped.insert(Str::from(name), part.clone());
        }
        let result = match ty {
            Type::Map(_) => Value::map(element_type(ty), zipped),
            _ => Value::object(zipped),
        };
        let marks = names.iter().any(Value::is_sensitive);
        Ok(marked_as(result, args).mark(marks))
    },
);

fn zipmap_type(args: &[Value]) -> Result<Type, FunctionError> {
    let (keys, values) = (at(args, 0)?, at(args, 1)?);
    match values.ty() {
        Type::List(element) => Ok(Type::map((**element).clone())),
        Type::Tuple(_) if !keys.is_wholly_known() => Ok(Type::Dynamic),
        Type::Tuple(types) => {
            let names = elements(keys);
            same_length(names.len(), types.len())?;
            let mut attributes = BTreeMap::new();
            for (index, (name, ty)) in names.iter().zip(types.iter()).enumerate() {
                let name = name.as_str().ok_or_else(|| null_key(index))?;
                attributes.insert(Str::from(name), ty.clone());
            }
            Ok(Type::object(attributes))
        }
        _ => Err(FunctionError::new("values argument must be a list or tuple value")),
    }
}

fn same_length(keys: usize, values: usize) -> Result<(), FunctionError> {
    if keys == values {
        return Ok(());
    }
    Err(FunctionError::new(format!(
        "number of keys ({keys}) does not match number of values ({values})"
    )))
}

fn null_key(index: usize) -> FunctionError {
    FunctionError::new(format!("keys list has null value at index {index}"))
}
