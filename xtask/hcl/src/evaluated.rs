//! What a template directory amounts to for given inputs.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use indexmap::IndexMap;

use crate::body::Body;
use crate::diagnostic::Diagnostic;
use crate::source::Span;
use crate::types::Type;
use crate::value::Value;

/// A fully evaluated template directory.
#[derive(Clone, Debug)]
pub struct Evaluated {
    /// The `packer` blocks.
    pub packer: PackerBlock,
    /// Variables by name, in order of declaration.
    pub variables: IndexMap<String, Variable>,
    /// Locals by name, in order of declaration.
    pub locals: IndexMap<String, Local>,
    /// Declared sources.
    pub sources: Vec<SourceDeclaration>,
    /// Build blocks in order.
    pub builds: Vec<Build>,
    /// Every file or directory that was looked at: the templates, variable
    /// files, and what `file`, `templatefile`, `fileset` and the like touched.
    pub files_read: BTreeSet<PathBuf>,
    /// Every use of a variable, local, source or data source in the text.
    pub references: Vec<Reference>,
    /// Findings that do not prevent a build.
    pub warnings: Vec<Diagnostic>,
    pub(crate) resolved: crate::template::Resolved,
}

/// Requirements on Packer and its plugins.
#[derive(Clone, Debug, Default)]
pub struct PackerBlock {
    /// `required_version` constraints.
    pub required_versions: Vec<(String, Span)>,
    /// `required_plugins` by local name.
    pub required_plugins: IndexMap<String, RequiredPlugin>,
}

/// A required plugin.
#[derive(Clone, Debug)]
pub struct RequiredPlugin {
    /// Source address, such as `github.com/hashicorp/qemu`.
    pub source: String,
    /// Version constraint.
    pub version: String,
    /// The whole requirement.
    pub span: Span,
}

/// An input variable.
#[derive(Clone, Debug)]
pub struct Variable {
    /// Name after `var.`.
    pub name: String,
    /// Declared type; that of the default if none is declared.
    pub ty: Type,
    /// Declared description.
    pub description: String,
    /// The default, converted to the type.
    pub default: Option<Value>,
    /// Whether its value must not be shown.
    pub sensitive: bool,
    /// The value that counts.
    pub value: Value,
    /// Where that value came from.
    pub origin: ValueOrigin,
    /// The declaration: type and labels of the block.
    pub span: Span,
}

/// Where the value of a variable came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueOrigin {
    /// The default in the declaration.
    Default,
    /// The environment (`PKR_VAR_name`).
    Environment,
    /// A variable file.
    File,
    /// `-var`.
    CommandLine,
}

impl ValueOrigin {
    /// The word Packer uses in messages.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Environment => "env",
            Self::File => "varfile",
            Self::CommandLine => "cmd",
        }
    }
}

/// A local value.
#[derive(Clone, Debug)]
pub struct Local {
    /// Name after `local.`.
    pub name: String,
    /// The value.
    pub value: Value,
    /// Whether it was declared sensitive.
    pub sensitive: bool,
    /// The name in its declaration.
    pub span: Span,
}

/// A `source "type" "name"` block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceDeclaration {
    /// Builder type, such as `qemu`.
    pub source_type: String,
    /// Name of the source.
    pub name: String,
    /// Type and labels.
    pub span: Span,
}

/// A `build` block.
#[derive(Clone, Debug)]
pub struct Build {
    /// Declared name; empty if none.
    pub name: String,
    /// Declared description.
    pub description: String,
    /// The sources it builds.
    pub sources: Vec<BuildSource>,
    /// Its provisioners, whichever sources they run for.
    pub provisioners: Vec<StepName>,
    /// Its chains of post-processors, whichever sources they run for.
    pub post_processors: Vec<Vec<StepName>>,
    /// The `hcp_packer_registry` block, if any.
    pub hcp_registry: Option<Body>,
    /// The word `build`.
    pub span: Span,
}

/// A provisioner or post-processor as it is declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepName {
    /// Type, such as `shell`.
    pub step_type: String,
    /// Optional name.
    pub name: Option<String>,
    /// Type and labels.
    pub span: Span,
}

/// A source as one build uses it: everything that differs by source is
/// evaluated for this one.
#[derive(Clone, Debug)]
pub struct BuildSource {
    /// Builder type, such as `qemu`.
    pub source_type: String,
    /// Name of the `source` block.
    pub declared_name: String,
    /// Name in this build: that of a nested `source` block, or the declared one.
    pub name: String,
    /// The source's body, with the additions of a nested `source` block.
    pub body: Body,
    /// Provisioners that run for this source, in order.
    pub provisioners: Vec<Provisioner>,
    /// The `error-cleanup-provisioner` for this source.
    pub error_cleanup: Option<Provisioner>,
    /// Chains of post-processors for this source, in order.
    pub post_processors: Vec<Vec<PostProcessor>>,
}

/// A provisioner for one source.
#[derive(Clone, Debug)]
pub struct Provisioner {
    /// Type, such as `shell`.
    pub provisioner_type: String,
    /// Optional name.
    pub name: Option<String>,
    /// Wait before it runs.
    pub pause_before: Duration,
    /// Time it may take; zero is without limit.
    pub timeout: Duration,
    /// How often it is tried again.
    pub max_retries: u32,
    /// Whether the build goes on if it fails.
    pub continue_on_error: bool,
    /// Its options, with `override` for this source applied.
    pub body: Body,
    /// Type and labels.
    pub span: Span,
}

/// A post-processor for one source.
#[derive(Clone, Debug)]
pub struct PostProcessor {
    /// Type, such as `checksum`.
    pub post_processor_type: String,
    /// Optional name.
    pub name: Option<String>,
    /// Whether the artifact it works on is kept.
    pub keep_input_artifact: Option<bool>,
    /// Its options.
    pub body: Body,
    /// Type and labels.
    pub span: Span,
}

/// What a reference points to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReferenceKind {
    /// `var.name`.
    Variable,
    /// `local.name`.
    Local,
    /// `source.type.name` in `sources`, or the label of a nested source.
    Source,
    /// `data.type.name`.
    Data,
    /// Any other name, such as `path.root` or `build.Host`.
    Other,
}

/// A use of a name in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// What it points to.
    pub kind: ReferenceKind,
    /// The name: `ks_proxy`, `qemu.rocky9`.
    pub name: String,
    /// The whole reference.
    pub span: Span,
}

impl StepName {
    /// `type`, or `type.name` if it has a name.
    pub fn id(&self) -> String {
        match &self.name {
            Some(name) => format!("{}.{name}", self.step_type),
            None => self.step_type.clone(),
        }
    }
}

impl BuildSource {
    /// `type.name`, as `only` and `except` name it.
    pub fn id(&self) -> String {
        format!("{}.{}", self.source_type, self.name)
    }
}

impl Evaluated {
    /// The value of a variable.
    pub fn variable(&self, name: &str) -> Option<&Value> {
        self.variables.get(name).map(|variable| &variable.value)
    }
}
