//! Disks to artifacts, in one pass and without root.

mod archive;
mod curtin;
mod dd;
mod fstab;
mod indexer;
mod output;
mod overlay;
mod root;
mod survey;
mod tap;
mod tgz;
mod volumes;
mod walk;
mod watch;

use std::path::PathBuf;

pub(crate) use archive::read_exactly;
pub(crate) use curtin::index as index_curtin;
pub(crate) use root::{Root, index_disk};
pub(crate) use volumes::open_disk;

pub use archive::Totals;
pub use overlay::AddTree;
pub use root::RootSelector;
pub use survey::Manifest;
pub use walk::Change;
pub use watch::{Progress, Watch};

use crate::artifact::{Artifact, OsRelease};
use crate::block::Format;
use crate::gzip;
use crate::policy::{Family, Kind, Policy, STANDARD};
use crate::{Error, ErrorKind, Result};
use overlay::Overlay;
use survey::Survey;
use walk::Tree;

/// What to pack and how.
#[derive(Debug, Clone)]
pub struct PackRequest {
    /// The disk: raw, qcow2 or a block device.
    pub disk: PathBuf,
    /// Its format, if it is known. A raw disk is the guest's to write, which
    /// could make it look like a qcow2 image over files of the host.
    pub disk_format: Option<Format>,
    /// Which partition holds `/`.
    pub root: RootSelector,
    /// Further partitions of a tgz: where they belong (`/boot`) and their number.
    pub mounts: Vec<(String, u32)>,
    /// What to make.
    pub kind: Kind,
    /// Ids of standard clean-up rules that shall not be applied.
    pub keep: Vec<String>,
    /// Directories of the host to add; only a tgz can take any.
    pub add: Vec<AddTree>,
    /// Compression.
    pub gzip: gzip::Options,
    /// The artifact. It appears when it is complete; what was there goes.
    pub output: PathBuf,
    /// Pack a root that is too small to be an operating system.
    pub allow_tiny: bool,
}

/// What was packed.
#[derive(Debug, Clone)]
pub struct Packed {
    /// Size of the artifact in bytes.
    pub bytes: u64,
    /// SHA-256 of the artifact.
    pub sha256: [u8; 32],
    /// Bytes before compression: of the archive, or of the disk.
    pub input_bytes: u64,
    /// What is in the archive; zero for a whole disk.
    pub totals: Totals,
    /// What clean-up did. For a whole disk, which is never changed: what the
    /// guest should have cleaned.
    pub changes: Vec<Change>,
    /// What the image says about itself; `None` for a whole disk whose file
    /// systems this crate cannot read.
    pub manifest: Option<Manifest>,
    /// The same as [`crate::artifact::read`] would find in the file, from the
    /// bytes that went into it: of an archive while it was written, of a disk
    /// from the disk.
    pub artifact: Artifact,
}

/// Packs a disk.
///
/// # Errors
/// [`ErrorKind::Refused`] if there is nothing in it that could be deployed,
/// [`ErrorKind::Cancelled`], and whatever reading and writing say. No file is
/// left behind then, and an older artifact stays.
pub fn pack(request: &PackRequest, watch: &Watch<'_>) -> Result<Packed> {
    check(request)?;
    match request.kind {
        Kind::Tgz => pack_tgz(request, watch),
        Kind::Ddgz => dd::pack(request, watch),
    }
}

fn check(request: &PackRequest) -> Result<()> {
    let usage = |place: &str, reason: &str| Error::new(ErrorKind::Usage, place, reason);
    if let Some(id) = request.keep.iter().find(|id| STANDARD.iter().all(|rule| rule.id != **id)) {
        let known: Vec<_> = STANDARD.iter().map(|rule| rule.id).collect();
        return Err(usage(id, &format!("no such rule; there are {}", known.join(", "))));
    }
    if request.kind == Kind::Ddgz && !(request.add.is_empty() && request.mounts.is_empty()) {
        let reason = "a disk is packed as it is; nothing can be added or mounted";
        return Err(usage("ddgz", reason).hint("let the guest create /curtin while it is built"));
    }
    Ok(())
}

fn pack_tgz(request: &PackRequest, watch: &Watch<'_>) -> Result<Packed> {
    let within = |error: Error| error.within(request.disk.display());
    let disk = open_disk(&request.disk, request.disk_format)?;
    let root = Root::find(&disk, &request.root, &request.mounts).map_err(within)?;
    let survey = Survey::glance(&root.mounts(), watch).map_err(within)?;
    survey.size.refuse_empty(&root.place, request.allow_tiny).map_err(within)?;
    let overlay = Overlay::read(&request.add)?;
    let policy = policy(request, OsRelease::of(&survey.index).family());
    let tree = Tree::new(root.mounts(), &overlay, &policy).map_err(within)?;
    watch.expect(survey.size.stored);
    let written = tgz::write(&tree, &request.output, request.gzip, watch)?;
    let summary = written.summary;
    Ok(Packed {
        bytes: summary.bytes,
        sha256: summary.sha256,
        input_bytes: summary.input_bytes,
        totals: written.totals,
        changes: written.changes,
        manifest: Some(Manifest::of(&written.index)),
        artifact: Artifact {
            kind: Kind::Tgz,
            bytes: summary.bytes,
            sha256: summary.sha256,
            unpacked: written.index.total_bytes(),
            index: written.index,
            root: Ok("archive".into()),
            warnings: written.warnings,
        },
    })
}

fn policy(request: &PackRequest, family: Family) -> Policy {
    let keep: Vec<&str> = request.keep.iter().map(String::as_str).collect();
    Policy::standard(family, request.kind).without(&keep)
}
