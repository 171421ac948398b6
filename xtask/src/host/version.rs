//! Version numbers in what programs print about themselves.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A dotted version. Only the numbers: QEMU's `7.2.22 (Debian …)` is `7.2.22`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(Vec<u32>);

impl Version {
    /// A version from its parts.
    #[must_use]
    pub fn new(parts: &[u32]) -> Self {
        Self(parts.to_vec())
    }

    /// Major, minor and patch; missing parts are 0.
    #[must_use]
    pub fn triple(&self) -> (u32, u32, u32) {
        let part = |i: usize| self.0.get(i).copied().unwrap_or(0);
        (part(0), part(1), part(2))
    }

    /// The first dotted number in `text`: two parts at least, each under ten
    /// digits, not glued to a letter before it except by `v` or `_`
    /// (`OpenSSH_9.2p1` is 9.2).
    #[must_use]
    pub fn find_in(text: &str) -> Option<Self> {
        let mut before = ' ';
        for (at, c) in text.char_indices() {
            let starts = c.is_ascii_digit() && !before.is_ascii_digit() && before != '.';
            let glued = before.is_alphanumeric() && before != 'v';
            if starts
                && !glued
                && let Some(found) = text.get(at..).and_then(leading)
            {
                return Some(found);
            }
            before = c;
        }
        None
    }
}

/// The version at the start of `text`, if there is one.
fn leading(text: &str) -> Option<Version> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let parts: Option<Vec<u32>> = text
        .get(..end)?
        .trim_end_matches('.')
        .split('.')
        .map(|part| (part.len() < 10).then(|| part.parse().ok())?)
        .collect();
    parts.filter(|parts| parts.len() >= 2).map(Version)
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = self.0.iter().map(u32::to_string).collect();
        f.pad(&parts.join("."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Own run on Debian 12 unless a comment says otherwise.
    const PRINTED: &[(&str, &str)] = &[
        ("QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18+b3)\n", "7.2.22"),
        ("qemu-img version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18+b3)", "7.2.22"),
        ("mmdebstrap 1.3.5", "1.3.5"),
        ("xorriso 1.5.4 : RockRidge filesystem manipulator, libburnia project.", "1.5.4"),
        ("OpenSSH_9.2p1 Debian-2+deb12u6, OpenSSL 3.0.19 27 Jan 2026", "9.2"),
        ("mtools (GNU mtools) 4.0.32", "4.0.32"),
        ("mke2fs 1.47.0 (5-Feb-2023)", "1.47.0"),
        ("sfdisk from util-linux 2.38.1", "2.38.1"),
        ("*** Zstandard CLI (64-bit) v1.5.4, by Yann Collet ***", "1.5.4"),
        ("ShellCheck - shell script analysis tool\nversion: 0.9.0", "0.9.0"),
        ("tar (GNU tar) 1.34", "1.34"),
        ("gpgv (GnuPG) 2.2.40", "2.2.40"),
        ("Packer v1.16.0", "1.16.0"),
        ("Packer v1.16.0-dev", "1.16.0"), // synthetic
        ("packer-plugin-qemu_v1.1.4_x5.0_linux_amd64", "1.1.4"), // synthetic
    ];

    #[test]
    fn finds_what_programs_print() {
        for (text, version) in PRINTED {
            let found = Version::find_in(text).map(|version| version.to_string());
            assert_eq!(found.as_deref(), Some(*version), "{text}");
        }
    }

    #[test]
    fn nothing_is_not_a_version() {
        for text in ["", "usage: newuidmap <pid>", "64-bit", "7", "1.", "99999999999.1", "x86.64"] {
            assert_eq!(Version::find_in(text), None, "{text}");
        }
    }

    #[test]
    fn orders_by_number_not_by_text() {
        let version = |text| Version::find_in(text).unwrap();
        assert!(version("1.6.6") < version("1.11.0"));
        assert!(version("1.11") < version("1.11.1"));
        assert!(version("10.0.2") > version("7.2.22"));
    }
}
