//! What is in an artifact, written beside it: `NAME.contents.json` (OS release,
//! kernels, packages, what clean-up did), `NAME.files.txt` and
//! `NAME.spdx.json`. All of it comes from the pass that wrote the artifact.

mod files;
mod spdx;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Result;
use disk_image::artifact::{Artifact, Packages};
use disk_image::pack::{Change, Manifest};
use disk_image::policy::Kind;
use serde_json::{Value, json};

use crate::build::output::write_atomic;
use crate::plan::fingerprint::hex;

/// An artifact and what is known about it.
#[derive(Clone, Copy, Debug)]
pub struct Contents<'a> {
    /// Name of the file.
    pub name: &'a str,
    /// What was read.
    pub artifact: &'a Artifact,
    /// What the image says about itself.
    pub manifest: &'a Manifest,
    /// What clean-up did.
    pub changes: &'a [Change],
}

/// What the three files add to the artifact's name.
pub const ENDS: [&str; 3] = [".contents.json", ".files.txt", ".spdx.json"];

/// Writes the three files beside the artifact at `path`.
///
/// # Errors
/// A file cannot be written; each is there as a whole or not at all.
pub fn write(contents: Contents<'_>, path: &Path, now: SystemTime) -> Result<()> {
    let document = serde_json::to_vec_pretty(&contents.document())?;
    let sbom = serde_json::to_vec_pretty(&spdx::document(contents, now))?;
    let list = files::list(&contents.artifact.index);
    for (end, bytes) in ENDS.iter().zip([document, list, sbom]) {
        write_atomic(&beside(path, end), &bytes)?;
    }
    Ok(())
}

/// Removes them: what they describe is not there any more.
pub fn remove(path: &Path) {
    for end in ENDS {
        let _: std::io::Result<()> = std::fs::remove_file(beside(path, end));
    }
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = OsString::from(path.as_os_str());
    name.push(end);
    name.into()
}

impl Contents<'_> {
    fn document(&self) -> Value {
        let Self { artifact, manifest, .. } = self;
        let kernels = manifest.kernels.iter().map(
            |kernel| json!({"version": kernel.version, "initrd": kernel.initrd, "modules": kernel.modules}),
        );
        let cleaned = self.changes.iter().map(|change| {
            json!({
                "rule": change.rule,
                "path": change.path,
                "action": change.action,
                "entries": change.entries,
                "bytes": change.bytes,
            })
        });
        json!({
            "version": 1,
            "artifact": {
                "file": self.name,
                "kind": match artifact.kind { Kind::Tgz => "tgz", Kind::Ddgz => "ddgz" },
                "bytes": artifact.bytes,
                "sha256": hex(&artifact.sha256),
                "entries": artifact.index.len(),
                "unpacked_bytes": artifact.unpacked,
            },
            "os_release": manifest.os_release.0,
            "kernels": kernels.collect::<Vec<_>>(),
            "packages": packages(&manifest.packages),
            "cleaned": cleaned.collect::<Vec<_>>(),
        })
    }
}

fn packages(packages: &Packages) -> Value {
    let database = match packages {
        Packages::Dpkg(_) => "dpkg",
        Packages::Rpm(_) => "rpm",
        Packages::Unknown(reason) => return json!({"database": null, "reason": reason}),
    };
    let all = packages.list().unwrap_or_default().iter().filter(|package| !package.is_gone());
    let list = all.map(|package| {
        json!({
            "name": package.name,
            "version": package.version,
            "arch": package.arch,
            "status": package.status,
        })
    });
    json!({"database": database, "list": list.collect::<Vec<_>>()})
}
