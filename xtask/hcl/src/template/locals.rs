//! Local values, in any order over all files.

use std::sync::Arc;

use indexmap::IndexMap;

use crate::diagnostic::{Diagnostic, meant_or_known};
use crate::evaluated::{Local, Reference, ReferenceKind};
use crate::quote::quote;
use crate::source::{Source, Span};
use crate::syntax::ast::{Block, Expr};
use crate::syntax::is_identifier;
use crate::template::session::Session;
use crate::template::variables::BAD_IDENTIFIER;
use crate::template::{object_of, references, schema};
use crate::types::Type;
use crate::value::{Str, Value};

/// Locals that may wait for each other; bounds the depth of recursion.
const MAX_CHAIN: usize = 100;

/// A local before it is evaluated.
struct Pending<'a> {
    source: &'a Arc<Source>,
    expr: &'a Expr,
    sensitive: bool,
    span: Span,
    uses: Vec<Reference>,
    state: State,
}

/// How far a local is.
enum State {
    Waiting,
    Running,
    Done(Value),
}

type PendingLocals<'a> = IndexMap<String, Pending<'a>>;

impl<'a> Session<'a> {
    pub(crate) fn locals(&mut self, variables: &Value) -> IndexMap<String, Local> {
        let mut pending = self.declare_locals();
        for index in 0..pending.len() {
            self.resolve(index, &mut pending, &mut Vec::new(), variables);
        }
        let local = |(name, pending): (String, Pending<'_>)| {
            let value = match pending.state {
                State::Done(value) => value,
                State::Waiting | State::Running => Value::dynamic(None),
            };
            let (sensitive, span) = (pending.sensitive, pending.span);
            (name.clone(), Local { name, value: value.mark(sensitive), sensitive, span })
        };
        pending.into_iter().map(local).collect()
    }

    fn declare_locals(&mut self) -> PendingLocals<'a> {
        let mut pending = PendingLocals::new();
        let parsed = self.parsed;
        for file in &parsed.files {
            for block in &file.body.blocks {
                match &*block.block_type {
                    "locals" => {
                        for attribute in &block.body.attributes {
                            let span = Span::new(&file.source, attribute.name_range);
                            self.declare_local(
                                &attribute.name,
                                &attribute.expr,
                                false,
                                span,
                                &file.source,
                                &mut pending,
                            );
                        }
                        self.refuse_blocks(&file.source, block);
                    }
                    "local" => self.local_block(&file.source, block, &mut pending),
                    _ => {}
                }
            }
        }
        pending
    }

    fn refuse_blocks(&mut self, source: &Arc<Source>, block: &Block) {
        if let Some(inner) = block.body.blocks.first() {
            let summary = format!("Unexpected {} block", quote(&inner.block_type));
            let detail = "Blocks are not allowed here.";
            let span = Span::new(source, inner.type_range);
            let label = format!("an object is written `{} = {{ ... }}`", inner.block_type);
            self.problems.push(Diagnostic::error(summary, detail, span).with_label(Some(label)));
        }
    }

    fn local_block(
        &mut self,
        source: &'a Arc<Source>,
        block: &'a Block,
        pending: &mut PendingLocals<'a>,
    ) {
        let Some((name, range)) = block.labels.first() else { return };
        self.check(&schema::LOCAL, source, &block.body);
        if !is_identifier(name) {
            self.error(source, *range, "Invalid local name", BAD_IDENTIFIER);
        }
        let sensitive = self.constant(source, &block.body, "sensitive", &Type::Bool);
        let sensitive = sensitive.and_then(|flag| flag.as_bool()).unwrap_or(false);
        match block.body.attribute("expression") {
            Some(attribute) => {
                let span = Span::new(source, *range);
                self.declare_local(name, &attribute.expr, sensitive, span, source, pending);
            }
            None => {
                let detail = format!("The local {} has no \"expression\".", quote(name));
                self.error(source, block.header, "Missing required argument", detail);
            }
        }
    }

    fn declare_local(
        &mut self,
        name: &str,
        expr: &'a Expr,
        sensitive: bool,
        span: Span,
        source: &'a Arc<Source>,
        pending: &mut PendingLocals<'a>,
    ) {
        if let Some(first) = pending.get(name) {
            let detail = format!(
                "Local variable {} is defined twice in your templates. Other definition found at {}.",
                quote(name),
                first.span
            );
            return self.error(source, span.range, "Duplicate local definition", detail);
        }
        let mut uses = references::of_expression(source, expr);
        uses.retain(|reference| reference.kind == ReferenceKind::Local);
        let state = State::Waiting;
        pending.insert(name.to_owned(), Pending { source, expr, sensitive, span, uses, state });
    }

    /// Evaluates a local after those it uses. `chain` holds the locals that
    /// wait for this one.
    fn resolve(
        &mut self,
        index: usize,
        pending: &mut PendingLocals<'a>,
        chain: &mut Vec<usize>,
        variables: &Value,
    ) {
        let Some((_, local)) = pending.get_index_mut(index) else { return };
        if !matches!(local.state, State::Waiting) {
            return;
        }
        local.state = State::Running;
        let uses = std::mem::take(&mut local.uses);
        chain.push(index);
        let mut failed = false;
        for reference in &uses {
            let Some(target) = pending.get_index_of(&reference.name) else {
                self.undeclared_local(reference, pending);
                failed = true;
                continue;
            };
            if chain.len() >= MAX_CHAIN {
                self.long_chain(reference);
                failed = true;
            } else if chain.contains(&target) {
                self.cycle(reference, target, chain, pending);
                failed = true;
            } else {
                self.resolve(target, pending, chain, variables);
            }
        }
        chain.pop();
        let value = match failed {
            true => Value::dynamic(None),
            false => self.local_value(index, &uses, pending, variables),
        };
        if let Some((_, local)) = pending.get_index_mut(index) {
            local.state = State::Done(value.mark(local.sensitive));
        }
    }

    fn local_value(
        &mut self,
        index: usize,
        uses: &[Reference],
        pending: &PendingLocals<'a>,
        variables: &Value,
    ) -> Value {
        let Some((_, local)) = pending.get_index(index) else { return Value::dynamic(None) };
        let known =
            uses.iter().filter_map(|reference| match &pending.get(&reference.name)?.state {
                State::Done(value) => Some((Str::from(&*reference.name), value.clone())),
                State::Waiting | State::Running => None,
            });
        let scope = self.base_scope(variables, &object_of(known));
        self.eval(local.source, local.expr, &scope)
    }

    fn long_chain(&mut self, reference: &Reference) {
        let detail = format!("More than {MAX_CHAIN} locals depend on each other in a row.");
        let span = reference.span.clone();
        self.problems.push(Diagnostic::error("Locals depend on too many others", detail, span));
    }

    fn undeclared_local(&mut self, reference: &Reference, pending: &PendingLocals<'_>) {
        let label = meant_or_known(&reference.name, pending.keys().map(String::as_str));
        let label = label.or_else(|| Some("declare it in a locals block".to_owned()));
        let detail = format!("There is no local named {}.", quote(&reference.name));
        let span = reference.span.clone();
        let problem = Diagnostic::error("Undeclared local", detail, span);
        self.problems.push(problem.with_label(label));
    }

    fn cycle(
        &mut self,
        reference: &Reference,
        target: usize,
        chain: &[usize],
        pending: &PendingLocals<'_>,
    ) {
        let from = chain.iter().position(|index| *index == target).unwrap_or(0);
        let names = chain.iter().skip(from).chain([&target]);
        let names: Vec<String> = names
            .filter_map(|index| pending.get_index(*index))
            .map(|(name, _)| format!("local.{name}"))
            .collect();
        let detail = format!("Locals must not depend on themselves: {}.", names.join(" -> "));
        let span = reference.span.clone();
        self.problems.push(Diagnostic::error("Cycle between locals", detail, span));
    }
}
