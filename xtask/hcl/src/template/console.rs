//! Single expressions, as `packer console` evaluates them.

use crate::diagnostic::Diagnostic;
use crate::source::Source;
use crate::template::session::Session;
use crate::template::{Inputs, Template, object_of};
use crate::value::{Str, Value};

/// A template with values for its variables, ready for expressions.
#[derive(Debug)]
pub struct Console<'a> {
    template: &'a Template,
    inputs: &'a Inputs,
    variables: Value,
    locals: Value,
}

impl Template {
    /// Opens a console. Like `packer console`, it makes the best of an
    /// incomplete template: a variable without a value is unknown, validation
    /// rules do not count, and sources and builds are not looked at.
    ///
    /// # Errors
    ///
    /// A declaration or a value for a variable is wrong.
    pub fn console<'a>(&'a self, inputs: &'a Inputs) -> Result<Console<'a>, Vec<Diagnostic>> {
        let mut session = Session::new(&self.parsed, inputs);
        let declared = session.declare_variables();
        let variables = session.assign_variables(declared);
        session.problems.retain(|problem| !is_tolerated(problem));
        let variables = object_of(
            variables.into_iter().map(|(name, variable)| (Str::from(name), variable.value)),
        );
        let before = session.problems.len();
        let locals = session.locals(&variables);
        let locals =
            object_of(locals.into_iter().map(|(name, local)| (Str::from(name), local.value)));
        // A local that cannot be evaluated is unknown.
        session.problems.truncate(before);
        session.finish(|_| Console { template: self, inputs, variables, locals })
    }
}

impl Console<'_> {
    /// The value of an expression where `var`, `local`, `path` and `packer` are
    /// known.
    ///
    /// # Errors
    ///
    /// The expression is wrong.
    pub fn evaluate(&self, expression: &str) -> Result<Value, Vec<Diagnostic>> {
        let source = Source::new("<console-input>", expression);
        let expr = crate::syntax::parse_expression(&source)?;
        let mut session = Session::new(&self.template.parsed, self.inputs);
        let scope = session.base_scope(&self.variables, &self.locals);
        let value = session.eval(&source, &expr, &scope);
        session.finish(|_| value)
    }
}

/// Findings that do not keep the console from starting.
fn is_tolerated(problem: &Diagnostic) -> bool {
    let summary = &problem.summary;
    summary.starts_with("Unset variable")
        || (summary.starts_with("Invalid value for ") && summary.ends_with(" variable"))
}
