//! MAA001 to MAA004: what MAAS accepts as name, base image and file type. MED004.

use std::fs;
use std::path::Path;

use crate::catalog::{ArtifactKind, Family, IMAGE_FILE, Target};
use crate::finding::{Finding, Place};
use crate::repo::Repo;

/// Operating systems that may stand before the slash of a name.
const SYSTEMS: [&str; 10] =
    ["bootloader", "centos", "custom", "esxi", "ol", "onie", "rhel", "suse", "ubuntu", "windows"];

/// Operating systems that an ephemeral system can be.
const BASES: [&str; 4] = ["centos", "ol", "rhel", "ubuntu"];

/// Everything MAAS would refuse of one target.
#[must_use]
pub fn check(root: &Path, dir: &Path, target: &Target) -> Vec<Finding> {
    let maas = &target.facts.maas;
    let place = |word: &str| place(root, dir, "maas", word);
    let mut findings = vec![];
    if let Some((message, help)) = wrong_name(&maas.name) {
        findings.push(Finding::error("MAA001", place("name"), message).help(help));
    }
    let refused = !findings.is_empty();
    let wrong = maas.base_image.as_ref().filter(|_| !refused);
    let wrong = wrong.and_then(|base| wrong_base(&maas.name, base));
    findings.extend(wrong.map(|message| {
        let help = "the Ubuntu or relative whose preseed fits, for example ubuntu/noble or rhel/9; \
                    only custom/ names have one";
        Finding::error("MAA002", place("base_image"), message).help(help)
    }));
    let (system, _) = maas.name.split_once('/').unwrap_or(("custom", ""));
    if target.facts.artifact == ArtifactKind::Ddgz && ["suse", "ubuntu"].contains(&system) {
        let message =
            format!("MAAS deploys `{}` only from a root archive, not from a disk", maas.name);
        let finding = Finding::error("MAA003", place("name"), message);
        findings.push(finding.help("name it custom/…"));
    }
    let cloud = [Family::Debian, Family::El, Family::Suse].contains(&target.facts.family);
    if maas.login_user == "root" && cloud {
        let message = "root is no user that cloud-init gives MAAS's keys to";
        let finding = Finding::warning("MAA004", place("login_user"), message);
        findings.push(finding.help("name the default_user of the image's cloud.cfg"));
    }
    findings
}

/// MED004: the key that signs a download's checksum list is in the tree.
#[must_use]
pub fn signing_key(repo: &Repo, dir: &Path, target: &Target) -> Option<Finding> {
    let signed = crate::build::media::signed_by(repo, target)?;
    let shown = repo.show(&signed.keys).to_string();
    let place = || place(&repo.root, dir, "media", "signed_by");
    let finding = || Finding::error("MED004", place(), format!("there is no {shown}"));
    let help = "its README says where keys come from; without signed_by nothing is checked";
    (!signed.keys.is_file()).then(|| finding().help(help))
}

/// Whether MAAS refuses an image of that name.
#[must_use]
pub fn is_refused(name: &str) -> bool {
    wrong_name(name).is_some()
}

/// Why MAAS refuses a name, and what to do.
fn wrong_name(name: &str) -> Option<(String, &'static str)> {
    let parts: Vec<&str> = name.split('/').collect();
    match parts.as_slice() {
        [_] => {
            let reserved = SYSTEMS.contains(&name)
                || name.strip_prefix("centos").is_some_and(|n| {
                    (1..=2).contains(&n.len()) && n.chars().all(|c| c.is_ascii_digit())
                });
            reserved.then(|| (format!("`{name}` is a name that MAAS reserves"), "name it custom/…"))
        }
        [_, ""] | ["", _] => Some((format!("`{name}` has an empty part"), "name it custom/…")),
        [system, release] if *system == "suse" => {
            let known = ["sles", "opensuse", "tumbleweed"].iter().any(|p| release.starts_with(p));
            (!known).then(|| {
                (format!("`{release}` is no SUSE release MAAS knows"), "for example suse/sles15.6")
            })
        }
        [system, _] if !SYSTEMS.contains(system) => {
            Some((format!("MAAS knows no operating system `{system}`"), "name it custom/…"))
        }
        [_, _] => None,
        _ => Some((format!("`{name}` has more than one slash"), "MAAS answers with an error 500")),
    }
}

fn wrong_base(name: &str, base: &str) -> Option<String> {
    if name.contains('/') && !name.starts_with("custom/") {
        return Some("MAAS ignores base_image for names outside custom/".to_owned());
    }
    match base.split_once('/') {
        Some((system, release)) if BASES.contains(&system) && !release.is_empty() => None,
        _ => {
            Some(format!("`{base}` is no ephemeral system: <os>/<release> of {}", BASES.join(", ")))
        }
    }
}

/// Where `image.toml` has a key of a table, or a text, as far as it can be told.
#[must_use]
pub fn place(root: &Path, dir: &Path, table: &str, key: &str) -> Place {
    let path = dir.join(IMAGE_FILE);
    let shown = path.strip_prefix(root).unwrap_or(&path);
    let Ok(text) = fs::read_to_string(&path) else { return Place::file(shown) };
    let from = text.find(&format!("[{table}]")).unwrap_or(0);
    let rest = text.get(from..).unwrap_or_default();
    let found = rest
        .find(&format!("\n{key} ="))
        .map(|at| at + 1)
        .or_else(|| rest.find(&format!("\"{key}\"")).map(|at| at + 1));
    match found {
        Some(at) => Place::bytes(shown, &text, from + at..from + at + key.len()),
        None => Place::file(shown),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (name, fine) in [
            ("custom/debian-12", true),
            ("rhel/rhel9", true),
            ("suse/sles12.5", true),
            ("my-image", true),
            ("debian/12", false),
            ("suse/leap", false),
            ("custom/", false),
            ("a/b/c", false),
            ("centos9", false),
            ("centos/9", true),
            ("ubuntu", false),
        ] {
            assert_eq!(wrong_name(name).is_none(), fine, "{name}");
        }
    }

    #[test]
    fn bases() {
        assert_eq!(wrong_base("custom/x", "ubuntu/noble"), None);
        assert_eq!(wrong_base("x", "rhel/9"), None);
        assert!(wrong_base("custom/x", "debian/12").is_some());
        assert!(wrong_base("custom/x", "ubuntu").is_some());
        assert!(wrong_base("rhel/9", "ubuntu/noble").is_some());
    }
}
