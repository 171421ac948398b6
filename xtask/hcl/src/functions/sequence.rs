//! Functions of lists and tuples.

use super::args::{Outcome, any, at, element_type, elements, marked_as, not_whole, num, number};
use crate::convert::convert;
use crate::function::{Body, Function, FunctionError, Kind, Param, Returns};
use crate::types::Type;
use crate::unify::unify_with;
use crate::value::Value;

/// Computes the type of a result.
type TypeOf = fn(&[Value]) -> Result<Type, FunctionError>;

const ANY_LIST: Kind = Kind::List(&Kind::Any);
const STRING_LIST: Kind = Kind::List(&Kind::String);

/// A function whose result is never null.
const fn function(
    name: &'static str,
    params: &'static [Param],
    returns: Returns,
    body: Body,
) -> Function {
    Function { name, params, variadic: None, returns, not_null: true, body }
}

/// A number as an index or size; `what` begins the message.
fn index_of(args: &[Value], index: usize, what: &str) -> Result<i64, FunctionError> {
    num(args, index)?.to_i64().ok_or_else(|| FunctionError::new(format!("{what}: {}", not_whole())))
}

/// An unknown result because of `value`.
fn unknown(ty: &Type, value: &Value) -> Outcome {
    Ok(Value::unknown(ty.clone(), value.unknown_origin()))
}

pub(super) static CHUNKLIST: Function = function(
    "chunklist",
    &[Param::new("list", ANY_LIST).with_marked(), number("size").with_marked()],
    Returns::From(|args| Ok(Type::list(at(args, 0)?.ty().clone()))),
    |_, args, ty| {
        let (list, size) = (at(args, 0)?, index_of(args, 1, "invalid size")?);
        let size = usize::try_from(size)
            .map_err(|_negative| FunctionError::new("the size argument must be positive"))?;
        let values = elements(list);
        let size = if size == 0 { values.len().max(1) } else { size };
        let element = element_type(list.ty());
        let chunk = |chunk: &[Value]| Value::list(element.clone(), chunk.to_vec());
        let chunks = values.chunks(size).map(chunk).collect();
        Ok(marked_as(Value::list(element_type(ty), chunks), args))
    },
);

pub(super) static COALESCELIST: Function = Function {
    variadic: Some(any("vals").with_unknown().with_dynamic().nullable()),
    ..function("coalescelist", &[], Returns::From(coalescelist_type), |_, args, ty| {
        for arg in args {
            if !arg.is_known() {
                return unknown(ty, arg);
            }
            if !elements(arg).is_empty() {
                return Ok(arg.clone());
            }
        }
        Err(FunctionError::new("no non-null arguments"))
    })
};

fn coalescelist_type(args: &[Value]) -> Result<Type, FunctionError> {
    let Some(first) = args.first() else {
        return Err(FunctionError::new("at least one argument is required"));
    };
    for arg in args {
        if !arg.is_known() {
            return Ok(Type::Dynamic);
        }
        if !arg.ty().is_list() && !arg.ty().is_tuple() {
            return Err(FunctionError::new("coalescelist arguments must be lists or tuples"));
        }
    }
    let same = args.iter().all(|arg| arg.ty() == first.ty());
    Ok(if same { first.ty().clone() } else { Type::Dynamic })
}

pub(super) static COMPACT: Function = function(
    "compact",
    &[Param::new("list", STRING_LIST)],
    Returns::Always(STRING_LIST),
    |_, args, ty| {
        let list = at(args, 0)?;
        if !list.is_wholly_known() {
            return unknown(ty, list);
        }
        let filled = elements(list)
            .iter()
            .filter(|value| value.as_str().is_some_and(|text| !text.is_empty()));
        Ok(Value::list(Type::String, filled.cloned().collect()))
    },
);

pub(super) static CONCAT: Function = Function {
    variadic: Some(any("seqs").with_marked()),
    ..function("concat", &[], Returns::From(concat_type), |_, args, ty| {
        let mut values = Vec::new();
        for (index, arg) in args.iter().enumerate() {
            if ty.is_list() {
                // The common type may have been found by conversions that can fail.
                let arg = convert(arg, ty)
                    .map_err(|error| FunctionError::arg(index, error.to_string()))?;
                values.extend_from_slice(elements(&arg));
            } else {
                values.extend_from_slice(elements(arg));
            }
        }
        let result = match ty {
            Type::List(element) => Value::list((**element).clone(), values),
            _ => Value::tuple(values),
        };
        Ok(marked_as(result, args))
    })
};

/// A list if all arguments are lists with a common type, otherwise a tuple.
fn concat_type(args: &[Value]) -> Result<Type, FunctionError> {
    if args.is_empty() {
        return Err(FunctionError::new("at least one argument is required"));
    }
    if args.iter().all(|arg| arg.ty().is_list()) {
        let types: Vec<Type> = args.iter().map(|arg| arg.ty().clone()).collect();
        if let Some(common) = unify_with(&types, true) {
            return Ok(common.ty);
        }
    }
    let mut types = Vec::new();
    for (index, arg) in args.iter().enumerate() {
        match (arg.ty(), arg.as_sequence()) {
            (Type::Tuple(elements), _) => types.extend_from_slice(elements),
            (Type::List(element), Some(values)) => {
                types.extend(values.iter().map(|_| (**element).clone()));
            }
            (Type::List(_), None) => return Ok(Type::Dynamic),
            (other, _) => {
                let name = other.friendly_name();
                let message = format!("all arguments must be lists or tuples; got {name}");
                return Err(FunctionError::arg(index, message));
            }
        }
    }
    Ok(Type::tuple(types))
}

pub(super) static CONTAINS: Function = function(
    "contains",
    &[any("list"), any("value")],
    Returns::Always(Kind::Bool),
    |_, args, ty| {
        let (list, wanted) = (at(args, 0)?, at(args, 1)?);
        let kind = list.ty();
        if !kind.is_list() && !kind.is_tuple() && !kind.is_set() {
            return Err(FunctionError::new("argument must be list, tuple, or set"));
        }
        let mut undecided = None;
        for value in elements(list) {
            match wanted.equals(value).as_bool() {
                Some(true) => return Ok(Value::bool(true)),
                Some(false) => {}
                None => undecided = Some(value),
            }
        }
        undecided.map_or(Ok(Value::bool(false)), |value| unknown(ty, value))
    },
);

pub(super) static DISTINCT: Function = function(
    "distinct",
    &[Param::new("list", ANY_LIST)],
    Returns::From(|args| Ok(at(args, 0)?.ty().clone())),
    |_, args, ty| {
        let list = at(args, 0)?;
        if !list.is_wholly_known() {
            return unknown(ty, list);
        }
        let mut distinct: Vec<Value> = Vec::new();
        for value in elements(list) {
            let seen = distinct.iter().any(|other| other.equals(value).as_bool() == Some(true));
            if !seen {
                distinct.push(value.clone());
            }
        }
        Ok(Value::list(element_type(ty), distinct))
    },
);

pub(super) static ELEMENT: Function = Function {
    not_null: false,
    ..function(
        "element",
        &[any("list").with_marked(), number("index")],
        Returns::From(element_type_of),
        |_, args, _| {
            let values = elements(at(args, 0)?);
            let value = element_position(args, values.len())?
                .and_then(|position| values.get(position))
                .ok_or_else(empty_list)?;
            Ok(marked_as(value.clone(), args))
        },
    )
};

fn empty_list() -> FunctionError {
    FunctionError::new("cannot use element function with an empty list")
}

/// The index, modulo the length; `None` for an empty list.
fn element_position(args: &[Value], length: usize) -> Result<Option<usize>, FunctionError> {
    if num(args, 1)?.sign() < 0 {
        return Err(FunctionError::new("cannot use element function with a negative index"));
    }
    let index = usize::try_from(index_of(args, 1, "invalid index")?).unwrap_or(0);
    Ok(index.checked_rem(length))
}

fn element_type_of(args: &[Value]) -> Result<Type, FunctionError> {
    let (list, index) = (at(args, 0)?, at(args, 1)?);
    if index.as_number().is_some_and(|index| index.sign() < 0) {
        return Err(FunctionError::new("cannot use element function with a negative index"));
    }
    match list.ty() {
        Type::List(element) => Ok((**element).clone()),
        Type::Tuple(_) if !index.is_known() => Ok(Type::Dynamic),
        Type::Tuple(types) => element_position(args, types.len())?
            .and_then(|position| types.get(position).cloned())
            .ok_or_else(empty_list),
        other => {
            let name = other.friendly_name();
            Err(FunctionError::new(format!("cannot read elements from {name}")))
        }
    }
}

pub(super) static FLATTEN: Function = function(
    "flatten",
    &[any("list").with_marked()],
    Returns::From(|args| {
        let list = at(args, 0)?;
        if !list.is_wholly_known() {
            return Ok(Type::Dynamic);
        }
        if !is_sequence(list) {
            return Err(FunctionError::new("can only flatten lists, sets and tuples"));
        }
        let mut flat = Vec::new();
        flatten_into(list, &mut flat);
        Ok(Type::tuple(flat.iter().map(|value| value.ty().clone()).collect()))
    }),
    |_, args, ty| {
        let list = at(args, 0)?;
        let mut flat = Vec::new();
        if !flatten_into(list, &mut flat) {
            return Ok(unknown(ty, list)?.mark(list.contains_sensitive()));
        }
        Ok(marked_as(Value::tuple(flat), args))
    },
);

fn is_sequence(value: &Value) -> bool {
    value.ty().is_list() || value.ty().is_set() || value.ty().is_tuple()
}

/// Collects nested elements; false if a part that might have elements is not
/// known. A mark on a nested list moves to its elements.
fn flatten_into(list: &Value, flat: &mut Vec<Value>) -> bool {
    let mut known = true;
    for value in elements(list) {
        if value.is_null() || (!is_sequence(value) && *value.ty() != Type::Dynamic) {
            flat.push(value.clone().mark(list.is_sensitive()));
        } else if value.is_known() {
            known &= flatten_into(&value.clone().mark(list.is_sensitive()), flat);
        } else {
            known = false;
        }
    }
    known
}

pub(super) static INDEX: Function = function(
    "index",
    &[any("list"), any("value")],
    Returns::Always(Kind::Number),
    |_, args, ty| {
        let (list, wanted) = (at(args, 0)?, at(args, 1)?);
        if !list.ty().is_list() && !list.ty().is_tuple() {
            return Err(FunctionError::new("argument must be a list or tuple"));
        }
        if list.is_empty() {
            return Err(FunctionError::new("cannot search an empty list"));
        }
        for (position, value) in elements(list).iter().enumerate() {
            match value.equals(wanted).as_bool() {
                Some(true) => return Ok(Value::length_of(position)),
                Some(false) => {}
                None => return unknown(ty, value),
            }
        }
        Err(FunctionError::new("item not found"))
    },
);

pub(super) static REVERSE: Function = function(
    "reverse",
    &[any("list").with_marked()],
    Returns::From(|args| match at(args, 0)?.ty() {
        Type::Tuple(types) => Ok(Type::tuple(types.iter().rev().cloned().collect())),
        Type::List(element) | Type::Set(element) => Ok(Type::list((**element).clone())),
        other => {
            let name = other.friendly_name();
            let message = format!("can only reverse list or tuple values, not {name}");
            Err(FunctionError::arg(0, message))
        }
    }),
    |_, args, ty| {
        let values = elements(at(args, 0)?).iter().rev().cloned().collect();
        Ok(marked_as(sequence_of(ty, values), args))
    },
);

/// A tuple or list, as the type says.
fn sequence_of(ty: &Type, values: Vec<Value>) -> Value {
    match ty {
        Type::List(element) => Value::list((**element).clone(), values),
        _ => Value::tuple(values),
    }
}

pub(super) static SLICE: Function = function(
    "slice",
    &[any("list").with_marked(), number("start_index"), number("end_index")],
    Returns::From(slice_type as TypeOf),
    |_, args, ty| {
        let list = at(args, 0)?;
        let values = elements(list);
        let (start, end) = slice_bounds(args, Some(values.len()))?;
        let part = start.zip(end).and_then(|(start, end)| values.get(start..end)).unwrap_or(&[]);
        Ok(marked_as(sequence_of(ty, part.to_vec()), args))
    },
);

fn slice_type(args: &[Value]) -> Result<Type, FunctionError> {
    let list = at(args, 0)?;
    let length = match list.ty() {
        Type::Tuple(types) => Some(types.len()),
        Type::List(_) => list.len(),
        Type::Set(_) => {
            return Err(FunctionError::arg(
                0,
                "cannot slice a set, because its elements do not have indices; explicitly convert to a list if the ordering of the result is not important",
            ));
        }
        _ => return Err(FunctionError::arg(0, "must be a list or tuple value")),
    };
    let (start, end) = slice_bounds(args, length)?;
    match (list.ty(), start.zip(end)) {
        (Type::Tuple(types), Some((start, end))) => {
            Ok(Type::tuple(types.get(start..end).unwrap_or(&[]).to_vec()))
        }
        (Type::Tuple(_), None) => Ok(Type::Dynamic),
        (list, _) => Ok(list.clone()),
    }
}

/// Start and end, each `None` if not known yet.
fn slice_bounds(
    args: &[Value],
    length: Option<usize>,
) -> Result<(Option<usize>, Option<usize>), FunctionError> {
    let bound = |index: usize, name: &str| {
        if !at(args, index)?.is_known() {
            return Ok(None);
        }
        let fail = |reason: &str| FunctionError::arg(index, format!("{name} index {reason}"));
        let given = index_of(args, index, &format!("invalid {name} index"))
            .map_err(|error| FunctionError::arg(index, error.message))?;
        let given =
            usize::try_from(given).map_err(|_negative| fail("must not be less than zero"))?;
        if length.is_some_and(|length| given > length) {
            return Err(fail("must not be greater than the length of the list"));
        }
        Ok(Some(given))
    };
    let (start, end) = (bound(1, "start")?, bound(2, "end")?);
    if start.zip(end).is_some_and(|(start, end)| start > end) {
        return Err(FunctionError::arg(1, "start index must not be greater than end index"));
    }
    Ok((start, end))
}
