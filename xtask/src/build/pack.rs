//! Packing and the contract, as a target's facts ask for them.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context as _, Result, bail};
use disk_image::artifact::Artifact;
use disk_image::gzip;
use disk_image::pack::{PackRequest, RootSelector, Watch};
use disk_image::policy::Kind;
use serde_json::{Value, json};

use super::report::Reporter;
use crate::at::At as _;
use crate::catalog::{ArtifactKind, Partition, Target};
use crate::contents::{self, Contents};
use crate::contract::{self, Expectations};
use crate::plan::fingerprint::hex;
use crate::signal::CancelToken;
use crate::table;

/// What was packed.
#[derive(Clone, Debug)]
pub struct Packed {
    /// The file.
    pub path: PathBuf,
    /// Bytes.
    pub bytes: u64,
    /// Lower-case hex.
    pub sha256: String,
    /// OS release, kernels, package count, what clean-up did.
    pub contents: Value,
    entries: u64,
    /// What is in it.
    artifact: Artifact,
}

impl Packed {
    /// The line for `SHA256SUMS`.
    #[must_use]
    pub fn sums_line(&self) -> String {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        format!("{}  {name}\n", self.sha256)
    }

    /// For progress output.
    #[must_use]
    pub fn summary(&self) -> String {
        format!("{} entries, {}", self.entries, table::size(self.bytes))
    }
}

/// The kind of artifact in the packer's words.
#[must_use]
pub fn kind(target: &Target) -> Kind {
    match target.facts.artifact {
        ArtifactKind::Tgz => Kind::Tgz,
        ArtifactKind::Ddgz => Kind::Ddgz,
    }
}

/// Packs a disk as the target wants it.
///
/// # Errors
/// The disk cannot be read, holds nothing deployable, or the file cannot be
/// written; nothing is left then.
pub fn pack(target: &Target, disk: &Path, output: &Path, cancel: &CancelToken) -> Result<Packed> {
    let request = PackRequest {
        disk: disk.into(),
        disk_format: None,
        root: root(target),
        mounts: vec![],
        kind: kind(target),
        keep: vec![],
        add: vec![],
        gzip: gzip::Options::default(),
        output: output.into(),
        allow_tiny: false,
    };
    let asked = || cancel.is_set();
    let watch = Watch::default().cancelled_by(&asked);
    let packed = disk_image::pack::pack(&request, &watch)
        .with_context(|| format!("cannot pack {}", disk.display()))?;
    if let Some(manifest) = &packed.manifest {
        let (name, artifact) = (target.artifact_name(), &packed.artifact);
        let contents = Contents { name: &name, artifact, manifest, changes: &packed.changes };
        contents::write(contents, output, SystemTime::now())?;
    }
    let contents = packed.manifest.as_ref().map_or(Value::Null, |m| {
        json!({
            "os_release": m.os_release.0,
            "kernels": m.kernels.iter().map(|k| &k.version).collect::<Vec<_>>(),
            "packages": m.packages.list().map(<[_]>::len),
            "cleaned": packed.changes.iter().map(|c| json!({"rule": c.rule, "path": c.path, "action": c.action})).collect::<Vec<_>>(),
        })
    });
    Ok(Packed {
        path: output.into(),
        bytes: packed.bytes,
        sha256: hex(&packed.sha256),
        contents,
        entries: packed.totals.entries,
        artifact: packed.artifact,
    })
}

fn root(target: &Target) -> RootSelector {
    match target.facts.root {
        Some(Partition::Number(n)) => RootSelector::Number(n),
        _ => RootSelector::Auto,
    }
}

/// What the contract demands of a target's artifact.
#[must_use]
pub fn expectations(target: &Target) -> Expectations {
    Expectations::from(target)
}

/// Checks what went into the artifact; one that breaks the contract is
/// renamed to `*.rejected`.
///
/// # Errors
/// Every broken rule.
pub fn check(target: &Target, packed: &Packed, reporter: &Reporter) -> Result<()> {
    let verdict = contract::check(&packed.artifact, &expectations(target));
    for breakage in verdict.breakages.iter().filter(|b| b.accepted.is_none()) {
        reporter.say(&breakage.to_string());
    }
    if verdict.is_ok() {
        return Ok(());
    }
    let mut rejected = packed.path.as_os_str().to_owned();
    rejected.push(".rejected");
    fs::rename(&packed.path, &rejected).at("rename", &packed.path)?;
    bail!(
        "the artifact breaks {} of {} contract rules; it is kept as {}\n  hint: they are named above; \
         `cargo xtask explain ID` says why each matters and what to do",
        verdict.errors(),
        verdict.checked,
        Path::new(&rejected).file_name().unwrap_or_default().to_string_lossy()
    )
}
