//! Single expressions and templates outside of a template directory.

use std::sync::Arc;

use crate::diagnostic::Diagnostic;
use crate::eval::{Evaluator, FunctionSet, Scope};
use crate::function::Context;
use crate::source::Source;
use crate::syntax::ast::Expr;
use crate::syntax::{parse_expression, parse_template};
use crate::value::{Str, Value};

/// The value of an expression in which `names` are known.
pub fn evaluate(
    source: &Arc<Source>,
    names: Vec<(Str, Value)>,
    context: &Context<'_>,
) -> Result<Value, Vec<Diagnostic>> {
    run(source, &parse_expression(source)?, names, context)
}

/// The value of a template (a string unless it is a single `${}`) in which
/// `names` are known.
pub fn render(
    source: &Arc<Source>,
    names: Vec<(Str, Value)>,
    context: &Context<'_>,
) -> Result<Value, Vec<Diagnostic>> {
    run(source, &parse_template(source)?, names, context)
}

fn run(
    source: &Arc<Source>,
    expr: &Expr,
    names: Vec<(Str, Value)>,
    context: &Context<'_>,
) -> Result<Value, Vec<Diagnostic>> {
    let mut evaluator = Evaluator::new(source, context, FunctionSet::All);
    let value = evaluator.eval(expr, &Scope::root(names));
    let problems = evaluator.problems;
    if problems.iter().any(Diagnostic::is_error) { Err(problems) } else { Ok(value) }
}
