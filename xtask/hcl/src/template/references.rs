//! Uses of variables, locals, sources and data sources in the text.

use std::sync::Arc;

use crate::evaluated::{Reference, ReferenceKind};
use crate::source::{Range, Source, Span};
use crate::syntax::ast::{Body, Expr, ExprKind, ForExpr};
use crate::template::ParsedFile;

/// All references of all files, in order of appearance.
pub(crate) fn collect(files: &[ParsedFile]) -> Vec<Reference> {
    let mut found = Vec::new();
    for file in files {
        let mut collector =
            Collector { source: &file.source, found: &mut found, bound: Vec::new() };
        collector.body(&file.body);
    }
    found.sort_by(|a, b| (a.span.path(), a.span.range).cmp(&(b.span.path(), b.span.range)));
    found
}

/// References of one expression, for dependencies between locals.
pub(crate) fn of_expression(source: &Arc<Source>, expr: &Expr) -> Vec<Reference> {
    let mut found = Vec::new();
    Collector { source, found: &mut found, bound: Vec::new() }.expr(expr);
    found
}

struct Collector<'a> {
    source: &'a Arc<Source>,
    found: &'a mut Vec<Reference>,
    /// Names that loops around the current expression define.
    bound: Vec<&'a str>,
}

impl<'a> Collector<'a> {
    fn body(&mut self, body: &'a Body) {
        for attribute in &body.attributes {
            self.expr(&attribute.expr);
        }
        for block in &body.blocks {
            self.sources(&block.block_type, &block.body);
            self.body(&block.body);
        }
    }

    /// Sources that a build names: `sources = ["source.a.b"]`, `source "a.b" {}`.
    fn sources(&mut self, block_type: &str, body: &'a Body) {
        if block_type != "build" {
            return;
        }
        if let Some(ExprKind::Tuple(parts)) =
            body.attribute("sources").map(|found| &found.expr.kind)
        {
            for part in parts {
                if let ExprKind::Literal(value) = &part.kind {
                    self.source(value.as_str().unwrap_or(""), part.range);
                }
            }
        }
        for block in body.blocks.iter().filter(|block| &*block.block_type == "source") {
            if let Some((label, range)) = block.labels.first() {
                self.source(label, *range);
            }
        }
    }

    fn source(&mut self, text: &str, range: Range) {
        if let Some((source_type, name)) = crate::template::build::split_reference(text) {
            self.add(ReferenceKind::Source, format!("{source_type}.{name}"), range);
        }
    }

    fn add(&mut self, kind: ReferenceKind, name: String, range: Range) {
        let span = Span::new(self.source, range);
        self.found.push(Reference { kind, name, span });
    }

    fn expr(&mut self, expr: &'a Expr) {
        match &expr.kind {
            ExprKind::Variable(_) | ExprKind::Attr { .. } | ExprKind::Index { .. }
                if self.reference(expr) => {}
            ExprKind::For(inner) | ExprKind::Join(inner) => self.for_expr(inner),
            _ => {
                let mut parts = Vec::new();
                expr.for_each_part(&mut |part| parts.push(part));
                for part in parts {
                    self.expr(part);
                }
            }
        }
    }

    fn for_expr(&mut self, inner: &'a ForExpr) {
        self.expr(&inner.collection);
        let outer = self.bound.len();
        self.bound.extend(inner.key_name.as_deref());
        self.bound.push(&inner.value_name);
        for part in inner.key.iter().chain([&inner.value]).chain(&inner.condition) {
            self.expr(part);
        }
        self.bound.truncate(outer);
    }

    /// Notes a reference if the expression is one: a name and constant steps,
    /// as in `var.x`, `data.a.b.c` or `path.root`.
    fn reference(&mut self, expr: &'a Expr) -> bool {
        let mut steps = Vec::new();
        let mut at = expr;
        while let Some((object, step)) = step(at) {
            steps.push((step, at.range));
            at = object;
        }
        let ExprKind::Variable(root) = &at.kind else { return false };
        if self.bound.contains(&&**root) {
            return true;
        }
        steps.reverse();
        let (kind, length) = match &**root {
            "var" => (ReferenceKind::Variable, 1),
            "local" => (ReferenceKind::Local, 1),
            "data" => (ReferenceKind::Data, 2),
            _ => (ReferenceKind::Other, 1),
        };
        let named: Vec<&str> = steps.iter().take(length).map(|(name, _)| *name).collect();
        // The whole object (`keys(local)`) names nothing in particular.
        let (kind, name) = match kind {
            ReferenceKind::Other => {
                (kind, std::iter::once(&**root).chain(named).collect::<Vec<_>>().join("."))
            }
            _ if named.len() < length => (ReferenceKind::Other, root.to_string()),
            kind => (kind, named.join(".")),
        };
        let range = steps.get(length - 1).or(steps.last()).map_or(at.range, |(_, range)| *range);
        self.add(kind, name, range);
        true
    }
}

/// Object and name of `object.name` or `object["name"]`.
fn step(expr: &Expr) -> Option<(&Expr, &str)> {
    match &expr.kind {
        ExprKind::Attr { object, name, .. } => Some((object, name)),
        ExprKind::Index { collection, key, .. } => match &key.kind {
            ExprKind::Literal(value) => Some((collection, value.as_str()?)),
            _ => None,
        },
        _ => None,
    }
}
