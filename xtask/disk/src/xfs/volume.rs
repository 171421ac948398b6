//! Blocks and raw inodes of one file system.

use std::sync::Arc;

use super::superblock::{self, Superblock};
use crate::block::BlockRead;
use crate::bytes::{be32, be64, clip, le32, slice, wide};
use crate::crc::{agree, crc32c};
use crate::metadata::Metadata;
use crate::runs::{Blocks, Run};
use crate::{Error, Result};

/// Unit of disk addresses in metadata, bytes.
pub(super) const BASIC_BLOCK: u64 = 512;

/// A disk with an XFS superblock on it.
pub(super) struct Volume {
    metadata: Metadata,
    /// The checked superblock.
    pub sb: Superblock,
}

/// Where a block of metadata has its checksum, owner and own address.
pub(super) struct Stamp {
    pub magic: u32,
    pub crc_at: usize,
    pub owner_at: usize,
    pub address_at: usize,
}

impl Volume {
    /// Opens the file system on `disk`.
    pub fn open(disk: Arc<dyn BlockRead>) -> Result<Self> {
        let mut raw = vec![0; clip(disk.len(), superblock::MAX_LEN)];
        disk.read_at(0, &mut raw)?;
        let sb = Superblock::parse(&raw, disk.len())?;
        Ok(Self { metadata: Metadata::new(disk), sb })
    }

    /// The disk as blocks of content.
    pub fn blocks(&self) -> Blocks<'_> {
        Blocks { disk: &**self.metadata.disk(), base: 0, size: self.sb.block_size }
    }

    /// The disk below.
    pub fn disk(&self) -> &dyn BlockRead {
        &**self.metadata.disk()
    }

    /// A block number of the format, which has the group in its upper bits, as
    /// a count from the start; `None` if `count` blocks from there do not fit.
    pub fn linear(&self, number: u64, count: u64) -> Option<u64> {
        let group = number >> self.sb.group_bits;
        let inside = number & ((1 << self.sb.group_bits) - 1);
        let first = group.checked_mul(self.sb.group_blocks)?.checked_add(inside)?;
        let group_end = inside.checked_add(count)?;
        let end = first.checked_add(count)?;
        let fits = group < self.sb.groups && group_end <= self.sb.group_blocks;
        (fits && end <= self.sb.blocks).then_some(first)
    }

    /// Bytes of inode `number`, checked to be in range but nothing else.
    pub fn raw_inode(&self, number: u64) -> Result<Vec<u8>> {
        let index = number & ((1 << self.sb.inode_bits) - 1);
        let block = self.linear(number >> self.sb.inode_bits, 1).ok_or_else(|| {
            Error::damaged(super::inode::place(number), "it lies outside of the file system")
        })?;
        let mut raw = vec![0; clip(self.sb.inode_size, usize::MAX)];
        let offset = block * self.sb.block_size + index * self.sb.inode_size;
        self.metadata.read(offset, &mut raw)?;
        Ok(raw)
    }

    /// `len` bytes of metadata at `offset` within what `runs` map.
    pub fn mapped(&self, runs: &[Run], offset: u64, len: u64, place: &str) -> Result<Vec<u8>> {
        let mut bytes = vec![0; clip(len, superblock::MAX_LEN * 2)];
        let (mut at, mut left) = (offset, &mut bytes[..]);
        while !left.is_empty() {
            let (disk_at, have) = self.locate(runs, at).ok_or_else(|| {
                Error::damaged(place, format!("there is nothing at byte {at} of it"))
            })?;
            let (now, rest) = left.split_at_mut(clip(have, left.len()));
            self.metadata.read(disk_at, now).map_err(|error| error.within(place))?;
            at += wide(now.len());
            left = rest;
        }
        Ok(bytes)
    }

    /// Byte on the disk of byte `at` of what `runs` map, and how many follow.
    pub fn locate(&self, runs: &[Run], at: u64) -> Option<(u64, u64)> {
        let size = self.sb.block_size;
        let next = runs.partition_point(|run| (run.logical + run.len) * size <= at);
        let run = runs.get(next).filter(|run| run.written && run.logical * size <= at)?;
        let inside = at - run.logical * size;
        Some((run.physical * size + inside, run.len * size - inside))
    }

    /// One block of metadata by its number in the format.
    pub fn block(&self, number: u64, place: &str) -> Result<(Vec<u8>, u64)> {
        let block = self.linear(number, 1).ok_or_else(|| {
            Error::damaged(place, format!("block {number} lies outside of the file system"))
        })?;
        let mut bytes = vec![0; clip(self.sb.block_size, usize::MAX)];
        let offset = block * self.sb.block_size;
        self.metadata.read(offset, &mut bytes).map_err(|error| error.within(place))?;
        Ok((bytes, offset))
    }
}

impl Stamp {
    /// Fails unless `bytes`, read from byte `offset` of the disk, are intact
    /// and belong to inode `owner`.
    pub fn check(&self, bytes: &[u8], offset: u64, owner: u64, place: &str) -> Result<()> {
        let bad = |reason: &str| Err(Error::damaged(place, reason));
        if be32(bytes, 0) != self.magic {
            return bad("a block of it has a wrong magic number");
        }
        self.check_rest(bytes, offset, owner, place)
    }

    /// The same without the magic number.
    pub fn check_rest(&self, bytes: &[u8], offset: u64, owner: u64, place: &str) -> Result<()> {
        let bad = |reason: &str| Err(Error::damaged(place, reason));
        if !is_intact(bytes, self.crc_at) {
            return bad("the checksum of a block of it does not match");
        }
        if be64(bytes, self.owner_at) != owner {
            return bad("a block of it belongs to another inode");
        }
        if be64(bytes, self.address_at) != offset / BASIC_BLOCK {
            return bad("a block of it is in the wrong place");
        }
        Ok(())
    }
}

/// Whether the checksum at `at` is that of `bytes`, itself taken for zeros.
/// It is the only little-endian number of XFS.
pub(super) fn is_intact(bytes: &[u8], at: usize) -> bool {
    let crc = crc32c(u32::MAX, slice(bytes, 0, at));
    let crc = crc32c(crc, &[0; 4]);
    agree(!crc32c(crc, bytes.get(at + 4..).unwrap_or_default()), le32(bytes, at))
}
