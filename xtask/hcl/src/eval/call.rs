//! Function calls, and the functions whose arguments are expressions.

use std::borrow::Cow;

use crate::convert::convert;
use crate::diagnostic::suggest;
use crate::eval::{Evaluator, FunctionSet, Scope};
use crate::function::{Function, FunctionError, Kind, Param, Returns, unknown_result};
use crate::functions;
use crate::quote::quote;
use crate::source::Range;
use crate::syntax::ast::{Call, Expr};
use crate::types::Type;
use crate::value::Value;

pub(super) const INVALID_ARGUMENT: &str = "Invalid function argument";

/// Functions that are evaluated here and not by the table.
const SPECIAL: [&str; 4] = ["can", "convert", "templatefile", "try"];

/// An argument: an expression, or a value that `...` took out of one.
pub(super) enum Arg<'a> {
    Expr(&'a Expr),
    Value(Value, Range),
}

impl Arg<'_> {
    pub(super) fn range(&self) -> Range {
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
                let label = "write the value itself; what is computed goes into a local";
                let label = Some(label.to_owned());
                return self.remark(range, "Function calls not allowed", detail, label);
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
        self.remark(call.name_range, "Call to unknown function", detail, label)
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

    pub(super) fn arg_value<'v>(&mut self, arg: &'v Arg<'_>, scope: &Scope<'_>) -> Cow<'v, Value> {
        match arg {
            Arg::Expr(expr) => Cow::Owned(self.eval(expr, scope)),
            Arg::Value(value, _) => Cow::Borrowed(value),
        }
    }

    pub(super) fn check_count(
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

    pub(super) fn call_failed(
        &mut self,
        call: &Call,
        range: Range,
        reason: &dyn std::fmt::Display,
    ) {
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
}
