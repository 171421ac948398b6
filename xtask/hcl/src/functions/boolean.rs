//! `alltrue` and `anytrue`.

use super::args::{Outcome, at, elements};
use crate::function::{Context, Function, Kind, Param, Returns};
use crate::types::Type;
use crate::value::Value;

const LIST: &[Param] = &[Param::new("list", Kind::List(&Kind::Bool))];

pub(super) static ALLTRUE: Function = predicate("alltrue", |_, args, _| {
    for value in elements(at(args, 0)?) {
        if !value.is_known() {
            return Ok(Value::unknown(Type::Bool, value.unknown_origin()));
        }
        if value.as_bool() != Some(true) {
            return Ok(Value::bool(false));
        }
    }
    Ok(Value::bool(true))
});

pub(super) static ANYTRUE: Function = predicate("anytrue", |_, args, _| {
    let values = elements(at(args, 0)?);
    if values.iter().any(|value| value.as_bool() == Some(true)) {
        return Ok(Value::bool(true));
    }
    match values.iter().find(|value| !value.is_known()) {
        Some(unknown) => Ok(Value::unknown(Type::Bool, unknown.unknown_origin())),
        None => Ok(Value::bool(false)),
    }
});

const fn predicate(
    name: &'static str,
    body: fn(&Context<'_>, &[Value], &Type) -> Outcome,
) -> Function {
    Function {
        name,
        params: LIST,
        variadic: None,
        returns: Returns::Always(Kind::Bool),
        not_null: true,
        body,
    }
}
