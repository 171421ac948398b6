//! ext2, ext3 and ext4, read-only and without mounting.
//!
//! Shows what the kernel would show after mounting: a journal that needs
//! replay is replayed in memory. The list of orphans (files deleted while
//! open, truncations cut short) is not worked off, because it can change
//! nothing that is visible: such files have no name, and what a truncation
//! left behind lies past the end of the file.

mod content;
mod directory;
mod inode;
mod journal;
mod mapping;
mod superblock;
mod volume;
mod xattr;

use std::sync::Arc;

use self::content::Content;
use self::inode::Inode;
use self::volume::Volume;
use crate::block::BlockRead;
use crate::cache::SlotCache;
use crate::fs::{DirEntry, FileExtent, FileKind, FileSystem, Metadata, NodeId, Xattr};
use crate::{Error, ErrorKind, Result};

/// Inode of the root directory.
const ROOT: NodeId = 2;
/// Inodes kept decoded: one is asked for metadata, attributes and content.
const INODES: usize = 256;
/// Block maps kept: one per file that is being read.
const CONTENTS: usize = 16;

/// An ext2, ext3 or ext4 file system.
pub struct Ext4 {
    volume: Volume,
    inodes: SlotCache<Arc<Inode>>,
    contents: SlotCache<Content>,
}

impl Ext4 {
    /// Opens the file system that fills `disk`, usually a partition.
    ///
    /// Fails with [`ErrorKind::NotThisFormat`] if there is none.
    pub fn open(disk: Arc<dyn BlockRead>) -> Result<Self> {
        let volume = Volume::open(disk)?;
        let inodes = SlotCache::new(INODES);
        let fs = Self { volume, inodes, contents: SlotCache::new(CONTENTS) };
        fs.of_kind(ROOT, FileKind::Directory, "the root directory")?;
        Ok(fs)
    }

    /// Blocks whose newest version came from the journal; 0 if the file
    /// system was unmounted cleanly.
    pub fn replayed_blocks(&self) -> usize {
        self.volume.replayed
    }

    fn inode(&self, node: NodeId) -> Result<Arc<Inode>> {
        self.inodes.get_or(node, || {
            let inode = Inode::read(&self.volume, node)?;
            if inode.is_attribute_value() {
                return Err(inode.damaged("a file, but flagged as the value of an attribute"));
            }
            Ok(Arc::new(inode))
        })
    }

    fn of_kind(&self, node: NodeId, kind: FileKind, what: &str) -> Result<Arc<Inode>> {
        let inode = self.inode(node)?;
        if inode.meta.kind == kind {
            return Ok(inode);
        }
        Err(Error::new(ErrorKind::Usage, inode::place(node), format!("it is not {what}")))
    }

    fn content(&self, inode: &Inode) -> Result<Content> {
        self.contents.get_or(inode.number, || Content::of(&self.volume, inode))
    }

    fn file(&self, node: NodeId) -> Result<Content> {
        let inode = self.of_kind(node, FileKind::Regular, "a regular file")?;
        self.content(&inode)
    }
}

impl FileSystem for Ext4 {
    fn root(&self) -> NodeId {
        ROOT
    }

    fn metadata(&self, node: NodeId) -> Result<Metadata> {
        Ok(self.inode(node)?.meta)
    }

    fn read_dir(&self, node: NodeId) -> Result<Vec<DirEntry>> {
        let inode = self.of_kind(node, FileKind::Directory, "a directory")?;
        directory::read(&self.volume, &inode, &self.content(&inode)?)
    }

    fn read_link(&self, node: NodeId) -> Result<Vec<u8>> {
        let inode = self.of_kind(node, FileKind::Symlink, "a symbolic link")?;
        content::link_target(&self.volume, &inode)
    }

    fn xattrs(&self, node: NodeId) -> Result<Vec<Xattr>> {
        xattr::read(&self.volume, &*self.inode(node)?)
    }

    fn extents(&self, node: NodeId) -> Result<Vec<FileExtent>> {
        Ok(self.file(node)?.extents(self.volume.sb.block_size))
    }

    fn read_file_at(&self, node: NodeId, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let content = self.file(node)?;
        content.read(&self.volume, offset, buf).map_err(|error| error.within(inode::place(node)))
    }

    fn label(&self) -> Vec<u8> {
        self.volume.sb.label.clone()
    }

    fn uuid(&self) -> Option<String> {
        self.volume.sb.uuid_text()
    }

    fn kind_name(&self) -> &'static str {
        self.volume.sb.kind_name()
    }
}
