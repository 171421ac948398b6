//! Every check that needs no build, on every target, in one process.

pub mod answers;
pub mod copies;
pub mod documents;
pub mod external;
pub mod files;
pub mod foreign;
pub mod links;
pub mod maas;
pub mod native;
pub mod options;
pub mod packer;
pub mod pins;
pub mod readme;
pub mod source;
pub mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use packer_hcl::template::Template;
use rayon::prelude::*;

use crate::catalog::{Image, Target};
use crate::finding::{Finding, Severity};
use crate::host::packer::Packer;
use crate::plan::{Options, Resolved, Resolver};
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

/// Checks the images that `targets` belong to, for these targets: our own rules,
/// then other programs on what the targets render.
#[must_use]
pub fn validate(repo: &Repo, images: &[&Image], targets: &[&Target], options: &Options) -> Report {
    let (mut report, documents) = native(repo, images, targets, options);
    let outside = external::check(&repo.root, &documents, &repo.out.join(".cache/validators"));
    let found = native::without_allowed(images, outside.findings);
    report.findings = merged(report.findings.into_iter().chain(found).collect());
    report.skipped.extend(outside.skipped);
    report
}

/// Our own rules alone: no other program, no network. The texts that targets
/// render come with the report.
#[must_use]
pub fn native(
    repo: &Repo,
    images: &[&Image],
    targets: &[&Target],
    options: &Options,
) -> (Report, Documents) {
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
    let (answers, (copied, shared)) = rayon::join(
        || answers::check(&repo.root, &documents),
        || rayon::join(|| copies::check(&repo.root, images), || native::shared(&repo.root)),
    );
    findings.extend(native::without_allowed(images, answers));
    findings.extend(copied);
    findings.extend(shared);
    let report = Report { findings: merged(findings), targets: targets.len(), skipped: Vec::new() };
    (report, documents)
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
    let (mut findings, documents) = check_directory(repo, image, targets, options);
    findings.retain(|finding| !native::is_allowed(image, finding));
    (findings, documents)
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
    let template = resolver.template(first);
    if let Some(template) = template {
        findings.extend(text::template(&repo.root, template));
        let variables = template.declared_variables();
        findings.extend(readme::check(&repo.root, image, &variables));
    }
    let results: Vec<TargetResult> =
        targets.par_iter().map(|target| check_target(repo, &resolver, target, options)).collect();
    findings.extend(check_results(repo, image, template, &results));
    for (target, result) in targets.iter().zip(&results) {
        documents.add(&repo.root, target, result.resolved.as_ref(), &result.used);
    }
    findings.extend(results.into_iter().flat_map(|r| r.findings));
    (findings, documents)
}

/// What the targets of one image say together.
fn check_results(
    repo: &Repo,
    image: &Image,
    template: Option<&Template>,
    results: &[TargetResult],
) -> Vec<Finding> {
    let (root, dir) = (&repo.root, &image.dir);
    let resolved: Vec<&Resolved> = results.iter().filter_map(|r| r.resolved.as_ref()).collect();
    let mut findings = native::same_outputs(root, dir, &resolved);
    if let Some(template) = template {
        let known: Vec<&Finding> = results.iter().flat_map(|r| &r.findings).collect();
        findings.extend(native::alone(root, dir, template, &known));
    }
    // What a target uses that did not evaluate or was not asked for is not known.
    if let Some(one) = resolved.first().filter(|_| resolved.len() == image.targets.len()) {
        let used: BTreeSet<PathBuf> = results.iter().flat_map(|r| r.used.iter().cloned()).collect();
        // What one target leaves unused another may need.
        if results.len() == image.targets.len() {
            findings.extend(files::unused(root, dir, &used));
        }
        findings.extend(native::unused_variables(root, &one.evaluated));
        findings.extend(pins::check(root, dir, &one.evaluated.packer, &one.source));
    }
    findings
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
    result.findings.extend(maas::signing_key(repo, &dir, target));
    let declared = resolver.template(target).map(Template::declared_variables);
    let undeclared = native::undeclared(&repo.root, &dir, target, &declared.unwrap_or_default());
    match resolver.resolve(target, options, None) {
        // Every error would be about the variable that is not there.
        _ if !undeclared.is_empty() => result.findings.extend(undeclared),
        Err(findings) => result.findings.extend(findings),
        Ok(resolved) => {
            let named = files::named(&resolved.source, &dir);
            result.findings.extend(resolved.warnings.clone());
            result.findings.extend(files::missing(&repo.root, &named));
            let media = Some(target.facts.media.kind);
            let judged = native::judge(&repo.root, &resolved.source, &resolved.evaluated, media);
            result.findings.extend(native::engine(&repo.root, &resolved.source, &judged));
            result.findings.extend(judged);
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
