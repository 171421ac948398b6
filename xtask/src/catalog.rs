//! The catalog: every `image.toml` of the tree, read strictly into checked
//! images and targets. Found by walking, never listed by hand.

mod facts;
mod raw;
pub mod schema;
mod select;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

pub use facts::{Contract, Facts, Maas, Media, Partition};
pub use raw::{ArtifactKind, Family, Firmware, MediaKind};
pub use select::{Selection, glob, select};

use crate::arch::Arch;
use crate::finding::{Finding, Place};
use facts::Parts;
use raw::RawImage;

/// The file that makes a directory an image.
pub const IMAGE_FILE: &str = "image.toml";

/// One OS directory.
#[derive(Clone, Debug)]
pub struct Image {
    /// Directory name, for example `rhel9`.
    pub name: String,
    /// Directory.
    pub dir: PathBuf,
    /// Full name.
    pub title: String,
    /// Release that fills an id without one.
    pub default_release: Option<String>,
    /// Flavor that fills an id without one.
    pub default_flavor: Option<String>,
    /// Every target, oldest release first.
    pub targets: Vec<Target>,
    /// One line per flavor.
    pub flavors: BTreeMap<String, String>,
}

/// An image, release, flavor and architecture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Target {
    /// Stable id, for example `debian-12-mirror-amd64`.
    pub id: String,
    /// Image name.
    pub image: String,
    /// Release, if the image declares several.
    pub release: Option<String>,
    /// Flavor, if the image declares several.
    pub flavor: Option<String>,
    /// Architecture.
    pub arch: Arch,
    /// What `image.toml` says about it.
    pub facts: Facts,
}

impl Target {
    /// End of life is behind `today` (`YYYY-MM-DD`).
    #[must_use]
    pub fn is_eol(&self, today: &str) -> bool {
        self.facts.eol.as_deref().is_some_and(|eol| eol < today)
    }

    /// File name of its artifact: the whole id, so that artifacts of two
    /// architectures can lie in one directory.
    #[must_use]
    pub fn artifact_name(&self) -> String {
        match self.facts.artifact {
            ArtifactKind::Tgz => format!("{}.tar.gz", self.id),
            ArtifactKind::Ddgz => format!("{}.dd.gz", self.id),
        }
    }

    /// The leading whole components: `debian`, `debian-12`, … and the id.
    pub(crate) fn prefixes(&self) -> Vec<String> {
        let parts = [
            Some(self.image.as_str()),
            self.release.as_deref(),
            self.flavor.as_deref(),
            Some(self.arch.name()),
        ];
        let mut prefixes: Vec<String> = vec![];
        for part in parts.into_iter().flatten() {
            let prefix = prefixes.last().map_or_else(|| part.to_owned(), |p| format!("{p}-{part}"));
            prefixes.push(prefix);
        }
        prefixes
    }
}

/// Every image of a tree.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    /// Sorted by name.
    pub images: Vec<Image>,
}

impl Catalog {
    /// Reads every `*/image.toml` under `root`.
    ///
    /// # Errors
    /// All problems of all files, each with file, line and fix.
    pub fn load(root: &Path) -> Result<Self, Vec<Finding>> {
        let mut images = vec![];
        let mut findings = vec![];
        for dir in image_dirs(root) {
            match load_image(root, &dir) {
                Ok(image) => images.push(image),
                Err(more) => findings.extend(more),
            }
        }
        if findings.is_empty() { Ok(Self { images }) } else { Err(findings) }
    }

    /// Every target of every image.
    pub fn targets(&self) -> impl Iterator<Item = &Target> {
        self.images.iter().flat_map(|i| &i.targets)
    }

    /// The image of that name.
    #[must_use]
    pub fn image(&self, name: &str) -> Option<&Image> {
        self.images.iter().find(|i| i.name == name)
    }
}

/// Directories right under `root` that hold an `image.toml`, sorted.
fn image_dirs(root: &Path) -> Vec<PathBuf> {
    let mut dirs: Vec<PathBuf> = fs::read_dir(root)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|dir| dir.join(IMAGE_FILE).is_file())
        .collect();
    dirs.sort();
    dirs
}

/// Directories right under `root` that this user may not look into: images
/// in them would be left out in silence.
#[must_use]
pub fn closed_dirs(root: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    let closed = |dir: &PathBuf| {
        let found = fs::metadata(dir.join(IMAGE_FILE));
        found.is_err_and(|error| error.kind() == std::io::ErrorKind::PermissionDenied)
    };
    let mut dirs: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(closed).collect();
    dirs.sort();
    dirs
}

/// Reads one directory's `image.toml`; paths in findings are relative to `root`.
///
/// # Errors
/// All its problems.
pub fn load_image(root: &Path, dir: &Path) -> Result<Image, Vec<Finding>> {
    let path = dir.join(IMAGE_FILE);
    let shown = path.strip_prefix(root).unwrap_or(&path);
    let text = fs::read_to_string(&path).map_err(|e| {
        let help = match e.kind() {
            std::io::ErrorKind::InvalidData => "save it as UTF-8",
            _ => "see owner and mode with `ls -l`; `git checkout` brings a lost file back",
        };
        let place = Place::file(shown);
        vec![Finding::error("CAT006", place, format!("cannot be read: {e}")).help(help)]
    })?;
    let findings = schema::check(shown, &text);
    if !findings.is_empty() {
        return Err(findings);
    }
    let raw: RawImage = toml::from_str(&text).map_err(|e| {
        let place = Place::bytes(shown, &text, e.span().unwrap_or(0..0));
        vec![Finding::error("CAT002", place, e.message()).help(schema::DESCRIBED)]
    })?;
    let name = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
    checked(name, dir, &raw).map_err(|problems| {
        let find = |p: String| locate(shown, &text, p);
        problems.into_iter().map(find).collect()
    })
}

/// Puts a cross-check problem on the line of the first key or word it names
/// in backticks.
fn locate(file: &Path, text: &str, problem: String) -> Finding {
    let word = problem.split('`').nth(1).and_then(|w| w.rsplit('.').next()).unwrap_or("");
    let at = text.find(word).filter(|_| !word.is_empty());
    let place =
        at.map_or_else(|| Place::file(file), |i| Place::bytes(file, text, i..i + word.len()));
    Finding::error("CAT007", place, problem).help(schema::DESCRIBED)
}

fn checked(name: String, dir: &Path, raw: &RawImage) -> Result<Image, Vec<String>> {
    let mut problems = vec![];
    let releases: Vec<Option<&str>> = keys(&raw.release);
    let flavors: Vec<Option<&str>> = keys(&raw.flavor);
    check_default("release", raw.default.release.as_deref(), &releases, &mut problems);
    check_default("flavor", raw.default.flavor.as_deref(), &flavors, &mut problems);
    check_dates(raw, &mut problems);
    let mut targets = vec![];
    for parts in combinations(&name, raw, &releases, &flavors) {
        match facts::merge(raw, parts) {
            Ok(facts) => targets.push(target(parts, facts)),
            Err(more) => problems.extend(more),
        }
    }
    if targets.is_empty() && problems.is_empty() {
        problems.push("`arches` is missing: at least one of amd64, arm64".into());
    }
    problems.sort();
    problems.dedup();
    if !problems.is_empty() {
        return Err(problems);
    }
    let about =
        |(k, f): (&String, &raw::RawFlavor)| (k.clone(), f.about.clone().unwrap_or_default());
    Ok(Image {
        name,
        dir: dir.into(),
        title: raw.title.clone(),
        default_release: raw.default.release.clone(),
        default_flavor: raw.default.flavor.clone(),
        targets,
        flavors: raw.flavor.iter().map(about).collect(),
    })
}

/// The keys of a table, or one `None` for an image that does not have it.
fn keys<T>(table: &indexmap::IndexMap<String, T>) -> Vec<Option<&str>> {
    if table.is_empty() { vec![None] } else { table.keys().map(|k| Some(k.as_str())).collect() }
}

fn check_default(
    what: &str,
    default: Option<&str>,
    known: &[Option<&str>],
    problems: &mut Vec<String>,
) {
    match default {
        None if known.iter().flatten().count() > 1 => {
            problems.push(format!("`default.{what}` is missing: the image declares several"))
        }
        Some(default) if !known.contains(&Some(default)) => {
            let known: Vec<&str> = known.iter().copied().flatten().collect();
            let has = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            problems.push(format!("`{default}` is no {what} of this image, which has {has}"));
        }
        _ => {}
    }
}

fn check_dates(raw: &RawImage, problems: &mut Vec<String>) {
    for date in raw.release.values().map(|r| &r.eol).chain([&raw.eol]).flatten() {
        let digits = date.chars().enumerate().all(|(i, c)| match i {
            4 | 7 => c == '-',
            _ => c.is_ascii_digit(),
        });
        if !digits || date.len() != 10 {
            problems.push(format!("`{date}` is no date: YYYY-MM-DD"));
        }
    }
}

fn combinations<'a>(
    image: &'a str,
    raw: &'a RawImage,
    releases: &[Option<&'a str>],
    flavors: &[Option<&'a str>],
) -> Vec<Parts<'a>> {
    let mut all = vec![];
    for &release in releases {
        for &flavor in flavors {
            let raw_flavor = flavor.and_then(|f| raw.flavor.get(f));
            let limited = raw_flavor.and_then(|f| f.releases.as_deref());
            if limited.is_some_and(|l| !release.is_some_and(|r| l.iter().any(|x| x == r))) {
                continue;
            }
            let arches = raw_flavor
                .and_then(|f| f.arches.as_deref())
                .or_else(|| release.and_then(|r| raw.release.get(r))?.arches.as_deref())
                .or(raw.arches.as_deref())
                .unwrap_or_default();
            all.extend(arches.iter().map(|&arch| Parts { image, release, flavor, arch }));
        }
    }
    all
}

fn target(parts: Parts<'_>, facts: Facts) -> Target {
    let words = [Some(parts.image), parts.release, parts.flavor, Some(parts.arch.name())];
    Target {
        id: words.into_iter().flatten().collect::<Vec<_>>().join("-"),
        image: parts.image.into(),
        release: parts.release.map(Into::into),
        flavor: parts.flavor.map(Into::into),
        arch: parts.arch,
        facts,
    }
}

#[cfg(test)]
mod tests;
