//! XFS in version 5 (with checksums), read-only and without mounting.
//!
//! A log that needs replay is replayed in memory; see `log`.
//!
//! Layout: "XFS Algorithms & Data Structures", 3rd edition.

mod directory;
mod fork;
mod inode;
mod log;
mod superblock;
mod symlink;
mod volume;
mod xattr;

use std::sync::Arc;

use self::fork::Format;
use self::inode::Inode;
use self::volume::Volume;
use crate::block::BlockRead;
use crate::bytes::clip;
use crate::cache::SlotCache;
use crate::fs::{DirEntry, FileExtent, FileKind, FileSystem, Metadata, NodeId, Xattr};
use crate::runs::{self, Run};
use crate::{Error, ErrorKind, Result};

/// Inodes kept decoded: one is asked for metadata, attributes and content.
const INODES: usize = 256;
/// Block maps kept: one per file that is being read.
const MAPS: usize = 16;

/// An XFS file system.
pub struct Xfs {
    volume: Volume,
    inodes: SlotCache<Arc<Inode>>,
    maps: SlotCache<Arc<[Run]>>,
}

impl Xfs {
    /// Opens the file system that fills `disk`, usually a partition.
    ///
    /// Fails with [`ErrorKind::NotThisFormat`] if there is none, and with
    /// [`ErrorKind::Unsupported`] if it was not unmounted and its log ends
    /// within something that only the kernel can finish.
    pub fn open(disk: Arc<dyn BlockRead>) -> Result<Self> {
        let volume = Volume::open(disk)?;
        let fs = Self { volume, inodes: SlotCache::new(INODES), maps: SlotCache::new(MAPS) };
        fs.of_kind(fs.root(), FileKind::Directory, "the root directory")?;
        Ok(fs)
    }

    /// How many sectors of the disk the log has newer versions of.
    pub fn replayed_sectors(&self) -> usize {
        self.volume.replayed_sectors()
    }

    fn inode(&self, node: NodeId) -> Result<Arc<Inode>> {
        self.inodes.get_or(node, || Inode::read(&self.volume, node).map(Arc::new))
    }

    fn of_kind(&self, node: NodeId, kind: FileKind, what: &str) -> Result<Arc<Inode>> {
        let inode = self.inode(node)?;
        if inode.meta.kind == kind {
            return Ok(inode);
        }
        Err(Error::new(ErrorKind::Usage, inode::place(node), format!("it is not {what}")))
    }

    fn map(&self, inode: &Inode) -> Result<Arc<[Run]>> {
        self.maps.get_or(inode.number, || {
            fork::runs(&self.volume, inode, inode.data_fork()).map(Arc::from)
        })
    }

    fn file(&self, node: NodeId) -> Result<(Arc<Inode>, Arc<[Run]>)> {
        let inode = self.of_kind(node, FileKind::Regular, "a regular file")?;
        if inode.is_realtime() && inode.meta.size > 0 {
            let reason = "its content is on a realtime device, which is a disk of its own";
            return Err(Error::unsupported(inode::place(node), reason));
        }
        if inode.data_fork().format == Format::Local {
            return Err(inode.damaged("a regular file with its content in the inode"));
        }
        let runs = self.map(&inode)?;
        Ok((inode, runs))
    }
}

impl FileSystem for Xfs {
    fn root(&self) -> NodeId {
        self.volume.sb.root
    }

    fn metadata(&self, node: NodeId) -> Result<Metadata> {
        self.inode(node).map(|inode| inode.meta)
    }

    fn read_dir(&self, node: NodeId) -> Result<Vec<DirEntry>> {
        let inode = self.of_kind(node, FileKind::Directory, "a directory")?;
        directory::read(&self.volume, &inode)
    }

    fn read_link(&self, node: NodeId) -> Result<Vec<u8>> {
        let inode = self.of_kind(node, FileKind::Symlink, "a symbolic link")?;
        symlink::target(&self.volume, &inode)
    }

    fn xattrs(&self, node: NodeId) -> Result<Vec<Xattr>> {
        let inode = self.inode(node)?;
        xattr::read(&self.volume, &inode)
    }

    fn extents(&self, node: NodeId) -> Result<Vec<FileExtent>> {
        let (inode, runs) = self.file(node)?;
        Ok(runs::extents(&runs, self.volume.sb.block_size, inode.meta.size))
    }

    fn read_file_at(&self, node: NodeId, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let (inode, runs) = self.file(node)?;
        let len = clip(inode.meta.size.saturating_sub(offset), buf.len());
        let buf = buf.get_mut(..len).unwrap_or_default();
        let blocks = self.volume.blocks();
        blocks.read(&runs, offset, buf).map_err(|error| error.within(inode::place(node)))?;
        Ok(len)
    }

    fn label(&self) -> Vec<u8> {
        self.volume.sb.label.clone()
    }

    fn uuid(&self) -> Option<String> {
        self.volume.sb.uuid_text()
    }

    fn kind_name(&self) -> &'static str {
        "xfs"
    }
}
