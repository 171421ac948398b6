//! `source` and `build` blocks.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::body::{Attribute, Body};
use crate::diagnostic::{Diagnostic, suggest};
use crate::eval::Scope;
use crate::evaluated::{Build, BuildSource, PostProcessor, Provisioner, SourceDeclaration};
use crate::source::{Range, Source, Span};
use crate::syntax::ast::{self, Block};
use crate::syntax::is_identifier;
use crate::template::dynamic::{Expanded, Iterators};
use crate::template::session::Session;
use crate::template::{BUILD_NAMES, object_of, schema};
use crate::types::Type;
use crate::value::{Str, Value};

/// Declared sources by type and name.
type Sources<'a> = BTreeMap<(Str, Str), (&'a Arc<Source>, &'a Block)>;

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

/// `build` values that must not be shown.
const SECRET_BUILD_VALUES: [&str; 3] = ["Password", "SSHPrivateKey", "WinRMPassword"];

/// Type and name in `source.qemu.rocky9` or `qemu.rocky9`.
pub(crate) fn split_reference(text: &str) -> Option<(&str, &str)> {
    let parts: Vec<&str> = text.split('.').collect();
    match parts.as_slice() {
        [source_type, name] | [_, source_type, name, ..] => Some((source_type, name)),
        _ => None,
    }
}

/// A provisioner or post-processor before it is evaluated for a source.
struct Step<'a> {
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
struct Steps<'a> {
    provisioners: Vec<Step<'a>>,
    cleanup: Option<Step<'a>>,
    post_processors: Vec<Vec<Step<'a>>>,
}

/// A source as a build names it.
struct SourceUse<'a> {
    source_type: Str,
    declared_name: Str,
    name: Str,
    /// The body of a nested `source` block.
    addition: Option<(&'a Arc<Source>, Expanded<'a>)>,
}

impl<'a> Session<'a> {
    /// All sources and builds of the directory.
    pub(crate) fn builds(
        &mut self,
        variables: &Value,
        locals: &Value,
    ) -> (Vec<SourceDeclaration>, Vec<Build>) {
        let base = self.base_scope(variables, locals);
        let (declared, sources) = self.declared_sources();
        let mut builds = Vec::new();
        let mut registry = None;
        let parsed = self.parsed;
        for file in &parsed.files {
            for block in &file.body.blocks {
                match &*block.block_type {
                    "build" => builds.extend(self.build(&file.source, block, &sources, &base)),
                    "hcp_packer_registry" => {
                        let none = Iterators::new();
                        registry = Some(self.body(
                            &file.source,
                            &block.body,
                            block.header,
                            &base,
                            &none,
                            &[],
                        ));
                    }
                    _ => {}
                }
            }
        }
        for build in &mut builds {
            build.hcp_registry = build.hcp_registry.take().or_else(|| registry.clone());
        }
        (declared, builds)
    }

    fn declared_sources(&mut self) -> (Vec<SourceDeclaration>, Sources<'a>) {
        let mut declared = Vec::new();
        let mut sources = Sources::new();
        let parsed = self.parsed;
        for file in &parsed.files {
            for block in file.body.blocks.iter().filter(|block| &*block.block_type == "source") {
                let [(source_type, _), (name, _)] = block.labels.as_slice() else { continue };
                let key = (source_type.clone(), name.clone());
                if let Some((first_source, first)) = sources.get(&key) {
                    let first = Span::new(first_source, first.header);
                    let detail = format!(
                        "This source block has the same builder type and name as a previous block \
                         declared at {first}. Each source must have a unique name per builder type."
                    );
                    self.error(&file.source, block.header, "Duplicate source block", detail);
                    continue;
                }
                sources.insert(key, (&file.source, block));
                declared.push(SourceDeclaration {
                    source_type: source_type.to_string(),
                    name: name.to_string(),
                    span: Span::new(&file.source, block.header),
                });
            }
        }
        (declared, sources)
    }

    fn build(
        &mut self,
        source: &'a Arc<Source>,
        block: &'a Block,
        sources: &Sources<'a>,
        base: &Scope<'_>,
    ) -> Option<Build> {
        let none = Iterators::new();
        self.check_build(source, block);
        let own = self.attributes_of(source, block, base);
        let name = self.take(own.string("name")).unwrap_or_default();
        let description = self.take(own.string("description")).unwrap_or_default();
        let mut uses = self.named_sources(&own);
        let meta =
            base.child(vec![("build".into(), object_of([("name".into(), Value::string(&name))]))]);
        let mut steps = Steps::default();
        let mut hcp_registry = None;
        for inner in self.expand(source, &block.body, base, &none) {
            if !self.check_expanded(source, &inner, schema::BUILD.blocks) {
                continue;
            }
            match &*inner.block_type {
                "source" => uses.extend(self.nested_source(source, inner)),
                "hcp_packer_registry" => {
                    hcp_registry = Some(self.body(
                        source,
                        inner.body,
                        inner.header,
                        base,
                        &inner.iterators,
                        &[],
                    ));
                }
                "from" => {}
                _ => self.step(source, inner, &meta, &mut steps),
            }
        }
        if uses.is_empty() {
            let detail = "A build block must reference at least one source to be built.";
            self.error(source, block.header, "Missing source reference", detail);
        }
        let span = Span::new(source, block.header);
        let mut built = Vec::with_capacity(uses.len());
        for used in uses {
            built.extend(self.build_source(&used, sources, &steps, base, &name, &span));
        }
        Some(Build { name, description, sources: built, hcp_registry, span })
    }

    /// Checks what is written; `dynamic` blocks are checked when expanded.
    fn check_build(&mut self, source: &Arc<Source>, block: &Block) {
        let found = schema::BUILD.check(source, &block.body);
        let dynamic = |problem: &Diagnostic| {
            problem.summary == "Unsupported block type"
                && problem.span.as_ref().is_some_and(|span| span.text() == "dynamic")
        };
        self.problems.extend(found.into_iter().filter(|problem| !dynamic(problem)));
    }

    /// Evaluates only the attributes of a block.
    fn attributes_of(&mut self, source: &Arc<Source>, block: &Block, scope: &Scope<'_>) -> Body {
        let mut body = Body::empty(Span::new(source, block.header));
        for attribute in &block.body.attributes {
            let value = self.eval(source, &attribute.expr, scope);
            let span = Span::new(source, attribute.expr.range);
            let name_span = Span::new(source, attribute.name_range);
            body.attributes
                .insert(attribute.name.to_string(), Attribute { value, span, name_span });
        }
        body
    }

    /// The value of a typed attribute; an error is noted.
    fn take<T>(&mut self, typed: Result<Option<T>, Diagnostic>) -> Option<T> {
        match typed {
            Ok(value) => value,
            Err(problem) => {
                self.problems.push(problem);
                None
            }
        }
    }

    fn named_sources(&mut self, own: &Body) -> Vec<SourceUse<'a>> {
        let names = self.take(own.strings("sources")).unwrap_or_default();
        let span =
            own.attribute("sources").map_or_else(|| own.span.clone(), |found| found.span.clone());
        names.iter().filter_map(|name| self.source_use(name, &span)).collect()
    }

    fn source_use(&mut self, reference: &str, span: &Span) -> Option<SourceUse<'a>> {
        match split_reference(reference) {
            Some((source_type, name)) if is_identifier(source_type) && is_identifier(name) => {
                Some(SourceUse {
                    source_type: source_type.into(),
                    declared_name: name.into(),
                    name: name.into(),
                    addition: None,
                })
            }
            _ => {
                let detail = "A source type is made of three parts that are split by a dot `.`; \
                              each part must start with a letter and may contain only letters, \
                              digits, underscores, and dashes. A valid source reference looks \
                              like: `source.type.name`";
                self.error(&span.source, span.range, "Invalid source reference", detail);
                None
            }
        }
    }

    /// `source "type.name" { … }` inside a build.
    fn nested_source(
        &mut self,
        source: &'a Arc<Source>,
        block: Expanded<'a>,
    ) -> Option<SourceUse<'a>> {
        let (label, range) = block.labels.first()?.clone();
        let mut used = self.source_use(&label, &Span::new(source, range))?;
        let name = self.constant(source, block.body, "name", &Type::String);
        if let Some(name) = name.as_ref().and_then(Value::as_str).filter(|name| !name.is_empty()) {
            used.name = name.into();
        }
        used.addition = Some((source, block));
        Some(used)
    }

    /// A provisioner, post-processor or chain of them.
    fn step(
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
            let summary = "Only one of 'only' or 'except' may be specified";
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

    fn build_source(
        &mut self,
        used: &SourceUse<'a>,
        sources: &Sources<'a>,
        steps: &Steps<'a>,
        base: &Scope<'_>,
        build_name: &str,
        span: &Span,
    ) -> Option<BuildSource> {
        let key = (used.source_type.clone(), used.declared_name.clone());
        let Some((source, block)) = sources.get(&key) else {
            self.unknown_source(used, sources, span);
            return None;
        };
        let own = object_of([
            ("type".into(), Value::string(&used.source_type)),
            ("name".into(), Value::string(&used.name)),
        ]);
        let scope = base.child(vec![("source".into(), own)]);
        let mut body = self.body(source, &block.body, block.header, &scope, &Iterators::new(), &[]);
        self.add_to_source(used, &mut body, &scope);
        let inner = scope.child(vec![("build".into(), self.build_object(build_name))]);
        let id = format!("{}.{}", used.source_type, used.name);
        let provisioners = steps.provisioners.iter().filter(|step| step.runs_for(&id));
        let provisioners =
            provisioners.filter_map(|step| self.provisioner(step, &used.name, &inner)).collect();
        let cleanup = steps.cleanup.as_ref().filter(|step| step.runs_for(&id));
        let error_cleanup = cleanup.and_then(|step| self.provisioner(step, &used.name, &inner));
        let mut post_processors = Vec::new();
        for chain in &steps.post_processors {
            let chain = chain.iter().filter(|step| step.runs_for(&id));
            let chain: Vec<_> = chain.map(|step| self.post_processor(step, &inner)).collect();
            if !chain.is_empty() {
                post_processors.push(chain);
            }
        }
        Some(BuildSource {
            source_type: used.source_type.to_string(),
            declared_name: used.declared_name.to_string(),
            name: used.name.to_string(),
            body,
            provisioners,
            error_cleanup,
            post_processors,
        })
    }

    fn unknown_source(&mut self, used: &SourceUse<'_>, sources: &Sources<'_>, span: &Span) {
        let wanted = format!("{}.{}", used.source_type, used.declared_name);
        let known: Vec<String> = sources.keys().map(|(ty, name)| format!("{ty}.{name}")).collect();
        let detail = match suggest(&wanted, known.iter().map(String::as_str)) {
            Some(name) => format!("Did you mean to use \"{name}\"?"),
            None => format!("Known: [{}]", known.join(" ")),
        };
        self.error(&span.source, span.range, &format!("Unknown source {wanted}"), detail);
    }

    /// Adds the arguments of a nested `source` block, which must be new.
    fn add_to_source(&mut self, used: &SourceUse<'a>, body: &mut Body, scope: &Scope<'_>) {
        let Some((source, block)) = &used.addition else { return };
        let added = self.body(source, block.body, block.header, scope, &block.iterators, &["name"]);
        for (name, attribute) in added.attributes {
            if let Some(first) = body.attributes.get(&name) {
                let detail = format!("Argument \"{name}\" was already set at {}", first.name_span);
                let span = attribute.name_span;
                self.error(&span.source, span.range, "Duplicate argument", detail);
                continue;
            }
            body.attributes.insert(name, attribute);
        }
        body.blocks.extend(added.blocks);
    }

    /// `build`, with what is known of it.
    fn build_object(&self, name: &str) -> Value {
        let mut values: BTreeMap<Str, Value> = BTreeMap::new();
        for key in BUILD_NAMES {
            values.insert(
                key.into(),
                Value::unknown(Type::String, Some(format!("build.{key}").into())),
            );
        }
        for (key, value) in &self.inputs.build_values {
            let secret = SECRET_BUILD_VALUES.contains(&key.as_str());
            values.insert(key.as_str().into(), value.clone().mark(secret));
        }
        values.insert("name".into(), Value::string(name));
        Value::object(values)
    }

    fn provisioner(
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
            pause_before: self.take(options.duration("pause_before")).unwrap_or_default(),
            timeout: self.take(options.duration("timeout")).unwrap_or_default(),
            max_retries,
            continue_on_error: self.take(options.bool("continue_on_error")).unwrap_or(false),
            body,
            span: Span::new(step.source, step.header),
        })
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
            let span = attribute.span.clone();
            return self.problems.push(Diagnostic::error(summary, "", span));
        };
        for (name, options) in by_source {
            let Some(options) = options.as_mapping().filter(|_| options.ty().is_object()) else {
                let summary =
                    format!("provisioner's override.'{name}' block must be an HCL object");
                self.problems.push(Diagnostic::error(summary, "", attribute.span.clone()));
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

    fn post_processor(&mut self, step: &Step<'a>, scope: &Scope<'_>) -> PostProcessor {
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

impl Step<'_> {
    /// Whether `only` and `except` let this source through.
    fn runs_for(&self, id: &str) -> bool {
        let listed = |names: &[String]| names.iter().any(|name| name == id);
        if self.only.is_empty() { !listed(&self.except) } else { listed(&self.only) }
    }
}
