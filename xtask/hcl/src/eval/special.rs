//! `try`, `can` and `convert`, whose arguments are not just values.

use std::fmt::Write;

use crate::convert::convert;
use crate::diagnostic::Diagnostic;
use crate::eval::call::{Arg, INVALID_ARGUMENT};
use crate::eval::{Evaluator, Scope};
use crate::function::unknown_result;
use crate::source::Range;
use crate::syntax::ast::Call;
use crate::types::Type;
use crate::value::Value;

impl Evaluator<'_> {
    /// The first argument that evaluates without error.
    pub(super) fn call_try(
        &mut self,
        call: &Call,
        range: Range,
        args: &[Arg<'_>],
        scope: &Scope<'_>,
    ) -> Value {
        if args.is_empty() {
            self.call_failed(call, range, &"at least one argument is required");
            return Value::dynamic(None);
        }
        let mut failures = Vec::new();
        for arg in args {
            let (value, problems) = self.quietly(|this| this.arg_value(arg, scope).into_owned());
            if problems.iter().any(Diagnostic::is_error) {
                failures.extend(problems);
            } else if value.is_wholly_known() {
                return value;
            } else {
                return unknown_result(Type::Dynamic, &[value]);
            }
        }
        let mut reason = "no expression succeeded:\n".to_owned();
        for problem in failures {
            let place = problem.span.map(|span| format!(" (at {span})")).unwrap_or_default();
            // Writing to a String cannot fail.
            let _infallible =
                writeln!(reason, "- {}{place}\n  {}", problem.summary, problem.detail);
        }
        reason.push_str("\nAt least one expression must produce a successful result");
        self.call_failed(call, range, &reason);
        Value::dynamic(None)
    }

    /// Whether the argument evaluates without error.
    pub(super) fn call_can(&mut self, call: &Call, args: &[Arg<'_>], scope: &Scope<'_>) -> Value {
        let enough = self.check_count(call, args, &["expression"], false);
        let Some(arg) = args.first().filter(|_| enough) else { return Value::dynamic(None) };
        let (value, problems) = self.quietly(|this| this.arg_value(arg, scope).into_owned());
        if problems.iter().any(Diagnostic::is_error) {
            return Value::bool(false);
        }
        if value.is_wholly_known() {
            return Value::bool(true);
        }
        unknown_result(Type::Bool, &[value])
    }

    /// `convert(value, type)`.
    pub(super) fn call_convert(
        &mut self,
        call: &Call,
        args: &[Arg<'_>],
        scope: &Scope<'_>,
    ) -> Value {
        let [given, wanted] = args else {
            self.check_count(call, args, &["value", "type"], false);
            return Value::dynamic(None);
        };
        let before = self.problems.len();
        let value = self.arg_value(given, scope).into_owned();
        let ty = match wanted {
            Arg::Expr(expr) => self.type_constraint(expr, false).map(|(ty, _)| ty),
            Arg::Value(_, range) => {
                let detail = "Invalid value for \"type\" parameter: type constraint required.";
                self.error(*range, INVALID_ARGUMENT, detail);
                None
            }
        };
        let Some(ty) = ty.filter(|_| self.problems.len() == before) else {
            return Value::dynamic(None);
        };
        // Twice, as Packer does: to the type, then to the type of the result. So
        // an optional attribute that is missing is an error here.
        let converted = convert(&value, &ty).and_then(|first| convert(&value, first.ty()));
        match converted {
            Ok(value) => value,
            Err(error) => {
                let detail = format!("Invalid value for \"value\" parameter: {error}.");
                self.error(given.range(), INVALID_ARGUMENT, detail)
            }
        }
    }
}
