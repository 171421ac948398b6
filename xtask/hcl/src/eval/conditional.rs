//! `condition ? yes : no`.

use crate::convert::{ConvertError, convert};
use crate::eval::{Evaluator, Scope};
use crate::quote::quote;
use crate::syntax::ast::Conditional;
use crate::types::Type;
use crate::unify::{Unified, unify_with};
use crate::value::Value;

const INCONSISTENT: &str = "Inconsistent conditional result types";

impl Evaluator<'_> {
    /// Both results are evaluated, because both decide the type; only the
    /// chosen one's problems count.
    pub(super) fn conditional(&mut self, expr: &Conditional, scope: &Scope<'_>) -> Value {
        let (yes, yes_problems) = self.quietly(|this| this.eval(&expr.yes, scope));
        let (no, no_problems) = self.quietly(|this| this.eval(&expr.no, scope));
        let Some(common) = common_type(&yes, &no) else {
            let reason = describe(yes.ty(), no.ty());
            let detail = format!(
                "The true and false result expressions must have consistent types. {reason}."
            );
            let range = expr.yes.range.to(expr.no.range);
            return self.error(range, INCONSISTENT, detail);
        };
        let condition = self.eval(&expr.condition, scope);
        let sensitive = condition.is_sensitive() || yes.is_sensitive() || no.is_sensitive();
        if condition.is_null() {
            self.error(
                expr.condition.range,
                "Null condition",
                "The condition value is null. Conditions must either be true or false.",
            );
            return Value::unknown(common.result_type(), None);
        }
        if !condition.is_known() {
            return undecided(&condition, &yes, &no, &common).mark(sensitive);
        }
        let Some(chosen) = convert(&condition, &Type::Bool).ok().and_then(|flag| flag.as_bool())
        else {
            let detail = "The condition expression must be of type bool.";
            self.error(expr.condition.range, "Incorrect condition type", detail);
            return Value::unknown(common.result_type(), None);
        };
        let (value, problems, part, word) = if chosen {
            (yes, yes_problems, &expr.yes, "true")
        } else {
            (no, no_problems, &expr.no, "false")
        };
        self.problems.extend(problems);
        match common.convert(&value) {
            Ok(value) => value.mark(sensitive),
            Err(error) => {
                let detail = format!("The {word} result value has the wrong type: {error}.");
                self.error(part.range, INCONSISTENT, detail);
                Value::unknown(common.result_type(), None)
            }
        }
    }
}

/// What both results become.
enum Common {
    /// One is of unknown type, so nothing is converted.
    Open,
    /// One is a literal null and takes the type of the other.
    NullAs(Type),
    /// A type that both convert to.
    Unified(Unified),
}

impl Common {
    fn result_type(&self) -> Type {
        match self {
            Self::Open => Type::Dynamic,
            Self::NullAs(ty) => ty.clone(),
            Self::Unified(unified) => unified.ty.clone(),
        }
    }

    fn convert(&self, value: &Value) -> Result<Value, ConvertError> {
        match self {
            Self::Open => Ok(value.clone()),
            Self::NullAs(ty) if is_untyped_null(value) => convert(value, ty),
            Self::NullAs(_) => Ok(value.clone()),
            Self::Unified(unified) => unified.convert(value, true),
        }
    }
}

fn is_untyped_null(value: &Value) -> bool {
    value.is_null() && *value.ty() == Type::Dynamic
}

fn common_type(yes: &Value, no: &Value) -> Option<Common> {
    if is_untyped_null(yes) {
        return Some(Common::NullAs(no.ty().clone()));
    }
    if is_untyped_null(no) {
        return Some(Common::NullAs(yes.ty().clone()));
    }
    if *yes.ty() == Type::Dynamic || *no.ty() == Type::Dynamic {
        return Some(Common::Open);
    }
    unify_with(&[yes.ty().clone(), no.ty().clone()], true).map(Common::Unified)
}

fn undecided(condition: &Value, yes: &Value, no: &Value, common: &Common) -> Value {
    if yes.is_null() && no.is_null() {
        return Value::null(common.result_type());
    }
    if let Some(value) = same_either_way(condition, yes, no) {
        return value;
    }
    let unknown = Value::unknown(common.result_type(), condition.unknown_origin());
    if yes.may_be_null() || no.may_be_null() { unknown } else { unknown.refine_not_null() }
}

/// What is known of the result whatever the condition becomes: equal numbers,
/// and the length of lists that are equally long.
fn same_either_way(condition: &Value, yes: &Value, no: &Value) -> Option<Value> {
    if let (Some(a), Some(b)) = (yes.as_number(), no.as_number()) {
        return a.equals(b).then(|| no.clone());
    }
    let element = yes.ty().element().filter(|_| yes.ty() == no.ty())?;
    let length = yes.len().filter(|length| no.len() == Some(*length))?;
    if length == 0 {
        return Some(no.clone());
    }
    let unknown = Value::unknown(element.clone(), condition.unknown_origin());
    match yes.ty() {
        Type::List(_) => Some(Value::list(element.clone(), vec![unknown; length])),
        Type::Set(_) if length == 1 => Some(Value::set(element.clone(), vec![unknown])),
        _ => None,
    }
}

/// How two types differ, in HCL's words.
fn describe(yes: &Type, no: &Type) -> String {
    let special = match (yes, no) {
        (Type::Object(_), Type::Object(_)) => describe_objects(yes, no),
        (Type::Tuple(a), Type::Tuple(b)) if a.len() != b.len() => Some(format!(
            "The 'true' tuple has length {}, but the 'false' tuple has length {}",
            a.len(),
            b.len()
        )),
        (Type::Tuple(a), Type::Tuple(b)) => {
            let differs = a.iter().zip(b.iter()).enumerate().find(|(_, (a, b))| a != b);
            differs.map(|(index, (a, b))| {
                format!("Type mismatch for tuple element {index}: {}", describe(a, b))
            })
        }
        (Type::List(a), Type::List(b)) => describe_elements("list", a, b),
        (Type::Set(a), Type::Set(b)) => describe_elements("set", a, b),
        (Type::Map(a), Type::Map(b)) => describe_elements("map", a, b),
        _ => None,
    };
    special.unwrap_or_else(|| {
        let (yes, no) = (yes.friendly_name(), no.friendly_name());
        if yes == no {
            return "At least one deeply-nested attribute or element is not compatible across \
                    both the 'true' and the 'false' value"
                .to_owned();
        }
        format!("The 'true' value is {yes}, but the 'false' value is {no}")
    })
}

fn describe_elements(noun: &str, yes: &Type, no: &Type) -> Option<String> {
    let structural = yes.is_object() && no.is_object() || yes.is_tuple() && no.is_tuple();
    structural.then(|| format!("Mismatched {noun} element types: {}", describe(yes, no)))
}

fn describe_objects(yes: &Type, no: &Type) -> Option<String> {
    let (yes, no) = (yes.attributes()?, no.attributes()?);
    let absent = |name: &str, here: &str, there: &str| {
        Some(format!(
            "The '{here}' value includes object attribute {}, which is absent in the '{there}' \
             value",
            quote(name)
        ))
    };
    for (name, ty) in yes {
        match no.get(name) {
            None => return absent(name, "true", "false"),
            Some(other) if other != ty => {
                let reason = describe(ty, other);
                let name = quote(name);
                return Some(format!("Type mismatch for object attribute {name}: {reason}"));
            }
            Some(_) => {}
        }
    }
    no.keys().find(|name| !yes.contains_key(*name)).and_then(|name| absent(name, "false", "true"))
}
