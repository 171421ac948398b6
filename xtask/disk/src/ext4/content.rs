//! Content of files, directories and long symlinks.

use std::sync::Arc;

use super::inode::Inode;
use super::mapping;
use super::volume::Volume;
use super::xattr;
use crate::Result;
use crate::bytes::{clip, slice, wide};
use crate::fs::FileExtent;
use crate::runs::{self, Blocks, Run};

/// Where the bytes of one inode are.
#[derive(Clone)]
pub(super) struct Content {
    size: u64,
    place: Place,
}

#[derive(Clone)]
enum Place {
    /// In the inode: what follows these bytes, up to the size, is zeros.
    Inline(Arc<[u8]>),
    /// In blocks.
    Blocks(Arc<[Run]>),
}

impl Content {
    /// Locates the content of `inode`.
    pub fn of(volume: &Volume, inode: &Inode) -> Result<Self> {
        let place = if inode.has_inline_data() {
            let mut bytes = inode.i_block().to_vec();
            bytes.extend(xattr::inline_data(inode)?);
            bytes.truncate(clip(inode.meta.size, bytes.len()));
            Place::Inline(bytes.into())
        } else {
            Place::Blocks(mapping::runs(volume, inode)?.into())
        };
        Ok(Self { size: inode.meta.size, place })
    }

    /// Size in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The runs of blocks, none if the content is inline.
    pub fn runs(&self) -> &[Run] {
        match &self.place {
            Place::Inline(_) => &[],
            Place::Blocks(runs) => runs,
        }
    }

    /// The stored bytes, see [`crate::fs::FileSystem::extents`].
    pub fn extents(&self, block_size: u32) -> Vec<FileExtent> {
        match &self.place {
            Place::Inline(bytes) if bytes.is_empty() => Vec::new(),
            Place::Inline(bytes) => vec![FileExtent { offset: 0, len: wide(bytes.len()) }],
            Place::Blocks(runs) => runs::extents(runs, u64::from(block_size), self.size),
        }
    }

    /// Fills `buf` from `offset` up to the end of the file; returns how much.
    pub fn read(&self, volume: &Volume, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let len = clip(self.size.saturating_sub(offset), buf.len());
        let buf = buf.get_mut(..len).unwrap_or_default();
        match &self.place {
            Place::Inline(bytes) => {
                let have = slice(bytes, clip(offset, bytes.len()), len);
                let (head, tail) = buf.split_at_mut(have.len());
                head.copy_from_slice(have);
                tail.fill(0);
            }
            Place::Blocks(runs) => {
                let size = u64::from(volume.sb.block_size);
                let blocks = Blocks { disk: &**volume.disk(), base: 0, size };
                blocks.read(runs, offset, buf)?;
            }
        }
        Ok(len)
    }
}

/// The target of a symbolic link.
pub(super) fn link_target(volume: &Volume, inode: &Inode) -> Result<Vec<u8>> {
    let size = inode.meta.size;
    // The kernel limits it to one page or block, PATH_MAX being 4096.
    if size == 0 || size > u64::from(volume.sb.block_size).max(4096) {
        return Err(inode.damaged(format!("a symbolic link of {size} bytes")));
    }
    let mut target = vec![0; clip(size, usize::MAX)];
    let in_blocks = inode.has_inline_data() || inode.has_extents();
    if !in_blocks && target.len() < inode.i_block().len() {
        target = slice(inode.i_block(), 0, target.len()).to_vec();
    } else {
        Content::of(volume, inode)?.read(volume, 0, &mut target)?;
    }
    if target.contains(&0) {
        return Err(inode.damaged("a symbolic link with a zero byte in its target"));
    }
    Ok(target)
}
