//! Every check that needs no build, on every target, in one process.

pub mod documents;
pub mod external;
pub mod files;
pub mod links;
pub mod packer;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use packer_hcl::evaluated::ReferenceKind;
use rayon::prelude::*;

use crate::catalog::{Image, Target};
use crate::engine::decode;
use crate::finding::{Finding, Severity};
use crate::host::packer::Packer;
use crate::plan::{Options, Resolved, Resolver, diagnose};
use crate::repo::Repo;
use documents::Documents;

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Findings, sorted by place; a finding of several targets is one.
    pub findings: Vec<Finding>,
    /// Targets that were evaluated.
    pub targets: usize,
    /// Checks that could not run here, each with its reason.
    pub skipped: Vec<String>,
}

impl Report {
    /// Findings of a severity.
    #[must_use]
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|f| f.severity == severity).count()
    }
}

/// Checks the images that `targets` belong to, for these targets.
#[must_use]
pub fn validate(repo: &Repo, images: &[&Image], targets: &[&Target], options: &Options) -> Report {
    let checked: Vec<(Vec<Finding>, Documents)> = images
        .par_iter()
        .map(|image| {
            let mine: Vec<&Target> =
                targets.iter().copied().filter(|t| t.image == image.name).collect();
            check_image(repo, image, &mine, options)
        })
        .collect();
    let mut findings = vec![];
    let mut documents = Documents::default();
    for (more, own) in checked {
        findings.extend(more);
        documents.merge(own);
    }
    let outside = external::check(&documents.0, &repo.out.join(".cache/validators"));
    findings.extend(outside.findings);
    Report { findings: merged(findings), targets: targets.len(), skipped: outside.skipped }
}

impl Report {
    /// Adds what a real Packer says, or that there is none.
    ///
    /// # Errors
    /// Packer is there but does not start.
    pub fn ask_packer(
        &mut self,
        repo: &Repo,
        images: &[&Image],
        targets: &[&Target],
    ) -> anyhow::Result<()> {
        let Some(packer) = crate::host::packer::probe().filter(Packer::is_good) else {
            self.skipped.push(NO_PACKER.into());
            return Ok(());
        };
        let found = packer::check(repo, &packer, images, targets)?;
        self.findings = merged(self.findings.drain(..).chain(found).collect());
        Ok(())
    }
}

/// The one skip that `--strict` allows: CI machines have no Packer.
pub const NO_PACKER: &str =
    "packer validate and packer fmt: no Packer >= 1.11 with its qemu plugin";

fn check_image(
    repo: &Repo,
    image: &Image,
    targets: &[&Target],
    options: &Options,
) -> (Vec<Finding>, Documents) {
    let mut findings = links::check(&repo.root, &image.dir);
    findings.extend(files::runnable(&repo.root, &image.dir));
    let mut documents = Documents::default();
    let mut resolver = Resolver::new(&repo.root, &repo.out);
    let Some(first) = targets.first() else { return (findings, documents) };
    if let Err(more) = resolver.load(first) {
        findings.extend(more);
        return (findings, documents);
    }
    let results: Vec<TargetResult> =
        targets.par_iter().map(|target| check_target(repo, &resolver, target, options)).collect();
    // What one target leaves unused another may need.
    let evaluated =
        targets.len() == image.targets.len() && results.iter().all(|r| r.resolved.is_some());
    let used: BTreeSet<PathBuf> = results.iter().flat_map(|r| r.used.iter().cloned()).collect();
    if evaluated {
        findings.extend(files::unused(&repo.root, &image.dir, &used));
        if let Some(resolved) = results.iter().find_map(|r| r.resolved.as_ref()) {
            findings.extend(unused_variables(repo, resolved));
        }
    }
    for (target, result) in targets.iter().zip(&results) {
        documents.add(&repo.root, target, result.resolved.as_ref(), &result.used);
    }
    findings.extend(results.into_iter().flat_map(|r| r.findings));
    (findings, documents)
}

#[derive(Default)]
struct TargetResult {
    findings: Vec<Finding>,
    used: BTreeSet<PathBuf>,
    resolved: Option<Resolved>,
}

fn check_target(
    repo: &Repo,
    resolver: &Resolver,
    target: &Target,
    options: &Options,
) -> TargetResult {
    let dir = resolver.dir(target);
    let mut result = TargetResult::default();
    match resolver.resolve(target, options, None) {
        Err(findings) => result.findings = findings,
        Ok(resolved) => {
            let named = files::named(&resolved, &dir);
            result.findings.extend(resolved.warnings.clone());
            result.findings.extend(files::missing(&repo.root, &named));
            if let Err(diagnostics) = decode::job(&resolved.source) {
                let found = diagnose::findings(&repo.root, &diagnostics);
                result.findings.extend(found.into_iter().map(|f| Finding { id: "SRC002", ..f }));
            }
            result.used = named.into_iter().map(|(path, _)| path).collect();
            result.used.extend(resolved.evaluated.files_read.iter().cloned());
            result.resolved = Some(resolved);
        }
    }
    for finding in &mut result.findings {
        finding.targets = vec![target.id.clone()];
    }
    result
}

/// VAR001. References are of the text, so one target speaks for all.
fn unused_variables(repo: &Repo, resolved: &Resolved) -> Vec<Finding> {
    let used: BTreeSet<&str> = resolved
        .evaluated
        .references
        .iter()
        .filter(|r| r.kind == ReferenceKind::Variable)
        .map(|r| r.name.as_str())
        .collect();
    resolved
        .evaluated
        .variables
        .values()
        .filter(|v| !used.contains(v.name.as_str()))
        .map(|v| {
            let place = diagnose::span(&repo.root, &v.span);
            Finding::warning("VAR001", place, format!("variable `{}` is never used", v.name))
                .help("use it or remove it")
        })
        .collect()
}

/// The same finding for several targets becomes one that names them all.
fn merged(findings: Vec<Finding>) -> Vec<Finding> {
    let mut by_content: BTreeMap<Finding, Vec<String>> = BTreeMap::new();
    for mut finding in findings {
        let targets = std::mem::take(&mut finding.targets);
        by_content.entry(finding).or_default().extend(targets);
    }
    let mut all: Vec<Finding> = by_content
        .into_iter()
        .map(|(finding, mut targets)| {
            targets.sort();
            targets.dedup();
            Finding { targets, ..finding }
        })
        .collect();
    all.sort_by(|a, b| (a.severity, &a.place, a.id).cmp(&(b.severity, &b.place, b.id)));
    all
}
