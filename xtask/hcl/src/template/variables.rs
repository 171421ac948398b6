//! Declarations of input variables.

use std::sync::Arc;

use indexmap::IndexMap;

use crate::convert::convert;
use crate::eval::type_expr::Defaults;
use crate::eval::{FunctionSet, Scope};
use crate::evaluated::ReferenceKind;
use crate::quote::quote;
use crate::source::{Range, Source, Span};
use crate::syntax::ast::{Attribute, Block, Expr};
use crate::syntax::is_identifier;
use crate::template::session::Session;
use crate::template::{references, schema};
use crate::types::Type;
use crate::value::Value;

pub(crate) const BAD_IDENTIFIER: &str = "A name must start with a letter or underscore and may \
    contain only letters, digits, underscores, and dashes.";

/// A declared variable, before values from outside are known.
pub(crate) struct Declared<'a> {
    pub(crate) ty: Type,
    pub(crate) defaults: Defaults,
    pub(crate) description: String,
    pub(crate) sensitive: bool,
    pub(crate) default: Option<(Value, Span)>,
    pub(crate) validations: Vec<Validation<'a>>,
    pub(crate) span: Span,
    /// Whether the declaration has errors; its value then does not matter.
    pub(crate) broken: bool,
}

/// A rule that the value of a variable must satisfy.
pub(crate) struct Validation<'a> {
    pub(crate) source: &'a Arc<Source>,
    pub(crate) condition: &'a Expr,
    pub(crate) message: String,
    pub(crate) span: Span,
}

/// Declared variables by name, in order.
pub(crate) type Declarations<'a> = IndexMap<String, Declared<'a>>;

impl<'a> Session<'a> {
    pub(crate) fn declare_variables(&mut self) -> Declarations<'a> {
        let mut declared = Declarations::new();
        let parsed = self.parsed;
        for file in &parsed.files {
            for block in &file.body.blocks {
                match &*block.block_type {
                    "variable" => self.declare(&file.source, block, &mut declared),
                    "variables" => {
                        for attribute in &block.body.attributes {
                            self.declare_short(&file.source, attribute, &mut declared);
                        }
                    }
                    _ => {}
                }
            }
        }
        declared
    }

    /// Notes a second declaration of a name.
    fn is_duplicate(&mut self, declared: &Declarations<'_>, name: &str, span: &Span) -> bool {
        let Some(first) = declared.get(name) else { return false };
        let detail =
            format!("Duplicate {name} variable definition found. The first is at {}.", first.span);
        self.error(&span.source, span.range, "Duplicate variable", detail);
        true
    }

    /// `variables { name = default }`, the short form.
    fn declare_short(
        &mut self,
        source: &'a Arc<Source>,
        attribute: &Attribute,
        declared: &mut Declarations<'a>,
    ) {
        let span = Span::new(source, attribute.name_range);
        if self.is_duplicate(declared, &attribute.name, &span) {
            return;
        }
        let value = self.default_value(source, &attribute.expr);
        let variable = Declared {
            ty: value.ty().clone(),
            defaults: Defaults::default(),
            description: String::new(),
            sensitive: false,
            default: Some((value, Span::new(source, attribute.expr.range))),
            validations: Vec::new(),
            span,
            broken: false,
        };
        declared.insert(attribute.name.to_string(), variable);
    }

    fn default_value(&mut self, source: &Arc<Source>, expr: &Expr) -> Value {
        self.eval_with(source, FunctionSet::Env, |evaluator| evaluator.eval(expr, &Scope::closed()))
    }

    fn declare(
        &mut self,
        source: &'a Arc<Source>,
        block: &'a Block,
        declared: &mut Declarations<'a>,
    ) {
        let Some((name, name_range)) = block.labels.first() else { return };
        let span = Span::new(source, block.header);
        if self.is_duplicate(declared, name, &span) {
            return;
        }
        let before = self.problems.len();
        self.check(&schema::VARIABLE, source, &block.body);
        if !is_identifier(name) {
            self.error(source, *name_range, "Invalid variable name", BAD_IDENTIFIER);
        }
        let body = &block.body;
        let text = self.constant(source, body, "description", &Type::String);
        let flag = self.constant(source, body, "sensitive", &Type::Bool);
        let (mut ty, defaults) = match body.attribute("type") {
            Some(attribute) => self
                .eval_with(source, FunctionSet::None, |evaluator| {
                    evaluator.type_constraint(&attribute.expr, true)
                })
                .unwrap_or_default(),
            None => (Type::Dynamic, Defaults::default()),
        };
        let default = body
            .attribute("default")
            .map(|attribute| self.declared_default(source, &attribute.expr, &ty, &defaults));
        if let Some((value, _)) = &default {
            // Without a type the default decides, unless it is empty.
            let empty = *value.ty() == Type::empty_object() || *value.ty() == Type::empty_tuple();
            if ty == Type::Dynamic && !empty {
                ty = value.ty().clone();
            }
        }
        let rules = body.blocks.iter().filter(|block| &*block.block_type == "validation");
        let validations = rules.filter_map(|rule| self.validation(source, name, rule)).collect();
        let variable = Declared {
            ty,
            defaults,
            description: text.and_then(|text| text.as_str().map(str::to_owned)).unwrap_or_default(),
            sensitive: flag.and_then(|flag| flag.as_bool()).unwrap_or(false),
            default,
            validations,
            span,
            broken: self.problems.len() > before,
        };
        declared.insert(name.to_string(), variable);
    }

    fn declared_default(
        &mut self,
        source: &Arc<Source>,
        expr: &Expr,
        ty: &Type,
        defaults: &Defaults,
    ) -> (Value, Span) {
        let span = Span::new(source, expr.range);
        let before = self.problems.len();
        let value = defaults.apply(&self.default_value(source, expr));
        if self.problems.len() > before {
            return (Value::dynamic(None), span);
        }
        match convert(&value, ty) {
            Ok(value) => (value, span),
            Err(error) => {
                let detail = format!(
                    "This default value is not compatible with the variable's type constraint: \
                     {error}."
                );
                self.error(source, expr.range, "Invalid default value for variable", detail);
                (Value::dynamic(None), span)
            }
        }
    }

    fn validation(
        &mut self,
        source: &'a Arc<Source>,
        name: &str,
        block: &'a Block,
    ) -> Option<Validation<'a>> {
        let before = self.problems.len();
        self.check(&schema::VALIDATION, source, &block.body);
        let message = self.constant(source, &block.body, "error_message", &Type::String);
        let condition = &block.body.attribute("condition")?.expr;
        self.check_condition(source, name, condition);
        let message = message.and_then(|text| text.as_str().map(str::to_owned));
        if let (Some(message), Some(found)) = (&message, block.body.attribute("error_message")) {
            self.check_message(source, message, found.expr.range);
        }
        if self.problems.len() > before {
            return None;
        }
        let span = Span::new(source, block.header);
        Some(Validation { source, condition, message: message?, span })
    }

    /// A condition may refer to its own variable and to nothing else.
    fn check_condition(&mut self, source: &Arc<Source>, name: &str, condition: &Expr) {
        let found = references::of_expression(source, condition);
        let mut own = false;
        for reference in found {
            if reference.kind == ReferenceKind::Variable && reference.name == name {
                own = true;
                continue;
            }
            let detail = format!(
                "The condition for variable {} can only refer to the variable itself, using \
                 var.{name}.",
                quote(name)
            );
            self.error(
                source,
                reference.span.range,
                "Invalid reference in variable validation",
                detail,
            );
        }
        if !own {
            let detail = format!(
                "The condition for variable {} must refer to var.{name} in order to test incoming \
                 values.",
                quote(name)
            );
            self.error(source, condition.range, "Invalid variable validation condition", detail);
        }
    }

    fn check_message(&mut self, source: &Arc<Source>, message: &str, range: Range) {
        const INVALID: &str = "Invalid validation error message";
        if message.is_empty() {
            let detail = "An empty string is not a valid nor useful error message.";
            self.error(source, range, INVALID, detail);
        } else if !is_sentence(message) {
            let detail = "Validation error message must be at least one full sentence starting \
                          with an uppercase letter ( if the alphabet permits it ) and ending with \
                          a period or question mark.";
            self.error(source, range, INVALID, detail);
        }
    }
}

/// Whether a message begins and ends like a sentence.
fn is_sentence(message: &str) -> bool {
    let message = message.trim();
    let Some(first) = message.chars().next() else { return false };
    let begins = !first.is_alphabetic() || first.is_uppercase();
    begins && message.ends_with(['.', '?', '!'])
}
