//! Conversion between types, as cty's `convert` package does it.

use std::collections::BTreeMap;
use std::fmt;

use crate::mismatch::mismatch;
use crate::number::Number;
use crate::quote::quote;
use crate::types::{ObjectType, Str, Type};
use crate::unify::unify_with;
use crate::value::{Data, Unknown, Value};

/// Why a value cannot be converted, in cty's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConvertError(pub String);

impl fmt::Display for ConvertError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConvertError {}

/// Converts a value to a type, also where that may fail for other values of
/// the same type (`"12"` to a number). Marks and origins are kept.
pub fn convert(value: &Value, want: &Type) -> Result<Value, ConvertError> {
    if *value.ty() == want.without_optional() {
        return Ok(value.clone());
    }
    if !can_convert(value.ty(), want, true) {
        return Err(ConvertError(mismatch(value.ty(), want)));
    }
    apply(value, want, true)
}

/// Whether values of one type convert to another: always if not `lossy`,
/// otherwise at least some of them.
pub fn can_convert(given: &Type, want: &Type, lossy: bool) -> bool {
    match (given, want) {
        (_, Type::Dynamic) => true,
        (Type::Dynamic, _) => lossy,
        (Type::Bool | Type::Number | Type::String, Type::Bool | Type::Number | Type::String) => {
            primitive(given, want, lossy)
        }
        (Type::List(a) | Type::Set(a), Type::List(b)) | (Type::Set(a), Type::Set(b)) => {
            a == b || can_convert(a, b, lossy)
        }
        (Type::List(a), Type::Set(b)) => lossy && (a == b || can_convert(a, b, lossy)),
        (Type::Map(a), Type::Map(b)) => can_convert(a, b, lossy),
        (Type::Tuple(types), Type::List(b) | Type::Set(b)) => {
            types.is_empty() || tuple_element(types, b, lossy).is_some()
        }
        (Type::Tuple(a), Type::Tuple(b)) => {
            a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| part(a, b, lossy))
        }
        (Type::Object(object), Type::Map(b)) => {
            object.attributes.is_empty() || map_element(object, b, lossy).is_some()
        }
        (Type::Object(a), Type::Object(b)) => object_to_object(a, b, lossy),
        (Type::Map(a), Type::Object(b)) => {
            lossy
                && b.attributes
                    .iter()
                    .all(|(name, ty)| part(a, ty, lossy) || b.optional.contains(name))
        }
        _ => false,
    }
}

fn part(given: &Type, want: &Type, lossy: bool) -> bool {
    given == want || can_convert(given, want, lossy)
}

fn primitive(given: &Type, want: &Type, lossy: bool) -> bool {
    match (given, want) {
        (Type::Number | Type::Bool, Type::String) => true,
        (Type::String, Type::Number | Type::Bool) => lossy,
        _ => false,
    }
}

fn object_to_object(given: &ObjectType, want: &ObjectType, lossy: bool) -> bool {
    want.attributes.iter().all(|(name, want_type)| match given.attributes.get(name) {
        Some(given) => part(given, want_type, lossy),
        None => want.optional.contains(name),
    })
}

/// The element type that the elements of a tuple convert to.
fn tuple_element(types: &[Type], want: &Type, lossy: bool) -> Option<Type> {
    let element = if *want == Type::Dynamic { unify_with(types, lossy)?.ty } else { want.clone() };
    if *want == Type::Dynamic
        && element == Type::Dynamic
        && types.iter().any(|ty| *ty != Type::Dynamic)
    {
        return None;
    }
    types.iter().all(|ty| part(ty, &element, lossy)).then_some(element)
}

/// The element type that the attributes of an object convert to.
fn map_element(object: &ObjectType, want: &Type, lossy: bool) -> Option<Type> {
    let types: Vec<Type> = object.attributes.values().cloned().collect();
    let element = if *want == Type::Dynamic { unify_with(&types, lossy)?.ty } else { want.clone() };
    types.iter().all(|ty| part(ty, &element, lossy)).then_some(element)
}

/// Converts where [`can_convert`] said yes.
pub(crate) fn apply(value: &Value, want: &Type, lossy: bool) -> Result<Value, ConvertError> {
    if *want == Type::Dynamic || value.ty() == want {
        return Ok(value.clone());
    }
    let converted = match value.data() {
        Data::Unknown(unknown) => {
            let ty = replace_dynamic(value.ty(), &want.without_optional());
            Value::new(ty, Data::Unknown(Unknown { prefix: None, ..unknown.clone() }))
        }
        Data::Null => Value::null(replace_dynamic(value.ty(), &want.without_optional())),
        _ => convert_known(value, want, lossy)?,
    };
    Ok(converted.mark(value.is_sensitive()))
}

fn convert_known(value: &Value, want: &Type, lossy: bool) -> Result<Value, ConvertError> {
    match (value.ty(), want) {
        (_, Type::String | Type::Number | Type::Bool) => convert_primitive(value, want),
        (Type::List(_) | Type::Set(_), Type::List(element)) => {
            collection_to_list(value, element, lossy)
        }
        (Type::List(_) | Type::Set(_), Type::Set(element)) => {
            let values = convert_elements(value, element, lossy)?;
            let element = homogeneous(&values, value.ty(), element, "set")?;
            Ok(Value::set(element, values))
        }
        (Type::Tuple(types), Type::List(element)) => {
            let element =
                tuple_element(types, element, lossy).unwrap_or_else(|| (**element).clone());
            let values = unify_values(convert_elements(value, &element, lossy)?, lossy)?;
            let element = homogeneous(&values, value.ty(), &element, "list")?;
            Ok(Value::list(element, values))
        }
        (Type::Tuple(types), Type::Set(element)) => {
            let element =
                tuple_element(types, element, lossy).unwrap_or_else(|| (**element).clone());
            let values = convert_elements(value, &element, lossy)?;
            let element = homogeneous(&values, value.ty(), &element, "set")?;
            Ok(Value::set(element, values))
        }
        (Type::Tuple(_), Type::Tuple(types)) => {
            let pairs = value.children().zip(types.iter());
            let values: Result<_, _> = pairs.map(|(value, ty)| apply(value, ty, lossy)).collect();
            Ok(Value::tuple(values?))
        }
        (Type::Map(_) | Type::Object(_), Type::Map(element)) => to_map(value, element, lossy),
        (Type::Map(_) | Type::Object(_), Type::Object(object)) => to_object(value, object, lossy),
        _ => Err(ConvertError(mismatch(value.ty(), want))),
    }
}

fn convert_primitive(value: &Value, want: &Type) -> Result<Value, ConvertError> {
    let fail = |message: &str| Err(ConvertError(message.to_owned()));
    match (value.data(), want) {
        (Data::Number(number), Type::String) => Ok(Value::string(number.text())),
        (Data::Bool(flag), Type::String) => Ok(Value::string(flag.to_string())),
        (Data::String(text), Type::Number) => match Number::parse(text) {
            Some(number) => Ok(Value::number(number)),
            None => fail("a number is required"),
        },
        (Data::String(text), Type::Bool) => match &**text {
            "true" | "1" => Ok(Value::bool(true)),
            "false" | "0" => Ok(Value::bool(false)),
            _ => match text.to_lowercase().as_str() {
                word @ ("true" | "false") => fail(&format!(
                    "a bool is required; to convert from string, use lowercase \"{word}\""
                )),
                _ => fail("a bool is required"),
            },
        },
        _ => fail(&mismatch(value.ty(), want)),
    }
}

fn convert_elements(value: &Value, want: &Type, lossy: bool) -> Result<Vec<Value>, ConvertError> {
    value.children().map(|element| apply(element, want, lossy)).collect()
}

fn collection_to_list(value: &Value, element: &Type, lossy: bool) -> Result<Value, ConvertError> {
    let uncertain = value.ty().is_set() && value.len().unwrap_or(0) > 1 && !value.is_wholly_known();
    if uncertain {
        // Unknown elements may turn out equal, so the length is not known.
        let own = value.ty().element().cloned().unwrap_or(Type::Dynamic);
        return Ok(Value::unknown(Type::list(own), value.unknown_origin()));
    }
    let values = convert_elements(value, element, lossy)?;
    let element = homogeneous(&values, value.ty(), element, "list")?;
    Ok(Value::list(element, values))
}

/// Brings elements to one type after each was converted on its own.
fn unify_values(values: Vec<Value>, lossy: bool) -> Result<Vec<Value>, ConvertError> {
    if values.is_empty() {
        return Ok(values);
    }
    if values.is_empty() {
        return Ok(values);
    }
    let types: Vec<Type> = values.iter().map(|value| value.ty().clone()).collect();
    let Some(unified) = unify_with(&types, lossy) else {
        let message = "cannot find a common base type for all elements";
        return Err(ConvertError(message.to_owned()));
    };
    values.iter().map(|value| apply(value, &unified.ty, lossy)).collect()
}

/// The one type of all elements; `want` (or the source's own) if there are none.
fn homogeneous(
    values: &[Value],
    source: &Type,
    want: &Type,
    kind: &str,
) -> Result<Type, ConvertError> {
    if values.is_empty() {
        let own = source.element().cloned().unwrap_or(Type::Dynamic);
        return Ok(if *want == Type::Dynamic { own } else { want.without_optional() });
    }
    let mut element = Type::Dynamic;
    for value in values {
        if element == Type::Dynamic {
            element = value.ty().clone();
        } else if *value.ty() != Type::Dynamic && *value.ty() != element {
            let message = format!("element types must all match for conversion to {kind}");
            return Err(ConvertError(message));
        }
    }
    Ok(element)
}

fn to_map(value: &Value, want: &Type, lossy: bool) -> Result<Value, ConvertError> {
    let element = match value.ty() {
        Type::Object(object) => map_element(object, want, lossy).unwrap_or_else(|| want.clone()),
        _ => want.clone(),
    };
    let names: Vec<Str> =
        value.as_mapping().map(|map| map.keys().cloned().collect()).unwrap_or_default();
    let mut values = convert_elements(value, &element, lossy)?;
    if !values.is_empty() && (element.is_collection() || element.is_object()) {
        values = unify_values(values, lossy && value.ty().is_object())?;
    }
    let kind = "map";
    let element = homogeneous(&values, value.ty(), &element, kind)?;
    Ok(Value::map(element, names.into_iter().zip(values).collect()))
}

fn to_object(value: &Value, want: &ObjectType, lossy: bool) -> Result<Value, ConvertError> {
    let given = value.as_mapping();
    let mut values = BTreeMap::new();
    for (name, ty) in &want.attributes {
        let converted = match given.and_then(|given| given.get(name)) {
            Some(part) if part.ty() == ty => part.clone(),
            Some(part) if !can_convert(part.ty(), ty, lossy) => {
                let (name, reason) = (quote(name), mismatch(part.ty(), ty));
                return Err(ConvertError(format!(
                    "map element type is incompatible with attribute {name}: {reason}"
                )));
            }
            Some(part) => apply(part, ty, lossy)?,
            None if want.optional.contains(name) => Value::null(ty.without_optional()),
            None => {
                let name = quote(name);
                return Err(ConvertError(format!(
                    "map has no element for required attribute {name}"
                )));
            }
        };
        values.insert(name.clone(), converted);
    }
    Ok(Value::object(values))
}

/// Fills dynamic parts of the wanted type from the given one, for nulls and
/// unknowns that have no elements to tell.
fn replace_dynamic(given: &Type, want: &Type) -> Type {
    let unified = |types: &[Type]| unify_with(types, true).map_or(Type::Dynamic, |found| found.ty);
    let element_of = |want: &Type| match given {
        Type::List(element) | Type::Set(element) | Type::Map(element) => {
            replace_dynamic(element, want)
        }
        Type::Tuple(types) => replace_dynamic(&unified(types), want),
        Type::Object(object) => {
            let types: Vec<Type> = object.attributes.values().cloned().collect();
            replace_dynamic(&unified(&types), want)
        }
        _ => want.clone(),
    };
    match want {
        _ if *given == Type::Dynamic => want.clone(),
        Type::Dynamic => given.clone(),
        Type::Bool | Type::Number | Type::String => want.clone(),
        Type::List(element) => Type::list(element_of(element)),
        Type::Set(element) => Type::set(element_of(element)),
        Type::Map(element) => Type::map(element_of(element)),
        Type::Tuple(types) => {
            let own = given.tuple_elements();
            let pair = |(index, ty): (usize, &Type)| match own.get(index) {
                Some(own) => replace_dynamic(own, ty),
                None => ty.clone(),
            };
            Type::tuple(types.iter().enumerate().map(pair).collect())
        }
        Type::Object(object) => {
            let attribute = |(name, ty): (&Str, &Type)| {
                let own = given.element().or_else(|| given.attributes()?.get(name));
                (name.clone(), own.map_or_else(|| ty.clone(), |own| replace_dynamic(own, ty)))
            };
            Type::object(object.attributes.iter().map(attribute).collect())
        }
    }
}
