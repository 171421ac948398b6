//! Values: typed as in cty, cheap to clone, with unknowns that remember where
//! they came from and a `sensitive` mark.
//!
//! Marks never change a result (Packer has none: it filters its output); they
//! only say which results must not be shown. Sets hold their elements in cty's
//! order: strings by bytes, numbers by size, `false` before `true`, everything
//! else by the bytes of cty's set hash; then unknowns, then null.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

use crate::number::Number;
pub use crate::types::{Str, Type};

/// A value, possibly null or not known yet.
#[derive(Clone)]
pub struct Value {
    ty: Type,
    data: Data,
    sensitive: bool,
}

/// What a value holds.
#[derive(Clone)]
pub enum Data {
    /// No value.
    Null,
    /// Not known before the build runs.
    Unknown(Unknown),
    /// A bool.
    Bool(bool),
    /// A number.
    Number(Arc<Number>),
    /// A string in normal form C.
    String(Str),
    /// Elements of a list, set or tuple.
    Sequence(Arc<[Value]>),
    /// Elements of a map or attributes of an object.
    Mapping(Arc<BTreeMap<Str, Value>>),
}

/// Why a value is not known, and what is known of it.
#[derive(Clone, Debug, Default)]
pub struct Unknown {
    /// The expression it stems from, such as `build.Host`; `None` if unclear.
    pub origin: Option<Str>,
    /// Whether it can be ruled out that it becomes null.
    pub not_null: bool,
    /// What a string is known to start with.
    pub prefix: Option<Str>,
}

/// Text in normal form C, as every cty string is.
pub fn normalize(text: &str) -> Str {
    match is_nfc_quick(text.chars()) {
        IsNormalized::Yes => text.into(),
        IsNormalized::No | IsNormalized::Maybe => text.nfc().collect::<String>().into(),
    }
}

impl Value {
    /// Builds a value from parts that are known to match.
    pub(crate) fn new(ty: Type, data: Data) -> Self {
        Self { ty, data, sensitive: false }
    }

    /// Null of a type.
    pub fn null(ty: Type) -> Self {
        Self::new(ty, Data::Null)
    }

    /// An unknown of a type; `origin` names the expression it stems from.
    pub fn unknown(ty: Type, origin: Option<Str>) -> Self {
        Self::new(ty, Data::Unknown(Unknown { origin, ..Unknown::default() }))
    }

    /// An unknown of a type that cannot become null.
    pub fn unknown_not_null(ty: Type, origin: Option<Str>) -> Self {
        Self::new(ty, Data::Unknown(Unknown { origin, not_null: true, prefix: None }))
    }

    /// An unknown string that is not null and starts with a text.
    pub(crate) fn unknown_with_prefix(origin: Option<Str>, prefix: Option<Str>) -> Self {
        Self::new(Type::String, Data::Unknown(Unknown { origin, not_null: true, prefix }))
    }

    /// cty's `DynamicVal`: an unknown of unknown type.
    pub fn dynamic(origin: Option<Str>) -> Self {
        Self::unknown(Type::Dynamic, origin)
    }

    /// A bool.
    pub fn bool(value: bool) -> Self {
        Self::new(Type::Bool, Data::Bool(value))
    }

    /// A number.
    pub fn number(value: Number) -> Self {
        Self::new(Type::Number, Data::Number(Arc::new(value)))
    }

    /// An integer with 64 bits of precision.
    pub fn int(value: i64) -> Self {
        Self::number(Number::from_i64(value))
    }

    /// A length or index.
    pub fn length_of(value: usize) -> Self {
        Self::number(Number::from_usize(value))
    }

    /// A string; it is brought to normal form C.
    pub fn string(value: impl AsRef<str>) -> Self {
        Self::new(Type::String, Data::String(normalize(value.as_ref())))
    }

    /// A list; every element must have the element type.
    pub fn list(element: Type, values: Vec<Value>) -> Self {
        Self::new(Type::list(element), Data::Sequence(values.into()))
    }

    /// A set of the distinct values, in cty's order. Marks of elements move to
    /// the set, as they do in cty.
    pub fn set(element: Type, values: Vec<Value>) -> Self {
        let sensitive = values.iter().any(Self::contains_sensitive);
        let mut distinct: Vec<Value> = Vec::with_capacity(values.len());
        for value in crate::set_order::sorted(values) {
            let equal = |last: &Value| last.equals(&value).as_bool() == Some(true);
            if !distinct.last().is_some_and(equal) {
                distinct.push(value.unmark_deep());
            }
        }
        Self { sensitive, ..Self::new(Type::set(element), Data::Sequence(distinct.into())) }
    }

    /// A map; every element must have the element type.
    pub fn map(element: Type, values: BTreeMap<Str, Value>) -> Self {
        Self::new(Type::map(element), Data::Mapping(Arc::new(values)))
    }

    /// A tuple; its type follows from the elements.
    pub fn tuple(values: Vec<Value>) -> Self {
        let types = values.iter().map(|value| value.ty.clone()).collect();
        Self::new(Type::tuple(types), Data::Sequence(values.into()))
    }

    /// An object; its type follows from the attributes.
    pub fn object(values: BTreeMap<Str, Value>) -> Self {
        let types = values.iter().map(|(name, value)| (name.clone(), value.ty.clone()));
        Self::new(Type::object(types.collect()), Data::Mapping(Arc::new(values)))
    }

    /// The type.
    pub fn ty(&self) -> &Type {
        &self.ty
    }

    /// What it holds.
    pub fn data(&self) -> &Data {
        &self.data
    }

    /// Whether it is null.
    pub fn is_null(&self) -> bool {
        matches!(self.data, Data::Null)
    }

    /// Whether it is known (null counts as known); parts may still be unknown.
    pub fn is_known(&self) -> bool {
        !matches!(self.data, Data::Unknown(_))
    }

    /// Whether it and all its parts are known.
    pub fn is_wholly_known(&self) -> bool {
        self.is_known() && self.children().all(Self::is_wholly_known)
    }

    /// Details of an unknown value.
    pub fn as_unknown(&self) -> Option<&Unknown> {
        match &self.data {
            Data::Unknown(unknown) => Some(unknown),
            _ => None,
        }
    }

    /// Where the first unknown part comes from; `None` if all is known or the
    /// origin is unclear.
    pub fn unknown_origin(&self) -> Option<Str> {
        match &self.data {
            Data::Unknown(unknown) => unknown.origin.clone(),
            _ => self.children().find_map(Self::unknown_origin),
        }
    }

    /// Whether an unknown may still turn out to be null.
    pub fn may_be_null(&self) -> bool {
        match &self.data {
            Data::Null => true,
            Data::Unknown(unknown) => !unknown.not_null,
            _ => false,
        }
    }

    /// The same value; an unknown one is now known not to become null.
    #[must_use]
    pub fn refine_not_null(mut self) -> Self {
        if let Data::Unknown(unknown) = &mut self.data {
            // cty cannot refine a value whose type is not known.
            unknown.not_null = self.ty != Type::Dynamic;
        }
        self
    }

    /// The bool, if it is one.
    pub fn as_bool(&self) -> Option<bool> {
        match self.data {
            Data::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// The number, if it is one.
    pub fn as_number(&self) -> Option<&Number> {
        match &self.data {
            Data::Number(value) => Some(value),
            _ => None,
        }
    }

    /// The string, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match &self.data {
            Data::String(value) => Some(value),
            _ => None,
        }
    }

    /// Elements of a known list, set or tuple.
    pub fn as_sequence(&self) -> Option<&[Value]> {
        match &self.data {
            Data::Sequence(values) => Some(values),
            _ => None,
        }
    }

    /// Elements of a known map or attributes of a known object.
    pub fn as_mapping(&self) -> Option<&BTreeMap<Str, Value>> {
        match &self.data {
            Data::Mapping(values) => Some(values),
            _ => None,
        }
    }

    /// One element of a map or attribute of an object.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.as_mapping()?.get(name)
    }

    /// Number of elements or attributes of a known value that has any.
    pub fn len(&self) -> Option<usize> {
        match &self.data {
            Data::Sequence(values) => Some(values.len()),
            Data::Mapping(values) => Some(values.len()),
            _ => None,
        }
    }

    /// Whether a known collection, tuple or object has no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == Some(0)
    }

    /// The direct parts; none for primitives, nulls and unknowns.
    pub fn children(&self) -> Box<dyn Iterator<Item = &Value> + '_> {
        match &self.data {
            Data::Sequence(values) => Box::new(values.iter()),
            Data::Mapping(values) => Box::new(values.values()),
            _ => Box::new(std::iter::empty()),
        }
    }

    /// Key and value of every element as cty iterates: numbers for lists and
    /// tuples, names in order for maps and objects, the element itself for
    /// sets. `None` if it cannot be iterated (null, unknown, primitive).
    pub fn entries(&self) -> Option<Vec<(Value, Value)>> {
        match &self.data {
            Data::Sequence(values) if self.ty.is_set() => {
                Some(values.iter().map(|value| (value.clone(), value.clone())).collect())
            }
            Data::Sequence(values) => {
                let entry =
                    |(index, value): (usize, &Value)| (Self::length_of(index), value.clone());
                Some(values.iter().enumerate().map(entry).collect())
            }
            Data::Mapping(values) => {
                let entry = |(name, value): (&Str, &Value)| {
                    (Self::new(Type::String, Data::String(name.clone())), value.clone())
                };
                Some(values.iter().map(entry).collect())
            }
            _ => None,
        }
    }

    /// Whether the value itself must not be shown.
    pub fn is_sensitive(&self) -> bool {
        self.sensitive
    }

    /// Whether the value or a part of it must not be shown.
    pub fn contains_sensitive(&self) -> bool {
        self.sensitive || self.children().any(Self::contains_sensitive)
    }

    /// The same value, marked if `sensitive` is set; never unmarked.
    #[must_use]
    pub fn mark(mut self, sensitive: bool) -> Self {
        self.sensitive |= sensitive;
        self
    }

    /// The same value without the outermost mark.
    #[must_use]
    pub fn unmark(mut self) -> Self {
        self.sensitive = false;
        self
    }

    /// The same value without any mark.
    #[must_use]
    pub fn unmark_deep(&self) -> Self {
        if !self.contains_sensitive() {
            return self.clone();
        }
        let data = match &self.data {
            Data::Sequence(values) => {
                Data::Sequence(values.iter().map(Self::unmark_deep).collect())
            }
            Data::Mapping(values) => {
                let unmark = |(name, value): (&Str, &Value)| (name.clone(), value.unmark_deep());
                Data::Mapping(Arc::new(values.iter().map(unmark).collect()))
            }
            data => data.clone(),
        };
        Self { ty: self.ty.clone(), data, sensitive: false }
    }
}

/// Exact equality of type and data, for tests and caches: unknown equals
/// unknown, marks and origins do not count.
impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.ty == other.ty
            && match (&self.data, &other.data) {
                (Data::Null, Data::Null) | (Data::Unknown(_), Data::Unknown(_)) => true,
                (Data::Bool(a), Data::Bool(b)) => a == b,
                (Data::Number(a), Data::Number(b)) => a.equals(b),
                (Data::String(a), Data::String(b)) => a == b,
                (Data::Sequence(a), Data::Sequence(b)) => a == b,
                (Data::Mapping(a), Data::Mapping(b)) => a == b,
                _ => false,
            }
    }
}

/// Readable form for tests and logs; sensitive parts are masked.
impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.sensitive {
            return f.write_str("(sensitive)");
        }
        match &self.data {
            Data::Null => write!(f, "null({})", self.ty),
            Data::Unknown(unknown) => match &unknown.origin {
                Some(origin) => write!(f, "unknown({}, {origin})", self.ty),
                None => write!(f, "unknown({})", self.ty),
            },
            Data::Bool(value) => write!(f, "{value}"),
            Data::Number(value) => f.write_str(&value.text()),
            Data::String(value) => write!(f, "{value:?}"),
            Data::Sequence(values) => {
                f.write_str(if self.ty.is_set() { "set" } else { "" })?;
                f.write_str(if self.ty.is_list() { "list" } else { "" })?;
                f.debug_list().entries(values.iter()).finish()
            }
            Data::Mapping(values) => {
                f.write_str(if self.ty.is_map() { "map" } else { "" })?;
                f.debug_map().entries(values.iter()).finish()
            }
        }
    }
}
