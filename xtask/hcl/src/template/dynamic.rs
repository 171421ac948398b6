//! Evaluating bodies, with `dynamic` blocks expanded.

use std::sync::Arc;

use indexmap::IndexMap;

use crate::body::{self, Body};
use crate::convert::convert;
use crate::diagnostic::Diagnostic;
use crate::eval::Scope;
use crate::quote::quote;
use crate::source::{Range, Source, Span};
use crate::syntax::ast::{self, Block, Expr, ExprKind};
use crate::template::session::Session;
use crate::template::{object_of, schema};
use crate::types::Type;
use crate::value::{Str, Value};

/// Iterators of the `dynamic` blocks around a body.
pub(crate) type Iterators = Vec<(Str, Value)>;

/// A block that is there after expansion.
pub(crate) struct Expanded<'a> {
    pub(crate) block_type: Str,
    pub(crate) type_range: Range,
    pub(crate) labels: Vec<(Str, Range)>,
    /// Type and labels.
    pub(crate) header: Range,
    pub(crate) body: &'a ast::Body,
    pub(crate) iterators: Iterators,
    /// Whether a `dynamic` block made it; only then it is not checked yet.
    dynamic: bool,
}

const INVALID_FOR_EACH: &str = "Invalid dynamic for_each value";
const INVALID_LABEL: &str = "Invalid dynamic block label";

impl Session<'_> {
    /// Evaluates a body; attributes named in `skip` are left out.
    pub(crate) fn body(
        &mut self,
        source: &Arc<Source>,
        parsed: &ast::Body,
        header: Range,
        scope: &Scope<'_>,
        iterators: &Iterators,
        skip: &[&str],
    ) -> Body {
        let inner = scope.child(iterators.clone());
        let mut attributes = IndexMap::with_capacity(parsed.attributes.len());
        for attribute in parsed.attributes.iter().filter(|found| !skip.contains(&&*found.name)) {
            let value = self.eval(source, &attribute.expr, &inner);
            let evaluated = body::Attribute {
                value,
                span: Span::new(source, attribute.expr.range),
                name_span: Span::new(source, attribute.name_range),
            };
            attributes.insert(attribute.name.to_string(), evaluated);
        }
        let mut blocks = Vec::new();
        for block in self.expand(source, parsed, scope, iterators) {
            let body = self.body(source, block.body, block.header, scope, &block.iterators, &[]);
            blocks.push(body::Block {
                block_type: block.block_type.to_string(),
                labels: block.labels.iter().map(|(label, _)| label.to_string()).collect(),
                body,
                span: Span::new(source, block.header),
            });
        }
        Body { attributes, blocks, span: Span::new(source, header) }
    }

    /// The blocks of a body, with each `dynamic` block replaced by what it
    /// stands for.
    pub(crate) fn expand<'b>(
        &mut self,
        source: &Arc<Source>,
        parsed: &'b ast::Body,
        scope: &Scope<'_>,
        iterators: &Iterators,
    ) -> Vec<Expanded<'b>> {
        let mut expanded = Vec::with_capacity(parsed.blocks.len());
        for block in &parsed.blocks {
            if &*block.block_type == "dynamic" {
                self.expand_dynamic(source, block, scope, iterators, &mut expanded);
                continue;
            }
            expanded.push(Expanded {
                block_type: block.block_type.clone(),
                type_range: block.type_range,
                labels: block.labels.clone(),
                header: block.header,
                body: &block.body,
                iterators: iterators.clone(),
                dynamic: false,
            });
        }
        expanded
    }

    fn expand_dynamic<'b>(
        &mut self,
        source: &Arc<Source>,
        block: &'b Block,
        scope: &Scope<'_>,
        iterators: &Iterators,
        expanded: &mut Vec<Expanded<'b>>,
    ) {
        let before = self.problems.len();
        self.check(&schema::DYNAMIC, source, &block.body);
        self.problems.extend(schema::check_labels(source, block, &["type"]));
        let contents: Vec<&Block> = block.body.blocks.iter().collect();
        let content = match contents.as_slice() {
            [content] => &content.body,
            [] => {
                let detail = "A dynamic block must have a nested block of type \"content\" to \
                              describe the body of each generated block.";
                return self.error(source, block.body.end, "Missing dynamic content block", detail);
            }
            [_, extra, ..] => {
                let detail = "Only one nested content block is allowed for each dynamic block.";
                return self.error(
                    source,
                    extra.header,
                    "Extraneous dynamic content block",
                    detail,
                );
            }
        };
        let Some((block_type, type_range)) = block.labels.first() else { return };
        let Some(each) = block.body.attribute("for_each") else { return };
        let iterator = self.iterator_name(source, block, block_type);
        if self.problems.len() > before {
            return;
        }
        let Some(entries) = self.for_each(source, &each.expr, &scope.child(iterators.clone()))
        else {
            return;
        };
        for (key, value) in entries {
            let current = object_of([("key".into(), key), ("value".into(), value)]);
            let mut inner = iterators.clone();
            inner.push((iterator.clone(), current));
            let labels = self.dynamic_labels(source, block, &scope.child(inner.clone()));
            let Some(labels) = labels else { return };
            expanded.push(Expanded {
                block_type: block_type.clone(),
                type_range: *type_range,
                labels,
                header: block.header,
                body: content,
                iterators: inner,
                dynamic: true,
            });
        }
    }

    fn iterator_name(&mut self, source: &Arc<Source>, block: &Block, block_type: &Str) -> Str {
        let Some(attribute) = block.body.attribute("iterator") else { return block_type.clone() };
        if let ExprKind::Variable(name) = &attribute.expr.kind {
            return name.clone();
        }
        let detail = "Dynamic iterator must be a single variable name.";
        self.error(source, attribute.expr.range, "Invalid dynamic iterator name", detail);
        block_type.clone()
    }

    fn for_each(
        &mut self,
        source: &Arc<Source>,
        expr: &Expr,
        scope: &Scope<'_>,
    ) -> Option<Vec<(Value, Value)>> {
        let before = self.problems.len();
        let value = self.eval(source, expr, scope);
        if self.problems.len() > before {
            return None;
        }
        let detail = if value.is_null() {
            "Cannot use a null value in for_each.".to_owned()
        } else if value.ty().is_primitive() {
            let name = value.ty().friendly_name();
            format!("Cannot use a {name} value in for_each. An iterable collection is required.")
        } else if let Some(entries) = value.entries() {
            return Some(entries);
        } else {
            let origin = value.unknown_origin();
            let origin = origin.as_deref().unwrap_or("something that only the build tells");
            format!(
                "How many blocks this makes is not known before the build runs: it depends on {origin}."
            )
        };
        self.error(source, expr.range, INVALID_FOR_EACH, detail);
        None
    }

    fn dynamic_labels(
        &mut self,
        source: &Arc<Source>,
        block: &Block,
        scope: &Scope<'_>,
    ) -> Option<Vec<(Str, Range)>> {
        let Some(attribute) = block.body.attribute("labels") else { return Some(Vec::new()) };
        let ExprKind::Tuple(exprs) = &attribute.expr.kind else {
            let detail = "A list of labels is required, such as labels = [\"shell\"].";
            self.error(source, attribute.expr.range, INVALID_LABEL, detail);
            return None;
        };
        exprs.iter().map(|expr| self.dynamic_label(source, expr, scope)).collect()
    }

    fn dynamic_label(
        &mut self,
        source: &Arc<Source>,
        expr: &Expr,
        scope: &Scope<'_>,
    ) -> Option<(Str, Range)> {
        let before = self.problems.len();
        let value = self.eval(source, expr, scope);
        if self.problems.len() > before {
            return None;
        }
        let detail = match convert(&value, &Type::String) {
            Ok(text) => match text.as_str() {
                Some(text) => return Some((text.into(), expr.range)),
                None if text.is_null() => {
                    "Cannot use a null value as a dynamic block label.".to_owned()
                }
                None => "This value is not yet known. Dynamic block labels must be \
                         immediately-known values."
                    .to_owned(),
            },
            Err(error) => format!("Cannot use this value as a dynamic block label: {error}."),
        };
        self.error(source, expr.range, INVALID_LABEL, detail);
        None
    }

    /// Checks what is written; what `dynamic` blocks stand for is checked when
    /// they are expanded.
    pub(crate) fn check_static(
        &mut self,
        schema: &schema::Schema,
        source: &Arc<Source>,
        body: &ast::Body,
    ) {
        let dynamic = |problem: &Diagnostic| {
            problem.summary == "Unsupported block type"
                && problem.span.as_ref().is_some_and(|span| span.text() == "dynamic")
        };
        let found = schema.check(source, body);
        self.problems.extend(found.into_iter().filter(|problem| !dynamic(problem)));
    }

    /// Checks type and labels of an expanded block against what is expected.
    pub(crate) fn check_expanded(
        &mut self,
        source: &Arc<Source>,
        block: &Expanded<'_>,
        expected: &[schema::BlockSchema],
    ) -> bool {
        let name = &block.block_type;
        let found = expected.iter().find(|(known, _)| *known == &**name);
        let (summary, detail, range) = match found {
            Some((_, labels)) if labels.len() == block.labels.len() => return true,
            _ if !block.dynamic => return false,
            Some((_, labels)) if block.labels.is_empty() && !labels.is_empty() => {
                let detail = "The argument \"labels\" is required, but no definition was found.";
                ("Missing required argument", detail.to_owned(), block.header)
            }
            Some((_, labels)) => {
                let count = labels.len();
                let detail = format!("Blocks of type {} require {count} label(s).", quote(name));
                ("Wrong number of block labels", detail, block.header)
            }
            None => {
                let detail = format!("Blocks of type {} are not expected here.", quote(name));
                ("Unsupported block type", detail, block.type_range)
            }
        };
        self.error(source, range, summary, detail);
        false
    }
}
