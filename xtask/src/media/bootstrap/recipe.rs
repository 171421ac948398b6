//! `bootstrap.toml`: what a base disk is made of. Data of the image's directory.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;

use crate::arch::Arch;
use crate::media::MediaError;

/// The file and the script it names, read and checked.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// Mirror of the main archive.
    pub mirror: String,
    /// Mirror of the security archive.
    pub security_mirror: String,
    /// By release name.
    pub releases: BTreeMap<String, Release>,
    /// Text of the script after the essential packages.
    pub essential: String,
    /// Text of the script after all packages.
    pub customize: String,
    packages: Packages,
}

/// One release.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// Its name in the archive.
    pub codename: String,
    /// Suites of the main archive, the release itself first.
    pub suites: Vec<String>,
    /// Suite of the security archive.
    pub security_suite: String,
    /// Archive areas.
    pub components: Vec<String>,
    /// Packages that only this release has.
    #[serde(default)]
    packages: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Packages {
    all: Vec<String>,
    #[serde(default)]
    amd64: Vec<String>,
    #[serde(default)]
    arm64: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    mirror: String,
    security_mirror: String,
    essential: String,
    customize: String,
    release: BTreeMap<String, Release>,
    packages: Packages,
}

impl Recipe {
    /// Reads `bootstrap/bootstrap.toml` of an image directory, and its scripts.
    ///
    /// # Errors
    /// A file is missing or not of the form above; the message has the line.
    pub fn read(image: &Path) -> Result<Self, MediaError> {
        let dir = image.join("bootstrap");
        let path = dir.join("bootstrap.toml");
        let text = read(&path)?;
        let raw: Raw = toml::from_str(&text)
            .map_err(|e| MediaError::Form(format!("{}: {e}", path.display())))?;
        Ok(Self {
            mirror: raw.mirror,
            security_mirror: raw.security_mirror,
            releases: raw.release,
            essential: read(&dir.join(&raw.essential))?,
            customize: read(&dir.join(&raw.customize))?,
            packages: raw.packages,
        })
    }

    /// The release of this name.
    ///
    /// # Errors
    /// There is none; the message lists those there are.
    pub fn release(&self, name: &str) -> Result<&Release, MediaError> {
        self.releases.get(name).ok_or_else(|| {
            let known: Vec<_> = self.releases.keys().map(String::as_str).collect();
            MediaError::Form(format!(
                "release {name} cannot be bootstrapped\n  hint: bootstrap.toml knows {}",
                known.join(", ")
            ))
        })
    }

    /// Every package of a base disk, in the order of the file.
    #[must_use]
    pub fn packages(&self, release: &Release, arch: Arch) -> Vec<String> {
        let per_arch = match arch {
            Arch::Amd64 => &self.packages.amd64,
            Arch::Arm64 => &self.packages.arm64,
        };
        [&self.packages.all, per_arch, &release.packages].into_iter().flatten().cloned().collect()
    }
}

fn read(path: &Path) -> Result<String, MediaError> {
    fs::read_to_string(path).map_err(|e| MediaError::io("cannot read", path, e))
}
