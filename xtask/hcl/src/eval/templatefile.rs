//! `templatefile`, which evaluates another file with names of its own.

use crate::convert::convert;
use crate::diagnostic::{Diagnostic, meant_or_known};
use crate::eval::call::{Arg, INVALID_ARGUMENT};
use crate::eval::{Evaluator, FunctionSet, Scope};
use crate::function::unknown_result;
use crate::quote::quote;
use crate::source::{Range, Source};
use crate::syntax::ast::{Call, Expr, ExprKind};
use crate::syntax::{is_identifier, parse_template};
use crate::types::Type;
use crate::value::Value;

impl Evaluator<'_> {
    /// `templatefile(path, vars)`.
    pub(super) fn call_templatefile(
        &mut self,
        call: &Call,
        range: Range,
        args: &[Arg<'_>],
        scope: &Scope<'_>,
    ) -> Value {
        let [path_arg, vars_arg] = args else {
            self.check_count(call, args, &["path", "vars"], false);
            return Value::dynamic(None);
        };
        let before = self.problems.len();
        let path = self.arg_value(path_arg, scope).into_owned();
        let vars = self.arg_value(vars_arg, scope).into_owned();
        let path = match convert(&path, &Type::String) {
            Ok(path) => path,
            Err(error) => {
                let detail = format!("Invalid value for \"path\" parameter: {error}.");
                self.error(path_arg.range(), INVALID_ARGUMENT, detail)
            }
        };
        for (name, arg, value) in [("path", path_arg, &path), ("vars", vars_arg, &vars)] {
            if value.is_null() {
                let detail =
                    format!("Invalid value for \"{name}\" parameter: argument must not be null.");
                self.error(arg.range(), INVALID_ARGUMENT, detail);
            }
        }
        if self.problems.len() > before {
            return Value::dynamic(None);
        }
        if self.functions == FunctionSet::Template {
            let reason = "cannot recursively call templatefile from inside templatefile call";
            self.call_failed(call, range, &reason);
            return Value::dynamic(None);
        }
        let known_vars = vars.is_known() && *vars.ty() != Type::Dynamic;
        match path.as_str() {
            Some(file) if known_vars => {
                let sensitive = path.is_sensitive() || vars.contains_sensitive();
                self.render(call, range, file, &vars.unmark_deep(), vars_arg.range())
                    .mark(sensitive)
            }
            _ => unknown_result(Type::Dynamic, &[path, vars]),
        }
    }

    fn render(&mut self, call: &Call, range: Range, file: &str, vars: &Value, at: Range) -> Value {
        let text = match self.context.read_text(file) {
            Ok(text) => text,
            Err(error) => {
                self.call_failed(call, range, &error);
                return Value::dynamic(None);
            }
        };
        let path = self.context.open(file).unwrap_or_else(|_| file.into());
        let source = Source::new(path, text);
        let expr = match parse_template(&source) {
            Ok(expr) => expr,
            Err(problems) => return self.template_problems(range, problems),
        };
        let Some(names) = vars.as_mapping() else {
            let detail = "Invalid value for \"vars\" parameter: invalid vars value: must be a map.";
            return self.error(at, INVALID_ARGUMENT, detail);
        };
        if let Some(name) = names.keys().find(|name| !is_identifier(name)) {
            let detail = format!(
                "Invalid value for \"vars\" parameter: invalid template variable name {}: must \
                 start with a letter, followed by zero or more letters, digits, and underscores.",
                quote(name)
            );
            return self.error(at, INVALID_ARGUMENT, detail);
        }
        let names = names.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        let mut inner = Evaluator::new(&source, self.context, FunctionSet::Template);
        let scope = Scope::root(names);
        if !inner.check_names(&expr, &scope, &mut Vec::new()) {
            let problems = inner.problems;
            return self.template_problems(range, problems);
        }
        let value = inner.eval(&expr, &scope);
        let problems = inner.problems;
        if problems.is_empty() { value } else { self.template_problems(range, problems) }
    }

    /// Errors inside a template file, each with the call that used it.
    fn template_problems(&mut self, range: Range, problems: Vec<Diagnostic>) -> Value {
        let caller = self.span(range);
        for mut problem in problems {
            problem.detail = format!("{}\nThe template is used at {caller}.", problem.detail);
            self.problems.push(problem);
        }
        Value::dynamic(None)
    }

    /// Notes every name that a template uses and does not get, also where the
    /// template would not be evaluated with these values.
    fn check_names<'e>(
        &mut self,
        expr: &'e Expr,
        scope: &Scope<'_>,
        bound: &mut Vec<&'e str>,
    ) -> bool {
        let mut complete = true;
        match &expr.kind {
            ExprKind::Variable(name) => {
                let known = bound.contains(&&**name) || scope.get(name).is_some();
                if !known {
                    let label = meant_or_known(name, scope.known_names());
                    let label = label.unwrap_or_else(|| "the call passes none".to_owned());
                    let detail =
                        format!("The map of variables does not contain the key {}.", quote(name));
                    self.remark(expr.range, "Missing template variable", detail, Some(label));
                }
                known
            }
            ExprKind::For(inner) | ExprKind::Join(inner) => {
                complete &= self.check_names(&inner.collection, scope, bound);
                let outer = bound.len();
                bound.extend(inner.key_name.as_deref());
                bound.push(&inner.value_name);
                for part in inner.key.iter().chain([&inner.value]).chain(&inner.condition) {
                    complete &= self.check_names(part, scope, bound);
                }
                bound.truncate(outer);
                complete
            }
            _ => {
                let mut parts = Vec::new();
                expr.for_each_part(&mut |part| parts.push(part));
                for part in parts {
                    complete &= self.check_names(part, scope, bound);
                }
                complete
            }
        }
    }
}
