//! Rules that look at a whole template, target or image.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use packer_hcl::evaluated::{BuildSource, Evaluated, ReferenceKind};
use packer_hcl::template::Template;

use super::{files, maas, options, source, text};
use crate::catalog::{Image, MediaKind, Target};
use crate::engine::decode;
use crate::finding::{Finding, Place, Severity, suggest};
use crate::plan::template::{self, Values};
use crate::plan::{Resolved, diagnose};

/// Files that images share: what is checked of every image's own.
#[must_use]
pub fn shared(root: &Path) -> Vec<Finding> {
    let dir = root.join("common");
    let mut findings = files::runnable(root, &dir);
    findings.extend(text::files(root, &dir));
    findings
}

/// Whether `image.toml` allows it, with a reason, for all targets it affects.
#[must_use]
pub fn is_allowed(image: &Image, finding: &Finding) -> bool {
    let allows = |target: &Target| {
        let mut exceptions = target.facts.contract.exceptions.iter();
        exceptions.any(|(rule, _)| rule.eq_ignore_ascii_case(finding.id))
    };
    let affected =
        |target: &&Target| finding.targets.is_empty() || finding.targets.contains(&target.id);
    let mut targets = image.targets.iter().filter(affected).peekable();
    targets.peek().is_some() && targets.all(allows)
}

/// Findings without the targets whose `image.toml` allows them.
#[must_use]
pub fn without_allowed(images: &[&Image], findings: Vec<Finding>) -> Vec<Finding> {
    let allowed = |finding: &Finding, id: &str| {
        let of = images.iter().find(|image| image.targets.iter().any(|t| t.id == id));
        let one = Finding { targets: vec![id.to_owned()], ..finding.clone() };
        of.is_some_and(|image| is_allowed(image, &one))
    };
    let keep = |mut finding: Finding| {
        let all = std::mem::take(&mut finding.targets);
        let (left, _): (Vec<String>, Vec<String>) =
            all.iter().cloned().partition(|id| !allowed(&finding, id));
        finding.targets = left;
        (all.is_empty() || !finding.targets.is_empty()).then_some(finding)
    };
    findings.into_iter().filter_map(keep).collect()
}

/// VAR003: `packer build .` without any `-var` is how people start. What stops a
/// target as well is in `known` already.
#[must_use]
pub fn alone(root: &Path, dir: &Path, template: &Template, known: &[&Finding]) -> Vec<Finding> {
    let Err(diagnostics) = template::evaluate(template, dir, &Values::default()) else {
        return vec![];
    };
    let is_known = |f: &Finding| known.iter().any(|o| o.place == f.place && o.message == f.message);
    diagnose::findings(root, &diagnostics)
        .into_iter()
        .filter(|f| f.severity == Severity::Error && !is_known(f))
        .map(|f| Finding { id: "VAR003", ..f })
        .collect()
}

/// OUT001: builds of two targets leave their disks in one directory.
#[must_use]
pub fn same_outputs(root: &Path, dir: &Path, targets: &[&Resolved]) -> Vec<Finding> {
    let mut by_directory: BTreeMap<String, Vec<&Resolved>> = BTreeMap::new();
    for resolved in targets {
        let directory = resolved.source.body.string("output_directory").ok().flatten();
        by_directory.entry(directory.unwrap_or_default()).or_default().push(resolved);
    }
    let shared = by_directory.into_iter().filter(|(_, several)| several.len() > 1);
    shared
        .filter_map(|(directory, several)| {
            let body = &several.first()?.source.body;
            let place = body
                .attribute("output_directory")
                .map_or_else(|| place_of(root, dir), |a| diagnose::span(root, &a.span));
            let name = if directory.is_empty() { "the default" } else { &directory };
            let message = format!("{} targets share the output directory {name}", several.len());
            let finding = Finding::error("OUT001", place, message);
            Some(finding.help("put the target's id into output_directory"))
        })
        .collect()
}

fn place_of(root: &Path, dir: &Path) -> Place {
    Place::file(dir.strip_prefix(root).unwrap_or(dir))
}

/// VAR002: what `image.toml` sets, the template must declare.
#[must_use]
pub fn undeclared(
    root: &Path,
    dir: &Path,
    target: &Target,
    declared: &BTreeSet<String>,
) -> Vec<Finding> {
    let missing = target.facts.vars.keys().filter(|name| !declared.contains(*name));
    missing
        .map(|name| {
            let place = maas::place(root, dir, "select", name);
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

/// Rules about an evaluated source and its steps.
#[must_use]
pub fn judge(
    root: &Path,
    source: &BuildSource,
    evaluated: &Evaluated,
    media: Option<MediaKind>,
) -> Vec<Finding> {
    let variables: Vec<_> = evaluated.variables.values().collect();
    let subject = source::Subject { root, source, media, variables: &variables };
    let mut findings = source::check(subject);
    findings.extend(options::check(root, source, &evaluated.packer));
    findings
}

/// SRC002: what the built-in engine does not know. What Packer does not know
/// either is in `known` already.
#[must_use]
pub fn engine(root: &Path, source: &BuildSource, known: &[Finding]) -> Vec<Finding> {
    let Err(diagnostics) = decode::job(source) else { return vec![] };
    let found = diagnose::findings(root, &diagnostics).into_iter();
    let new = found.filter(|f| !known.iter().any(|k| k.place == f.place));
    new.map(|f| Finding { id: "SRC002", ..f }).collect()
}

/// VAR001. References are of the text, so one target speaks for all.
#[must_use]
pub fn unused_variables(root: &Path, evaluated: &Evaluated) -> Vec<Finding> {
    let used: BTreeSet<&str> = evaluated
        .references
        .iter()
        .filter(|r| r.kind == ReferenceKind::Variable)
        .map(|r| r.name.as_str())
        .collect();
    evaluated
        .variables
        .values()
        .filter(|v| !used.contains(v.name.as_str()))
        .map(|v| {
            let place = diagnose::span(root, &v.span);
            Finding::warning("VAR001", place, format!("variable `{}` is never used", v.name))
                .help("use it or remove it")
        })
        .collect()
}
