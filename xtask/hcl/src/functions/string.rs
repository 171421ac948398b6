//! Functions of strings.

use unicode_segmentation::UnicodeSegmentation;

use super::args::{Outcome, at, elements, number, string, strings, text, whole};
use super::case;
use crate::function::{Body, Function, FunctionError, Kind, Param, Returns};
use crate::types::Type;
use crate::value::Value;

/// Longest text that `indent` and `format` make from a number, in bytes: a
/// typing error in a template must not take all memory.
pub(super) const MAX_PADDING: usize = 16 << 20;

/// Splits into what a reader sees as characters. The crate is pinned to a
/// version that, like Packer's, does not know the Indic rule of Unicode 15.1.
pub(super) fn graphemes(text: &str) -> impl Iterator<Item = &str> {
    text.graphemes(true)
}

/// A function whose result is never null.
const fn function(
    name: &'static str,
    params: &'static [Param],
    returns: Kind,
    body: Body,
) -> Function {
    let returns = Returns::Always(returns);
    Function { name, params, variadic: None, returns, not_null: true, body }
}

const STR: &[Param] = &[string("str")];
const STR_DYNAMIC: &[Param] = &[string("str").with_dynamic()];

/// A function from one string to another.
const fn mapping(name: &'static str, body: Body) -> Function {
    function(name, STR, Kind::String, body)
}

/// Like [`mapping`], for arguments of unknown type as well.
const fn mapping_dynamic(name: &'static str, body: Body) -> Function {
    function(name, STR_DYNAMIC, Kind::String, body)
}

/// The result of a function that only maps its first argument.
fn mapped(args: &[Value], map: impl FnOnce(&str) -> String) -> Outcome {
    Ok(Value::string(map(text(args, 0)?)))
}

pub(super) static UPPER: Function =
    mapping_dynamic("upper", |_, args, _| mapped(args, case::upper));

pub(super) static LOWER: Function =
    mapping_dynamic("lower", |_, args, _| mapped(args, case::lower));

pub(super) static TITLE: Function = mapping("title", |_, args, _| mapped(args, case::title));

pub(super) static STRREV: Function = mapping_dynamic("strrev", |_, args, _| {
    mapped(args, |given| given.graphemes(true).rev().collect())
});

pub(super) static CHOMP: Function = mapping("chomp", |_, args, _| {
    mapped(args, |given| given.trim_end_matches(['\r', '\n']).to_owned())
});

pub(super) static TRIMSPACE: Function =
    mapping("trimspace", |_, args, _| mapped(args, |given| given.trim().to_owned()));

pub(super) static LENGTH: Function = Function {
    name: "length",
    params: &[super::args::any("value").with_dynamic().with_unknown()],
    variadic: None,
    returns: Returns::From(|args| match at(args, 0)?.ty() {
        Type::Bool | Type::Number => Err(FunctionError::new(
            "argument must be a string, a collection type, or a structural type",
        )),
        _ => Ok(Type::Number),
    }),
    not_null: true,
    body: |_, args, _| {
        let value = at(args, 0)?;
        let length = match value.ty() {
            // The type tells, even if the value is not known.
            Type::Tuple(types) => Some(types.len()),
            Type::Object(object) => Some(object.attributes.len()),
            _ => {
                value.as_str().map(|given| graphemes(given).count()).or_else(|| known_length(value))
            }
        };
        Ok(match length {
            Some(length) => Value::length_of(length),
            None => Value::unknown(Type::Number, value.unknown_origin()),
        })
    },
};

/// Length of a collection; unknown elements of a set may turn out to be equal.
fn known_length(value: &Value) -> Option<usize> {
    let length = value.len()?;
    let settled = !value.ty().is_set() || length < 2 || value.is_wholly_known();
    settled.then_some(length)
}

pub(super) static SUBSTR: Function = function(
    "substr",
    &[
        string("str").with_dynamic(),
        number("offset").with_dynamic(),
        number("length").with_dynamic(),
    ],
    Kind::String,
    |_, args, _| {
        let given = text(args, 0)?;
        let (offset, length) = (whole(args, 1)?, whole(args, 2)?);
        Ok(Value::string(substring(given, offset, length)))
    },
);

/// A negative offset counts from the end, a negative length means the rest. So
/// does a length of zero, but only after a negative offset: a slip of cty that
/// templates may rely on.
fn substring(given: &str, offset: i64, length: i64) -> String {
    if offset >= 0 && length == 0 {
        return String::new();
    }
    let total = i64::try_from(graphemes(given).count()).unwrap_or(i64::MAX);
    let start = if offset < 0 { offset.saturating_add(total).max(0) } else { offset };
    let skip = usize::try_from(start).unwrap_or(usize::MAX);
    let rest = graphemes(given).skip(skip);
    match usize::try_from(length) {
        Ok(count) if count > 0 => rest.take(count).collect(),
        _ => rest.collect(),
    }
}

pub(super) static JOIN: Function = Function {
    variadic: Some(Param::new("lists", Kind::List(&Kind::String))),
    ..function("join", &[string("separator")], Kind::String, |_, args, _| {
        let (separator, lists) = (text(args, 0)?, args.get(1..).unwrap_or(&[]));
        if lists.is_empty() {
            return Err(FunctionError::new("at least one list is required"));
        }
        if let Some(unknown) = lists.iter().find(|list| !list.is_wholly_known()) {
            return Ok(Value::unknown(Type::String, unknown.unknown_origin()));
        }
        let mut items = Vec::new();
        for (index, list) in lists.iter().enumerate() {
            for (position, value) in elements(list).iter().enumerate() {
                items.push(value.as_str().ok_or_else(|| {
                    let of = match lists.len() {
                        1 => String::new(),
                        _ => format!(" of list {}", index + 1),
                    };
                    let message =
                        format!("element {position}{of} is null; cannot concatenate null values");
                    FunctionError::arg(index + 1, message)
                })?);
            }
        }
        Ok(Value::string(items.join(separator)))
    })
};

pub(super) static SPLIT: Function = function(
    "split",
    &[string("separator"), string("str")],
    Kind::List(&Kind::String),
    |_, args, _| {
        let (separator, given) = (text(args, 0)?, text(args, 1)?);
        if separator.is_empty() {
            return Ok(strings(given.chars().map(String::from)));
        }
        Ok(strings(given.split(separator)))
    },
);

pub(super) static SORT: Function = function(
    "sort",
    &[Param::new("list", Kind::List(&Kind::String)).with_unknown()],
    Kind::List(&Kind::String),
    |_, args, ty| {
        let list = at(args, 0)?;
        if !list.is_wholly_known() {
            let unknown = |ty: &Type| Value::unknown(ty.clone(), list.unknown_origin());
            // The order is not known, but the length is.
            let length = list.as_sequence().map(<[Value]>::len);
            return Ok(match length {
                Some(length) => Value::list(Type::String, vec![unknown(&Type::String); length]),
                None => unknown(ty),
            });
        }
        let mut items = Vec::new();
        for (index, value) in elements(list).iter().enumerate() {
            items.push(value.as_str().ok_or_else(|| {
                FunctionError::new(format!(
                    "given list element {index} is null; a null string cannot be sorted"
                ))
            })?);
        }
        items.sort_unstable();
        Ok(strings(items))
    },
);

pub(super) static INDENT: Function =
    function("indent", &[number("spaces"), string("str")], Kind::String, |_, args, _| {
        let (spaces, given) = (whole(args, 0)?, text(args, 1)?);
        let spaces = usize::try_from(spaces).map_err(|_negative| {
            FunctionError::arg(0, "the number of spaces must not be negative")
        })?;
        let lines = given.matches('\n').count();
        if spaces.saturating_mul(lines.max(1)) > MAX_PADDING {
            return Err(FunctionError::arg(0, format!("more than {MAX_PADDING} spaces in all")));
        }
        Ok(Value::string(given.replace('\n', &format!("\n{}", " ".repeat(spaces)))))
    });

pub(super) static TRIM: Function =
    function("trim", &[string("str"), string("cutset")], Kind::String, |_, args, _| {
        let cutset = text(args, 1)?;
        mapped(args, |given| given.trim_matches(|c| cutset.contains(c)).to_owned())
    });

pub(super) static TRIMPREFIX: Function =
    function("trimprefix", &[string("str"), string("prefix")], Kind::String, |_, args, _| {
        let prefix = text(args, 1)?;
        mapped(args, |given| given.strip_prefix(prefix).unwrap_or(given).to_owned())
    });

pub(super) static TRIMSUFFIX: Function =
    function("trimsuffix", &[string("str"), string("suffix")], Kind::String, |_, args, _| {
        let suffix = text(args, 1)?;
        mapped(args, |given| given.strip_suffix(suffix).unwrap_or(given).to_owned())
    });

pub(super) static REPLACE: Function = function(
    "replace",
    &[string("str"), string("substr"), string("replace")],
    Kind::String,
    |_, args, _| {
        let (from, to) = (text(args, 1)?, text(args, 2)?);
        mapped(args, |given| given.replace(from, to))
    },
);

/// A question about two strings.
const fn question(name: &'static str, params: &'static [Param], body: Body) -> Function {
    function(name, params, Kind::Bool, body)
}

pub(super) static STARTSWITH: Function =
    question("startswith", &[string("str"), string("prefix")], |_, args, _| {
        Ok(Value::bool(text(args, 0)?.starts_with(text(args, 1)?)))
    });

pub(super) static ENDSWITH: Function =
    question("endswith", &[string("str"), string("suffix")], |_, args, _| {
        Ok(Value::bool(text(args, 0)?.ends_with(text(args, 1)?)))
    });

pub(super) static STRCONTAINS: Function = Function {
    not_null: false,
    ..question("strcontains", &[string("str"), string("substr")], |_, args, _| {
        Ok(Value::bool(text(args, 0)?.contains(text(args, 1)?)))
    })
};
