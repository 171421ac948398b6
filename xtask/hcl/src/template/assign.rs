//! Values of variables: environment, variable files, `-var`, in this order.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use indexmap::IndexMap;

use crate::convert::convert;
use crate::diagnostic::{Diagnostic, suggest};
use crate::eval::{FunctionSet, Scope};
use crate::evaluated::{ValueOrigin, Variable};
use crate::function::lexically_clean;
use crate::json_vars;
use crate::quote::quote;
use crate::source::{Range, Source, Span};
use crate::syntax::{parse_body, parse_expression};
use crate::template::load::read_source_as;
use crate::template::session::Session;
use crate::template::variables::{Declarations, Declared};
use crate::types::Type;
use crate::value::{Str, Value};

/// Prefix of environment variables that set input variables.
const ENV_PREFIX: &str = "PKR_VAR_";

/// A value for a variable and where it was written.
struct Assigned {
    value: Value,
    origin: ValueOrigin,
    span: Span,
}

/// Assigned values by variable; the last one counts.
type Assignments = IndexMap<String, Assigned>;

impl<'a> Session<'a> {
    pub(crate) fn assign_variables(
        &mut self,
        declared: Declarations<'a>,
    ) -> IndexMap<String, Variable> {
        let mut assigned = Assignments::new();
        self.environment_values(&declared, &mut assigned);
        for (path, shown) in self.var_files() {
            self.file_values(&path, &shown, &declared, &mut assigned);
        }
        self.command_line_values(&declared, &mut assigned);
        let mut variables = IndexMap::with_capacity(declared.len());
        for (name, declaration) in declared {
            let variable = self.variable(&name, declaration, assigned.swap_remove(&name));
            variables.insert(name, variable);
        }
        variables
    }

    fn variable(
        &mut self,
        name: &str,
        declared: Declared<'_>,
        assigned: Option<Assigned>,
    ) -> Variable {
        let default = declared.default.as_ref().map(|(value, _)| value.clone());
        let from_default = |(value, span)| Assigned { value, origin: ValueOrigin::Default, span };
        let assigned = assigned.or_else(|| declared.default.map(from_default));
        let (value, origin) = match assigned {
            Some(assigned) => {
                for rule in &declared.validations {
                    self.validate(name, rule, &assigned);
                }
                (assigned.value, assigned.origin)
            }
            None => {
                if !declared.broken {
                    self.unset(name, &declared.span);
                }
                (Value::unknown(declared.ty.clone(), None), ValueOrigin::Default)
            }
        };
        Variable {
            name: name.to_owned(),
            ty: declared.ty,
            description: declared.description,
            default: default.map(|value| value.mark(declared.sensitive)),
            sensitive: declared.sensitive,
            value: value.mark(declared.sensitive),
            origin,
            span: declared.span,
        }
    }

    fn unset(&mut self, name: &str, span: &Span) {
        let detail = format!(
            "A used variable must be set or have a default value. Set it with -var {name}=VALUE, \
             in a variable file, or as {ENV_PREFIX}{name} in the environment."
        );
        let summary = format!("Unset variable {}", quote(name));
        self.problems.push(Diagnostic::error(summary, detail, span.clone()));
    }

    fn validate(
        &mut self,
        name: &str,
        rule: &super::variables::Validation<'_>,
        assigned: &Assigned,
    ) {
        const INVALID: &str = "Invalid variable validation result";
        let own = Value::object([(Str::from(name), assigned.value.clone())].into());
        let scope = Scope::root(vec![("var".into(), own)]);
        let before = self.problems.len();
        // Packer resolves relative paths in conditions from where it was called.
        let base_dir = std::mem::replace(&mut self.context.base_dir, Path::new(""));
        let result = self.eval(rule.source, rule.condition, &scope);
        self.context.base_dir = base_dir;
        let range = rule.condition.range;
        if self.problems.len() > before || !result.is_known() {
            return;
        }
        if result.is_null() {
            let detail =
                "Validation condition expression must return either true or false, not null.";
            return self.error(rule.source, range, INVALID, detail);
        }
        match convert(&result, &Type::Bool) {
            Err(error) => {
                let detail = format!("Invalid validation condition result value: {error}.");
                self.error(rule.source, range, INVALID, detail);
            }
            Ok(flag) if flag.as_bool() == Some(false) => {
                let summary = format!("Invalid value for {} variable", assigned.origin.word());
                let detail = format!(
                    "{}\n\nThis was checked by the validation rule at {}.",
                    rule.message, rule.span
                );
                self.problems.push(Diagnostic::error(summary, detail, assigned.span.clone()));
            }
            Ok(_) => {}
        }
    }

    fn environment_values(&mut self, declared: &Declarations<'_>, assigned: &mut Assignments) {
        let inputs = self.inputs;
        for (key, text) in &inputs.env {
            let Some(name) = key.strip_prefix(ENV_PREFIX) else { continue };
            // The environment is shared; names of other templates are normal.
            let Some(declaration) = declared.get(name) else { continue };
            let source = Source::new(format!("<value for var.{name} from env>"), text.as_str());
            let value = self.text_value(&source, name, declaration);
            self.assign(name, declaration, value, &source, ValueOrigin::Environment, assigned);
        }
    }

    fn command_line_values(&mut self, declared: &Declarations<'_>, assigned: &mut Assignments) {
        let inputs = self.inputs;
        for (name, text) in &inputs.vars {
            let Some(declaration) = declared.get(name) else {
                self.undeclared_argument(name, declared);
                continue;
            };
            let source =
                Source::new(format!("<value for var.{name} from arguments>"), text.as_str());
            let value = self.text_value(&source, name, declaration);
            self.assign(name, declaration, value, &source, ValueOrigin::CommandLine, assigned);
        }
    }

    fn undeclared_argument(&mut self, name: &str, declared: &Declarations<'_>) {
        let similar = suggest(name, declared.keys().map(String::as_str));
        let hint = similar.map(|name| format!(" Did you mean \"{name}\"?")).unwrap_or_default();
        let name = quote(name);
        let detail = format!(
            "A {name} variable was passed in the command line but was not found in known \
             variables.{hint} To declare variable {name}, place this block in one of your .pkr \
             files, such as variables.pkr.hcl"
        );
        self.problems.push(Diagnostic::unplaced("Undefined -var variable", detail));
    }

    /// A value given as text: strings and numbers as they are, everything else
    /// as an expression. Unknown after an error.
    fn text_value(&mut self, source: &Arc<Source>, name: &str, declared: &Declared<'_>) -> Value {
        if matches!(declared.ty, Type::String | Type::Number | Type::Dynamic) {
            return Value::string(source.text());
        }
        match parse_expression(source) {
            Ok(expr) => self.eval_constant(source, &expr),
            Err(problems) => {
                // A secret must not end up in a message.
                if declared.sensitive {
                    let detail = format!("The value for {name} is not a valid expression.");
                    self.problems.push(Diagnostic::unplaced("Invalid value for variable", detail));
                } else {
                    self.problems.extend(problems);
                }
                Value::dynamic(None)
            }
        }
    }

    fn assign(
        &mut self,
        name: &str,
        declared: &Declared<'_>,
        value: Value,
        source: &Arc<Source>,
        origin: ValueOrigin,
        assigned: &mut Assignments,
    ) {
        let length = u32::try_from(source.text().len()).unwrap_or(u32::MAX);
        let span = match declared.sensitive {
            true => {
                Span::new(&Source::new(source.path(), "(sensitive)"), Range { start: 0, end: 11 })
            }
            false => Span::new(source, Range { start: 0, end: length }),
        };
        self.assign_at(name, declared, value, span, origin, assigned);
    }

    fn assign_at(
        &mut self,
        name: &str,
        declared: &Declared<'_>,
        value: Value,
        span: Span,
        origin: ValueOrigin,
        assigned: &mut Assignments,
    ) {
        let value = match convert(&declared.defaults.apply(&value), &declared.ty) {
            Ok(value) => value,
            Err(error) => {
                let (summary, what) = match origin {
                    ValueOrigin::CommandLine => {
                        ("Invalid argument value for -var variable", "received arg value")
                    }
                    _ => ("Invalid value for variable", "value"),
                };
                let detail = format!(
                    "The {what} for {name} is not compatible with the variable's type constraint: \
                     {error}."
                );
                self.problems.push(Diagnostic::error(summary, detail, span.clone()));
                Value::dynamic(None)
            }
        };
        assigned.insert(name.to_owned(), Assigned { value, origin, span });
    }

    /// Files beside the templates, then those of the command line: where they
    /// are and what they are called.
    fn var_files(&self) -> Vec<(PathBuf, PathBuf)> {
        let given = self.inputs.var_files.iter().map(|path| {
            let real = lexically_clean(&self.inputs.cwd.join(path));
            (real, path.clone())
        });
        self.parsed.auto_var_files.iter().cloned().chain(given).collect()
    }

    fn file_values(
        &mut self,
        path: &Path,
        shown: &Path,
        declared: &Declarations<'_>,
        assigned: &mut Assignments,
    ) {
        self.context.note_read(path);
        let source = match read_source_as(path, shown) {
            Ok(source) => source,
            Err(problem) => return self.problems.push(problem),
        };
        let values = match shown.extension().and_then(|extension| extension.to_str()) {
            Some("hcl") => self.hcl_values(&source),
            Some("json") => self.json_values(&source),
            _ => {
                let summary = format!("Could not guess format of {}", shown.display());
                let detail = "A var file must be suffixed with `.hcl` or `.json`.";
                self.problems.push(Diagnostic::unplaced(summary, detail));
                return;
            }
        };
        for (name, value, span, name_span) in values {
            match declared.get(&*name) {
                Some(declaration) => {
                    self.assign_at(&name, declaration, value, span, ValueOrigin::File, assigned);
                }
                None => self.undeclared_in_file(&name, name_span, declared),
            }
        }
    }

    fn undeclared_in_file(&mut self, name: &str, span: Span, declared: &Declarations<'_>) {
        let similar = suggest(name, declared.keys().map(String::as_str));
        let label = similar.map(|name| format!("did you mean `{name}`?"));
        let detail = format!(
            "The variable {name} was set but was not declared as an input variable.\nTo declare \
             variable {name} place this block in one of your .pkr.hcl files, such as \
             variables.pkr.hcl\n\nvariable {name} {{\n  type    = string\n  default = null\n}}",
            name = quote(name)
        );
        let problem = Diagnostic::error("Undefined variable", detail, span).with_label(label);
        self.problems.push(problem.warning());
    }

    /// Name, value, place of the value, place of the name.
    fn hcl_values(&mut self, source: &Arc<Source>) -> Vec<(Str, Value, Span, Span)> {
        let (body, problems) = parse_body(source);
        self.problems.extend(problems);
        for block in &body.blocks {
            let (summary, detail) = misplaced_block(source, block);
            let span = Span::new(source, block.type_range);
            let label = format!("an object is written `{} = {{ ... }}`", block.block_type);
            let label = Some(label).filter(|_| &*block.block_type != "variable");
            self.problems.push(Diagnostic::error(summary, detail, span).with_label(label));
        }
        let mut values = Vec::with_capacity(body.attributes.len());
        for attribute in &body.attributes {
            let before = self.problems.len();
            let value = self.eval_with(source, FunctionSet::None, |evaluator| {
                evaluator.eval(&attribute.expr, &Scope::closed())
            });
            if self.problems.len() == before {
                let span = Span::new(source, attribute.expr.range);
                let name_span = Span::new(source, attribute.name_range);
                values.push((attribute.name.clone(), value, span, name_span));
            }
        }
        values
    }

    fn json_values(&mut self, source: &Arc<Source>) -> Vec<(Str, Value, Span, Span)> {
        match json_vars::parse(source) {
            Ok(values) => values
                .into_iter()
                .map(|(name, value, span)| (name, value, span.clone(), span))
                .collect(),
            Err(problem) => {
                self.problems.push(problem);
                Vec::new()
            }
        }
    }
}

/// A block in a variable file, most often a declaration in the wrong place.
fn misplaced_block(source: &Arc<Source>, block: &crate::syntax::ast::Block) -> (String, String) {
    match block.labels.first() {
        Some((name, _)) if &*block.block_type == "variable" => {
            let file = source.path().display();
            let detail = format!(
                "A .pkrvar file is used to assign values to variables that have already been \
                 declared in .pkr files, not to declare new variables. To declare variable {}, \
                 place this block in one of your .pkr files, such as variables.pkr.hcl\n\nTo set \
                 a value for this variable in {file}, use the definition syntax instead:\n    \
                 {name} = <value>",
                quote(name)
            );
            ("Variable declaration in a .pkrvar file".to_owned(), detail)
        }
        _ => {
            let summary = format!("Unexpected {} block", quote(&block.block_type));
            (summary, "Blocks are not allowed here.".to_owned())
        }
    }
}
