//! The type system of cty, which HCL and Packer use.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

/// Shared text: names, keys and string values.
pub type Str = Arc<str>;

/// A type, or [`Type::Dynamic`] where any type may stand.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Type {
    /// Not known yet, or anything goes (`any` in a type constraint).
    #[default]
    Dynamic,
    /// `true` or `false`.
    Bool,
    /// A number of any size.
    Number,
    /// Unicode text in normal form C.
    String,
    /// Elements of one type, in order.
    List(Arc<Type>),
    /// Distinct elements of one type, in cty's order.
    Set(Arc<Type>),
    /// Elements of one type by string key.
    Map(Arc<Type>),
    /// A fixed number of elements, each with a type.
    Tuple(Arc<[Type]>),
    /// Named attributes, each with a type.
    Object(Arc<ObjectType>),
}

/// The attributes of an object type.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectType {
    /// Type of each attribute.
    pub attributes: BTreeMap<Str, Type>,
    /// Names that may be missing from a value that is converted to this type.
    pub optional: BTreeSet<Str>,
}

impl Type {
    /// `list(element)`.
    pub fn list(element: Type) -> Self {
        Self::List(Arc::new(element))
    }

    /// `set(element)`.
    pub fn set(element: Type) -> Self {
        Self::Set(Arc::new(element))
    }

    /// `map(element)`.
    pub fn map(element: Type) -> Self {
        Self::Map(Arc::new(element))
    }

    /// `tuple([elements])`.
    pub fn tuple(elements: Vec<Type>) -> Self {
        Self::Tuple(elements.into())
    }

    /// `object({attributes})` without optional attributes.
    pub fn object(attributes: BTreeMap<Str, Type>) -> Self {
        Self::Object(Arc::new(ObjectType { attributes, optional: BTreeSet::new() }))
    }

    /// `object({attributes})` where `optional` may be missing.
    pub fn object_with_optional(attributes: BTreeMap<Str, Type>, optional: BTreeSet<Str>) -> Self {
        Self::Object(Arc::new(ObjectType { attributes, optional }))
    }

    /// The object type without attributes.
    pub fn empty_object() -> Self {
        Self::object(BTreeMap::new())
    }

    /// The tuple type without elements.
    pub fn empty_tuple() -> Self {
        Self::tuple(Vec::new())
    }

    /// Whether this is bool, number or string.
    pub fn is_primitive(&self) -> bool {
        matches!(self, Self::Bool | Self::Number | Self::String)
    }

    /// Whether this is a list, set or map.
    pub fn is_collection(&self) -> bool {
        matches!(self, Self::List(_) | Self::Set(_) | Self::Map(_))
    }

    /// Whether this is a list.
    pub fn is_list(&self) -> bool {
        matches!(self, Self::List(_))
    }

    /// Whether this is a set.
    pub fn is_set(&self) -> bool {
        matches!(self, Self::Set(_))
    }

    /// Whether this is a map.
    pub fn is_map(&self) -> bool {
        matches!(self, Self::Map(_))
    }

    /// Whether this is a tuple.
    pub fn is_tuple(&self) -> bool {
        matches!(self, Self::Tuple(_))
    }

    /// Whether this is an object.
    pub fn is_object(&self) -> bool {
        matches!(self, Self::Object(_))
    }

    /// Element type of a list, set or map.
    pub fn element(&self) -> Option<&Type> {
        match self {
            Self::List(element) | Self::Set(element) | Self::Map(element) => Some(element),
            _ => None,
        }
    }

    /// Element types of a tuple; empty for other types.
    pub fn tuple_elements(&self) -> &[Type] {
        match self {
            Self::Tuple(elements) => elements,
            _ => &[],
        }
    }

    /// Attributes of an object.
    pub fn attributes(&self) -> Option<&BTreeMap<Str, Type>> {
        match self {
            Self::Object(object) => Some(&object.attributes),
            _ => None,
        }
    }

    /// Whether this object type lets the attribute be missing.
    pub fn is_optional(&self, name: &str) -> bool {
        matches!(self, Self::Object(object) if object.optional.contains(name))
    }

    /// Whether this type or a part of it is dynamic.
    pub fn has_dynamic(&self) -> bool {
        match self {
            Self::Dynamic => true,
            Self::Bool | Self::Number | Self::String => false,
            Self::List(element) | Self::Set(element) | Self::Map(element) => element.has_dynamic(),
            Self::Tuple(elements) => elements.iter().any(Self::has_dynamic),
            Self::Object(object) => object.attributes.values().any(Self::has_dynamic),
        }
    }

    /// The type with every attribute required, as the types of values are.
    #[must_use]
    pub fn without_optional(&self) -> Self {
        match self {
            Self::Dynamic | Self::Bool | Self::Number | Self::String => self.clone(),
            Self::List(element) => Self::list(element.without_optional()),
            Self::Set(element) => Self::set(element.without_optional()),
            Self::Map(element) => Self::map(element.without_optional()),
            Self::Tuple(elements) => {
                Self::tuple(elements.iter().map(Self::without_optional).collect())
            }
            Self::Object(object) => {
                let strip = |(name, ty): (&Str, &Type)| (name.clone(), ty.without_optional());
                Self::object(object.attributes.iter().map(strip).collect())
            }
        }
    }

    /// cty's English name: `list of string`, `object`, `dynamic`.
    pub fn friendly_name(&self) -> String {
        self.friendly(false)
    }

    /// The English name of what is required: `any type` instead of `dynamic`.
    pub fn constraint_name(&self) -> String {
        self.friendly(true)
    }

    fn friendly(&self, constraint: bool) -> String {
        let element = |element: &Type| match element {
            Self::Dynamic if constraint => "any single type".to_owned(),
            other => other.friendly(constraint),
        };
        match self {
            Self::Dynamic if constraint => "any type".to_owned(),
            Self::Dynamic => "dynamic".to_owned(),
            Self::Bool => "bool".to_owned(),
            Self::Number => "number".to_owned(),
            Self::String => "string".to_owned(),
            Self::List(inner) => format!("list of {}", element(inner)),
            Self::Set(inner) => format!("set of {}", element(inner)),
            Self::Map(inner) => format!("map of {}", element(inner)),
            Self::Tuple(_) => "tuple".to_owned(),
            Self::Object(_) => "object".to_owned(),
        }
    }

    /// Whether a value of this type may stand where `want` is asked for: equal
    /// but for dynamic parts of `want`. The error is cty's first complaint.
    pub fn conforms_to(&self, want: &Type) -> Result<(), String> {
        if *want == Self::Dynamic || self == want {
            return Ok(());
        }
        match (self, want) {
            (Self::List(given), Self::List(want))
            | (Self::Set(given), Self::Set(want))
            | (Self::Map(given), Self::Map(want)) => given.conforms_to(want),
            (Self::Tuple(given), Self::Tuple(want)) if given.len() == want.len() => {
                given.iter().zip(want.iter()).try_for_each(|(given, want)| given.conforms_to(want))
            }
            (Self::Tuple(given), Self::Tuple(want)) => {
                Err(format!("{} elements are required, but got {}", want.len(), given.len()))
            }
            (Self::Object(given), Self::Object(want)) => given.conforms_to(want),
            _ => {
                let (want, given) = (want.friendly_name(), self.friendly_name());
                Err(format!("{want} required, but received {given}"))
            }
        }
    }
}

impl ObjectType {
    fn conforms_to(&self, want: &Self) -> Result<(), String> {
        for name in self.attributes.keys() {
            if !want.attributes.contains_key(name) {
                return Err(format!("unsupported attribute {}", crate::quote::quote(name)));
            }
        }
        for (name, want) in &want.attributes {
            match self.attributes.get(name) {
                Some(given) => given.conforms_to(want)?,
                None => {
                    return Err(format!(
                        "missing required attribute {}",
                        crate::quote::quote(name)
                    ));
                }
            }
        }
        Ok(())
    }
}

/// The type as it is written in a `variable` block.
impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dynamic => f.write_str("any"),
            Self::Bool => f.write_str("bool"),
            Self::Number => f.write_str("number"),
            Self::String => f.write_str("string"),
            Self::List(element) => write!(f, "list({element})"),
            Self::Set(element) => write!(f, "set({element})"),
            Self::Map(element) => write!(f, "map({element})"),
            Self::Tuple(elements) => {
                let names: Vec<String> = elements.iter().map(ToString::to_string).collect();
                write!(f, "tuple([{}])", names.join(","))
            }
            Self::Object(object) => {
                let attribute = |(name, ty): (&Str, &Type)| {
                    if object.optional.contains(name) {
                        format!("{name}=optional({ty})")
                    } else {
                        format!("{name}={ty}")
                    }
                };
                let names: Vec<String> = object.attributes.iter().map(attribute).collect();
                write!(f, "object({{{}}})", names.join(","))
            }
        }
    }
}
