//! Which MAAS, and what it does differently. Measured on the server code of each
//! release named in [`super`].

use std::fmt;

/// A release of MAAS; `None` inside if the server does not know its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    text: String,
    number: Option<(u32, u32)>,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.number {
            Some(_) => f.write_str(&self.text),
            None => f.write_str("version unknown"),
        }
    }
}

impl Version {
    /// `3.7.3`, `3.8.0~b6`; a MAAS without a registered controller says `None`.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let shown: String = text.chars().filter(|c| c.is_ascii_graphic()).take(40).collect();
        Self { number: numbers(text), text: shown }
    }

    /// Older than `major.minor`; no if the version is unknown.
    #[must_use]
    pub fn is_before(&self, major: u32, minor: u32) -> bool {
        self.number.is_some_and(|n| n < (major, minor))
    }

    /// Older than what `minimum` says, for example `3.2`.
    #[must_use]
    pub fn is_older_than(&self, minimum: &str) -> bool {
        numbers(minimum).is_some_and(|(major, minor)| self.is_before(major, minor))
    }

    /// Up to 3.4, `progress` is total divided by received; from 3.5 on it is a
    /// percentage. Without a version, the file's own form decides: `on_disk` is
    /// whether it has `filename_on_disk`, which 3.5 introduced.
    #[must_use]
    pub fn inverts_progress(&self, on_disk: bool) -> bool {
        self.number.map_or(!on_disk, |n| n < (3, 5))
    }

    /// Up to 3.4, a file is complete when it is long enough, whatever is in it,
    /// and is shared by everything of the same SHA-256.
    #[must_use]
    pub fn believes_length(&self) -> bool {
        self.is_before(3, 5)
    }

    /// 3.8 keeps files of one SHA-256 in one place without counting who uses
    /// them: a second upload of the same bytes destroys the first. An unknown
    /// version is taken for one of these.
    #[must_use]
    pub fn loses_shared_bytes(&self) -> bool {
        self.number.is_none_or(|n| n >= (3, 8))
    }

    /// `ol/…` can be a name and a base image.
    #[must_use]
    pub fn knows_oracle(&self) -> bool {
        !self.is_before(3, 5)
    }
}

fn numbers(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        for (text, shown, old, loses) in [
            ("3.4.10", "3.4.10", true, false),
            ("3.7.3", "3.7.3", false, false),
            ("3.8.0~b6", "3.8.0~b6", false, true),
            ("4.0.0", "4.0.0", false, true),
            ("None", "version unknown", false, true),
            ("", "version unknown", false, true),
            ("99999999999.1", "version unknown", false, true),
        ] {
            let version = Version::parse(text);
            assert_eq!(version.to_string(), shown);
            assert_eq!(version.believes_length(), old, "{text}");
            assert_eq!(version.loses_shared_bytes(), loses, "{text}");
        }
        assert!(Version::parse("3.1.0").is_older_than("3.2"));
        assert!(!Version::parse("3.2.0").is_older_than("3.2"));
        assert!(!Version::parse("None").is_older_than("3.2"));
    }
}
