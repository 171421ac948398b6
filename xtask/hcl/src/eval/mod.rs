//! Evaluates expressions as HCL does, with HCL's words for what goes wrong.
//!
//! Evaluation does not stop at an error: it notes the problem and goes on with
//! an unknown value, so that one run shows as many mistakes as possible.

mod access;
mod call;
mod conditional;
mod loops;
mod operators;
mod special;
mod templatefile;
pub(crate) mod type_expr;

use std::sync::Arc;

use crate::convert::convert;
use crate::diagnostic::{Diagnostic, listed, suggest};
use crate::function::{Context, MAX_STEPS, MAX_STRING_BYTES};
use crate::quote::quote;
use crate::source::{Range, Source, Span};
use crate::syntax::ast::{Expr, ExprKind};
use crate::types::Type;
use crate::value::{Str, Value};

/// Names that an expression can refer to; inner scopes hide outer ones.
#[derive(Debug, Default)]
pub(crate) struct Scope<'a> {
    parent: Option<&'a Scope<'a>>,
    names: Vec<(Str, Value)>,
    /// The current element inside a splat.
    item: Option<Value>,
    /// Whether references are allowed at all; only of interest in the
    /// outermost scope.
    closed: bool,
}

impl<'a> Scope<'a> {
    /// A scope with these names.
    pub(crate) fn root(names: Vec<(Str, Value)>) -> Self {
        Self { names, ..Self::default() }
    }

    /// A scope where no reference is allowed, as in variable files.
    pub(crate) fn closed() -> Self {
        Self { closed: true, ..Self::default() }
    }

    /// A scope inside of this one.
    pub(crate) fn child(&'a self, names: Vec<(Str, Value)>) -> Self {
        Self { parent: Some(self), names, item: None, closed: false }
    }

    fn with_item(&'a self, item: Value) -> Self {
        Self { item: Some(item), ..self.child(Vec::new()) }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        let own = self.names.iter().rev().find(|(known, _)| &**known == name);
        match own {
            Some((_, value)) => Some(value),
            None => self.parent.and_then(|parent| parent.get(name)),
        }
    }

    fn item(&self) -> Option<&Value> {
        self.item.as_ref().or_else(|| self.parent.and_then(Scope::item))
    }

    fn is_closed(&self) -> bool {
        match self.parent {
            Some(parent) => self.names.is_empty() && parent.is_closed(),
            None => self.closed,
        }
    }

    fn known_names(&self) -> Vec<&str> {
        let mut names = self.parent.map(Scope::known_names).unwrap_or_default();
        names.extend(self.names.iter().map(|(name, _)| &**name));
        names
    }
}

/// Which functions can be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FunctionSet {
    /// None at all, as in variable files.
    None,
    /// `env` alone, as in defaults of variables.
    Env,
    /// Packer's table.
    All,
    /// Packer's table inside a template file, where `templatefile` is an error.
    Template,
}

/// Evaluates expressions of one source.
pub(crate) struct Evaluator<'a> {
    pub(crate) source: &'a Arc<Source>,
    pub(crate) context: &'a Context<'a>,
    pub(crate) functions: FunctionSet,
    pub(crate) problems: Vec<Diagnostic>,
}

impl<'a> Evaluator<'a> {
    pub(crate) fn new(
        source: &'a Arc<Source>,
        context: &'a Context<'a>,
        functions: FunctionSet,
    ) -> Self {
        Self { source, context, functions, problems: Vec::new() }
    }

    /// The value of an expression; unknown if there were errors.
    pub(crate) fn eval(&mut self, expr: &Expr, scope: &Scope<'_>) -> Value {
        if !self.context.step() {
            return self.too_much(expr.range);
        }
        match &expr.kind {
            ExprKind::Literal(value) => value.clone(),
            ExprKind::Template(parts) => self.template(parts, scope),
            ExprKind::Wrap(inner) | ExprKind::Parens(inner) => self.eval(inner, scope),
            ExprKind::Join(inner) => self.join(inner, expr.range, scope),
            ExprKind::Variable(name) => self.variable(name, expr.range, scope),
            ExprKind::Attr { object, name, step } => {
                let object = self.eval(object, scope);
                self.attribute(&object, name, *step)
            }
            ExprKind::Index { collection, key, step } => {
                let collection = self.eval(collection, scope);
                let key = self.eval(key, scope);
                self.index(&collection, &key, *step)
            }
            ExprKind::Splat { source, each, .. } => self.splat(source, each, scope),
            ExprKind::Item => scope.item().cloned().unwrap_or_else(|| Value::dynamic(None)),
            ExprKind::Tuple(parts) => {
                Value::tuple(parts.iter().map(|part| self.eval(part, scope)).collect())
            }
            ExprKind::Object(items) => self.object(items, scope),
            ExprKind::For(inner) => self.for_expr(inner, scope),
            ExprKind::Conditional(inner) => self.conditional(inner, scope),
            ExprKind::Call(call) => self.call(call, expr.range, scope),
            ExprKind::Unary { op, operand } => self.unary(*op, operand, expr.range, scope),
            ExprKind::Binary { op, left, right } => {
                self.binary(*op, left, right, expr.range, scope)
            }
        }
    }

    /// One complaint, then nothing but unknown values.
    fn too_much(&mut self, range: Range) -> Value {
        if self.context.steps.get() == MAX_STEPS + 1 {
            let detail = format!(
                "More than {MAX_STEPS} steps were taken, most likely in loops inside of loops."
            );
            return self.error(range, "Evaluation takes too long", detail);
        }
        Value::dynamic(None)
    }

    /// Runs a step and takes out the problems that it noted.
    pub(crate) fn quietly<T>(&mut self, step: impl FnOnce(&mut Self) -> T) -> (T, Vec<Diagnostic>) {
        let outer = std::mem::take(&mut self.problems);
        let result = step(self);
        (result, std::mem::replace(&mut self.problems, outer))
    }

    pub(crate) fn span(&self, range: Range) -> Span {
        Span::new(self.source, range)
    }

    /// Notes an error; the result is unknown.
    pub(crate) fn error(
        &mut self,
        range: Range,
        summary: &str,
        detail: impl Into<String>,
    ) -> Value {
        let span = self.span(range);
        self.problems.push(Diagnostic::error(summary, detail, span));
        Value::dynamic(None)
    }

    fn template(&mut self, parts: &[Expr], scope: &Scope<'_>) -> Value {
        let mut text = String::new();
        let before = self.problems.len();
        let (mut known, mut sensitive) = (true, false);
        let mut origin = None;
        for part in parts {
            let value = self.eval(part, scope);
            sensitive |= value.contains_sensitive();
            if !value.is_known() {
                known = false;
                origin = origin.or_else(|| value.unknown_origin());
            } else if let Some(piece) = self.template_piece(&value, part.range)
                && known
            {
                text.push_str(&piece);
            }
            if text.len() > MAX_STRING_BYTES {
                let detail = "The text of this template is longer than 64 MiB.";
                return self.error(part.range, "String too long", detail);
            }
        }
        let value = if known {
            Value::string(text)
        } else {
            let prefix = if self.problems.len() > before { None } else { safe_prefix(&text) };
            Value::unknown_with_prefix(origin, prefix)
        };
        value.mark(sensitive)
    }

    /// The text of a known value in a template.
    fn template_piece(&mut self, value: &Value, range: Range) -> Option<Str> {
        const INVALID: &str = "Invalid template interpolation value";
        if value.is_null() {
            let detail =
                "The expression result is null. Cannot include a null value in a string template.";
            self.error(range, INVALID, detail);
            return None;
        }
        match convert(value, &Type::String) {
            Ok(text) => text.as_str().map(Str::from),
            Err(error) => {
                let detail =
                    format!("Cannot include the given value in a string template: {error}.");
                self.error(range, INVALID, detail);
                None
            }
        }
    }

    fn object(&mut self, items: &[(Expr, Expr)], scope: &Scope<'_>) -> Value {
        let mut values = std::collections::BTreeMap::new();
        let (mut known, mut sensitive) = (true, false);
        let mut origin = None;
        for (key_expr, value_expr) in items {
            let before = self.problems.len();
            let key = self.eval(key_expr, scope);
            let failed = self.problems.len() > before;
            let value = self.eval(value_expr, scope);
            sensitive |= key.is_sensitive();
            let key = if failed { None } else { self.object_key(&key, key_expr, value_expr) };
            match key.as_ref().map(|key| (key.as_str(), key.unknown_origin())) {
                Some((Some(name), _)) => {
                    values.insert(name.into(), value);
                }
                Some((None, reason)) => {
                    known = false;
                    origin = origin.or(reason);
                }
                None => known = false,
            }
        }
        let value = if known { Value::object(values) } else { Value::dynamic(origin) };
        value.mark(sensitive)
    }

    /// The key as a string (maybe unknown), or `None` after an error.
    fn object_key(&mut self, key: &Value, key_expr: &Expr, value_expr: &Expr) -> Option<Value> {
        if key.is_null() {
            self.error(value_expr.range, "Null value as key", "Can't use a null value as a key.");
            return None;
        }
        match convert(key, &Type::String) {
            Ok(key) => Some(key),
            Err(error) => {
                let detail = format!("Can't use this value as a key: {error}.");
                self.error(key_expr.range, "Incorrect key type", detail);
                None
            }
        }
    }

    fn variable(&mut self, name: &str, range: Range, scope: &Scope<'_>) -> Value {
        if let Some(value) = scope.get(name) {
            return value.clone();
        }
        if scope.is_closed() {
            let label = "write the value itself; what is computed goes into a local";
            let detail = "Variables may not be used here.";
            return self.remark(range, "Variables not allowed", detail, Some(label.to_owned()));
        }
        let names = scope.known_names();
        let similar = suggest(name, names.iter().copied());
        let hint = similar.map(|name| format!(" Did you mean \"{name}\"?")).unwrap_or_default();
        let detail = format!("There is no variable named {}.{hint}", quote(name));
        let prefixed = || {
            let owner = ["var", "local"].into_iter();
            let mut owner = owner.filter(|owner| scope.get(owner).is_some_and(|it| has(it, name)));
            owner.next().map(|owner| format!("did you mean `{owner}.{name}`?"))
        };
        let label = similar.map(|name| format!("did you mean `{name}`?"));
        let label = label.or_else(prefixed).or_else(|| listed(&names));
        self.remark(range, "Unknown variable", detail, label)
    }
}

/// Whether an object has that attribute, known or not.
fn has(object: &Value, name: &str) -> bool {
    object.ty().attributes().is_some_and(|types| types.contains_key(name))
}

/// The part of a text that stays as it is whatever follows: all but a last
/// character that could combine with the next. cty looks at 128 bytes at most.
pub(crate) fn safe_prefix(text: &str) -> Option<Str> {
    const DELIMITERS: &str = "-_:;/\\,.(){}[]|?!~ \t@#$%^&*+\"'";
    let cut = (0..=text.len().min(128)).rev().find(|index| text.is_char_boundary(*index))?;
    let mut prefix = text.get(..cut)?;
    if !prefix.ends_with(|last| DELIMITERS.contains(last)) {
        prefix = prefix.get(..prefix.char_indices().next_back()?.0)?;
    }
    (!prefix.is_empty()).then(|| prefix.into())
}
