//! What leaves an image on its way into the archive.
//!
//! The disk is never changed. Rules are data: patterns of paths, what happens
//! to what they match, and why. A whole-disk artifact cannot be cleaned this
//! way; there the same rules tell what the guest forgot to clean.

mod glob;
mod rules;

use std::borrow::Cow;

pub use glob::matches;
pub use rules::STANDARD;

use crate::fs::{FileKind, Metadata};

/// Distribution families that rules distinguish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Debian, Ubuntu and what is like them: dpkg, apt.
    Debian,
    /// Red Hat, Fedora and what is like them: rpm, dnf.
    RedHat,
    /// SUSE and openSUSE: rpm, zypper.
    Suse,
    /// Anything else.
    Other,
}

impl Family {
    /// The family of an os-release file's `ID` and `ID_LIKE` values.
    pub fn of(id: &str, id_like: &str) -> Self {
        let known = |word: &str| match word {
            "debian" | "ubuntu" => Some(Self::Debian),
            "rhel" | "centos" | "fedora" | "rocky" | "almalinux" | "ol" | "azurelinux"
            | "mariner" | "openEuler" | "openeuler" | "redhat" | "xenenterprise" => {
                Some(Self::RedHat)
            }
            "sles" | "suse" | "opensuse" | "sle-micro" | "sles_sap" => Some(Self::Suse),
            _ => None,
        };
        let words = id.split_whitespace().chain(id_like.split_whitespace());
        words.map(str::trim).find_map(known).unwrap_or(Self::Other)
    }
}

/// Artifact kinds that rules distinguish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The root file system as a gzipped tar archive.
    Tgz,
    /// The whole disk, gzipped.
    Ddgz,
}

/// What happens to a path that a rule matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// It is left out, a directory with all that is in it.
    Drop,
    /// A directory stays and all that is in it is left out. Anything else is
    /// not touched.
    Clear,
    /// A regular file keeps its name, mode and owner and loses its content.
    /// Anything else is not touched.
    Empty,
    /// A regular file keeps its name, mode and owner and gets this content.
    /// Anything else is not touched.
    Replace(&'static [u8]),
}

/// One rule of a [`Policy`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Stable name: `machine-id`.
    pub id: &'static str,
    /// Absolute paths; `*` and `?` stay inside a name, `**` spans directories.
    pub paths: &'static [&'static str],
    /// Paths that are spared.
    pub except: &'static [&'static str],
    /// What happens.
    pub action: Action,
    /// Families it is for; empty means all.
    pub families: &'static [Family],
    /// Artifact kinds it is for; empty means all.
    pub kinds: &'static [Kind],
    /// One sentence: what goes wrong without it.
    pub why: &'static str,
}

impl Rule {
    fn applies(&self, path: &[u8], meta: &Metadata) -> bool {
        let fits = match self.action {
            Action::Drop => true,
            Action::Clear => meta.kind == FileKind::Directory,
            Action::Empty => meta.kind == FileKind::Regular && meta.size > 0,
            Action::Replace(content) => {
                // A file of the same size may still differ, so it is replaced.
                meta.kind == FileKind::Regular && !(content.is_empty() && meta.size == 0)
            }
        };
        let listed = |globs: &[&str]| globs.iter().any(|glob| matches(glob.as_bytes(), path));
        fits && listed(self.paths) && !listed(self.except)
    }
}

/// The rules for one image; the first that matches decides.
#[derive(Debug, Clone)]
pub struct Policy {
    rules: Vec<Cow<'static, Rule>>,
}

impl Policy {
    /// No rules: the archive is the disk.
    pub fn none() -> Self {
        Self { rules: Vec::new() }
    }

    /// The rules of [`STANDARD`] for a family and a kind of artifact.
    pub fn standard(family: Family, kind: Kind) -> Self {
        let wanted = |rule: &&Rule| {
            (rule.families.is_empty() || rule.families.contains(&family))
                && (rule.kinds.is_empty() || rule.kinds.contains(&kind))
        };
        Self { rules: STANDARD.iter().filter(wanted).map(Cow::Borrowed).collect() }
    }

    /// Without the rules of these ids.
    #[must_use]
    pub fn without(mut self, ids: &[&str]) -> Self {
        self.rules.retain(|rule| !ids.contains(&rule.id));
        self
    }

    /// With a rule that is asked before the others.
    #[must_use]
    pub fn with(mut self, rule: Rule) -> Self {
        self.rules.insert(0, Cow::Owned(rule));
        self
    }

    /// The rule for `path` (below the root, without leading slash).
    pub fn decide(&self, path: &[u8], meta: &Metadata) -> Option<&Rule> {
        let absolute = [b"/", path].concat();
        self.rules.iter().map(AsRef::as_ref).find(|rule| rule.applies(&absolute, meta))
    }
}

#[cfg(test)]
mod tests;
