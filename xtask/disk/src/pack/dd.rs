//! A whole disk to a gzip file.

use std::io::Write;

use super::output::{Flusher, Partial};
use super::overlay::Overlay;
use super::root::Root;
use super::survey::{Manifest, Survey};
use super::volumes::{Disk, open_disk};
use super::walk::{Change, Item, Tree, Visitor};
use super::watch::Watch;
use super::{PackRequest, Packed, Totals, curtin, policy};
use crate::artifact::{Artifact, Index};
use crate::block::{BlockRead, ExtentKind};
use crate::bytes::wide;
use crate::gzip::{BLOCK, GzipWriter};
use crate::policy::Kind;
use crate::{Error, ErrorKind, Result};

/// No disk with an operating system has less data than this.
const MIN_BYTES: u64 = 8 << 20;

/// Packs the disk of `request` as it is.
pub(super) fn pack(request: &PackRequest, watch: &Watch<'_>) -> Result<Packed> {
    let within = |error: Error| error.within(request.disk.display());
    let disk = open_disk(&request.disk, request.disk_format)?;
    let stored = stored_bytes(&*disk.device).map_err(within)?;
    if stored < MIN_BYTES && !request.allow_tiny {
        let reason = format!("only {stored} bytes of it are in use: nothing was installed");
        return Err(within(Error::new(ErrorKind::Refused, "disk", reason)));
    }
    curtin::verify(&disk).map_err(within)?;
    let seen = look(request, &disk, watch).map_err(within)?;
    watch.expect(stored);
    let (partial, file) = Partial::create(&request.output)?;
    let write = || {
        let io = |error| Error::from_io("gzip", error);
        let flusher = Flusher::start(&file);
        let mut gzip = GzipWriter::new(file, request.gzip).map_err(io)?;
        copy(&*disk.device, &mut gzip, watch).map_err(within)?;
        let written = gzip.finish().map_err(io)?;
        flusher.finish().map_err(io)?;
        Ok(written)
    };
    let (file, summary) = write().map_err(|error| partial.explain(error))?;
    partial.publish(&file)?;
    Ok(Packed {
        bytes: summary.bytes,
        sha256: summary.sha256,
        input_bytes: summary.input_bytes,
        totals: Totals::default(),
        changes: seen.changes,
        manifest: seen.manifest,
        artifact: Artifact {
            kind: Kind::Ddgz,
            bytes: summary.bytes,
            sha256: summary.sha256,
            unpacked: disk.device.len(),
            index: seen.index,
            root: seen.root,
            warnings: Vec::new(),
        },
    })
}

/// What is on a disk.
struct Seen {
    manifest: Option<Manifest>,
    changes: Vec<Change>,
    index: Index,
    /// Where the root is, or why there is none that can be read.
    root: Result<String, String>,
}

/// What the root says about itself, and what is left to clean in it. A disk
/// without a root that we can read (Windows, ESXi, LVM) is no error.
fn look(request: &PackRequest, disk: &Disk, watch: &Watch<'_>) -> Result<Seen> {
    let root = match Root::find(disk, &request.root, &[]) {
        Ok(root) => root,
        Err(error) if matches!(error.kind(), ErrorKind::Refused | ErrorKind::Unsupported) => {
            let index = curtin::index_of(disk, false, watch)?;
            let root = Err(error.to_string());
            return Ok(Seen { manifest: None, changes: Vec::new(), index, root });
        }
        Err(error) => return Err(error),
    };
    let survey = Survey::of(&root.mounts(), watch)?;
    survey.size.refuse_empty(&root.place, request.allow_tiny)?;
    let manifest = Manifest::of(&survey.index);
    let policy = policy(request, manifest.os_release.family());
    let overlay = Overlay::default();
    let changes = Tree::new(root.mounts(), &overlay, &policy)?.walk(&mut Nobody)?;
    Ok(Seen { manifest: Some(manifest), changes, index: survey.index, root: Ok(root.place) })
}

struct Nobody;

impl Visitor for Nobody {
    fn visit(&mut self, _: &Item<'_>) -> Result<()> {
        Ok(())
    }
}

fn stored_bytes(disk: &dyn BlockRead) -> Result<u64> {
    let (mut at, mut stored) = (0, 0);
    while at < disk.len() {
        let extent = disk.extent_at(at)?;
        at += extent.len.max(1);
        if extent.kind == ExtentKind::Data {
            stored += extent.len;
        }
    }
    Ok(stored)
}

fn copy(
    disk: &dyn BlockRead,
    gzip: &mut GzipWriter<std::fs::File>,
    watch: &Watch<'_>,
) -> Result<()> {
    let mut buffer = vec![0; BLOCK];
    let mut at = 0;
    while at < disk.len() {
        watch.check()?;
        let extent = disk.extent_at(at)?;
        let end = at.saturating_add(extent.len.max(1)).min(disk.len());
        match extent.kind {
            ExtentKind::Zero => zeros(gzip, end - at)?,
            ExtentKind::Data => copy_data(disk, at..end, &mut buffer, gzip, watch)?,
        }
        at = end;
    }
    Ok(())
}

/// Copies stored bytes. Pieces end where compressed blocks do, so that a block
/// of stored zeros is as cheap as a hole.
fn copy_data(
    disk: &dyn BlockRead,
    range: std::ops::Range<u64>,
    buffer: &mut [u8],
    gzip: &mut GzipWriter<std::fs::File>,
    watch: &Watch<'_>,
) -> Result<()> {
    let mut at = range.start;
    while at < range.end {
        watch.check()?;
        let to_boundary = wide(BLOCK) - at % wide(BLOCK);
        let want = usize::try_from((range.end - at).min(to_boundary)).unwrap_or(BLOCK);
        let piece = &mut buffer[..want];
        disk.read_at(at, piece)?;
        if piece.iter().all(|&byte| byte == 0) {
            zeros(gzip, wide(want))?;
        } else {
            gzip.write_all(piece).map_err(|error| Error::from_io("gzip", error))?;
        }
        watch.advance(want);
        at += wide(want);
    }
    Ok(())
}

fn zeros(gzip: &mut GzipWriter<std::fs::File>, count: u64) -> Result<()> {
    gzip.write_zeros(count).map_err(|error| Error::from_io("gzip", error))
}
