//! A template evaluated for one target.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use packer_hcl::diagnostic::Diagnostic;
use packer_hcl::evaluated::{BuildSource, Evaluated};
use packer_hcl::function::Impure;
use packer_hcl::template::{Inputs, Template};

use crate::finding::{Finding, Place};

use super::diagnose;

/// The Packer release whose behaviour the evaluator has; what `packer.version`
/// says when the built-in engine runs.
pub const PACKER_VERSION: &str = "1.16.0";

/// Values for one evaluation.
#[derive(Clone, Debug, Default)]
pub struct Values {
    /// `-var`, later ones win.
    pub vars: Vec<(String, String)>,
    /// `-var-file`.
    pub var_files: Vec<PathBuf>,
    /// Real random values instead of placeholders.
    pub real: bool,
}

/// Parses the template directory.
///
/// # Errors
/// Everything wrong in any of its files.
pub fn load(root: &Path, dir: &Path) -> Result<Template, Vec<Finding>> {
    Template::load(dir).map_err(|d| diagnose::findings(root, &d))
}

/// Evaluates it as `packer build .` in `dir` would.
///
/// # Errors
/// Everything wrong for these values.
pub fn evaluate(
    template: &Template,
    dir: &Path,
    values: &Values,
) -> Result<Evaluated, Vec<Diagnostic>> {
    let mut inputs = Inputs::new(dir, PACKER_VERSION);
    inputs.build_values = crate::engine::decode::build_values();
    inputs.vars.clone_from(&values.vars);
    inputs.var_files.clone_from(&values.var_files);
    inputs.env = environment();
    if values.real {
        inputs.impure = Impure::Real { start: SystemTime::now() };
    }
    template.evaluate(&inputs)
}

/// The process environment, as far as it is text.
fn environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)))
        .collect()
}

/// The one qemu source that a target's build uses.
///
/// # Errors
/// None or several: rule SRC001.
pub fn source<'e>(evaluated: &'e Evaluated, dir: &Path) -> Result<&'e BuildSource, Box<Finding>> {
    let all: Vec<&BuildSource> = evaluated
        .builds
        .iter()
        .flat_map(|b| &b.sources)
        .filter(|s| s.source_type == "qemu")
        .collect();
    match all.as_slice() {
        [one] => Ok(one),
        [] => {
            let finding = Finding::error("SRC001", Place::file(dir), "no build uses a qemu source");
            Err(Box::new(finding.help("build { sources = [\"source.qemu.NAME\"] }")))
        }
        several => {
            let names: Vec<String> = several.iter().map(|s| s.id()).collect();
            let message = format!("{} qemu sources are built: {}", several.len(), names.join(", "));
            let finding = Finding::error("SRC001", Place::file(dir), message);
            Err(Box::new(finding.help("a target is one disk: select the source by a variable")))
        }
    }
}
