//! `format` and `formatlist`.

use super::args::{any, elements, string, strings, text};
use super::printf;
use crate::eval::safe_prefix;
use crate::function::{Body, Function, FunctionError, Kind, Param, Returns};
use crate::types::Type;
use crate::value::Value;

const FORMAT_STRING: &[Param] = &[string("format")];

const fn function(name: &'static str, returns: Kind, body: Body) -> Function {
    Function {
        name,
        params: FORMAT_STRING,
        variadic: Some(any("args").nullable().with_unknown()),
        returns: Returns::Always(returns),
        not_null: true,
        body,
    }
}

pub(super) static FORMAT: Function = function("format", Kind::String, |_, args, _| {
    let (format, values) = (text(args, 0)?, args.get(1..).unwrap_or(&[]));
    match values.iter().find(|value| !value.is_wholly_known()) {
        Some(unknown) => {
            // What stands before the first verb is certain.
            let start = format.find('%').and_then(|end| format.get(..end));
            let prefix = start.and_then(safe_prefix);
            Ok(Value::unknown_with_prefix(unknown.unknown_origin(), prefix))
        }
        None => printf::render(format, values).map(Value::string),
    }
});

pub(super) static FORMATLIST: Function =
    function("formatlist", Kind::List(&Kind::String), |_, args, ty| {
        let (format, values) = (text(args, 0)?, args.get(1..).unwrap_or(&[]));
        if values.is_empty() {
            return Ok(strings([printf::render(format, values)?]));
        }
        let length = common_length(values)?;
        // The elements of an unknown sequence cannot be counted.
        let unknown = |value: &&Value| {
            !value.is_known() && (is_sequence(value) || *value.ty() == Type::Dynamic)
        };
        if let Some(value) = values.iter().find(unknown) {
            return Ok(Value::unknown(ty.clone(), value.unknown_origin()));
        }
        let mut lines = Vec::new();
        for index in 0..length.unwrap_or(1) {
            let row: Vec<Value> = values.iter().map(|value| cell(value, index)).collect();
            lines.push(match row.iter().find(|value| !value.is_wholly_known()) {
                Some(value) => Value::unknown_not_null(Type::String, value.unknown_origin()),
                None => Value::string(printf::render(format, &row).map_err(|error| {
                    let message = format!("error on format iteration {index}: {error}");
                    FunctionError::new(message)
                })?),
            });
        }
        Ok(Value::list(Type::String, lines))
    });

fn is_sequence(value: &Value) -> bool {
    value.ty().is_list() || value.ty().is_set() || value.ty().is_tuple()
}

/// The length that all sequences among the arguments share; `None` if there is
/// no sequence.
fn common_length(values: &[Value]) -> Result<Option<usize>, FunctionError> {
    let mut chosen: Option<(usize, usize)> = None;
    for (index, value) in values.iter().enumerate() {
        let length = match (value.ty(), value.as_sequence()) {
            _ if value.is_null() => continue,
            (Type::Tuple(types), _) => types.len(),
            (_, Some(values)) => values.len(),
            (_, None) => continue,
        };
        match chosen {
            None => chosen = Some((index, length)),
            Some((first, other)) if other != length => {
                let (this, first) = (index + 1, first + 1);
                return Err(FunctionError::arg(
                    index + 1,
                    format!(
                        "argument {this} has length {length}, which is inconsistent with argument {first} of length {other}"
                    ),
                ));
            }
            Some(_) => {}
        }
    }
    Ok(chosen.map(|(_, length)| length))
}

/// What an argument contributes to one line.
fn cell(value: &Value, index: usize) -> Value {
    match elements(value).get(index) {
        Some(element) => element.clone(),
        None => value.clone(),
    }
}
