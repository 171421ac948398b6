//! Reading arguments and building results, shared by all function bodies.

use crate::function::{FunctionError, Kind, Param};
use crate::number::Number;
use crate::types::{Str, Type};
use crate::value::Value;

/// What a body returns.
pub(super) type Outcome = Result<Value, FunctionError>;

/// A parameter of type string.
pub(super) const fn string(name: &'static str) -> Param {
    Param::new(name, Kind::String)
}

/// A parameter of type number.
pub(super) const fn number(name: &'static str) -> Param {
    Param::new(name, Kind::Number)
}

/// A parameter of any type.
pub(super) const fn any(name: &'static str) -> Param {
    Param::new(name, Kind::Any)
}

/// The argument; the caller's checks make sure that it is there.
pub(super) fn at(args: &[Value], index: usize) -> Result<&Value, FunctionError> {
    args.get(index).ok_or_else(|| FunctionError::new("not enough arguments"))
}

/// A string argument.
pub(super) fn text(args: &[Value], index: usize) -> Result<&str, FunctionError> {
    at(args, index)?.as_str().ok_or_else(|| FunctionError::arg(index, "string required"))
}

/// A number argument.
pub(super) fn num(args: &[Value], index: usize) -> Result<&Number, FunctionError> {
    at(args, index)?.as_number().ok_or_else(|| FunctionError::arg(index, "number required"))
}

/// A number argument that must be a whole number of 64 bits; the message does
/// not name the argument, because most callers of cty do not either.
pub(super) fn whole(args: &[Value], index: usize) -> Result<i64, FunctionError> {
    num(args, index)?.to_i64().ok_or_else(|| FunctionError::new(not_whole()))
}

/// cty's complaint about a number that is not a 64 bit integer.
pub(super) fn not_whole() -> String {
    format!("value must be a whole number, between {} and {}", i64::MIN, i64::MAX)
}

/// Elements of a known list, set or tuple; none for anything else.
pub(super) fn elements(value: &Value) -> &[Value] {
    value.as_sequence().unwrap_or(&[])
}

/// A list of strings.
pub(super) fn strings<S: AsRef<str>>(values: impl IntoIterator<Item = S>) -> Value {
    Value::list(Type::String, values.into_iter().map(Value::string).collect())
}

/// The element type of a collection type, dynamic for others.
pub(super) fn element_type(ty: &Type) -> Type {
    ty.element().cloned().unwrap_or(Type::Dynamic)
}

/// Marks the result if one of the arguments is marked as a whole; marks of
/// their elements travel with the elements.
pub(super) fn marked_as(result: Value, args: &[Value]) -> Value {
    result.mark(args.iter().any(Value::is_sensitive))
}

/// An object of named values.
pub(super) fn object(values: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    Value::object(values.into_iter().map(|(name, value)| (Str::from(name), value)).collect())
}
