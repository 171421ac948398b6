//! cty's explanation of why one type does not convert to another.

use crate::convert::can_convert;
use crate::quote::quote;
use crate::types::{ObjectType, Type};

/// What is wrong with a value of type `given` where `want` is needed.
pub fn mismatch(given: &Type, want: &Type) -> String {
    let required = || format!("{} required", want.constraint_name());
    match (given, want) {
        (Type::Object(given), Type::Object(want)) => objects(given, want),
        (Type::Tuple(_), Type::List(element)) if **element == Type::Dynamic => {
            "all list elements must have the same type".to_owned()
        }
        (Type::Tuple(_), Type::Set(element)) if **element == Type::Dynamic => {
            "all set elements must have the same type".to_owned()
        }
        (Type::Object(_), Type::Map(element)) if **element == Type::Dynamic => {
            "all map elements must have the same type".to_owned()
        }
        (Type::Tuple(types), Type::List(want) | Type::Set(want)) => {
            let named = types.iter().enumerate().map(|(index, ty)| (index.to_string(), ty));
            structural(named, want)
        }
        (Type::Object(object), Type::Map(want)) => {
            structural(object.attributes.iter().map(|(name, ty)| (quote(name), ty)), want)
        }
        (Type::List(given) | Type::Set(given), Type::List(element)) => {
            format!("incorrect list element type: {}", mismatch(given, element))
        }
        (Type::List(given) | Type::Set(given), Type::Set(element)) => {
            format!("incorrect set element type: {}", mismatch(given, element))
        }
        (Type::Map(given), Type::Map(element)) => {
            format!("incorrect map element type: {}", mismatch(given, element))
        }
        _ => required(),
    }
}

fn structural<'a>(parts: impl Iterator<Item = (String, &'a Type)>, want: &Type) -> String {
    for (name, given) in parts {
        if given != want && !can_convert(given, want, true) {
            return format!("element {name}: {}", mismatch(given, want));
        }
    }
    format!("all elements must be {}", want.constraint_name())
}

fn objects(given: &ObjectType, want: &ObjectType) -> String {
    let missing: Vec<String> = want
        .attributes
        .keys()
        .filter(|name| !given.attributes.contains_key(*name) && !want.optional.contains(*name))
        .map(|name| quote(name))
        .collect();
    match missing.as_slice() {
        [] => {}
        [one] => return format!("attribute {one} is required"),
        [one, two] => return format!("attributes {one} and {two} are required"),
        [rest @ .., last] => {
            return format!("attributes {}, and {last} are required", rest.join(", "));
        }
    }
    for lossy in [true, false] {
        for (name, want) in &want.attributes {
            let Some(given) = given.attributes.get(name) else { continue };
            if given != want && !can_convert(given, want, lossy) {
                return format!("attribute {}: {}", quote(name), mismatch(given, want));
            }
        }
    }
    "incorrect object attributes".to_owned()
}
