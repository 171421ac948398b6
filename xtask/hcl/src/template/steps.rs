//! Provisioners and post-processors of a build.

use std::sync::Arc;
use std::time::Duration;

use crate::body::{Attribute, Body};
use crate::diagnostic::Diagnostic;
use crate::eval::Scope;
use crate::evaluated::{PostProcessor, Provisioner, StepName};
use crate::source::{Range, Source, Span};
use crate::syntax::ast;
use crate::template::dynamic::{Expanded, Iterators};
use crate::template::schema;
use crate::template::session::Session;
use crate::value::Str;

/// Options of a provisioner that Packer itself reads.
const PROVISIONER_OPTIONS: [&str; 8] = [
    "name",
    "pause_before",
    "max_retries",
    "timeout",
    "continue_on_error",
    "only",
    "except",
    "override",
];

/// Options of a post-processor that Packer itself reads.
const POST_PROCESSOR_OPTIONS: [&str; 4] = ["name", "only", "except", "keep_input_artifact"];

/// A provisioner or post-processor before it is evaluated for a source.
pub(super) struct Step<'a> {
    source: &'a Arc<Source>,
    step_type: Str,
    header: Range,
    body: &'a ast::Body,
    iterators: Iterators,
    /// The options that Packer itself reads.
    options: Body,
    only: Vec<String>,
    except: Vec<String>,
}

/// What a build does with each of its sources.
#[derive(Default)]
pub(super) struct Steps<'a> {
    pub(super) provisioners: Vec<Step<'a>>,
    pub(super) cleanup: Option<Step<'a>>,
    pub(super) post_processors: Vec<Vec<Step<'a>>>,
}

impl Step<'_> {
    /// What it is called; a name that is not a string has been complained about.
    pub(super) fn declared(&self) -> StepName {
        StepName {
            step_type: self.step_type.to_string(),
            name: self.options.string("name").unwrap_or_default(),
            span: Span::new(self.source, self.header),
        }
    }

    /// Whether `only` and `except` let this source through.
    pub(super) fn runs_for(&self, id: &str) -> bool {
        let listed = |names: &[String]| names.iter().any(|name| name == id);
        if self.only.is_empty() { !listed(&self.except) } else { listed(&self.only) }
    }
}

impl<'a> Session<'a> {
    /// A provisioner, post-processor or chain of them.
    pub(super) fn step(
        &mut self,
        source: &'a Arc<Source>,
        block: Expanded<'a>,
        meta: &Scope<'_>,
        steps: &mut Steps<'a>,
    ) {
        match &*block.block_type {
            "post-processor" => {
                let step = self.step_options(source, block, meta, &POST_PROCESSOR_OPTIONS);
                steps.post_processors.extend(step.map(|step| vec![step]));
            }
            "post-processors" => {
                self.check_static(&schema::POST_PROCESSORS, source, block.body);
                let mut chain = Vec::new();
                for inner in self.expand(source, block.body, meta, &block.iterators) {
                    if self.check_expanded(source, &inner, schema::POST_PROCESSORS.blocks) {
                        chain.extend(self.step_options(
                            source,
                            inner,
                            meta,
                            &POST_PROCESSOR_OPTIONS,
                        ));
                    }
                }
                steps.post_processors.push(chain);
            }
            "error-cleanup-provisioner" if steps.cleanup.is_some() => {
                let summary = "Only one error-cleanup-provisioner is allowed";
                self.error(source, block.header, summary, "Remove all but one of them.");
            }
            "error-cleanup-provisioner" => {
                steps.cleanup = self.step_options(source, block, meta, &PROVISIONER_OPTIONS);
            }
            _ => {
                let step = self.step_options(source, block, meta, &PROVISIONER_OPTIONS);
                steps.provisioners.extend(step);
            }
        }
    }

    fn step_options(
        &mut self,
        source: &'a Arc<Source>,
        block: Expanded<'a>,
        meta: &Scope<'_>,
        options: &[&str],
    ) -> Option<Step<'a>> {
        let step_type = block.labels.first()?.0.clone();
        let scope = meta.child(block.iterators.clone());
        let mut evaluated = Body::empty(Span::new(source, block.header));
        for attribute in
            block.body.attributes.iter().filter(|found| options.contains(&&*found.name))
        {
            let value = self.eval(source, &attribute.expr, &scope);
            let span = Span::new(source, attribute.expr.range);
            let name_span = Span::new(source, attribute.name_range);
            evaluated
                .attributes
                .insert(attribute.name.to_string(), Attribute { value, span, name_span });
        }
        let only = self.take(evaluated.strings("only")).unwrap_or_default();
        let except = self.take(evaluated.strings("except")).unwrap_or_default();
        if !only.is_empty() && !except.is_empty() {
            let summary = "only one of 'only' or 'except' may be specified";
            self.error(source, block.header, summary, "Remove one of them.");
        }
        Some(Step {
            source,
            step_type,
            header: block.header,
            body: block.body,
            iterators: block.iterators,
            options: evaluated,
            only,
            except,
        })
    }

    pub(super) fn provisioner(
        &mut self,
        step: &Step<'a>,
        source_name: &str,
        scope: &Scope<'_>,
    ) -> Option<Provisioner> {
        let mut body = self.body(
            step.source,
            step.body,
            step.header,
            scope,
            &step.iterators,
            &PROVISIONER_OPTIONS,
        );
        self.apply_override(step, source_name, &mut body);
        let options = &step.options;
        let retries = self.take(options.int("max_retries")).unwrap_or(0);
        let max_retries = match u32::try_from(retries) {
            Ok(retries) => retries,
            Err(_) => {
                let problem = options.invalid("max_retries", "a small number from 0 is required");
                self.problems.push(problem);
                0
            }
        };
        Some(Provisioner {
            provisioner_type: step.step_type.to_string(),
            name: self.take(options.string("name")),
            pause_before: self.duration(options, "pause_before"),
            timeout: self.duration(options, "timeout"),
            max_retries,
            continue_on_error: self.take(options.bool("continue_on_error")).unwrap_or(false),
            body,
            span: Span::new(step.source, step.header),
        })
    }

    fn duration(&mut self, options: &Body, name: &str) -> Duration {
        match options.duration(name) {
            Ok(duration) => duration.unwrap_or_default(),
            Err(problem) => {
                let summary = format!("Failed to parse {name} duration");
                self.problems.push(Diagnostic { summary, ..problem });
                Duration::ZERO
            }
        }
    }

    /// `override = { NAME = { option = value } }` replaces options for one source.
    fn apply_override(&mut self, step: &Step<'a>, source_name: &str, body: &mut Body) {
        let Some(attribute) = step.options.attribute("override") else { return };
        if attribute.value.is_null() {
            return;
        }
        let Some(by_source) =
            attribute.value.as_mapping().filter(|_| attribute.value.ty().is_object())
        else {
            let summary = "provisioner's override block must be an HCL object";
            return self.bad_override(summary, attribute);
        };
        for (name, options) in by_source {
            let Some(options) = options.as_mapping().filter(|_| options.ty().is_object()) else {
                let summary =
                    format!("provisioner's override.'{name}' block must be an HCL object");
                self.bad_override(&summary, attribute);
                continue;
            };
            if &**name != source_name {
                continue;
            }
            for (option, value) in options {
                let replaced = Attribute { value: value.clone(), ..attribute.clone() };
                body.attributes.insert(option.to_string(), replaced);
            }
        }
    }

    /// Packer says no more than the summary.
    fn bad_override(&mut self, summary: &str, attribute: &Attribute) {
        let label = "write override = { SOURCE = { OPTION = VALUE } }".to_owned();
        let problem = Diagnostic::error(summary, "", attribute.span.clone());
        self.problems.push(problem.with_label(Some(label)));
    }

    pub(super) fn post_processor(&mut self, step: &Step<'a>, scope: &Scope<'_>) -> PostProcessor {
        let skip = &POST_PROCESSOR_OPTIONS;
        let body = self.body(step.source, step.body, step.header, scope, &step.iterators, skip);
        PostProcessor {
            post_processor_type: step.step_type.to_string(),
            name: self.take(step.options.string("name")),
            keep_input_artifact: self.take(step.options.bool("keep_input_artifact")),
            body,
            span: Span::new(step.source, step.header),
        }
    }
}
