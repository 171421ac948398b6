//! `regex`, `regexall` and `regex_replace`.

use regex::Captures;

use super::args::{at, string, text};
use super::go_regex::GoRegex;
use crate::function::{Body, Function, FunctionError, Kind, Param, Returns};
use crate::types::{Str, Type};
use crate::value::Value;

const MATCH: &[Param] = &[string("pattern"), string("string")];

const fn function(
    name: &'static str,
    params: &'static [Param],
    returns: Returns,
    body: Body,
) -> Function {
    Function { name, params, variadic: None, returns, not_null: true, body }
}

/// What a match is turned into.
enum Shape {
    /// No groups: the whole match.
    Text,
    /// Groups without names, in order.
    Tuple(usize),
    /// Named groups.
    Object(Vec<Str>),
}

impl Shape {
    fn of(regex: &GoRegex) -> Result<Self, FunctionError> {
        let names: Vec<Str> =
            regex.groups.iter().flatten().map(|name| Str::from(name.as_str())).collect();
        match (regex.groups.len() - names.len(), names.len()) {
            (0, 0) => Ok(Self::Text),
            (unnamed, 0) => Ok(Self::Tuple(unnamed)),
            (0, _) => Ok(Self::Object(names)),
            _ => Err(FunctionError::arg(
                0,
                "invalid regexp pattern: cannot mix both named and unnamed capture groups",
            )),
        }
    }

    fn ty(&self) -> Type {
        match self {
            Self::Text => Type::String,
            Self::Tuple(count) => Type::tuple(vec![Type::String; *count]),
            Self::Object(names) => {
                Type::object(names.iter().map(|name| (name.clone(), Type::String)).collect())
            }
        }
    }

    /// A group that took no part in the match is null; of groups with the same
    /// name the last one counts.
    fn value(&self, captures: &Captures<'_>) -> Value {
        let group = |index: usize| match captures.get(index) {
            Some(found) => Value::string(found.as_str()),
            None => Value::null(Type::String),
        };
        match self {
            Self::Text => group(0),
            Self::Tuple(count) => Value::tuple((1..=*count).map(group).collect()),
            Self::Object(names) => {
                let named = |(index, name): (usize, &Str)| (name.clone(), group(index + 1));
                Value::object(names.iter().enumerate().map(named).collect())
            }
        }
    }
}

/// The compiled pattern and the shape of its matches.
fn compile(args: &[Value]) -> Result<(GoRegex, Shape), FunctionError> {
    let regex = GoRegex::new(text(args, 0)?).map_err(|error| {
        let (code, expression) = (error.code, error.expression);
        FunctionError::arg(0, format!("invalid regexp pattern: {code} in {expression}"))
    })?;
    let shape = Shape::of(&regex)?;
    Ok((regex, shape))
}

pub(super) static REGEX: Function = function(
    "regex",
    MATCH,
    Returns::From(|args| match at(args, 0)?.is_known() {
        true => Ok(compile(args)?.1.ty()),
        false => Ok(Type::Dynamic),
    }),
    |_, args, _| {
        let (regex, shape) = compile(args)?;
        let captures = regex.regex.captures(text(args, 1)?).ok_or_else(|| {
            FunctionError::new("pattern did not match any part of the given string")
        })?;
        Ok(shape.value(&captures))
    },
);

pub(super) static REGEXALL: Function = function(
    "regexall",
    MATCH,
    Returns::From(|args| match at(args, 0)?.is_known() {
        true => Ok(Type::list(compile(args)?.1.ty())),
        false => Ok(Type::list(Type::Dynamic)),
    }),
    |_, args, _| {
        let (regex, shape) = compile(args)?;
        let found = regex.regex.captures_iter(text(args, 1)?);
        Ok(Value::list(shape.ty(), found.map(|captures| shape.value(&captures)).collect()))
    },
);

pub(super) static REGEX_REPLACE: Function = function(
    "regex_replace",
    &[string("str"), string("pattern"), string("replace")],
    Returns::Always(Kind::String),
    |_, args, _| {
        let regex = GoRegex::new(text(args, 1)?).map_err(|error| {
            let (code, expression) = (error.code, error.expression);
            FunctionError::new(format!("error parsing regexp: {code}: `{expression}`"))
        })?;
        let template = text(args, 2)?;
        let replaced = regex.regex.replace_all(text(args, 0)?, |captures: &Captures<'_>| {
            expand(template, &regex.groups, captures)
        });
        Ok(Value::string(replaced))
    },
);

/// Fills `$1`, `$name`, `${name}` and `$$`; any other `$` stays.
fn expand(template: &str, groups: &[Option<String>], captures: &Captures<'_>) -> String {
    let mut output = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('$') {
        output.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            output.push('$');
            rest = after;
        } else if let Some((name, after)) = reference(after) {
            output.push_str(group_text(name, groups, captures));
            rest = after;
        } else {
            output.push('$');
            rest = after;
        }
    }
    output.push_str(rest);
    output
}

/// The name after a `$`, as long as possible, and what follows it.
fn reference(text: &str) -> Option<(&str, &str)> {
    let braced = text.strip_prefix('{');
    let inside = braced.unwrap_or(text);
    let end = inside.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(inside.len());
    let (name, after) = inside.split_at_checked(end).filter(|(name, _)| !name.is_empty())?;
    let after = if braced.is_some() { after.strip_prefix('}')? } else { after };
    Some((name, after))
}

/// Text of a group by number or name; the first of that name that matched.
fn group_text<'a>(name: &str, groups: &[Option<String>], captures: &'a Captures<'_>) -> &'a str {
    if name.bytes().all(|byte| byte.is_ascii_digit()) {
        let group = name.parse().ok().and_then(|index| captures.get(index));
        return group.map_or("", |group| group.as_str());
    }
    let named = |(index, group): (usize, &Option<String>)| {
        (group.as_deref() == Some(name)).then(|| captures.get(index + 1)).flatten()
    };
    groups.iter().enumerate().find_map(named).map_or("", |group| group.as_str())
}
