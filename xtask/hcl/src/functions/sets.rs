//! Functions of sets.

use super::args::{Outcome, any, at, element_type, elements, marked_as};
use crate::convert::convert;
use crate::function::{Body, Function, FunctionError, Kind, Param, Returns};
use crate::types::Type;
use crate::unify::unify_with;
use crate::value::Value;

/// Most elements that `setproduct` makes; Packer would take all memory.
const PRODUCT_LIMIT: usize = 1 << 20;

const fn set(name: &'static str) -> Param {
    Param::new(name, Kind::Set(&Kind::Any)).with_dynamic()
}

const FIRST: &[Param] = &[set("first_set")];

const fn operation(name: &'static str, body: Body) -> Function {
    Function {
        name,
        params: FIRST,
        variadic: Some(set("other_sets")),
        returns: Returns::From(common_set),
        not_null: true,
        body,
    }
}

pub(super) static SETUNION: Function = operation("setunion", |_, args, ty| {
    let mut all = Vec::new();
    for index in 0..args.len() {
        all.extend_from_slice(elements(&converted(args, index, ty)?));
    }
    Ok(Value::set(element_type(ty), all))
});

pub(super) static SETINTERSECTION: Function = operation("setintersection", |_, args, ty| {
    let first = converted(args, 0, ty)?;
    if !first.is_wholly_known() {
        return unknown(ty, &first);
    }
    let mut common = elements(&first).to_vec();
    for index in 1..args.len() {
        let other = converted(args, index, ty)?;
        if !other.is_wholly_known() {
            return unknown(ty, &other);
        }
        common.retain(|value| {
            elements(&other).iter().any(|other| other.equals(value).as_bool() == Some(true))
        });
    }
    Ok(Value::set(element_type(ty), common))
});

fn unknown(ty: &Type, value: &Value) -> Outcome {
    Ok(Value::unknown(ty.clone(), value.unknown_origin()))
}

fn converted(args: &[Value], index: usize, ty: &Type) -> Outcome {
    convert(at(args, index)?, ty).map_err(|error| FunctionError::arg(index, error.to_string()))
}

/// A set of the elements' common type; empty sets of unknown type fit any.
fn common_set(args: &[Value]) -> Result<Type, FunctionError> {
    let types: Vec<Type> = args
        .iter()
        .map(|arg| (arg, element_type(arg.ty())))
        .filter(|(arg, element)| !(arg.is_empty() && *element == Type::Dynamic))
        .map(|(_, element)| element)
        .collect();
    if types.is_empty() {
        return Ok(Type::set(Type::Dynamic));
    }
    unify_with(&types, true)
        .map(|unified| Type::set(unified.ty))
        .ok_or_else(|| FunctionError::new("given sets must all have compatible element types"))
}

pub(super) static SETPRODUCT: Function = Function {
    name: "setproduct",
    params: &[],
    variadic: Some(any("sets").with_marked().with_unknown()),
    returns: Returns::From(product_type),
    not_null: true,
    body: |_, args, ty| {
        let unsettled = |arg: &&Value| {
            !arg.is_known() || (arg.ty().is_set() && arg.len() > Some(1) && !arg.is_wholly_known())
        };
        if let Some(arg) = args.iter().find(unsettled) {
            return Ok(marked_as(unknown(ty, arg)?, args));
        }
        let factors = factors(args, ty)?;
        let element = element_type(ty);
        let rows = product(&factors)?.into_iter().map(Value::tuple).collect();
        let result = match ty {
            Type::Set(_) => Value::set(element, rows),
            _ => Value::list(element, rows),
        };
        Ok(marked_as(result, args))
    },
};

/// A list of tuples if all arguments are ordered, otherwise a set of tuples.
fn product_type(args: &[Value]) -> Result<Type, FunctionError> {
    if args.len() < 2 {
        return Err(FunctionError::new("at least two arguments are required"));
    }
    let mut types = Vec::with_capacity(args.len());
    for (index, arg) in args.iter().enumerate() {
        types.push(match arg.ty() {
            Type::Set(element) | Type::List(element) => (**element).clone(),
            Type::Tuple(elements) if elements.is_empty() => Type::Dynamic,
            Type::Tuple(elements) => {
                let unified = unify_with(elements, true).ok_or_else(|| {
                    FunctionError::arg(index, "all elements must be of the same type")
                })?;
                unified.ty
            }
            _ => return Err(FunctionError::arg(index, "a set or a list is required")),
        });
    }
    let row = Type::tuple(types);
    let ordered = args.iter().all(|arg| !arg.ty().is_set());
    Ok(if ordered { Type::list(row) } else { Type::set(row) })
}

/// The elements of each argument, converted to their column's type.
fn factors(args: &[Value], ty: &Type) -> Result<Vec<Vec<Value>>, FunctionError> {
    let row = element_type(ty);
    let column = |(arg, want): (&Value, &Type)| {
        let convert = |value: &Value| {
            convert(value, want).map_err(|error| FunctionError::new(error.to_string()))
        };
        elements(arg).iter().map(convert).collect()
    };
    args.iter().zip(row.tuple_elements()).map(column).collect()
}

/// All combinations; the last factor varies fastest.
fn product(factors: &[Vec<Value>]) -> Result<Vec<Vec<Value>>, FunctionError> {
    let total = factors.iter().try_fold(1usize, |total, factor| total.checked_mul(factor.len()));
    if total.is_none_or(|total| total > PRODUCT_LIMIT) {
        let message = format!("the product has more than {PRODUCT_LIMIT} elements");
        return Err(FunctionError::new(message));
    }
    let mut rows = vec![Vec::new()];
    for factor in factors {
        let extend = |row: &Vec<Value>| {
            let row = row.clone();
            factor.iter().map(move |value| {
                let mut row = row.clone();
                row.push(value.clone());
                row
            })
        };
        rows = rows.iter().flat_map(extend).collect();
    }
    Ok(rows)
}
