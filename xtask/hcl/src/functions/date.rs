//! Functions of dates and times.

use std::time::UNIX_EPOCH;

use super::args::{Outcome, not_whole, num, number, object, string, text};
use super::time::Time;
use super::time_parse::{Form, RFC3339, duration, lax, strict};
use super::{date_format, time_layout};
use crate::function::{
    Body, Context, Function, FunctionError, Impure, Kind, PLACEHOLDER_TIME, Param, Returns,
};
use crate::quote::quote;
use crate::types::{Str, Type};
use crate::value::Value;

const fn function(name: &'static str, params: &'static [Param], body: Body) -> Function {
    let returns = Returns::Always(Kind::String);
    Function { name, params, variadic: None, returns, not_null: true, body }
}

/// The time at which the command started.
fn now(context: &Context<'_>) -> Time {
    let (unix, nanos) = match context.impure {
        Impure::Placeholder => (PLACEHOLDER_TIME, 0),
        Impure::Real { start } => {
            let since = start.duration_since(UNIX_EPOCH).unwrap_or_default();
            (since.as_secs(), since.subsec_nanos())
        }
    };
    Time { unix: i64::try_from(unix).unwrap_or(i64::MAX), nanos, offset: 0 }
}

pub(super) static TIMESTAMP: Function =
    function("timestamp", &[], |context, _, _| Ok(Value::string(now(context).rfc3339())));

pub(super) static LEGACY_ISOTIME: Function = Function {
    variadic: Some(string("format")),
    ..function("legacy_isotime", &[], |context, args, _| {
        legacy(context, args, time_layout::by_example)
    })
};

pub(super) static LEGACY_STRFTIME: Function = Function {
    variadic: Some(string("format")),
    ..function("legacy_strftime", &[], |context, args, _| {
        legacy(context, args, time_layout::by_strftime)
    })
};

fn legacy(context: &Context<'_>, args: &[Value], show: fn(&Time, &str) -> String) -> Outcome {
    let time = now(context);
    match args {
        [] => Ok(Value::string(time.rfc3339())),
        [_] => Ok(Value::string(show(&time, text(args, 0)?))),
        more => {
            let given = more.len();
            Err(FunctionError::new(format!("too many values, 1 needed: {given} given")))
        }
    }
}

pub(super) static FORMATDATE: Function =
    function("formatdate", &[string("format"), string("time")], |_, args, _| {
        let time = strict(text(args, 1)?).map_err(|message| FunctionError::arg(1, message))?;
        date_format::render(text(args, 0)?, &time)
            .map(Value::string)
            .map_err(|message| FunctionError::arg(0, message))
    });

pub(super) static TIMEADD: Function = Function {
    not_null: false,
    ..function("timeadd", &[string("timestamp"), string("duration")], |_, args, _| {
        let time = strict(text(args, 0)?).map_err(FunctionError::new)?;
        let nanos = duration(text(args, 1)?).map_err(FunctionError::new)?;
        Ok(Value::string(add(time, nanos).rfc3339()))
    })
};

fn add(time: Time, nanos: i64) -> Time {
    const SECOND: i128 = 1_000_000_000;
    let total = i128::from(time.unix) * SECOND + i128::from(time.nanos) + i128::from(nanos);
    // The sum of a four-digit year and at most 293 years fits.
    let unix = i64::try_from(total.div_euclid(SECOND)).unwrap_or(i64::MAX);
    let nanos = u32::try_from(total.rem_euclid(SECOND)).unwrap_or(0);
    Time { unix, nanos, ..time }
}

/// Type of the fields that both parsing functions have, and one more.
fn fields_type(extra: &'static str, ty: Type) -> Type {
    const NUMBERS: [&str; 10] = [
        "year", "year_day", "day", "month", "weekday", "hour", "minute", "second", "iso_year",
        "iso_week",
    ];
    let numbers = NUMBERS.into_iter().map(|name| (Str::from(name), Type::Number));
    let names = ["month_name", "weekday_name"].map(|name| (Str::from(name), Type::String));
    Type::object(numbers.chain(names).chain([(Str::from(extra), ty)]).collect())
}

fn fields(time: &Time, extra: &'static str, value: Value) -> Value {
    let civil = time.civil();
    let (iso_year, iso_week) = time.iso_week();
    object([
        ("year", Value::int(civil.year)),
        ("year_day", Value::int(time.year_day())),
        ("day", Value::int(civil.day)),
        ("month", Value::int(civil.month)),
        ("month_name", Value::string(civil.month_name())),
        ("weekday", Value::length_of(time.weekday())),
        ("weekday_name", Value::string(time.weekday_name())),
        ("hour", Value::int(civil.hour)),
        ("minute", Value::int(civil.minute)),
        ("second", Value::int(civil.second)),
        ("iso_year", Value::int(iso_year)),
        ("iso_week", Value::int(iso_week)),
        (extra, value),
    ])
}

pub(super) static RFC3339_PARSE: Function = Function {
    returns: Returns::From(|_| Ok(fields_type("unix", Type::Number))),
    ..function("rfc3339_parse", &[string("timestamp")], |_, args, _| {
        let given = text(args, 0)?;
        let spaced = Form { separator: Some(' '), ..RFC3339 };
        let Some(time) = lax(given, RFC3339).or_else(|| lax(given, spaced)) else {
            let given = quote(given);
            let message = format!("{given} is not a valid RFC3339 timestamp");
            return Err(FunctionError::arg(0, message));
        };
        Ok(fields(&time, "unix", Value::int(time.unix)))
    })
};

pub(super) static UNIX_TIMESTAMP_PARSE: Function = Function {
    returns: Returns::From(|_| Ok(fields_type("rfc3339", Type::String))),
    ..function("unix_timestamp_parse", &[number("unix_timestamp")], |_, args, _| {
        let Some(unix) = num(args, 0)?.to_i64() else {
            let reason = not_whole();
            return Err(FunctionError::arg(
                0,
                format!(
                    "unix_timestamp must be a whole number of seconds representable as a 64-bit integer: {reason}"
                ),
            ));
        };
        let time = Time { unix, nanos: 0, offset: 0 };
        Ok(fields(&time, "rfc3339", Value::string(time.rfc3339())))
    })
};
