//! PLG001 to PLG003: which Packer and which plugin a template asks for.

use std::path::Path;

use packer_hcl::evaluated::{BuildSource, PackerBlock};
use packer_hcl::version::{Constraint, Version};

use crate::finding::{Finding, Place};
use crate::plan::diagnose;

/// Stops a VM without communicator at once; 1.1.3 took it back.
/// github.com/hashicorp/packer-plugin-qemu/issues/197
const BROKEN: &str = "1.1.2";

/// Releases that a constraint is tried on, oldest first: all of the plugin's
/// since it left Packer's own repository, and what may come.
const RELEASES: [&str; 19] = [
    "1.0.0", "1.0.1", "1.0.2", "1.0.3", "1.0.4", "1.0.5", "1.0.6", "1.0.7", "1.0.8", "1.0.9",
    "1.0.10", "1.1.0", "1.1.1", "1.1.2", "1.1.3", "1.1.4", "1.1.5", "1.2.0", "2.0.0",
];

/// What is wrong with the `packer` block of a template with this source.
#[must_use]
pub fn check(root: &Path, dir: &Path, packer: &PackerBlock, source: &BuildSource) -> Vec<Finding> {
    let mut findings = vec![];
    let place = || Place::file(dir.strip_prefix(root).unwrap_or(dir));
    if packer.required_versions.is_empty() {
        let message = "the template does not say which Packer it needs";
        let help = "packer { required_version = \">= 1.11.0\" }";
        findings.push(Finding::warning("PLG003", place(), message).help(help));
    }
    if source.source_type != "qemu" {
        return findings;
    }
    let qemu = packer.required_plugins.values().find(|p| p.source.ends_with("/qemu"));
    let Some(qemu) = qemu else {
        let message = "the template uses the qemu plugin and does not require it";
        let help = "packer { required_plugins { qemu = { source = \"github.com/hashicorp/qemu\", version = \">= 1.1.3\" } } }";
        findings.push(Finding::error("PLG001", place(), message).help(help));
        return findings;
    };
    if let Some(message) = wrong(&qemu.version) {
        let place = diagnose::span(root, &qemu.span);
        findings.push(Finding::error("PLG002", place, message).help("version = \">= 1.1.3\""));
    }
    findings
}

/// Why a constraint on the qemu plugin is of no use.
fn wrong(text: &str) -> Option<String> {
    let Some(constraint) = Constraint::parse(text) else {
        return Some(format!("`{text}` is no version constraint"));
    };
    let allows = |release: &str| Version::parse(release).is_some_and(|v| constraint.allows(&v));
    if allows(BROKEN) {
        return Some(format!("`{text}` admits the qemu plugin {BROKEN}, which stops VMs at once"));
    }
    let exact = text.trim().trim_start_matches(['=', ' ']);
    let named = Version::parse(exact).is_some_and(|v| constraint.allows(&v));
    (!named && !RELEASES.into_iter().any(allows))
        .then(|| format!("no release of the qemu plugin satisfies `{text}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constraints() {
        for (text, fine) in [
            (">= 1.1.3", true),
            (">= 1.1.0, != 1.1.2", true),
            ("~> 1.1.3", true),
            ("= 1.1.4", true),
            ("1.3.7", true),
            (">= 1.1.0", false),
            (">= 1.1.0, < 1.1.2", true),
            ("~> 1", false),
            (">= 1.1.3, < 1.1.2", false),
            ("latest", false),
        ] {
            assert_eq!(wrong(text).is_none(), fine, "{text}: {:?}", wrong(text));
        }
    }
}
