//! One evaluation: the order of its steps and what they share.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use crate::convert::convert;
use crate::diagnostic::Diagnostic;
use crate::eval::{Evaluator, FunctionSet, Scope};
use crate::evaluated::Evaluated;
use crate::function::Context;
use crate::source::{Range, Source, Span};
use crate::syntax::ast::{Body, Expr};
use crate::template::dynamic::Iterators;
use crate::template::schema::{self, Schema};
use crate::template::{Inputs, Parsed, Resolved, Template, object_of};
use crate::types::Type;
use crate::value::{Str, Value};

/// State of an evaluation.
pub(crate) struct Session<'a> {
    pub(crate) parsed: &'a Parsed,
    pub(crate) inputs: &'a Inputs,
    pub(crate) context: Context<'a>,
    pub(crate) problems: Vec<Diagnostic>,
}

/// See [`Template::evaluate`].
pub(crate) fn evaluate(template: &Template, inputs: &Inputs) -> Result<Evaluated, Vec<Diagnostic>> {
    let parsed = &template.parsed;
    let mut session = Session::new(parsed, inputs);
    for file in &parsed.files {
        session.context.note_read(file.source.path());
        let found = schema::FILE.check(&file.source, &file.body);
        session.problems.extend(found);
    }
    let packer = session.packer_blocks();
    let declared = session.declare_variables();
    let variables = session.assign_variables(declared);
    session.refuse_data_sources();
    let variable_object = object_of(
        variables.iter().map(|(name, variable)| (Str::from(&**name), variable.value.clone())),
    );
    let locals = session.locals(&variable_object);
    let local_object =
        object_of(locals.iter().map(|(name, local)| (Str::from(&**name), local.value.clone())));
    let (sources, builds) = session.builds(&variable_object, &local_object);
    session.problems = distinct(std::mem::take(&mut session.problems));
    let files_read = session.context.reads.take();
    let resolved = Resolved {
        template: template.clone(),
        inputs: Arc::new(inputs.clone()),
        variables: variable_object,
        locals: local_object,
    };
    let references = parsed.references.clone();
    session.finish(|warnings| Evaluated {
        packer,
        variables,
        locals,
        sources,
        builds,
        files_read,
        references,
        warnings,
        resolved,
    })
}

impl<'a> Session<'a> {
    pub(crate) fn new(parsed: &'a Parsed, inputs: &'a Inputs) -> Self {
        let context = Context {
            base_dir: &parsed.dir,
            cwd: &inputs.cwd,
            env: &inputs.env,
            impure: inputs.impure,
            reads: RefCell::new(BTreeSet::new()),
            steps: Cell::new(0),
        };
        Self { parsed, inputs, context, problems: Vec::new() }
    }

    /// The result, or all problems if one of them is an error.
    pub(crate) fn finish<T>(
        self,
        result: impl FnOnce(Vec<Diagnostic>) -> T,
    ) -> Result<T, Vec<Diagnostic>> {
        if self.problems.iter().any(Diagnostic::is_error) {
            return Err(self.problems);
        }
        Ok(result(self.problems))
    }

    pub(crate) fn error(
        &mut self,
        source: &Arc<Source>,
        range: Range,
        summary: &str,
        detail: impl Into<String>,
    ) {
        self.problems.push(Diagnostic::error(summary, detail, Span::new(source, range)));
    }

    /// Evaluates with Packer's functions.
    pub(crate) fn eval(&mut self, source: &Arc<Source>, expr: &Expr, scope: &Scope<'_>) -> Value {
        self.eval_with(source, FunctionSet::All, |evaluator| evaluator.eval(expr, scope))
    }

    /// Evaluates where neither names nor functions are allowed.
    pub(crate) fn eval_constant(&mut self, source: &Arc<Source>, expr: &Expr) -> Value {
        self.eval_bare(source, expr, &Scope::closed())
    }

    fn eval_bare(&mut self, source: &Arc<Source>, expr: &Expr, scope: &Scope<'_>) -> Value {
        self.eval_with(source, FunctionSet::None, |evaluator| evaluator.eval(expr, scope))
    }

    pub(crate) fn eval_with<T>(
        &mut self,
        source: &Arc<Source>,
        functions: FunctionSet,
        step: impl FnOnce(&mut Evaluator<'_>) -> T,
    ) -> T {
        let mut evaluator = Evaluator::new(source, &self.context, functions);
        let result = step(&mut evaluator);
        let problems = evaluator.problems;
        self.problems.extend(problems);
        result
    }

    /// A constant argument converted to a type; `None` if it is missing, null,
    /// or after an error.
    pub(crate) fn constant(
        &mut self,
        source: &Arc<Source>,
        body: &Body,
        name: &str,
        ty: &Type,
    ) -> Option<Value> {
        self.constant_among(source, body, name, ty, &Iterators::new())
    }

    /// The same in what a `dynamic` block makes, where its iterators are the only names.
    pub(crate) fn constant_among(
        &mut self,
        source: &Arc<Source>,
        body: &Body,
        name: &str,
        ty: &Type,
        iterators: &Iterators,
    ) -> Option<Value> {
        let attribute = body.attribute(name)?;
        let before = self.problems.len();
        let scope = match iterators.is_empty() {
            true => Scope::closed(),
            false => Scope::root(iterators.clone()),
        };
        let value = self.eval_bare(source, &attribute.expr, &scope);
        if self.problems.len() > before {
            return None;
        }
        match convert(&value, ty) {
            Ok(value) if !value.is_null() => Some(value),
            Ok(_) => None,
            Err(error) => {
                let detail = format!("Unsuitable value: {error}.");
                self.error(source, attribute.expr.range, "Unsuitable value type", detail);
                None
            }
        }
    }

    pub(crate) fn check(&mut self, schema: &Schema, source: &Arc<Source>, body: &Body) {
        let found = schema.check(source, body);
        self.problems.extend(found);
    }

    /// Names that every expression sees.
    pub(crate) fn base_scope(&self, variables: &Value, locals: &Value) -> Scope<'static> {
        let text = |value: &str| Value::string(value);
        let unknown = |name: &str| Value::unknown(Type::String, Some(name.into()));
        let slashes = |path: &std::path::Path| path.to_string_lossy().replace('\\', "/");
        let path = object_of([
            (Str::from("cwd"), text(&slashes(&self.inputs.cwd))),
            (Str::from("root"), text(&slashes(&self.parsed.dir))),
        ]);
        let packer = object_of([
            (Str::from("version"), text(&self.inputs.packer_version)),
            (Str::from("iterationID"), unknown("packer.iterationID")),
            (Str::from("versionFingerprint"), unknown("packer.versionFingerprint")),
        ]);
        let source = object_of([
            (Str::from("type"), unknown("source.type")),
            (Str::from("name"), unknown("source.name")),
        ]);
        let build = Value::unknown(Type::empty_object(), Some("build".into()));
        Scope::root(vec![
            ("var".into(), variables.clone()),
            ("local".into(), locals.clone()),
            ("path".into(), path),
            ("packer".into(), packer),
            ("source".into(), source),
            ("build".into(), build),
            ("data".into(), object_of([])),
        ])
    }

    /// Data sources run plugins; nothing here can.
    fn refuse_data_sources(&mut self) {
        let parsed = self.parsed;
        for file in &parsed.files {
            for block in file.body.blocks.iter().filter(|block| &*block.block_type == "data") {
                let labels: Vec<&str> = block.labels.iter().map(|(label, _)| &**label).collect();
                let detail = format!(
                    "The data source {} asks a service through a plugin, which only Packer itself \
                     can do. Use a variable instead, or build with Packer.",
                    labels.join(".")
                );
                self.error(
                    &file.source,
                    block.header,
                    "Data sources need Packer and a plugin",
                    detail,
                );
            }
        }
    }
}

/// What is evaluated once for each source is wrong once for each source; one
/// complaint is enough.
pub(crate) fn distinct(problems: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let mut seen = HashSet::new();
    let key = |problem: &Diagnostic| {
        let place = problem.span.as_ref().map(|span| (span.path().to_owned(), span.range));
        (problem.summary.clone(), problem.detail.clone(), place)
    };
    problems.into_iter().filter(|problem| seen.insert(key(problem))).collect()
}
