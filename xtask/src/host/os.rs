//! Which distribution this is, by `/etc/os-release`.

use std::fs;

use serde::{Deserialize, Serialize};

/// The fields of `os-release(5)` that decide how software is installed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Os {
    /// `debian`, `ubuntu`, `fedora`.
    pub id: String,
    /// Distributions this one is close to, nearest first.
    pub like: Vec<String>,
    /// `12`, `24.04`; empty on rolling releases.
    pub version: String,
    /// `bookworm`, `noble`; empty where there is none.
    pub codename: String,
    /// For people: `Debian GNU/Linux 12 (bookworm)`.
    pub name: String,
}

/// How software is installed here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PackageManager {
    /// Debian, Ubuntu and what is built on them.
    Apt,
    /// Fedora, RHEL and what is built on them.
    Dnf,
}

impl Os {
    /// Reads this machine's file; an unknown system is all empty.
    #[must_use]
    pub fn here() -> Self {
        let read = |path| fs::read_to_string(path).ok();
        parse(&read("/etc/os-release").or_else(|| read("/usr/lib/os-release")).unwrap_or_default())
    }

    /// The package manager, if it is one we can drive.
    #[must_use]
    pub fn package_manager(&self) -> Option<PackageManager> {
        let mut names = std::iter::once(&self.id).chain(&self.like);
        names.find_map(|name| match name.as_str() {
            "debian" | "ubuntu" => Some(PackageManager::Apt),
            "fedora" | "rhel" | "centos" => Some(PackageManager::Dnf),
            _ => None,
        })
    }
}

/// Parses the text of an `os-release` file.
#[must_use]
pub fn parse(text: &str) -> Os {
    let mut os = Os::default();
    for (key, value) in text.lines().filter_map(|line| line.split_once('=')) {
        let value = unquote(value.trim());
        match key.trim() {
            "ID" => os.id = value,
            "ID_LIKE" => os.like = value.split_whitespace().map(str::to_owned).collect(),
            "VERSION_ID" => os.version = value,
            "VERSION_CODENAME" => os.codename = value,
            "PRETTY_NAME" => os.name = value,
            _ => {}
        }
    }
    os
}

/// Shell quoting as far as the specification allows it in this file.
fn unquote(value: &str) -> String {
    let inner = ['"', '\'']
        .iter()
        .find_map(|&quote| value.strip_prefix(quote)?.strip_suffix(quote))
        .unwrap_or(value);
    let mut plain = String::new();
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        plain.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_package_manager_follows_the_family() {
        // The first two: own runs of cat /etc/os-release in Debian 12 and 13;
        // the others are synthetic.
        for (text, name, manager) in [
            (
                "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nVERSION_ID=\"12\"\nID=debian\n",
                "Debian GNU/Linux 12 (bookworm)",
                Some(PackageManager::Apt),
            ),
            (
                "PRETTY_NAME=\"Debian GNU/Linux 13 (trixie)\"\nVERSION_ID=\"13\"\nID=debian\n",
                "Debian GNU/Linux 13 (trixie)",
                Some(PackageManager::Apt),
            ),
            (
                "ID=linuxmint\nID_LIKE=\"ubuntu debian\"\nPRETTY_NAME='Mint'\n",
                "Mint",
                Some(PackageManager::Apt),
            ),
            (
                "ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\nPRETTY_NAME=\"Ro\\\"cky\"",
                "Ro\"cky",
                Some(PackageManager::Dnf),
            ),
            ("ID=arch\n", "", None),
            ("", "", None),
        ] {
            let os = parse(text);
            assert_eq!((os.name.as_str(), os.package_manager()), (name, manager), "{text}");
        }
    }
}
