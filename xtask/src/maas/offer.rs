//! What is to be uploaded, and every reason MAAS would refuse it or could not
//! deploy it, found before the first byte.

use std::path::PathBuf;

use super::filetype::Filetype;
use super::resource::{CUSTOM, Resource, bare, full};
use super::source::Stamp;
use super::version::Version;

/// A file and what MAAS is told about it.
#[derive(Clone, Debug)]
pub struct Offer {
    /// The file.
    pub path: PathBuf,
    /// As people write it: `custom/debian-12`, `rhel/9`.
    pub name: String,
    /// Title in MAAS.
    pub title: String,
    /// Only for custom names; empty leaves it to MAAS.
    pub base_image: String,
    /// `amd64/generic`.
    pub architecture: String,
    /// What the file is.
    pub filetype: Filetype,
    /// Lower-case hex.
    pub sha256: String,
    /// Bytes.
    pub size: u64,
    /// The file as it was when it was hashed.
    pub stamp: Option<Stamp>,
    /// Oldest MAAS that deploys it, if known.
    pub min_version: Option<String>,
}

impl Offer {
    /// The name as every version takes it: without `custom/`, which 3.8 would
    /// keep and then not find.
    #[must_use]
    pub fn bare_name(&self) -> &str {
        bare(&self.name)
    }

    /// MAAS calls it custom rather than a system of its own.
    #[must_use]
    pub fn is_custom(&self) -> bool {
        !self.bare_name().contains('/')
    }

    /// The fields of a create that spares what is there.
    #[must_use]
    pub fn fields(&self) -> Vec<(String, String)> {
        let mut fields = vec![
            ("name", self.bare_name().to_owned()),
            ("title", self.title.clone()),
            ("architecture", self.architecture.clone()),
            ("filetype", self.filetype.name.to_owned()),
            ("sha256", self.sha256.clone()),
            ("size", self.size.to_string()),
            ("keep_old", "true".to_owned()),
        ];
        if self.is_custom() && !self.base_image.is_empty() {
            fields.push(("base_image", self.base_image.clone()));
        }
        fields.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()
    }

    /// What is wrong by itself, whichever MAAS gets it.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let mut problems = vec![];
        problems.extend(name_problem(&self.name));
        problems.extend(self.base_problem());
        problems.extend(self.type_problem());
        if self.size == 0 {
            problems.push(format!("{} is empty", self.path.display()));
        }
        if self.architecture.split('/').count() != 2 || self.architecture.contains("//") {
            problems.push(format!(
                "architecture `{}`: MAAS wants two words, for example amd64/generic",
                self.architecture
            ));
        }
        problems
    }

    fn base_problem(&self) -> Option<String> {
        let base = &self.base_image;
        if base.is_empty() {
            return None;
        }
        let wrong = |why: &str| Some(format!("base image `{base}`: {why}"));
        if !self.is_custom() {
            return wrong("only custom images have one; MAAS would drop it");
        }
        let Some((system, series)) = base.split_once('/') else {
            return wrong("it has the form SYSTEM/SERIES, for example ubuntu/noble");
        };
        if !BASES.contains(&system) {
            return wrong("the system must be ubuntu, centos, rhel or ol");
        }
        if series.is_empty() || series.contains('/') {
            return wrong("the series is missing, for example ubuntu/noble or rhel/9");
        }
        if system == "ubuntu" && series.starts_with(|c: char| c.is_ascii_digit()) {
            return wrong("MAAS wants the code name of an Ubuntu, for example ubuntu/noble");
        }
        None
    }

    /// The API takes any type for any name; the deployment then finds no image.
    fn type_problem(&self) -> Option<String> {
        let (system, _) = self.bare_name().split_once('/')?;
        let name = self.filetype.name;
        let disk = self.filetype.is_disk();
        if DISKS_ONLY.contains(&system) && !disk {
            return Some(format!("MAAS deploys {system}/ only from disks (ddgz), not from {name}"));
        }
        if TARS_ONLY.contains(&system) && disk {
            return Some(format!(
                "MAAS deploys {system}/ only from tgz, tbz or txz, not from {name}\n  hint: a \
                 custom/ name takes both"
            ));
        }
        None
    }
}

/// Systems a custom image can stand on.
const BASES: [&str; 4] = ["ubuntu", "centos", "rhel", "ol"];
const DISKS_ONLY: [&str; 3] = ["windows", "esxi", "ubuntu-core"];
const TARS_ONLY: [&str; 5] = ["ubuntu", "centos", "rhel", "ol", "suse"];
/// Every system MAAS 3.4 to 3.8 knows besides `custom`.
const SYSTEMS: [&str; 11] = [
    "ubuntu",
    "ubuntu-core",
    "bootloader",
    "centos",
    "rhel",
    "windows",
    "suse",
    "esxi",
    "ol",
    "onie",
    "caringo",
];

/// What MAAS says no to, or answers with a crash.
fn name_problem(name: &str) -> Option<String> {
    let wrong = |why: &str| Some(format!("name `{name}`: {why}"));
    let bare = bare(name);
    if bare.trim() != bare || bare.is_empty() {
        return wrong("it is empty or has blanks around it");
    }
    if name.chars().count() > 255 {
        return wrong("MAAS takes at most 255 characters");
    }
    if bare.chars().any(|c| c.is_control()) {
        return wrong("it has control characters");
    }
    let centos = bare
        .strip_prefix("centos")
        .is_some_and(|v| (1..=2).contains(&v.len()) && v.bytes().all(|b| b.is_ascii_digit()));
    if centos || SYSTEMS.contains(&bare) || bare == "custom" {
        return wrong("MAAS reserves it\n  hint: add a word, for example -custom");
    }
    let (system, release) = bare.split_once('/')?;
    if name.starts_with(CUSTOM) || release.contains('/') {
        return wrong("MAAS takes one slash at most");
    }
    if release.is_empty() {
        return wrong("the release after the slash is missing");
    }
    if !SYSTEMS.contains(&system) {
        return Some(format!(
            "name `{name}`: MAAS knows no system `{system}`\n  hint: --name {CUSTOM}{}",
            bare.replace('/', "-")
        ));
    }
    None
}

/// What is wrong with an offer for one server, given what it has synced.
#[must_use]
pub fn problems_there(offer: &Offer, version: &Version, synced: &[Resource]) -> Vec<String> {
    let mut problems = vec![];
    problems.extend(taken(offer, synced));
    problems.extend(architecture(offer, synced));
    let uses_oracle = offer.name.starts_with("ol/") || offer.base_image.starts_with("ol/");
    if uses_oracle && !version.knows_oracle() {
        problems.push(format!("MAAS {version} knows no `ol/`; 3.5 is the first that does"));
    }
    if let Some(minimum) = &offer.min_version
        && version.is_older_than(minimum)
    {
        problems.push(format!(
            "this image needs MAAS {minimum} or newer to deploy, and this is {version}"
        ));
    }
    problems
}

/// Names that stand in the streams MAAS follows are reserved.
fn taken(offer: &Offer, synced: &[Resource]) -> Option<String> {
    let name = offer.bare_name();
    let by =
        synced.iter().find(|r| r.name == name || r.name.split('/').any(|part| part == name))?;
    Some(format!(
        "name `{}`: MAAS reserves it, because it syncs {}\n  hint: add a word, for example -custom",
        offer.name, by.name
    ))
}

/// Uploads are for architectures that Ubuntu is synced for: its kernel deploys
/// them.
fn architecture(offer: &Offer, synced: &[Resource]) -> Option<String> {
    let arches = synced.iter().filter(|r| r.name.starts_with("ubuntu/"));
    let mut arches: Vec<&str> = arches.filter_map(|r| r.architecture.split('/').next()).collect();
    arches.sort_unstable();
    arches.dedup();
    let wanted = offer.architecture.split('/').next().unwrap_or_default();
    if arches.contains(&wanted) {
        return None;
    }
    let has = if arches.is_empty() { "none".into() } else { arches.join(", ") };
    Some(format!(
        "architecture `{}`: MAAS takes it once an Ubuntu for {wanted} is synced; synced: {has}\n  \
         hint: MAAS, Images: select an Ubuntu LTS for {wanted} and wait until it is there",
        offer.architecture
    ))
}

/// `maas PROFILE boot-resources create …` for this offer. The CLI computes size
/// and hash itself.
#[must_use]
pub fn command(offer: &Offer, profile: Option<&str>) -> String {
    use crate::cmd::shell_quote;
    let profile = profile.map_or("PROFILE".into(), |p| shell_quote(p).into_owned());
    let path = offer.path.display().to_string();
    let mut words = vec![
        format!("name={}", offer.name),
        format!("title={}", offer.title),
        format!("architecture={}", offer.architecture),
        format!("filetype={}", offer.filetype.name),
    ];
    if offer.is_custom() && !offer.base_image.is_empty() {
        words.push(format!("base_image={}", offer.base_image));
    }
    words.push("keep_old=true".into());
    words.push(format!("content@={path}"));
    let words: Vec<_> = words.iter().map(|w| shell_quote(w)).collect();
    format!("maas {profile} boot-resources create {}", words.join(" "))
}

/// As the catalog writes names.
#[must_use]
pub fn shown_name(name: &str) -> String {
    full(bare(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(name: &str, base: &str, filetype: &str) -> Offer {
        Offer {
            path: "out/x.tar.gz".into(),
            name: name.into(),
            title: "Debian 12".into(),
            base_image: base.into(),
            architecture: "amd64/generic".into(),
            filetype: Filetype::named(filetype).unwrap(),
            sha256: "0".repeat(64),
            size: 1,
            stamp: None,
            min_version: None,
        }
    }

    #[test]
    fn names_and_bases_are_judged_as_maas_does() {
        for (name, base, filetype, expected) in [
            ("custom/debian-12", "ubuntu/noble", "tgz", None),
            ("debian 12 \u{e4}", "rhel/9", "ddgz", None),
            ("rhel/9", "", "tgz", None),
            ("windows/2022", "", "ddgz", None),
            ("centos/9", "", "tgz", None),
            ("custom/a/b", "", "tgz", Some("one slash at most")),
            ("rhel/9/x", "", "tgz", Some("one slash at most")),
            ("custom/", "", "tgz", Some("empty")),
            ("", "", "tgz", Some("empty")),
            (" x", "", "tgz", Some("blanks")),
            ("custom", "", "tgz", Some("reserves")),
            ("centos7", "", "tgz", Some("reserves")),
            ("custom/rhel", "", "tgz", Some("reserves")),
            ("rhel/", "", "tgz", Some("release after the slash")),
            ("debian/12", "", "tgz", Some("--name custom/debian-12")),
            ("rhel/9", "", "ddgz", Some("only from tgz")),
            ("windows/2022", "", "tgz", Some("only from disks")),
            ("rhel/9", "ubuntu/noble", "tgz", Some("would drop it")),
            ("x", "ubuntu", "tgz", Some("SYSTEM/SERIES")),
            ("x", "debian/12", "tgz", Some("must be ubuntu, centos, rhel or ol")),
            ("x", "ubuntu/24.04", "tgz", Some("code name")),
            ("x", "rhel/", "tgz", Some("series is missing")),
        ] {
            let problems = offer(name, base, filetype).problems();
            match expected {
                None => assert_eq!(problems, Vec::<String>::new(), "{name}"),
                Some(part) => {
                    assert!(problems.iter().any(|p| p.contains(part)), "{name}: {problems:?}")
                }
            }
        }
        assert!(name_problem(&"x".repeat(256)).unwrap().contains("255"));
    }

    #[test]
    fn what_only_the_server_knows() {
        let ubuntu = Resource {
            name: "ubuntu/noble".into(),
            architecture: "amd64/ga-24.04".into(),
            ..Resource::default()
        };
        let version = Version::parse("3.4.10");
        let check = |offer: &Offer| problems_there(offer, &version, std::slice::from_ref(&ubuntu));
        assert!(check(&offer("debian-12", "", "tgz")).is_empty());
        let mut arm = offer("custom/noble", "ol/9", "tgz");
        arm.architecture = "arm64/generic".into();
        arm.min_version = Some("3.5".into());
        let problems = check(&arm).join("\n");
        for part in ["it syncs ubuntu/noble", "synced: amd64", "knows no `ol/`", "needs MAAS 3.5"] {
            assert!(problems.contains(part), "{problems}");
        }
    }

    #[test]
    fn the_command_of_the_cli() {
        assert_eq!(
            command(&offer("custom/debian-12", "ubuntu/noble", "tgz"), Some("admin")),
            "maas admin boot-resources create name=custom/debian-12 'title=Debian 12' \
             architecture=amd64/generic filetype=tgz base_image=ubuntu/noble keep_old=true \
             content@=out/x.tar.gz"
        );
    }
}
