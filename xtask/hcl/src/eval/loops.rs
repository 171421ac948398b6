//! `for` expressions, `%{ for }` directives and splats.

use std::collections::BTreeMap;

use crate::convert::convert;
use crate::eval::{Evaluator, Scope};
use crate::function::MAX_STRING_BYTES;
use crate::quote::quote;
use crate::source::Range;
use crate::syntax::ast::{Expr, ForExpr};
use crate::types::Type;
use crate::value::{Str, Value};

const INVALID_CONDITION: &str = "Invalid 'for' condition";

/// What a loop gathers besides its results.
#[derive(Default)]
struct Progress {
    /// Whether keys or conditions were not known, which leaves the whole
    /// result unknown; the first reason is kept.
    unknown: Option<Option<Str>>,
    sensitive: bool,
}

impl Progress {
    fn not_known(&mut self, value: &Value) {
        self.unknown.get_or_insert_with(|| value.unknown_origin());
    }

    fn finish(self, value: impl FnOnce() -> Value) -> Value {
        let result = match self.unknown {
            Some(origin) => Value::dynamic(origin),
            None => value(),
        };
        result.mark(self.sensitive)
    }
}

impl Evaluator<'_> {
    pub(super) fn for_expr(&mut self, expr: &ForExpr, scope: &Scope<'_>) -> Value {
        let collection = self.eval(&expr.collection, scope);
        let range = expr.collection.range;
        if collection.is_null() {
            return self.error(
                range,
                "Iteration over null value",
                "A null value cannot be used as the collection in a 'for' expression.",
            );
        }
        let sensitive = collection.is_sensitive();
        let unknown = Value::dynamic(collection.unknown_origin()).mark(sensitive);
        if *collection.ty() == Type::Dynamic {
            return unknown;
        }
        if collection.ty().is_primitive() {
            let name = collection.ty().friendly_name();
            let detail = format!(
                "A value of type {name} cannot be used as the collection in a 'for' expression."
            );
            return self.error(range, "Iteration over non-iterable value", detail);
        }
        if !self.condition_is_plausible(expr, scope) {
            return Value::dynamic(None);
        }
        let Some(entries) = collection.entries() else { return unknown };
        let progress = Progress { sensitive, ..Progress::default() };
        match &expr.key {
            Some(key) => self.for_object(expr, key, entries, progress, scope),
            None => self.for_tuple(expr, entries, progress, scope),
        }
    }

    /// Checks the condition once with unknown elements, so that a wrong type
    /// is one complaint and not one per element.
    fn condition_is_plausible(&mut self, expr: &ForExpr, scope: &Scope<'_>) -> bool {
        let Some(condition) = &expr.condition else { return true };
        let anything = || Value::dynamic(None);
        let inner = scope.child(loop_names(expr, anything(), anything()));
        let before = self.problems.len();
        let result = self.eval(condition, &inner);
        if result.is_null() {
            let detail = "The value of the 'if' clause must not be null.";
            self.error(condition.range, "Condition is null", detail);
        } else if let Err(error) = convert(&result, &Type::Bool) {
            let detail = format!("The 'if' clause value is invalid: {error}.");
            self.error(condition.range, INVALID_CONDITION, detail);
        }
        self.problems.len() == before
    }

    fn for_tuple(
        &mut self,
        expr: &ForExpr,
        entries: Vec<(Value, Value)>,
        mut progress: Progress,
        scope: &Scope<'_>,
    ) -> Value {
        let mut values = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let inner = scope.child(loop_names(expr, key, value));
            if self.includes(expr, &mut progress, &inner) {
                values.push(self.eval(&expr.value, &inner));
            }
        }
        progress.finish(|| Value::tuple(values))
    }

    /// Whether the condition lets the current element in.
    fn includes(&mut self, expr: &ForExpr, progress: &mut Progress, scope: &Scope<'_>) -> bool {
        let Some(condition) = &expr.condition else { return true };
        let raw = self.eval(condition, scope);
        progress.sensitive |= raw.is_sensitive();
        let problem = if raw.is_null() {
            "The value of the 'if' clause must not be null.".to_owned()
        } else {
            match convert(&raw, &Type::Bool) {
                Ok(flag) if flag.is_known() => return flag.as_bool() == Some(true),
                Ok(_) => {
                    progress.not_known(&raw);
                    return false;
                }
                Err(error) => format!("The 'if' clause value is invalid: {error}."),
            }
        };
        if progress.unknown.is_none() {
            self.error(condition.range, INVALID_CONDITION, problem);
        }
        progress.not_known(&raw);
        false
    }

    fn for_object(
        &mut self,
        expr: &ForExpr,
        key_expr: &Expr,
        entries: Vec<(Value, Value)>,
        mut progress: Progress,
        scope: &Scope<'_>,
    ) -> Value {
        let mut groups: BTreeMap<Str, Vec<Value>> = BTreeMap::new();
        for (key, value) in entries {
            let inner = scope.child(loop_names(expr, key, value));
            if !self.includes(expr, &mut progress, &inner) {
                continue;
            }
            let Some(key) = self.for_key(key_expr, &mut progress, &inner) else { continue };
            let value = self.eval(&expr.value, &inner);
            let group = groups.entry(key.clone()).or_default();
            if expr.group || group.is_empty() {
                group.push(value);
            } else {
                let detail = format!(
                    "Two different items produced the key {} in this 'for' expression. If \
                     duplicates are expected, use the ellipsis (...) after the value expression \
                     to enable grouping by key.",
                    quote(&key)
                );
                self.error(key_expr.range, "Duplicate object key", detail);
            }
        }
        progress.finish(|| {
            let merged = groups.into_iter().map(|(key, mut values)| match values.pop() {
                Some(value) if !expr.group => (key, value),
                last => {
                    values.extend(last);
                    (key, Value::tuple(values))
                }
            });
            Value::object(merged.collect())
        })
    }

    fn for_key(&mut self, expr: &Expr, progress: &mut Progress, scope: &Scope<'_>) -> Option<Str> {
        let raw = self.eval(expr, scope);
        progress.sensitive |= raw.is_sensitive();
        if !raw.is_known() {
            progress.not_known(&raw);
            return None;
        }
        let problem = if raw.is_null() {
            "Key expression in 'for' expression must not produce a null value.".to_owned()
        } else {
            match convert(&raw, &Type::String) {
                Ok(key) => return key.as_str().map(Str::from),
                Err(error) => format!("The key expression produced an invalid result: {error}."),
            }
        };
        if progress.unknown.is_none() {
            self.error(expr.range, "Invalid object key", problem);
        }
        progress.not_known(&raw);
        None
    }

    /// `%{ for }`: the text of all rounds.
    pub(super) fn join(&mut self, expr: &ForExpr, range: Range, scope: &Scope<'_>) -> Value {
        const INVALID: &str = "Invalid template interpolation value";
        let rounds = self.for_expr(expr, scope);
        let sensitive = rounds.contains_sensitive();
        let Some(values) = rounds.as_sequence() else {
            return Value::unknown(Type::String, rounds.unknown_origin()).mark(sensitive);
        };
        let mut text = String::new();
        for value in values {
            if text.len() > MAX_STRING_BYTES {
                let detail = "The text of this loop is longer than 64 MiB.";
                return self.error(range, "String too long", detail);
            }
            if value.is_null() {
                let detail = "An iteration result is null. Cannot include a null value in a string \
                              template.";
                self.error(range, INVALID, detail);
                continue;
            }
            match convert(value, &Type::String) {
                Ok(piece) => match piece.as_str() {
                    Some(piece) => text.push_str(piece),
                    None => {
                        let origin = value.unknown_origin();
                        return Value::unknown(Type::String, origin).mark(sensitive);
                    }
                },
                Err(error) => {
                    let detail = format!(
                        "Cannot include one of the interpolation results into the string \
                         template: {error}."
                    );
                    self.error(range, INVALID, detail);
                }
            }
        }
        Value::string(text).mark(sensitive)
    }

    pub(super) fn splat(&mut self, source: &Expr, each: &Expr, scope: &Scope<'_>) -> Value {
        let before = self.problems.len();
        let value = self.eval(source, scope);
        let sensitive = value.is_sensitive();
        if self.problems.len() > before {
            return Value::dynamic(None);
        }
        let sequence = matches!(value.ty(), Type::List(_) | Type::Tuple(_) | Type::Set(_));
        if value.is_null() {
            if !sequence {
                return Value::tuple(Vec::new()).mark(sensitive);
            }
            return self.error(
                source.range,
                "Splat of null value",
                "Splat expressions (with the * symbol) cannot be applied to null sequences.",
            );
        }
        if *value.ty() == Type::Dynamic {
            return Value::dynamic(value.unknown_origin()).mark(sensitive);
        }
        if sequence {
            return self.splat_sequence(&value, each, scope).mark(sensitive);
        }
        // Anything else is treated as a tuple of one; an unknown that may turn
        // out null would make it a tuple of none.
        let undecided = !value.is_known() && value.may_be_null();
        let origin = value.unknown_origin();
        let result = self.splat_sequence(&Value::tuple(vec![value]), each, scope);
        let result = if undecided { Value::dynamic(origin) } else { result };
        result.mark(sensitive)
    }

    fn splat_sequence(&mut self, value: &Value, each: &Expr, scope: &Scope<'_>) -> Value {
        let Some(elements) = value.as_sequence() else {
            let ty = self.splat_type(value.ty(), each, scope);
            return Value::unknown_not_null(ty, value.unknown_origin());
        };
        let before = self.problems.len();
        let results: Vec<Value> = elements
            .iter()
            .map(|element| self.eval(each, &scope.with_item(element.clone())))
            .collect();
        if self.problems.len() > before {
            let (ty, _) = self.quietly(|this| this.splat_type(value.ty(), each, scope));
            return Value::unknown(ty, None);
        }
        if value.ty().is_tuple() {
            return Value::tuple(results);
        }
        if results.is_empty() {
            let ty = self.splat_type(value.ty(), each, scope);
            return Value::list(ty.element().cloned().unwrap_or(Type::Dynamic), results);
        }
        let mut types = results.iter().map(Value::ty).filter(|ty| **ty != Type::Dynamic);
        let element = types.next().cloned().unwrap_or(Type::Dynamic);
        if types.all(|ty| *ty == element) {
            return Value::list(element, results);
        }
        self.error(
            each.range,
            "Invalid nested splat expressions",
            "The second level of splat expression produced elements of different types, so it \
             isn't possible to construct a valid list to represent the top-level result.\n\n\
             Consider using a for expression instead, to produce a tuple-typed result which can \
             therefore have non-homogenous element types.",
        )
    }

    /// Type of a splat over a value of this type.
    fn splat_type(&mut self, ty: &Type, each: &Expr, scope: &Scope<'_>) -> Type {
        let mut of = |element: &Type| {
            let item = Value::unknown(element.clone(), None);
            self.eval(each, &scope.with_item(item)).ty().clone()
        };
        match ty {
            Type::List(element) | Type::Set(element) => Type::list(of(element)),
            Type::Tuple(elements) => Type::tuple(elements.iter().map(of).collect()),
            _ => Type::Dynamic,
        }
    }
}

fn loop_names(expr: &ForExpr, key: Value, value: Value) -> Vec<(Str, Value)> {
    let mut names = Vec::with_capacity(2);
    if let Some(name) = &expr.key_name {
        names.push((name.clone(), key));
    }
    names.push((expr.value_name.clone(), value));
    names
}
