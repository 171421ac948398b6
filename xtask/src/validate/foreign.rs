//! Trees that have no `image.toml`: every directory with templates is parsed,
//! evaluated with its defaults and judged by what needs no catalog.

use std::path::{Path, PathBuf};

use rayon::prelude::*;
use walkdir::WalkDir;

use super::{Report, files, merged, native, pins, text};
use crate::finding::{Finding, Severity};
use crate::plan::diagnose;
use crate::plan::template::{self, Values};

/// Directories that are deep, large and never templates.
const SKIPPED: [&str; 6] = ["target", "node_modules", "out", "media", "packer_cache", "vendor"];

/// Checks every template directory below `root`.
#[must_use]
pub fn validate(root: &Path) -> Report {
    let dirs = directories(root);
    let (findings, skipped): (Vec<Vec<Finding>>, Vec<Vec<String>>) =
        dirs.par_iter().map(|dir| check(root, dir)).unzip();
    Report {
        findings: merged(findings.into_iter().flatten().collect()),
        targets: dirs.len(),
        skipped: skipped.into_iter().flatten().collect(),
    }
}

/// Directories that hold a `*.pkr.hcl`, sorted.
fn directories(root: &Path) -> Vec<PathBuf> {
    let walk = WalkDir::new(root).sort_by_file_name().into_iter().filter_entry(|entry| {
        let name = entry.file_name().to_string_lossy();
        entry.depth() == 0 || !(name.starts_with('.') || SKIPPED.contains(&&*name))
    });
    let mut dirs: Vec<PathBuf> = walk
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().ends_with(".pkr.hcl"))
        .filter_map(|entry| Some(entry.path().parent()?.to_path_buf()))
        .collect();
    dirs.sort();
    dirs.dedup();
    dirs
}

fn check(root: &Path, dir: &Path) -> (Vec<Finding>, Vec<String>) {
    let template = match template::load(root, dir) {
        Ok(template) => template,
        Err(findings) => return (findings, vec![]),
    };
    let mut findings = text::template(root, &template);
    // What a variable means is the tree's own affair.
    findings.retain(|f| f.id != "VAR004");
    findings.extend(files::runnable(root, dir));
    let evaluated = match template::evaluate(&template, dir, &Values::default()) {
        Ok(evaluated) => evaluated,
        Err(diagnostics) => {
            let (unset, wrong) = unset(diagnose::findings(root, &diagnostics));
            let shown = dir.strip_prefix(root).unwrap_or(dir).display();
            let skip = (!unset.is_empty()).then(|| {
                format!("{shown}: not evaluated, only its user or Packer has: {}", unset.join(", "))
            });
            // Without the values the rest follows from what is missing.
            findings.extend(if unset.is_empty() { wrong } else { vec![] });
            return (findings, skip.into_iter().collect());
        }
    };
    findings.extend(native::unused_variables(root, &evaluated));
    for source in evaluated.builds.iter().flat_map(|build| &build.sources) {
        findings.extend(native::judge(root, source, &evaluated, None));
        findings.extend(pins::check(root, dir, &evaluated.packer, source));
        let named = files::named(source, dir);
        findings.extend(files::missing(root, &named));
    }
    findings.extend(diagnose::findings(root, &evaluated.warnings));
    (findings, vec![])
}

/// Names of variables that have no value and of what only Packer can ask for,
/// and the findings about other things.
fn unset(findings: Vec<Finding>) -> (Vec<String>, Vec<Finding>) {
    let mut names = vec![];
    let mut rest = vec![];
    for finding in findings.into_iter().filter(|f| f.severity == Severity::Error) {
        let message = &finding.message;
        let name = message.strip_prefix("Unset variable \"").and_then(|n| n.strip_suffix('"'));
        let data = message.starts_with("Data sources need Packer").then_some("a data source");
        match name.or(data) {
            Some(name) => names.push(name.to_owned()),
            None => rest.push(finding),
        }
    }
    (names, rest)
}
