//! What a command line means by TARGET or FILE: a checked file, and what MAAS is
//! told about it.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::filetype::{self, Filetype};
use super::offer::Offer;
use super::source::Stamp;
use crate::arch::Arch;
use crate::at::At as _;
use crate::build::manifest::{self, Manifest};
use crate::catalog::{Catalog, Maas, Target};
use crate::exit::{Coded, Exit};
use crate::media::{self, MediaError, Progress};
use crate::repo::Repo;

/// Where a build keeps the artifact before the last.
const PREVIOUS: &str = "previous";

/// What of the catalog's facts the user changes.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "What MAAS is told")]
pub struct OfferFlags {
    /// Name in MAAS [default: the catalog's, for example custom/debian-12]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Title in MAAS [default: the catalog's]
    #[arg(long, value_name = "TITLE")]
    pub title: Option<String>,
    /// What a custom image stands on, for example ubuntu/noble [default: the catalog's]
    #[arg(long, value_name = "SYSTEM/SERIES")]
    pub base_image: Option<String>,
    /// Architecture in MAAS [default: the target's, for example amd64/generic]
    #[arg(long, value_name = "ARCH/SUBARCH")]
    pub architecture: Option<String>,
    /// What the file is [default: by its content]
    #[arg(long, value_name = "TYPE", value_parser = filetype_named)]
    pub filetype: Option<Filetype>,
}

fn filetype_named(text: &str) -> Result<Filetype, String> {
    let names = || filetype::ALL.map(|t| t.name).join(", ");
    Filetype::named(text).ok_or_else(|| format!("MAAS knows {}", names()))
}

/// Something to upload, found but not yet hashed.
#[derive(Clone, Debug)]
pub struct Found<'c> {
    /// The file.
    pub path: PathBuf,
    /// SHA-256 it must have, and where that stands.
    pub expected: Option<(String, PathBuf)>,
    /// The target, if the file is one's artifact.
    pub target: Option<&'c Target>,
}

/// Which of a target's artifacts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Of the last build.
    Last,
    /// Of the build before it.
    Previous,
}

/// The artifact of a target.
///
/// # Errors
/// It was not built, or is not there any more.
pub fn of_target<'c>(repo: &Repo, target: &'c Target, which: Which) -> Result<Found<'c>> {
    let dir = match which {
        Which::Last => repo.out_dir(&target.id),
        Which::Previous => repo.out_dir(&target.id).join(PREVIOUS),
    };
    let Some(manifest) = manifest::read(&dir) else {
        let (id, shown) = (&target.id, repo.show(&dir));
        return Err(Coded::nothing(match which {
            Which::Last => format!(
                "{id} is not built: there is no {shown}/manifest.json\n  hint: cargo xtask build {id}"
            ),
            Which::Previous => format!(
                "{id} has no build before the last: there is no {shown}/manifest.json\n  hint: `cargo xtask remote show` names what is still on the server"
            ),
        }));
    };
    let path = dir.join(&manifest.artifact.file);
    let expected = Some(expected(&dir, &manifest)?);
    Ok(Found { path, expected, target: Some(target) })
}

/// The hash by `SHA256SUMS`, which must agree with the manifest.
fn expected(dir: &Path, manifest: &Manifest) -> Result<(String, PathBuf)> {
    let sums = dir.join("SHA256SUMS");
    let by_sums = in_sums(&sums, &manifest.artifact.file)
        .with_context(|| format!("cannot read {}", sums.display()))?;
    if by_sums.as_ref().is_some_and(|sum| *sum == manifest.artifact.sha256) {
        return Ok((manifest.artifact.sha256.clone(), sums));
    }
    Err(Coded {
        exit: Exit::Failed,
        message: format!(
            "{} and manifest.json do not name the same SHA-256 for {}\n  hint: cargo xtask build \
             {} --refresh",
            sums.display(),
            manifest.artifact.file,
            manifest.target
        ),
    }
    .into())
}

/// The hash of `file` in a `SHA256SUMS`.
fn in_sums(sums: &Path, file: &str) -> std::io::Result<Option<String>> {
    let text = std::fs::read_to_string(sums)?;
    let mut lines = text.lines().filter_map(|l| l.split_once(char::is_whitespace));
    let of = |name: &str| name.trim_start().trim_start_matches('*') == file;
    Ok(lines.find(|(_, name)| of(name)).map(|(sum, _)| sum.to_ascii_lowercase()))
}

/// A file; beside a manifest that names it, it is its target's.
///
/// # Errors
/// `SHA256SUMS` is there but cannot be read.
pub fn of_file<'c>(path: &Path, catalog: &'c Catalog) -> Result<Found<'c>> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let manifest = manifest::read(dir).filter(|m| m.artifact.file == name);
    let id = manifest.as_ref().map(|m| m.target.as_str());
    let target = id.and_then(|id| catalog.targets().find(|t| t.id == id));
    let sums = dir.join("SHA256SUMS");
    let expected = if sums.is_file() {
        in_sums(&sums, &name)
            .with_context(|| format!("cannot read {}", sums.display()))?
            .map(|sum| (sum, sums))
    } else {
        None
    };
    Ok(Found { path: path.to_path_buf(), expected, target })
}

/// Hashes the file and completes what MAAS is told.
///
/// # Errors
/// Unreadable or damaged file, or a name that is missing.
pub fn offer(
    found: &Found<'_>,
    flags: &OfferFlags,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Offer> {
    let filetype = filetype::of(&found.path, flags.filetype).map_err(Coded::usage)?;
    let facts = found.target.map(|t| &t.facts.maas);
    let shown = found.path.display();
    let pick = |flag: &Option<String>, fact: fn(&Maas) -> String| {
        flag.clone().or_else(|| facts.map(fact)).unwrap_or_default()
    };
    let name = pick(&flags.name, |m| m.name.clone());
    if name.is_empty() {
        return Err(Coded::usage(format!(
            "{shown} is no target's artifact: say how MAAS shall call it\n  hint: --name custom/NAME"
        )));
    }
    let title = pick(&flags.title, |m| m.title.clone());
    let arch = found.target.map(|t| t.arch).or_else(Arch::host).unwrap_or(Arch::Amd64);
    let architecture =
        flags.architecture.clone().unwrap_or_else(|| format!("{}/generic", arch.name()));
    let stamp = Some(Stamp::of(&std::fs::metadata(&found.path).at("read", &found.path)?));
    let (sha256, size) = checked(found, progress)?;
    Ok(Offer {
        path: found.path.clone(),
        base_image: pick(&flags.base_image, |m| m.base_image.clone().unwrap_or_default()),
        title: if title.is_empty() { name.clone() } else { title },
        name,
        architecture,
        filetype,
        sha256,
        size,
        stamp,
        min_version: facts.map(|m| m.min_version.clone()),
    })
}

/// SHA-256 and size of the file, which must be what was built.
fn checked(found: &Found<'_>, progress: &(dyn Fn(Progress) + Sync)) -> Result<(String, u64)> {
    let ctx = media::Context { progress, ..media::Context::silent() };
    let digests = media::hash_file(&found.path, None, &ctx).map_err(|e| match e {
        MediaError::Interrupted => {
            anyhow::Error::from(Coded { exit: Exit::Interrupted, message: e.to_string() })
        }
        other => other.into(),
    })?;
    let size = std::fs::metadata(&found.path).at("read", &found.path)?.len();
    match &found.expected {
        Some((sum, place)) if *sum != digests.sha256 => Err(Coded {
            exit: Exit::Failed,
            message: format!(
                "{} was changed or damaged since it was packed\n  {} says {sum}\n  the file has \
                 {}\n  hint: build it again with --refresh",
                found.path.display(),
                place.display(),
                digests.sha256
            ),
        }
        .into()),
        _ => Ok((digests.sha256, size)),
    }
}
