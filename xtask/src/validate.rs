//! Every check that needs no build, on every target, in one process.

pub mod copies;
pub mod documents;
pub mod external;
pub mod files;
pub mod links;
pub mod maas;
pub mod options;
pub mod packer;
pub mod pins;
pub mod readme;
pub mod source;
pub mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use packer_hcl::evaluated::ReferenceKind;
use packer_hcl::template::Template;
use rayon::prelude::*;

use crate::catalog::{Image, Target};
use crate::engine::decode;
use crate::finding::{Finding, Place, Severity, suggest};
use crate::host::packer::Packer;
use crate::plan::template::{self, Values};
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
    findings.extend(copies::check(&repo.root, images));
    findings.extend(shared(repo));
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

/// Files that images share: what is checked of every image's own.
fn shared(repo: &Repo) -> Vec<Finding> {
    let dir = repo.root.join("common");
    let mut findings = files::runnable(&repo.root, &dir);
    findings.extend(text::files(&repo.root, &dir));
    findings
}

fn check_image(
    repo: &Repo,
    image: &Image,
    targets: &[&Target],
    options: &Options,
) -> (Vec<Finding>, Documents) {
    let (mut findings, documents) = check_directory(repo, image, targets, options);
    findings.retain(|finding| !is_allowed(image, finding));
    (findings, documents)
}

/// Whether `image.toml` allows it, with a reason, for all targets it affects.
fn is_allowed(image: &Image, finding: &Finding) -> bool {
    let allows = |target: &Target| {
        let mut exceptions = target.facts.contract.exceptions.iter();
        exceptions.any(|(rule, _)| rule.eq_ignore_ascii_case(finding.id))
    };
    let affected =
        |target: &&Target| finding.targets.is_empty() || finding.targets.contains(&target.id);
    let mut targets = image.targets.iter().filter(affected).peekable();
    targets.peek().is_some() && targets.all(allows)
}

fn check_directory(
    repo: &Repo,
    image: &Image,
    targets: &[&Target],
    options: &Options,
) -> (Vec<Finding>, Documents) {
    let mut findings = links::check(&repo.root, &image.dir);
    findings.extend(files::runnable(&repo.root, &image.dir));
    findings.extend(text::files(&repo.root, &image.dir));
    let mut documents = Documents::default();
    let mut resolver = Resolver::new(&repo.root, &repo.out);
    let Some(first) = targets.first() else { return (findings, documents) };
    if let Err(more) = resolver.load(first) {
        findings.extend(more);
        return (findings, documents);
    }
    if let Some(template) = resolver.template(first) {
        findings.extend(text::template(&repo.root, template));
        let variables = template.declared_variables();
        findings.extend(readme::check(&repo.root, image, targets, &variables));
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
            let packer = &resolved.evaluated.packer;
            findings.extend(pins::check(&repo.root, &image.dir, packer, &resolved.source));
        }
    }
    for (target, result) in targets.iter().zip(&results) {
        documents.add(&repo.root, target, result.resolved.as_ref(), &result.used);
    }
    if let Some(template) = resolver.template(first) {
        findings.extend(alone(repo, image, template, &results));
    }
    findings.extend(same_outputs(repo, image, &results));
    findings.extend(results.into_iter().flat_map(|r| r.findings));
    (findings, documents)
}

/// VAR003: `packer build .` without any `-var` is how people start. What stops a
/// target as well is said there.
fn alone(
    repo: &Repo,
    image: &Image,
    template: &Template,
    results: &[TargetResult],
) -> Vec<Finding> {
    let Err(diagnostics) = template::evaluate(template, &image.dir, &Values::default()) else {
        return vec![];
    };
    let known = |f: &Finding| {
        let mut others = results.iter().flat_map(|r| &r.findings);
        others.any(|o| o.place == f.place && o.message == f.message)
    };
    diagnose::findings(&repo.root, &diagnostics)
        .into_iter()
        .filter(|f| f.severity == Severity::Error && !known(f))
        .map(|f| Finding { id: "VAR003", ..f })
        .collect()
}

/// OUT001: builds of two targets leave their disks in one directory.
fn same_outputs(repo: &Repo, image: &Image, results: &[TargetResult]) -> Vec<Finding> {
    let mut by_directory: BTreeMap<String, Vec<&Resolved>> = BTreeMap::new();
    for resolved in results.iter().filter_map(|r| r.resolved.as_ref()) {
        let directory = resolved.source.body.string("output_directory").ok().flatten();
        by_directory.entry(directory.unwrap_or_default()).or_default().push(resolved);
    }
    let shared = by_directory.into_iter().filter(|(_, several)| several.len() > 1);
    shared
        .filter_map(|(directory, several)| {
            let body = &several.first()?.source.body;
            let shown = image.dir.strip_prefix(&repo.root).unwrap_or(&image.dir);
            let place = body
                .attribute("output_directory")
                .map_or_else(|| Place::file(shown), |a| diagnose::span(&repo.root, &a.span));
            let name = if directory.is_empty() { "the default" } else { &directory };
            let message = format!("{} targets share the output directory {name}", several.len());
            let finding = Finding::error("OUT001", place, message);
            Some(finding.help("put the target's id into output_directory"))
        })
        .collect()
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
    result.findings.extend(maas::check(&repo.root, &dir, target));
    let undeclared = undeclared(repo, resolver, target);
    if !undeclared.is_empty() {
        result.findings.extend(undeclared);
        return named_for(target, result);
    }
    match resolver.resolve(target, options, None) {
        Err(findings) => result.findings.extend(findings),
        Ok(resolved) => {
            let named = files::named(&resolved, &dir);
            result.findings.extend(resolved.warnings.clone());
            result.findings.extend(files::missing(&repo.root, &named));
            result.findings.extend(judge(repo, target, &resolved));
            result.used = named.into_iter().map(|(path, _)| path).collect();
            result.used.extend(resolved.evaluated.files_read.iter().cloned());
            result.resolved = Some(resolved);
        }
    }
    named_for(target, result)
}

fn named_for(target: &Target, mut result: TargetResult) -> TargetResult {
    for finding in &mut result.findings {
        finding.targets = vec![target.id.clone()];
    }
    result
}

/// VAR002: what `image.toml` sets, the template must declare.
fn undeclared(repo: &Repo, resolver: &Resolver, target: &Target) -> Vec<Finding> {
    let Some(template) = resolver.template(target) else { return vec![] };
    let declared = template.declared_variables();
    let missing = target.facts.vars.keys().filter(|name| !declared.contains(*name));
    missing
        .map(|name| {
            let place = maas::place(&repo.root, &resolver.dir(target), "select", name);
            let message = format!("image.toml sets `{name}`, which the template does not declare");
            let near = suggest(name, declared.iter().map(String::as_str));
            let help = near.map_or_else(
                || format!("declare variable \"{name}\""),
                |near| format!("did you mean `{near}`?"),
            );
            Finding::error("VAR002", place, message).help(help)
        })
        .collect()
}

/// Rules about the evaluated source and its steps.
fn judge(repo: &Repo, target: &Target, resolved: &Resolved) -> Vec<Finding> {
    let variables: Vec<_> = resolved.evaluated.variables.values().collect();
    let mut findings = source::check(source::Subject {
        root: &repo.root,
        source: &resolved.source,
        media: Some(target.facts.media.kind),
        variables: &variables,
    });
    let unknown = options::check(&repo.root, &resolved.source, &resolved.evaluated.packer);
    if let Err(diagnostics) = decode::job(&resolved.source) {
        let found = diagnose::findings(&repo.root, &diagnostics).into_iter();
        // What Packer does not know either is said once.
        let new = found.filter(|f| !unknown.iter().any(|u| u.place == f.place));
        findings.extend(new.map(|f| Finding { id: "SRC002", ..f }));
    }
    findings.extend(unknown);
    findings
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
