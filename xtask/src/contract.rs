//! What an artifact must satisfy to deploy.
//!
//! Each rule is a row of a table and a small function that looks at an
//! artifact's index, whatever made the artifact. A rule that cannot be decided
//! (a whole disk whose root cannot be read) says so instead of passing.

mod access;
mod boot;
mod cloud;
mod deploy;
mod plausible;
mod rules;
mod traces;

use std::fmt;

use disk_image::artifact::{Artifact, Index, Kernel, OsRelease, kernels};
use disk_image::policy::Kind;
use serde::Serialize;

pub use rules::{RULES, find};

use crate::arch::Arch;
use crate::catalog::{ArtifactKind, Family, Firmware, Target};
use crate::finding::Severity;

/// What the catalog says about a target, as far as the contract asks.
#[derive(Clone, Debug)]
pub struct Expectations {
    /// What MAAS is told the artifact is.
    pub kind: Kind,
    /// Distribution family; `None` takes it from the image's os-release.
    pub family: Option<Family>,
    /// Architecture; `None` accepts the boot loaders of any.
    pub arch: Option<Arch>,
    /// `/curtin/curtin-hooks` must be inside.
    pub needs_hook: bool,
    /// Machines with a PC BIOS must boot it.
    pub bios: bool,
    /// Machines with UEFI must boot it.
    pub uefi: bool,
    /// Rules that may be broken: id and reason.
    pub exceptions: Vec<(String, String)>,
}

impl Expectations {
    /// For an artifact of which nothing is known: UEFI is what every machine
    /// of the last decade has, and a hook is the operator's choice.
    #[must_use]
    pub fn unknown(kind: Kind) -> Self {
        Self {
            kind,
            family: None,
            arch: None,
            needs_hook: false,
            bios: false,
            uefi: true,
            exceptions: Vec::new(),
        }
    }
}

impl From<&Target> for Expectations {
    fn from(target: &Target) -> Self {
        let facts = &target.facts;
        Self {
            kind: match facts.artifact {
                ArtifactKind::Tgz => Kind::Tgz,
                ArtifactKind::Ddgz => Kind::Ddgz,
            },
            family: Some(facts.family),
            arch: Some(target.arch),
            needs_hook: facts.contract.hook,
            bios: facts.contract.boot.contains(&Firmware::Bios),
            uefi: facts.contract.boot.contains(&Firmware::Uefi),
            exceptions: facts.contract.exceptions.clone(),
        }
    }
}

/// One row of the table.
#[derive(Clone, Copy)]
pub struct Rule {
    /// Stable id: `C010`.
    pub id: &'static str,
    /// How bad a breach is.
    pub severity: Severity,
    /// What it demands.
    pub title: &'static str,
    /// What goes wrong otherwise.
    pub why: &'static str,
    /// What to do about a breach.
    pub fix: &'static str,
    /// Which artifacts it is for.
    scope: Scope,
    check: fn(&Input<'_>) -> Vec<Breach>,
}

/// Which artifacts a rule is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    /// Every file, even one that cannot be read.
    Any,
    /// A readable root file system of Linux.
    Root,
    /// The same, of an archive.
    Archive,
    /// The same, on a whole disk.
    Disk,
    /// The same, and every whole disk of another system.
    Hook,
}

/// Where and how a rule is broken.
#[derive(Debug)]
struct Breach {
    path: Option<String>,
    message: String,
    /// Instead of the rule's, where the case makes it better or worse.
    severity: Option<Severity>,
}

fn breach(path: impl Into<String>, message: impl Into<String>) -> Breach {
    Breach { path: Some(path.into()), message: message.into(), severity: None }
}

fn breach_of_all(message: impl Into<String>) -> Breach {
    Breach { path: None, message: message.into(), severity: None }
}

impl Breach {
    fn only_a_warning(self) -> Self {
        Self { severity: Some(Severity::Warning), ..self }
    }
}

/// What rules look at.
struct Input<'a> {
    artifact: &'a Artifact,
    index: &'a Index,
    expect: &'a Expectations,
    os: OsRelease,
    family: Family,
    kernels: Vec<Kernel>,
}

/// A broken rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Breakage {
    /// Id of the rule.
    pub id: &'static str,
    /// How bad.
    pub severity: Severity,
    /// Absolute path in the image, if it is about one.
    pub path: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub fix: &'static str,
    /// Why it was accepted, if the catalog says so.
    pub accepted: Option<String>,
}

impl fmt::Display for Breakage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.accepted {
            Some(_) => write!(f, "accepted[{}]: ", self.id)?,
            None => write!(f, "{}[{}]: ", self.severity, self.id)?,
        }
        if let Some(path) = &self.path {
            write!(f, "{path}: ")?;
        }
        match &self.accepted {
            Some(reason) => write!(f, "{} ({reason})", self.message),
            None => write!(f, "{}\n  = help: {}", self.message, self.fix),
        }
    }
}

/// The verdict on one artifact.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Verdict {
    /// Every breach, in order of the rules.
    pub breakages: Vec<Breakage>,
    /// Rules that were applied.
    pub checked: usize,
}

impl Verdict {
    /// Whether the artifact may be uploaded.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.errors() == 0
    }

    /// Breaches that are neither accepted nor warnings.
    #[must_use]
    pub fn errors(&self) -> usize {
        self.count(Severity::Error)
    }

    /// Warnings that are not accepted.
    #[must_use]
    pub fn warnings(&self) -> usize {
        self.count(Severity::Warning)
    }

    fn count(&self, severity: Severity) -> usize {
        let counted = |b: &&Breakage| b.severity == severity && b.accepted.is_none();
        self.breakages.iter().filter(counted).count()
    }
}

/// Applies every rule that is for this artifact.
#[must_use]
pub fn check(artifact: &Artifact, expect: &Expectations) -> Verdict {
    let input = Input::new(artifact, expect);
    let mut verdict = Verdict::default();
    for rule in RULES.iter().filter(|rule| input.is_for(rule.scope)) {
        verdict.checked += 1;
        let breaches = (rule.check)(&input).into_iter();
        verdict.breakages.extend(breaches.map(|breach| input.judge(rule, breach)));
    }
    verdict
}

impl<'a> Input<'a> {
    fn new(artifact: &'a Artifact, expect: &'a Expectations) -> Self {
        let index = &artifact.index;
        let os = OsRelease::of(index);
        let family = expect.family.unwrap_or_else(|| guess_family(&os));
        Self { artifact, index, expect, os, family, kernels: kernels(index) }
    }

    fn is_for(&self, scope: Scope) -> bool {
        let linux = matches!(self.family, Family::Debian | Family::El | Family::Suse);
        let readable = linux && self.artifact.root.is_ok();
        match scope {
            Scope::Any => true,
            Scope::Root => readable,
            Scope::Archive => readable && self.artifact.kind == Kind::Tgz,
            Scope::Disk => readable && self.artifact.kind == Kind::Ddgz,
            Scope::Hook => readable || !linux,
        }
    }

    fn judge(&self, rule: &Rule, breach: Breach) -> Breakage {
        let excused =
            self.expect.exceptions.iter().find(|(id, _)| id.eq_ignore_ascii_case(rule.id));
        Breakage {
            id: rule.id,
            severity: breach.severity.unwrap_or(rule.severity),
            path: breach.path,
            message: breach.message,
            fix: rule.fix,
            accepted: excused.map(|(_, reason)| reason.clone()),
        }
    }

    /// Non-comment lines of a file that was kept; none if it is not there.
    fn lines(&self, path: &str) -> Vec<String> {
        let text = self.index.text(path).unwrap_or_default();
        let lines = text.lines().map(str::trim);
        lines.filter(|l| !l.is_empty() && !l.starts_with('#')).map(str::to_string).collect()
    }

    /// Paths that match a pattern.
    fn paths(&self, pattern: &str) -> Vec<String> {
        self.index.glob(pattern).map(|(path, _)| path).collect()
    }
}

fn guess_family(os: &OsRelease) -> Family {
    match os.family() {
        disk_image::policy::Family::RedHat => Family::El,
        disk_image::policy::Family::Suse => Family::Suse,
        _ => Family::Debian,
    }
}

#[cfg(test)]
mod tests;
