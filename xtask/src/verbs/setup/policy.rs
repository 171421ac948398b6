//! What `apt-cache policy` and `dpkg-query` say, as data. Pure.

use std::collections::BTreeMap;

/// One package in the output of `apt-cache policy`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Package {
    /// Installed version.
    pub installed: Option<String>,
    /// Version that a plain install would take.
    pub candidate: Option<String>,
    /// Every known version, newest first.
    pub versions: Vec<Version>,
}

/// One row of a version table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// The version.
    pub version: String,
    /// Suites that offer it (`bookworm-backports`); none if only dpkg knows it.
    pub suites: Vec<String>,
}

impl Package {
    /// The suite from which a package of the same source must come to stand
    /// beside the installed version: where that version is from, or if it is
    /// gone, where the next newer one is. `None` if every archive is older.
    #[must_use]
    pub fn suite_of_installed(&self) -> Option<&str> {
        let installed = self.installed.as_deref()?;
        let at = self.versions.iter().position(|row| row.version == installed)?;
        let newer = self.versions.get(..=at)?;
        newer.iter().rev().find_map(|row| row.suites.first()).map(String::as_str)
    }

    /// Whether a plain install takes a version that `suite` offers.
    #[must_use]
    pub fn candidate_is_in(&self, suite: &str) -> bool {
        let candidate = self.candidate.as_deref();
        self.versions
            .iter()
            .filter(|row| Some(row.version.as_str()) == candidate)
            .any(|row| row.suites.iter().any(|have| have == suite))
    }
}

/// Parses `LC_ALL=C apt-cache policy …`. Unknown packages are not in it.
#[must_use]
pub fn parse_policy(text: &str) -> BTreeMap<String, Package> {
    let mut packages: BTreeMap<String, Package> = BTreeMap::new();
    let mut name = String::new();
    for line in text.lines() {
        if let Some(header) = line.strip_suffix(':').filter(|_| !line.starts_with(' ')) {
            header.clone_into(&mut name);
            packages.entry(name.clone()).or_default();
        } else if let Some(package) = packages.get_mut(&name) {
            policy_line(package, line);
        }
    }
    packages
}

fn policy_line(package: &mut Package, line: &str) {
    let some = |value: &str| Some(value.trim().to_owned()).filter(|value| value != "(none)");
    let indent = line.len() - line.trim_start().len();
    let words: Vec<&str> = line.split_whitespace().collect();
    if let Some(value) = line.trim().strip_prefix("Installed:") {
        package.installed = some(value);
    } else if let Some(value) = line.trim().strip_prefix("Candidate:") {
        package.candidate = some(value);
    } else if let ["***", version, ..] = words.as_slice() {
        package.versions.push(Version { version: (*version).to_owned(), suites: vec![] });
    } else if let [_priority, _origin, suite, _, "Packages", ..] = words.as_slice() {
        let suite = suite.split('/').next().unwrap_or(suite);
        if let Some(row) = package.versions.last_mut() {
            row.suites.push(suite.to_owned());
        }
    } else if let ([version, _priority, ..], 5) = (words.as_slice(), indent) {
        package.versions.push(Version { version: (*version).to_owned(), suites: vec![] });
    }
}

/// Parses `dpkg-query -W -f '${Package}\t${Version}\t${db:Status-Status}\n'`:
/// package to state, for packages that are there in some way.
#[must_use]
pub fn parse_dpkg(text: &str) -> BTreeMap<String, State> {
    text.lines().filter_map(dpkg_line).collect()
}

/// A package's state on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Installed and configured.
    Installed,
    /// dpkg was interrupted; holds dpkg's own word.
    Broken(String),
}

fn dpkg_line(line: &str) -> Option<(String, State)> {
    let mut fields = line.split('\t');
    let (name, _version, status) = (fields.next()?, fields.next()?, fields.next()?);
    let state = match status.trim() {
        "installed" => State::Installed,
        "not-installed" | "config-files" => return None,
        other => State::Broken(other.to_owned()),
    };
    Some((name.to_owned(), state))
}
