//! `source` and `build` blocks.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::body::{Attribute, Body};
use crate::diagnostic::{Diagnostic, suggest};
use crate::eval::Scope;
use crate::evaluated::{Build, BuildSource, SourceDeclaration};
use crate::source::{Source, Span};
use crate::syntax::ast::Block;
use crate::syntax::is_identifier;
use crate::template::dynamic::{Expanded, Iterators};
use crate::template::session::Session;
use crate::template::steps::{Step, Steps};
use crate::template::{BUILD_NAMES, object_of, schema};
use crate::types::Type;
use crate::value::{Str, Value};

/// Declared sources by type and name.
type Sources<'a> = BTreeMap<(Str, Str), (&'a Arc<Source>, &'a Block)>;

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
        self.check_static(&schema::BUILD, source, &block.body);
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
        let named = own.has("sources")
            && own.attribute("sources").is_some_and(|found| !found.value.is_empty());
        let nested = block.body.blocks.iter().any(|inner| &*inner.block_type == "source");
        if uses.is_empty() && !named && !nested {
            let detail = "a build block must reference at least one source to be built";
            let label = "for example sources = [\"source.qemu.NAME\"]".to_owned();
            let span = Span::new(source, block.header);
            let problem = Diagnostic::error("missing source reference", detail, span);
            self.problems.push(problem.with_label(Some(label)));
        }
        let span = Span::new(source, block.header);
        let mut built = Vec::with_capacity(uses.len());
        for used in uses {
            built.extend(self.build_source(&used, sources, &steps, base, &name, &span));
        }
        let provisioners = steps.provisioners.iter().map(Step::declared).collect();
        let chain = |chain: &Vec<Step<'_>>| chain.iter().map(Step::declared).collect();
        let post_processors = steps.post_processors.iter().map(chain).collect();
        let sources = built;
        Some(Build {
            name,
            description,
            sources,
            provisioners,
            post_processors,
            hcp_registry,
            span,
        })
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

    /// The value of an option that Packer itself reads; an error is noted.
    pub(super) fn take<T>(&mut self, typed: Result<Option<T>, Diagnostic>) -> Option<T> {
        match typed {
            Ok(value) => value,
            Err(problem) => {
                let summary = "Unsuitable value type".to_owned();
                self.problems.push(Diagnostic { summary, ..problem });
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
        let (body, iterators) = (block.body, &block.iterators);
        let name = self.constant_among(source, body, "name", &Type::String, iterators);
        if let Some(name) = name.as_ref().and_then(Value::as_str).filter(|name| !name.is_empty()) {
            used.name = name.into();
        }
        used.addition = Some((source, block));
        Some(used)
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
}
