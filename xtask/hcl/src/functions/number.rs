//! Functions of numbers.

use std::cmp::Ordering;

use num_bigint::BigUint;

use super::args::{Outcome, any, at, elements, num, number, text, whole};
use super::ieee;
use crate::convert::convert;
use crate::function::{Function, FunctionError, Kind, Returns};
use crate::number::Number;
use crate::quote::quote;
use crate::types::Type;
use crate::value::Value;

/// Greatest number of elements that `range` makes.
const RANGE_LIMIT: usize = 1024;

/// A function of numbers that returns a number.
const fn numeric(name: &'static str, body: crate::function::Body) -> Function {
    Function {
        name,
        params: &[],
        variadic: None,
        returns: Returns::Always(Kind::Number),
        not_null: true,
        body,
    }
}

pub(super) static ABS: Function = Function {
    params: &[number("num").with_dynamic().with_marked()],
    ..numeric("abs", |_, args, _| {
        let result = Value::number(num(args, 0)?.abs());
        Ok(super::args::marked_as(result, args))
    })
};

pub(super) static CEIL: Function =
    Function { params: &[number("num")], ..numeric("ceil", |_, args, _| round(args, false)) };

pub(super) static FLOOR: Function =
    Function { params: &[number("num")], ..numeric("floor", |_, args, _| round(args, true)) };

/// Rounds to a whole number, down or up.
fn round(args: &[Value], down: bool) -> Outcome {
    let given = num(args, 0)?;
    let Some(whole) = given.truncated_magnitude() else {
        return Ok(Value::number(given.clone()));
    };
    let away = !given.is_integer() && given.is_negative() == down;
    let whole = if away { whole + 1u32 } else { whole };
    let negative = given.is_negative() && whole != BigUint::ZERO;
    Ok(Value::number(Number::from_big(negative, whole).with_precision(given.precision())))
}

pub(super) static LOG: Function = Function {
    params: &[number("num"), number("base")],
    ..numeric("log", |_, args, _| {
        let (value, base) = (float(args, 0)?, float(args, 1)?);
        from_float(
            ieee::ln(value) / ieee::ln(base),
            "the logarithm of these numbers is not a number",
        )
    })
};

pub(super) static POW: Function = Function {
    params: &[number("num"), number("power")],
    ..numeric("pow", |_, args, _| {
        let (value, power) = (float(args, 0)?, float(args, 1)?);
        from_float(ieee::pow(value, power), "a root of a negative number is not a number")
    })
};

/// The nearest float; a finite number beyond its range is an error.
fn float(args: &[Value], index: usize) -> Result<f64, FunctionError> {
    let given = num(args, index)?;
    let float = given.to_f64();
    if float.is_infinite() && !given.is_infinite() {
        let (min, max) = (f64::MIN, f64::MAX);
        return Err(FunctionError::new(format!(
            "value must be between {min:.6} and {max:.6} inclusive"
        )));
    }
    Ok(float)
}

/// Packer fails on NaN as well, with a panic that it catches.
fn from_float(value: f64, not_a_number: &str) -> Outcome {
    Number::from_f64(value).map(Value::number).ok_or_else(|| FunctionError::new(not_a_number))
}

pub(super) static SIGNUM: Function = Function {
    params: &[number("num")],
    ..numeric("signum", |_, args, _| Ok(Value::int(whole(args, 0)?.signum())))
};

pub(super) static MAX: Function = Function {
    variadic: Some(number("numbers").with_dynamic()),
    ..numeric("max", |_, args, _| extreme(args, Ordering::Greater))
};

pub(super) static MIN: Function = Function {
    variadic: Some(number("numbers").with_dynamic()),
    ..numeric("min", |_, args, _| extreme(args, Ordering::Less))
};

fn extreme(args: &[Value], wanted: Ordering) -> Outcome {
    if args.is_empty() {
        return Err(FunctionError::new("must pass at least one number"));
    }
    let mut best = Number::infinity(wanted == Ordering::Greater);
    for index in 0..args.len() {
        let candidate = num(args, index)?;
        if candidate.compare(&best) == wanted {
            best = candidate.clone();
        }
    }
    Ok(Value::number(best))
}

pub(super) static PARSEINT: Function = Function {
    params: &[any("number"), number("base")],
    returns: Returns::From(|args| {
        let ty = at(args, 0)?.ty();
        if *ty == Type::String {
            return Ok(Type::Number);
        }
        let name = ty.friendly_name();
        Err(FunctionError::arg(0, format!("first argument must be a string, not {name}")))
    }),
    ..numeric("parseint", |_, args, _| {
        let given = text(args, 0)?;
        let base = whole(args, 1).map_err(|error| FunctionError::arg(1, error.message))?;
        let Some(base) = u8::try_from(base).ok().filter(|base| (2..=62).contains(base)) else {
            let message = "base must be a whole number between 2 and 62 inclusive";
            return Err(FunctionError::arg(1, message));
        };
        parse_integer(given, base).map(Value::number).ok_or_else(|| {
            let message = format!("cannot parse {} as a base {base} integer", quote(given));
            FunctionError::arg(0, message)
        })
    })
};

/// Reads digits as Go's `big.Int` does: above base 36, upper case letters
/// follow the lower case ones.
fn parse_integer(text: &str, base: u8) -> Option<Number> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let values: Option<Vec<u8>> = digits.bytes().map(|byte| digit(byte, base)).collect();
    let values = values.filter(|values| !values.is_empty())?;
    let magnitude = BigUint::from_radix_be(&values, u32::from(base))?;
    Some(Number::from_big(text.starts_with('-') && magnitude != BigUint::ZERO, magnitude))
}

fn digit(byte: u8, base: u8) -> Option<u8> {
    let value = match byte {
        b'0'..=b'9' => byte - b'0',
        b'a'..=b'z' => byte - b'a' + 10,
        b'A'..=b'Z' if base <= 36 => byte - b'A' + 10,
        b'A'..=b'Z' => byte - b'A' + 36,
        _ => return None,
    };
    (value < base).then_some(value)
}

pub(super) static SUM: Function = Function {
    params: &[any("list")],
    ..numeric("sum", |_, args, _| {
        let list = at(args, 0)?;
        match list.len() {
            None => return Err(FunctionError::arg(0, "cannot sum noniterable")),
            Some(0) => return Err(FunctionError::arg(0, "cannot sum an empty list")),
            Some(_) => {}
        }
        let ty = list.ty();
        if !ty.is_list() && !ty.is_set() && !ty.is_tuple() {
            let name = ty.friendly_name();
            let message = format!("argument must be list, set, or tuple. Received {name}");
            return Err(FunctionError::arg(0, message));
        }
        if !list.is_wholly_known() {
            return Ok(Value::unknown(Type::Number, list.unknown_origin()));
        }
        add_all(elements(list))
    })
};

fn add_all(values: &[Value]) -> Outcome {
    let mut total: Option<Number> = None;
    for value in values {
        let converted = convert(value, &Type::Number).ok();
        let Some(next) = converted.as_ref().and_then(Value::as_number) else {
            let message = "argument must be list, set, or tuple of number values";
            return Err(FunctionError::arg(0, message));
        };
        total = Some(match total {
            None => next.clone(),
            Some(total) => total
                .add(next)
                .ok_or_else(|| FunctionError::new("can't compute sum of opposing infinities"))?,
        });
    }
    Ok(Value::number(total.unwrap_or_else(|| Number::from_i64(0))))
}

pub(super) static RANGE: Function = Function {
    name: "range",
    params: &[],
    variadic: Some(number("params")),
    returns: Returns::Always(Kind::List(&Kind::Number)),
    not_null: true,
    body: |_, args, _| {
        let (start, end, step) = range_bounds(args)?;
        let down = step.sign() < 0;
        if down && end.compare(&start) == Ordering::Greater {
            let message = "end must be less than start when step is negative";
            return Err(FunctionError::arg(1, message));
        }
        if !down && end.compare(&start) == Ordering::Less {
            let message = "end must be greater than start when step is positive";
            return Err(FunctionError::arg(1, message));
        }
        let stop = if down { Ordering::Greater } else { Ordering::Less };
        let mut values = Vec::new();
        let mut next = start;
        while next.compare(&end) == stop {
            if values.len() >= RANGE_LIMIT {
                return Err(FunctionError::new(format!(
                    "more than {RANGE_LIMIT} values were generated; either decrease the difference between start and end or use a smaller step"
                )));
            }
            values.push(Value::number(next.clone()));
            next = next.add(&step).unwrap_or_else(|| end.clone());
        }
        Ok(Value::list(Type::Number, values))
    },
};

/// Start, end and step of `range` from one to three arguments.
fn range_bounds(args: &[Value]) -> Result<(Number, Number, Number), FunctionError> {
    let towards = |start: &Number, end: &Number| {
        Number::from_i64(if end.compare(start) == Ordering::Less { -1 } else { 1 })
    };
    match args.len() {
        1 => {
            let (start, end) = (Number::from_i64(0), num(args, 0)?);
            let step = towards(&start, end);
            Ok((start, end.clone(), step))
        }
        2 => {
            let (start, end) = (num(args, 0)?, num(args, 1)?);
            Ok((start.clone(), end.clone(), towards(start, end)))
        }
        3 => Ok((num(args, 0)?.clone(), num(args, 1)?.clone(), num(args, 2)?.clone())),
        _ => Err(FunctionError::new("must have one, two, or three arguments")),
    }
}
