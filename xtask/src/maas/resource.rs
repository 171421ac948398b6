//! Boot resources as MAAS describes them: a resource has sets, a set has files.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::version::Version;

/// The prefix that MAAS up to 3.7 strips and 3.8 keeps.
pub const CUSTOM: &str = "custom/";

/// One name and architecture.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Resource {
    /// Number in MAAS.
    pub id: u64,
    /// `Uploaded` or `Synced`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `debian-12`, or `rhel/9`.
    pub name: String,
    /// `amd64/generic`.
    pub architecture: String,
    /// Title, may be empty.
    pub title: Option<String>,
    /// `ubuntu/noble`; from 3.5 on.
    pub base_image: Option<String>,
    /// When a machine last got it, as MAAS writes it.
    pub last_deployed: Option<String>,
    /// Path of this resource.
    pub resource_uri: String,
    /// By version; empty in listings.
    pub sets: BTreeMap<String, Set>,
}

/// What one create made.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Set {
    /// `20261123`, then `20261123.1` …
    pub version: String,
    /// Bytes.
    pub size: u64,
    /// Deployable.
    pub complete: bool,
    /// By name; empty after a replacement.
    pub files: BTreeMap<String, File>,
}

/// One file of a set.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct File {
    /// `root.tgz`.
    pub filename: String,
    /// `root-tgz`.
    pub filetype: String,
    /// Claimed at create.
    pub sha256: String,
    /// Bytes claimed at create.
    pub size: u64,
    /// MAAS has everything.
    pub complete: bool,
    /// See [`File::received`]; only while incomplete.
    pub progress: Option<f64>,
    /// Where the bytes go; only while incomplete.
    pub upload_uri: Option<String>,
    /// From 3.5 on.
    pub filename_on_disk: Option<String>,
}

impl Resource {
    /// The name without `custom/`.
    #[must_use]
    pub fn bare_name(&self) -> &str {
        bare(&self.name)
    }

    /// The name as the catalog writes it.
    #[must_use]
    pub fn full_name(&self) -> String {
        full(&self.name)
    }

    /// Newest first, by number: `20261123.10` is newer than `20261123.9`, which
    /// the order of text gets wrong.
    #[must_use]
    pub fn newest_first(&self) -> Vec<&Set> {
        let mut sets: Vec<(&String, &Set)> = self.sets.iter().collect();
        sets.sort_by_key(|(version, _)| std::cmp::Reverse(order(version)));
        sets.into_iter().map(|(_, set)| set).collect()
    }

    /// What a deployment gets: the newest set that is complete.
    #[must_use]
    pub fn deployable(&self) -> Option<&Set> {
        self.newest_first().into_iter().find(|set| set.is_whole())
    }

    /// Bytes of every complete set.
    #[must_use]
    pub fn stored(&self) -> u64 {
        self.sets.values().filter(|s| s.is_whole()).map(Set::bytes).sum()
    }
}

impl Set {
    /// Complete, with a file: sets that were replaced stay as empty shells.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.complete && !self.files.is_empty()
    }

    /// Bytes of its files.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.files.values().map(|f| f.size).fold(0, u64::saturating_add)
    }

    /// The file of an upload: custom images have exactly one.
    #[must_use]
    pub fn only_file(&self) -> Option<&File> {
        let mut files = self.files.values();
        files.next().filter(|_| files.next().is_none())
    }

    /// `2026-11-23` of version `20261123.1`.
    #[must_use]
    pub fn date(&self) -> Option<String> {
        let digits = self.version.get(..8)?;
        digits.bytes().all(|b| b.is_ascii_digit()).then_some(())?;
        Some(format!("{}-{}-{}", digits.get(..4)?, digits.get(4..6)?, digits.get(6..)?))
    }
}

impl File {
    /// Bytes MAAS has, of `regions` region controllers that all keep them.
    ///
    /// # Errors
    /// The figure makes no sense.
    pub fn received(&self, version: &Version, regions: u32) -> Result<u64, String> {
        if self.complete {
            return Ok(self.size);
        }
        let progress = self.progress.unwrap_or(0.0);
        let inverted = version.inverts_progress(self.filename_on_disk.is_some());
        let size = self.size as f64; // exact up to 2^53 bytes
        let bytes = match (inverted, progress) {
            (_, 0.0) => 0.0,
            (true, ratio) => size / ratio,
            (false, percent) => size * percent / 100.0 * f64::from(regions.max(1)),
        };
        let bytes = bytes.round();
        if !(0.0..=size).contains(&bytes) {
            return Err(format!("MAAS says progress {progress} of {} bytes", self.size));
        }
        // In range, and float casts saturate.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0..=size")]
        Ok(bytes as u64)
    }
}

/// `name` without `custom/`: how every version stores or finds it.
#[must_use]
pub fn bare(name: &str) -> &str {
    name.strip_prefix(CUSTOM).unwrap_or(name)
}

/// `custom/debian-12` for `debian-12`; `rhel/9` stays.
#[must_use]
pub fn full(name: &str) -> String {
    if name.contains('/') { name.to_owned() } else { format!("{CUSTOM}{name}") }
}

/// A version as numbers, so that `.10` comes after `.9`.
fn order(version: &str) -> (u64, u64) {
    let (date, number) = version.split_once('.').unwrap_or((version, "0"));
    (date.parse().unwrap_or(0), number.parse().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(size: u64, progress: Option<f64>) -> File {
        File { size, progress, ..File::default() }
    }

    #[test]
    fn offsets_of_every_version() {
        for (version, regions, size, progress, expected) in [
            ("3.4.10", 1, 3000, None, Ok(0)),
            ("3.4.10", 1, 3000, Some(0.0), Ok(0)),
            ("3.4.10", 1, 3000, Some(1.5), Ok(2000)),
            ("3.4.10", 1, 7_000_001, Some(7_000_001.0 / 4_194_304.0), Ok(4_194_304)),
            ("3.5.13", 1, 3000, Some(100.0 / 3.0), Ok(1000)),
            ("3.7.3", 3, 3000, Some(100.0 / 9.0), Ok(1000)),
            ("3.8.0", 1, 3000, Some(200.0), Err(())),
            ("3.4.10", 1, 3000, Some(0.5), Err(())),
            ("3.4.10", 1, 3000, Some(-1.0), Err(())),
            ("3.8.0", 1, 3000, Some(f64::NAN), Err(())),
        ] {
            let got = file(size, progress).received(&Version::parse(version), regions);
            assert_eq!(got.map_err(|_| ()), expected, "{version} {progress:?}");
        }
    }

    #[test]
    fn an_unknown_version_shows_in_the_file() {
        let unknown = Version::parse("None");
        let mut file = file(3000, Some(50.0));
        assert_eq!(file.received(&unknown, 1), Ok(60));
        file.filename_on_disk = Some("ab".into());
        assert_eq!(file.received(&unknown, 1), Ok(1500));
    }

    #[test]
    fn the_eleventh_set_of_a_day_is_the_newest() {
        let names = ["20261123", "20261123.10", "20261123.9", "20261122.11"];
        let set = |v: &str| (v.to_owned(), Set { version: v.into(), ..Set::default() });
        let resource =
            Resource { sets: names.into_iter().map(set).collect(), ..Resource::default() };
        let order: Vec<&str> = resource.newest_first().iter().map(|s| &*s.version).collect();
        assert_eq!(order, ["20261123.10", "20261123.9", "20261123", "20261122.11"]);
        assert_eq!(resource.newest_first()[0].date().as_deref(), Some("2026-11-23"));
    }
}
