//! The plan: a target fully resolved, as data. `plan`, `--dry-run`, `validate`,
//! the fingerprint and the build read the same value.

pub mod argv;
pub mod conventions;
pub mod diagnose;
pub mod fingerprint;
pub mod json;
pub mod machine;
pub mod needs;
pub mod show;
pub mod template;
pub mod varfile;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use packer_hcl::evaluated::{BuildSource, Evaluated};
use packer_hcl::template::Template;
use serde::Serialize;
use serde_json::Value;

use crate::catalog::{MediaKind, Target};
use crate::finding::{Finding, Place as At};
use conventions::Place;
use template::Values;

/// What the user adds to a target.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// `--var`.
    pub vars: Vec<(String, String)>,
    /// `--var-file`, absolute.
    pub var_files: Vec<PathBuf>,
    /// `--iso`, absolute: the user's medium.
    pub iso: Option<PathBuf>,
    /// `--customize`, absolute.
    pub customize: Option<PathBuf>,
    /// Real random values: for a build that starts now.
    pub real: bool,
}

/// A target fully resolved.
#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    /// Version of this format.
    pub version: u32,
    /// Target id.
    pub target: String,
    /// Full name of the release.
    pub title: String,
    /// Template directory.
    pub template: PathBuf,
    /// `-var` values, conventions included.
    pub variables: BTreeMap<String, String>,
    /// What the build starts from.
    pub media: Medium,
    /// The evaluated source; secrets masked, unknown values named.
    pub source: Value,
    /// The evaluated provisioners.
    pub provisioners: Vec<Value>,
    /// QEMU's command line, if this host has QEMU.
    pub argv: Option<Vec<String>>,
    /// Memory in MiB and CPUs of the VM.
    pub machine: machine::Size,
    /// Where the artifact goes.
    pub artifact: PathBuf,
    /// Every file the evaluation read.
    pub files: Vec<PathBuf>,
}

/// What the build starts from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Medium {
    /// Where it comes from.
    pub kind: MediaKind,
    /// `iso_url`: URL or path.
    pub url: String,
    /// `iso_checksum`.
    pub checksum: String,
}

/// A plan with the evaluation it came from.
#[derive(Debug)]
pub struct Resolved {
    /// The data.
    pub plan: Plan,
    /// The evaluation.
    pub evaluated: Evaluated,
    /// The build's one source.
    pub source: BuildSource,
    /// Warnings of the evaluation.
    pub warnings: Vec<Finding>,
}

/// Evaluates templates of one tree; each is parsed once.
#[derive(Debug)]
pub struct Resolver {
    root: PathBuf,
    out: PathBuf,
    templates: BTreeMap<PathBuf, Template>,
}

impl Resolver {
    /// A resolver for the tree at `root` with outputs in `out`.
    #[must_use]
    pub fn new(root: &Path, out: &Path) -> Self {
        Self { root: root.into(), out: out.into(), templates: BTreeMap::new() }
    }

    /// The tree.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Template directory of a target.
    #[must_use]
    pub fn dir(&self, target: &Target) -> PathBuf {
        self.root.join(&target.image)
    }

    /// Parses the template of `target` unless that was done.
    ///
    /// # Errors
    /// Everything wrong in its files.
    pub fn load(&mut self, target: &Target) -> Result<(), Vec<Finding>> {
        let dir = self.dir(target);
        if !self.templates.contains_key(&dir) {
            let template = template::load(&self.root, &dir)?;
            self.templates.insert(dir, template);
        }
        Ok(())
    }

    /// The template of `target`, if it is loaded.
    #[must_use]
    pub fn template(&self, target: &Target) -> Option<&Template> {
        self.templates.get(&self.dir(target))
    }

    /// Resolves a target whose template is loaded. `place` binds it to this
    /// host and build; without one the result is what the fingerprint is made
    /// of, the same everywhere.
    ///
    /// # Errors
    /// Everything that would stop Packer, with file, line and column.
    pub fn resolve(
        &self,
        target: &Target,
        options: &Options,
        place: Option<&Place>,
    ) -> Result<Resolved, Vec<Finding>> {
        let dir = self.dir(target);
        let template = self.templates.get(&dir).ok_or_else(|| {
            vec![Finding::error("HCL001", At::file(&dir), "the template was not loaded")]
        })?;
        let variables = self.variables(target, options, place, template)?;
        let values = Values {
            vars: variables.clone().into_iter().collect(),
            var_files: options.var_files.clone(),
            real: options.real,
        };
        let evaluated = template::evaluate(template, &dir, &values)
            .map_err(|d| diagnose::findings(&self.root, &d))?;
        let shown = dir.strip_prefix(&self.root).unwrap_or(&dir);
        let source = template::source(&evaluated, shown).map_err(|f| vec![*f])?.clone();
        let warnings = diagnose::findings(&self.root, &evaluated.warnings);
        let plan = self.plan(target, variables, &evaluated, &source)?;
        Ok(Resolved { plan, evaluated, source, warnings })
    }

    /// All `-var` values in Packer's order of precedence: conventions, then
    /// what selects the target, then the user's.
    fn variables(
        &self,
        target: &Target,
        options: &Options,
        place: Option<&Place>,
        template: &Template,
    ) -> Result<BTreeMap<String, String>, Vec<Finding>> {
        let declared = template.declared_variables();
        let mut vars: BTreeMap<String, String> = BTreeMap::new();
        for (name, value) in place.map(Place::variables).unwrap_or_default() {
            if declared.contains(name) {
                vars.insert(name.to_owned(), value);
            }
        }
        vars.extend(target.facts.vars.clone());
        let mut set = |name: Option<&str>, path: &Option<PathBuf>, flag: &str| match (name, path) {
            (_, None) => Ok(()),
            (Some(name), Some(path)) if declared.contains(name) => {
                vars.insert(name.to_owned(), path.to_string_lossy().into_owned());
                Ok(())
            }
            _ => Err(vec![
                Finding::error(
                    "VAR002",
                    At::file(Path::new(&target.image)),
                    format!("{flag} is of no use for {}: no variable takes it", target.id),
                )
                .help(format!("leave it out; `{}/README.md` lists the knobs", target.image)),
            ]),
        };
        let medium = match target.facts.media.kind {
            MediaKind::User => target.facts.media.variable.as_deref(),
            _ => Some("iso_url"),
        };
        set(medium, &options.iso, "--iso")?;
        set(Some("customize_script"), &options.customize, "--customize")?;
        vars.extend(options.vars.iter().cloned());
        Ok(vars)
    }

    fn plan(
        &self,
        target: &Target,
        variables: BTreeMap<String, String>,
        evaluated: &Evaluated,
        source: &BuildSource,
    ) -> Result<Plan, Vec<Finding>> {
        let text =
            |name: &str| source.body.string(name).map_err(|d| diagnose::findings(&self.root, &[d]));
        let secrets = json::Secrets::of(evaluated);
        Ok(Plan {
            version: 1,
            target: target.id.clone(),
            title: target.facts.title.clone(),
            template: self.dir(target),
            variables,
            media: Medium {
                kind: target.facts.media.kind,
                url: text("iso_url")?.unwrap_or_default(),
                checksum: text("iso_checksum")?.unwrap_or_else(|| "none".into()),
            },
            machine: machine::size(&source.body)
                .map_err(|d| diagnose::findings(&self.root, &[d]))?,
            source: json::body(&source.body, &secrets),
            provisioners: (source.provisioners.iter())
                .map(|p| json::provisioner(p, &secrets))
                .collect(),
            argv: None,
            artifact: self.out.join(&target.id).join(target.artifact_name()),
            files: evaluated.files_read.iter().cloned().collect(),
        })
    }
}
