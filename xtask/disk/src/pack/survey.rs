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

/// The result of walking a root without writing anything.
pub(crate) struct Survey {
    pub(crate) manifest: Manifest,
    pub(crate) index: Index,
    /// Bytes of file content that are stored, every inode once.
    pub(crate) stored_bytes: u64,
}

/// The smallest Debian (`mmdebstrap --variant=essential`) has 6,000 entries
/// and 70 MB; nothing below these can boot on a machine.
const MIN_ENTRIES: usize = 1000;
const MIN_BYTES: u64 = 32 << 20;

impl Survey {
    pub(crate) fn of(mounts: &[Mount<'_>], watch: &Watch<'_>) -> Result<Self> {
        let (overlay, policy) = (Overlay::default(), Policy::none());
        let tree = Tree::new(mounts.to_vec(), &overlay, &policy)?;
        let mut visitor = Surveyor { indexer: Indexer::new(false, watch), stored: 0 };
        tree.walk(&mut visitor)?;
        let (index, stored_bytes) = (visitor.indexer.index, visitor.stored);
        Ok(Self { manifest: Manifest::of(&index), index, stored_bytes })
    }

    /// Refuses what cannot be an operating system.
    pub(crate) fn refuse_empty(&self, place: &str, allow_tiny: bool) -> Result<()> {
        let refused = |reason: String| Err(Error::new(ErrorKind::Refused, place, reason));
        // The root itself and what mkfs makes are not content.
        let names = self.index.names("/");
        if names.iter().all(|name| name == "lost+found") {
            return refused("the file system is empty: nothing was installed".into());
        }
        let (entries, bytes) = (self.index.len(), self.stored_bytes);
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
    stored: u64,
}

impl Visitor for Surveyor<'_> {
    fn visit(&mut self, item: &Item<'_>) -> Result<()> {
        if let (Source::Node { fs, node, .. }, FileKind::Regular) = (item.source, item.meta.kind) {
            let extents = fs.extents(node)?;
            let stored = extents.iter().fold(0u64, |sum, extent| sum.saturating_add(extent.len));
            self.stored = self.stored.saturating_add(stored / u64::from(item.meta.links.max(1)));
        }
        self.indexer.visit(item)
    }
}
