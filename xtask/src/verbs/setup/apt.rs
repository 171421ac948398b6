//! From what apt and dpkg say to the commands that install what is missing.
//! Pure, so that it is tested with transcripts of machines we do not have.

use std::collections::BTreeMap;
use std::time::Duration;

use super::policy::{Package, State};

/// What is known about this machine's packages.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// State of packages that are there.
    pub dpkg: BTreeMap<String, State>,
    /// What could be installed.
    pub policy: BTreeMap<String, Package>,
    /// Age of the package lists; `None` if there are none.
    pub lists_age: Option<Duration>,
    /// The lists were refreshed by this run.
    pub refreshed: bool,
}

/// One `apt-get install`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Install {
    /// Package names in order.
    pub packages: Vec<String>,
    /// Suite for `-t`, if the default one does not do.
    pub suite: Option<String>,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Everything is there.
    Nothing,
    /// Run `apt-get update`, then decide again. Holds the reason.
    Refresh(String),
    /// Run these.
    Install(Vec<Install>),
    /// Nothing we run can help; each line says why and what does.
    Impossible(Vec<String>),
}

/// Lists older than this are refreshed first: mirrors drop superseded packages,
/// so an install from older lists ends in "404 Not Found".
const MAX_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// Packages of QEMU's source package that get mixed up: they break or depend on
/// each other by version. `query` asks for them beside what is wanted.
pub const QEMU_FAMILY: &[&str] = &[
    "qemu-utils",
    "qemu-system-x86",
    "qemu-system-arm",
    "qemu-system-common",
    "qemu-system-data",
    "qemu-block-extra",
];

/// Ubuntu 26.04 has a second, newer QEMU whose packages end in `-hwe`. The two
/// exclude each other as wholes; this one marks which is in use.
pub const HWE_MARK: &str = "ubuntu-virt-hwe";
const HWE: &str = "-hwe";

/// Every package apt and dpkg have to be asked about.
#[must_use]
pub fn query(want: &[&str]) -> Vec<String> {
    let mut names: Vec<String> = want.iter().map(|name| (*name).to_owned()).collect();
    names.extend(QEMU_FAMILY.iter().map(|name| (*name).to_owned()));
    let hwe: Vec<String> = names.iter().map(|name| format!("{name}{HWE}")).collect();
    names.extend(hwe);
    names.push(HWE_MARK.to_owned());
    names.sort();
    names.dedup();
    names
}

/// Decides what to run so that `want` is installed.
#[must_use]
pub fn decide(want: &[&str], facts: &Facts) -> Decision {
    if let Some(problem) = interrupted(facts) {
        return Decision::Impossible(vec![problem]);
    }
    let missing: Vec<String> = want
        .iter()
        .map(|name| variant(name, facts))
        .filter(|name| facts.dpkg.get(name) != Some(&State::Installed))
        .collect();
    if missing.is_empty() {
        return Decision::Nothing;
    }
    if let Some(why) = stale(&missing, facts) {
        return Decision::Refresh(why);
    }
    let absent = without_candidate(&missing, facts);
    if !absent.is_empty() {
        return Decision::Impossible(vec![no_candidate(&absent)]);
    }
    let (family, rest): (Vec<String>, Vec<String>) =
        missing.into_iter().partition(|name| is_family(name));
    let groups = match family_suite(&family, facts) {
        Err(problem) => return Decision::Impossible(vec![problem]),
        // One command if one suite will do: apt then sees the whole picture.
        Ok(None) => vec![Install { packages: [rest, family].concat(), suite: None }],
        // Two if not: `-t` would take everything else from there as well.
        Ok(suite) => {
            vec![Install { packages: rest, suite: None }, Install { packages: family, suite }]
        }
    };
    Decision::Install(groups.into_iter().filter(|group| !group.packages.is_empty()).collect())
}

fn interrupted(facts: &Facts) -> Option<String> {
    let broken = facts.dpkg.iter().find_map(|(name, state)| match state {
        State::Broken(word) => Some((name, word)),
        State::Installed => None,
    });
    broken.map(|(name, word)| {
        format!("{name} is {word}: dpkg was interrupted\n  fix   sudo dpkg --configure -a")
    })
}

/// The name of a package in the QEMU variant that is in use.
fn variant(name: &str, facts: &Facts) -> String {
    let hwe = format!("{name}{HWE}");
    let exists = facts.policy.get(&hwe).is_some_and(|package| package.candidate.is_some());
    let in_use = facts.dpkg.get(HWE_MARK) == Some(&State::Installed);
    if in_use && exists { hwe } else { name.to_owned() }
}

fn is_family(name: &str) -> bool {
    QEMU_FAMILY.contains(&name.trim_end_matches(HWE))
}

fn without_candidate(missing: &[String], facts: &Facts) -> Vec<String> {
    let installable =
        |name: &String| facts.policy.get(name).is_some_and(|package| package.candidate.is_some());
    missing.iter().filter(|name| !installable(name)).cloned().collect()
}

fn stale(missing: &[String], facts: &Facts) -> Option<String> {
    if facts.refreshed {
        return None;
    }
    let absent = without_candidate(missing, facts);
    match facts.lists_age {
        None => Some("there are no package lists".into()),
        Some(age) if age > MAX_AGE => {
            Some(format!("the package lists are {} hours old", age.as_secs() / 3600))
        }
        Some(_) if !absent.is_empty() => {
            Some(format!("the package lists do not know {}", absent.join(", ")))
        }
        Some(_) => None,
    }
}

fn no_candidate(absent: &[String]) -> String {
    format!(
        "no source offers {}\n  fix   on Ubuntu: sudo add-apt-repository universe; \
         on Debian: `main` in /etc/apt/sources.list*; else install it by hand",
        absent.join(", ")
    )
}

/// The suite the missing members of the family must come from, if it is not
/// the default one: beside an installed `qemu-utils` of bookworm-backports,
/// which `Breaks: qemu-system-common (<< 1:8.0)`, stable's emulator cannot be
/// installed. `-t` and not `=version`, because the emulator of backports wants
/// SeaBIOS from there too.
fn family_suite(family: &[String], facts: &Facts) -> Result<Option<String>, String> {
    let installed = facts.policy.iter().find_map(|(name, package)| {
        (is_family(name) && package.installed.is_some()).then_some((name, package))
    });
    let (Some((name, package)), Some(first)) = (installed, family.first()) else { return Ok(None) };
    let wanted = facts.policy.get(first);
    if wanted.is_some_and(|wanted| wanted.candidate == package.installed) {
        return Ok(None);
    }
    let Some(suite) = package.suite_of_installed() else {
        return Err(foreign(name, package, family));
    };
    let default_does = wanted.is_some_and(|wanted| wanted.candidate_is_in(suite));
    Ok((!default_does).then(|| suite.to_owned()))
}

/// The installed QEMU is newer than everything on offer.
fn foreign(name: &str, package: &Package, family: &[String]) -> String {
    let version = package.installed.as_deref().unwrap_or_default();
    let offered = package.versions.iter().find(|row| !row.suites.is_empty());
    let older = offered.map_or_else(String::new, |row| {
        format!("\n  or    go back to sudo apt-get install {name}={}", row.version)
    });
    format!(
        "{name} {version} is installed, but no source offers it any more, \
         so {} cannot match it\n  fix   enable the source it came from{older}",
        family.join(", ")
    )
}
