//! A template directory: parsed once, evaluated for any number of inputs.

mod assign;
mod build;
mod console;
mod dynamic;
mod load;
mod locals;
mod packer_block;
mod references;
mod schema;
mod session;
mod steps;
mod variables;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::diagnostic::Diagnostic;
use crate::evaluated::{Evaluated, Reference};
use crate::function::Impure;
use crate::source::Source;
use crate::syntax::ast::Body;
use crate::template::session::Session;
use crate::value::{Str, Value};

pub use crate::template::console::Console;

/// A parsed template directory. Clones share the parsed files.
#[derive(Clone, Debug)]
pub struct Template {
    pub(crate) parsed: Arc<Parsed>,
}

/// The files of a template directory.
#[derive(Debug)]
pub(crate) struct Parsed {
    /// The directory as it was given; `path.root` in expressions.
    pub(crate) dir: PathBuf,
    pub(crate) files: Vec<ParsedFile>,
    /// `*.auto.pkrvars.hcl`, then `*.auto.pkrvars.json`: where they are read
    /// from and what they are called.
    pub(crate) auto_var_files: Vec<(PathBuf, PathBuf)>,
    pub(crate) references: Vec<Reference>,
}

/// One parsed file.
#[derive(Debug)]
pub(crate) struct ParsedFile {
    pub(crate) source: Arc<Source>,
    pub(crate) body: Body,
}

/// Everything besides the template files that decides the result.
#[derive(Clone, Debug)]
pub struct Inputs {
    /// `-var` values, in order; the last one of a name counts.
    pub vars: Vec<(String, String)>,
    /// `-var-file` paths, in order; relative ones start from `cwd`.
    pub var_files: Vec<PathBuf>,
    /// Environment: `PKR_VAR_name`, `env()`, `HOME`.
    pub env: BTreeMap<String, String>,
    /// Directory the command was called in; `path.cwd` in expressions.
    pub cwd: PathBuf,
    /// `packer.version` in expressions; also checked against `required_version`.
    pub packer_version: String,
    /// What functions return that never give the same answer twice.
    pub impure: Impure,
    /// `build.NAME` in provisioners and post-processors, as far as known.
    pub build_values: BTreeMap<String, Value>,
}

/// Names in `build` that every builder sets while it runs.
pub const BUILD_NAMES: [&str; 13] = [
    "ID",
    "Host",
    "Port",
    "User",
    "Password",
    "ConnType",
    "PackerRunUUID",
    "PackerHTTPPort",
    "PackerHTTPIP",
    "PackerHTTPAddr",
    "SSHPublicKey",
    "SSHPrivateKey",
    "WinRMPassword",
];

/// Inputs, variables and locals of an evaluation, kept so that bodies can be
/// evaluated again with more `build` values.
#[derive(Clone, Debug)]
pub(crate) struct Resolved {
    pub(crate) template: Template,
    pub(crate) inputs: Arc<Inputs>,
    /// `var` and `local` objects.
    pub(crate) variables: Value,
    pub(crate) locals: Value,
}

impl Inputs {
    /// Inputs without values, for a template below `cwd`.
    pub fn new(cwd: impl Into<PathBuf>, packer_version: impl Into<String>) -> Self {
        Self {
            vars: Vec::new(),
            var_files: Vec::new(),
            env: BTreeMap::new(),
            cwd: cwd.into(),
            packer_version: packer_version.into(),
            impure: Impure::Placeholder,
            build_values: BTreeMap::new(),
        }
    }
}

impl Template {
    /// Parses the `*.pkr.hcl` files of a directory, or a single such file.
    /// Errors of all files are returned together.
    pub fn load(path: &Path) -> Result<Self, Vec<Diagnostic>> {
        load::load(path)
    }

    /// Like [`Template::load`], for a template that is known under another path
    /// than the one it is read from: messages and `path.root` say `shown`, and
    /// file functions find it there, seen from [`Inputs::cwd`].
    pub fn load_as(path: &Path, shown: &Path) -> Result<Self, Vec<Diagnostic>> {
        load::load_as(path, shown)
    }

    /// Parses texts as if they were the files of `dir`; for tests and editors.
    pub fn from_sources(dir: &Path, files: &[(&str, &str)]) -> Result<Self, Vec<Diagnostic>> {
        let sources = files.iter().map(|(name, text)| Source::new(dir.join(name), *text));
        load::from_sources(dir, sources.collect())
    }

    /// The directory as it was given.
    pub fn dir(&self) -> &Path {
        &self.parsed.dir
    }

    /// Every use of a variable, local, source or data source.
    pub fn references(&self) -> &[Reference] {
        &self.parsed.references
    }

    /// The template files, in the order Packer reads them.
    pub fn files(&self) -> impl Iterator<Item = &Arc<Source>> {
        self.parsed.files.iter().map(|file| &file.source)
    }

    /// Evaluates everything for these inputs. All errors that can be found are
    /// returned together, warnings with them; without errors the warnings are
    /// in the result.
    pub fn evaluate(&self, inputs: &Inputs) -> Result<Evaluated, Vec<Diagnostic>> {
        session::evaluate(self, inputs)
    }
}

impl Evaluated {
    /// Evaluates provisioners and post-processors again with `build` values
    /// that have become known; variables and locals stay as they are, so a
    /// UUID or time in them does not change.
    pub fn with_build_values(
        &self,
        values: BTreeMap<String, Value>,
    ) -> Result<Evaluated, Vec<Diagnostic>> {
        let mut inputs = (*self.resolved.inputs).clone();
        inputs.build_values.extend(values);
        let resolved = Resolved { inputs: Arc::new(inputs), ..self.resolved.clone() };
        let inputs = resolved.inputs.clone();
        let template = resolved.template.clone();
        let mut session = Session::new(&template.parsed, &inputs);
        let (sources, builds) = session.builds(&resolved.variables, &resolved.locals);
        session.problems = session::distinct(std::mem::take(&mut session.problems));
        let mut files_read = session.context.reads.take();
        files_read.extend(self.files_read.iter().cloned());
        session.finish(|warnings| Evaluated {
            sources,
            builds,
            files_read,
            warnings,
            resolved,
            ..self.clone()
        })
    }

    /// The value of an expression where `var`, `local`, `path` and `packer` are
    /// known, as in `packer console`.
    pub fn console(&self, expression: &str) -> Result<Value, Vec<Diagnostic>> {
        let source = Source::new("<console-input>", expression);
        let expr = crate::syntax::parse_expression(&source)?;
        let parsed = &self.resolved.template.parsed;
        let mut session = Session::new(parsed, &self.resolved.inputs);
        let scope = session.base_scope(&self.resolved.variables, &self.resolved.locals);
        let value = session.eval(&source, &expr, &scope);
        session.finish(|_| value)
    }
}

/// A sorted map of attributes as an object value.
pub(crate) fn object_of(entries: impl IntoIterator<Item = (Str, Value)>) -> Value {
    Value::object(entries.into_iter().collect())
}
