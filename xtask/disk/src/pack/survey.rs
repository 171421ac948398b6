//! A first look at a root: what it is and whether it is worth packing.

use super::indexer::Indexer;
use super::overlay::Overlay;
use super::walk::{Item, Mount, Source, Tree, Visitor};
use super::watch::Watch;
use crate::artifact::{Index, Kernel, OsRelease, Packages, kernels};
use crate::fs::FileKind;
use crate::policy::Policy;
use crate::{Error, ErrorKind, Result};

/// What an image says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Variables of os-release.
    pub os_release: OsRelease,
    /// Packages, from dpkg's or rpm's database.
    pub packages: Packages,
    /// Kernels in `/boot`.
    pub kernels: Vec<Kernel>,
}

impl Manifest {
    /// Collects it from the files of a root.
    pub fn of(index: &Index) -> Self {
        Self {
            os_release: OsRelease::of(index),
            packages: Packages::of(index),
            kernels: kernels(index),
        }
    }
}

/// A first look at a root.
pub(crate) struct Survey {
    /// Its entries and what the contract looks into; of a glance, only what tells
    /// which system it is.
    pub(crate) index: Index,
    pub(crate) size: Size,
}

/// How much there is.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Size {
    entries: usize,
    /// Bytes of file content that are stored, every inode once.
    pub(crate) stored: u64,
    /// There is more than the root itself and what mkfs makes.
    content: bool,
}

/// The smallest Debian (`mmdebstrap --variant=essential`) has 6,000 entries
/// and 70 MB; nothing below these can boot on a machine.
const MIN_ENTRIES: usize = 1000;
const MIN_BYTES: u64 = 32 << 20;
/// Where os-release is, and what may lead there.
const SYSTEM: &[&[u8]] = &[b"etc", b"usr", b"lib", b"usr/lib", b"etc/os-release"];
const SYSTEM_BELOW: &[u8] = b"usr/lib/os";

impl Survey {
    /// Reads all that the contract asks for.
    pub(crate) fn of(mounts: &[Mount<'_>], watch: &Watch<'_>) -> Result<Self> {
        Self::walk(mounts, watch, |_| true)
    }

    /// Reads only what packing must know before it starts. Whoever reads the archive
    /// in passing finds the rest.
    pub(crate) fn glance(mounts: &[Mount<'_>], watch: &Watch<'_>) -> Result<Self> {
        Self::walk(mounts, watch, |path| SYSTEM.contains(&path) || path.starts_with(SYSTEM_BELOW))
    }

    fn walk(mounts: &[Mount<'_>], watch: &Watch<'_>, wanted: fn(&[u8]) -> bool) -> Result<Self> {
        let (overlay, policy) = (Overlay::default(), Policy::none());
        let tree = Tree::new(mounts.to_vec(), &overlay, &policy)?;
        let indexer = Indexer::new(false, watch);
        let mut visitor = Surveyor { indexer, size: Size::default(), wanted };
        tree.walk(&mut visitor)?;
        Ok(Self { index: visitor.indexer.index, size: visitor.size })
    }
}

impl Size {
    /// Refuses what cannot be an operating system.
    pub(crate) fn refuse_empty(&self, place: &str, allow_tiny: bool) -> Result<()> {
        let refused = |reason: String| Err(Error::new(ErrorKind::Refused, place, reason));
        if !self.content {
            return refused("the file system is empty: nothing was installed".into());
        }
        let (entries, bytes) = (self.entries, self.stored);
        if !allow_tiny && (entries < MIN_ENTRIES || bytes < MIN_BYTES) {
            let found = format!("only {entries} entries with {bytes} bytes");
            let reason = format!("{found}: too small to be an operating system");
            return refused(reason)
                .map_err(|e: Error| e.hint("was the installation cut short? --force packs it"));
        }
        Ok(())
    }
}

struct Surveyor<'a> {
    indexer: Indexer<'a>,
    size: Size,
    wanted: fn(&[u8]) -> bool,
}

impl Visitor for Surveyor<'_> {
    fn visit(&mut self, item: &Item<'_>) -> Result<()> {
        self.size.entries += 1;
        let top = item.path.split(|&byte| byte == b'/').next().unwrap_or_default();
        self.size.content |= !matches!(top, b"" | b"lost+found");
        if let (Source::Node { fs, node, .. }, FileKind::Regular) = (item.source, item.meta.kind) {
            let extents = fs.extents(node)?;
            let stored = extents.iter().fold(0u64, |sum, extent| sum.saturating_add(extent.len));
            let share = stored / u64::from(item.meta.links.max(1));
            self.size.stored = self.size.stored.saturating_add(share);
        }
        if (self.wanted)(item.path) { self.indexer.visit(item) } else { Ok(()) }
    }
}
