//! Function calls, and the functions whose arguments are expressions.

use std::borrow::Cow;
use std::fmt::Write;

use crate::convert::convert;
use crate::diagnostic::{Diagnostic, suggest};
use crate::eval::{Evaluator, FunctionSet, Scope};
use crate::function::{Function, FunctionError, Kind, Param, Returns, unknown_result};
use crate::functions;
use crate::quote::quote;
use crate::source::{Range, Source};
use crate::syntax::ast::{Call, Expr, ExprKind};
use crate::syntax::{is_identifier, parse_template};
use crate::types::Type;
use crate::value::Value;

const INVALID_ARGUMENT: &str = "Invalid function argument";

/// Functions that are evaluated here and not by the table.
const SPECIAL: [&str; 4] = ["can", "convert", "templatefile", "try"];

/// An argument: an expression, or a value that `...` took out of one.
enum Arg<'a> {
    Expr(&'a Expr),
    Value(Value, Range),
}

impl Arg<'_> {
    fn range(&self) -> Range {
        match self {
            Self::Expr(expr) => expr.range,
            Self::Value(_, range) => *range,
        }
    }
}

/// `env`, for defaults of variables.
static ENV: Function = Function {
    name: "env",
    params: &[Param::new("key", Kind::String)],
    variadic: None,
    returns: Returns::Always(Kind::String),
    not_null: true,
    body: |context, args, _| {
        let name = args.first().and_then(Value::as_str).unwrap_or("");
        Ok(Value::string(context.env.get(name).map_or("", String::as_str)))
    },
};

/// Names of all functions that templates can call.
pub(crate) fn function_names() -> Vec<&'static str> {
    functions::names().chain(SPECIAL).collect()
}

impl Evaluator<'_> {
    pub(super) fn call(&mut self, call: &Call, range: Range, scope: &Scope<'_>) -> Value {
        let special = SPECIAL.contains(&&*call.name);
        let function = match self.functions {
            FunctionSet::None => {
                let detail = "Functions may not be called here.";
                return self.error(range, "Function calls not allowed", detail);
            }
            FunctionSet::Env => (&*call.name == ENV.name).then_some(&ENV),
            _ if special => None,
            _ => functions::lookup(&call.name),
        };
        let special = special && self.functions != FunctionSet::Env;
        if function.is_none() && !special {
            return self.unknown_function(call);
        }
        let args = match self.arguments(call, scope) {
            Ok(args) => args,
            Err(result) => return result,
        };
        match function {
            Some(function) => self.call_function(function, call, range, &args, scope),
            None => self.call_special(call, range, &args, scope),
        }
    }

    fn unknown_function(&mut self, call: &Call) -> Value {
        let names = match self.functions {
            FunctionSet::Env => vec![ENV.name],
            _ => function_names(),
        };
        let similar = suggest(&call.name, names);
        let hint = similar.map(|name| format!(" Did you mean \"{name}\"?")).unwrap_or_default();
        let mut detail = match call.name.rsplit_once("::") {
            Some((namespace, _)) => {
                let namespace = quote(&format!("{namespace}::"));
                format!("There are no functions in namespace {namespace}.")
            }
            None => format!("There is no function named {}.{hint}", quote(&call.name)),
        };
        if &*call.name == ENV.name {
            detail.push_str(" It can be called in the default of a variable only.");
        }
        let label = similar.map(|name| format!("did you mean `{name}`?"));
        let span = self.span(call.name_range);
        let problem = Diagnostic::error("Call to unknown function", detail, span);
        self.problems.push(problem.with_label(label));
        Value::dynamic(None)
    }

    /// The arguments with `...` expanded, or the result if that decides it.
    fn arguments<'e>(&mut self, call: &'e Call, scope: &Scope<'_>) -> Result<Vec<Arg<'e>>, Value> {
        const INVALID: &str = "Invalid expanding argument value";
        let (last, rest) = match call.args.split_last() {
            Some((last, rest)) if call.expand => (last, rest),
            _ => return Ok(call.args.iter().map(Arg::Expr).collect()),
        };
        let before = self.problems.len();
        let value = self.eval(last, scope);
        if self.problems.len() > before {
            return Err(Value::dynamic(None));
        }
        let sequence =
            matches!(value.ty(), Type::Tuple(_) | Type::List(_) | Type::Set(_) | Type::Dynamic);
        if !sequence {
            let detail = "The expanding argument (indicated by ...) must be of a tuple, list, or \
                          set type.";
            return Err(self.error(last.range, INVALID, detail));
        }
        if value.is_null() {
            let detail = "The expanding argument (indicated by ...) must not be null.";
            return Err(self.error(last.range, INVALID, detail));
        }
        let Some(elements) = value.as_sequence() else {
            return Err(unknown_result(Type::Dynamic, &[value]));
        };
        let sensitive = value.is_sensitive();
        let expanded =
            elements.iter().map(|element| Arg::Value(element.clone().mark(sensitive), last.range));
        Ok(rest.iter().map(Arg::Expr).chain(expanded).collect())
    }

    fn arg_value<'v>(&mut self, arg: &'v Arg<'_>, scope: &Scope<'_>) -> Cow<'v, Value> {
        match arg {
            Arg::Expr(expr) => Cow::Owned(self.eval(expr, scope)),
            Arg::Value(value, _) => Cow::Borrowed(value),
        }
    }

    fn check_count(
        &mut self,
        call: &Call,
        args: &[Arg<'_>],
        params: &[&str],
        variadic: bool,
    ) -> bool {
        let name = quote(&call.name);
        let required = params.len();
        if let Some(missing) = params.get(args.len()) {
            let at_least = if variadic { " at least" } else { "" };
            let detail = format!(
                "Function {name} expects{at_least} {required} argument(s). Missing value for {}.",
                quote(missing)
            );
            self.error(call.close, "Not enough function arguments", detail);
            return false;
        }
        match args.get(required) {
            Some(extra) if !variadic => {
                let detail = format!("Function {name} expects only {required} argument(s).");
                self.error(extra.range(), "Too many function arguments", detail);
                false
            }
            _ => true,
        }
    }

    fn call_function(
        &mut self,
        function: &Function,
        call: &Call,
        range: Range,
        args: &[Arg<'_>],
        scope: &Scope<'_>,
    ) -> Value {
        let params: Vec<&str> = function.params.iter().map(|param| param.name).collect();
        if !self.check_count(call, args, &params, function.variadic.is_some()) {
            return Value::dynamic(None);
        }
        let before = self.problems.len();
        let mut values = Vec::with_capacity(args.len());
        for (index, arg) in args.iter().enumerate() {
            let value = self.arg_value(arg, scope);
            let kind = function.param(index).map_or(Kind::Any, |param| param.kind);
            match convert(&value, &kind.ty()) {
                Ok(value) => values.push(value),
                Err(error) => self.bad_argument(function, index, arg.range(), &error),
            }
        }
        if self.problems.len() > before {
            return Value::dynamic(None);
        }
        match function.call(self.context, &values) {
            Ok(value) => value,
            Err(error) => self.failed_call(function, call, range, args, &error),
        }
    }

    fn bad_argument(
        &mut self,
        function: &Function,
        index: usize,
        range: Range,
        reason: &dyn std::fmt::Display,
    ) {
        let name = function.param(index).map_or("argument", |param| param.name);
        let detail = format!("Invalid value for {} parameter: {reason}.", quote(name));
        self.error(range, INVALID_ARGUMENT, detail);
    }

    fn failed_call(
        &mut self,
        function: &Function,
        call: &Call,
        range: Range,
        args: &[Arg<'_>],
        error: &FunctionError,
    ) -> Value {
        match error.arg.filter(|index| function.param(*index).is_some()) {
            Some(index) => {
                let place = args.get(index).map_or(range, Arg::range);
                self.bad_argument(function, index, place, error);
            }
            None => self.call_failed(call, range, error),
        }
        Value::dynamic(None)
    }

    fn call_failed(&mut self, call: &Call, range: Range, reason: &dyn std::fmt::Display) {
        let detail = format!("Call to function {} failed: {reason}.", quote(&call.name));
        self.error(range, "Error in function call", detail);
    }

    fn call_special(
        &mut self,
        call: &Call,
        range: Range,
        args: &[Arg<'_>],
        scope: &Scope<'_>,
    ) -> Value {
        match &*call.name {
            "try" => self.call_try(call, range, args, scope),
            "can" => self.call_can(call, args, scope),
            "convert" => self.call_convert(call, args, scope),
            _ => self.call_templatefile(call, range, args, scope),
        }
    }

    /// The first argument that evaluates without error.
    fn call_try(
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
    fn call_can(&mut self, call: &Call, args: &[Arg<'_>], scope: &Scope<'_>) -> Value {
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
    fn call_convert(&mut self, call: &Call, args: &[Arg<'_>], scope: &Scope<'_>) -> Value {
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

    /// `templatefile(path, vars)`.
    fn call_templatefile(
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
                    let label = suggest(name, scope.known_names());
                    let label = label.map(|name| format!("did you mean `{name}`?"));
                    let detail =
                        format!("The map of variables does not contain the key {}.", quote(name));
                    let span = self.span(expr.range);
                    let problem = Diagnostic::error("Missing template variable", detail, span);
                    self.problems.push(problem.with_label(label));
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
