//! Blocks and raw inodes of one file system.

use std::sync::Arc;

use super::log::{self, Patched};
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
    /// What the log had that was not on the disk.
    newer: Option<Arc<Patched>>,
}

/// A block of metadata, and what is known of it.
pub(super) struct Block {
    pub bytes: Vec<u8>,
    /// Where it starts on the disk, bytes.
    offset: u64,
    /// Some of it came from the log: its checksum is that of an older version.
    replayed: bool,
}

/// Where a block of metadata has its checksum, owner and own address.
pub(super) struct Stamp {
    pub magic: u32,
    pub crc_at: usize,
    pub owner_at: usize,
    pub address_at: usize,
}

impl Volume {
    /// Opens the file system on `disk`, its log replayed in memory.
    pub fn open(disk: Arc<dyn BlockRead>) -> Result<Self> {
        let volume = Self::read(disk, None)?;
        match log::replayed(&volume)?.map(Arc::new) {
            None => Ok(volume),
            Some(newer) => Self::read(Arc::clone(&newer) as Arc<dyn BlockRead>, Some(newer)),
        }
    }

    fn read(disk: Arc<dyn BlockRead>, newer: Option<Arc<Patched>>) -> Result<Self> {
        let mut raw = vec![0; clip(disk.len(), superblock::MAX_LEN)];
        disk.read_at(0, &mut raw)?;
        let replayed = newer.as_ref().is_some_and(|newer| newer.touches(0, BASIC_BLOCK));
        let sb = Superblock::parse(&raw, disk.len(), replayed)?;
        Ok(Self { metadata: Metadata::new(disk), sb, newer })
    }

    /// How many sectors the log changes.
    pub fn replayed_sectors(&self) -> usize {
        self.newer.as_ref().map_or(0, |newer| newer.count())
    }

    fn is_replayed(&self, offset: u64, len: usize) -> bool {
        self.newer.as_ref().is_some_and(|newer| newer.touches(offset, wide(len)))
    }

    /// The disk as blocks of content.
    pub fn blocks(&self) -> Blocks<'_> {
        Blocks { disk: &**self.metadata.disk(), base: 0, size: self.sb.block_size }
    }

    /// The disk below.
    pub fn disk_shared(&self) -> &Arc<dyn BlockRead> {
        self.metadata.disk()
    }

    /// Bytes of inode `number`, checked to be in range and intact.
    pub fn raw_inode(&self, number: u64, crc_at: usize) -> Result<Vec<u8>> {
        let index = number & ((1 << self.sb.inode_bits) - 1);
        let block = self.sb.linear(number >> self.sb.inode_bits, 1).ok_or_else(|| {
            Error::damaged(super::inode::place(number), "it lies outside of the file system")
        })?;
        let mut raw = vec![0; clip(self.sb.inode_size, usize::MAX)];
        let offset = block * self.sb.block_size + index * self.sb.inode_size;
        self.metadata.read(offset, &mut raw)?;
        if !self.is_replayed(offset, raw.len()) && !is_intact(&raw, crc_at) {
            let place = super::inode::place(number);
            return Err(Error::damaged(place, "its checksum does not match"));
        }
        Ok(raw)
    }

    /// `len` bytes of metadata at `offset` within what `runs` map.
    pub fn mapped(&self, runs: &[Run], offset: u64, len: u64, place: &str) -> Result<Block> {
        let mut bytes = vec![0; clip(len, superblock::MAX_LEN * 2)];
        let (first, _) = self.locate(runs, offset).unwrap_or_default();
        let mut replayed = false;
        let (mut at, mut left) = (offset, &mut bytes[..]);
        while !left.is_empty() {
            let (disk_at, have) = self.locate(runs, at).ok_or_else(|| {
                Error::damaged(place, format!("there is nothing at byte {at} of it"))
            })?;
            let (now, rest) = left.split_at_mut(clip(have, left.len()));
            self.metadata.read(disk_at, now).map_err(|error| error.within(place))?;
            replayed |= self.is_replayed(disk_at, now.len());
            at += wide(now.len());
            left = rest;
        }
        Ok(Block { bytes, offset: first, replayed })
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
    pub fn block(&self, number: u64, place: &str) -> Result<Block> {
        let block = self.sb.linear(number, 1).ok_or_else(|| {
            Error::damaged(place, format!("block {number} lies outside of the file system"))
        })?;
        let mut bytes = vec![0; clip(self.sb.block_size, usize::MAX)];
        let offset = block * self.sb.block_size;
        self.metadata.read(offset, &mut bytes).map_err(|error| error.within(place))?;
        let replayed = self.is_replayed(offset, bytes.len());
        Ok(Block { bytes, offset, replayed })
    }
}

impl Stamp {
    /// Fails unless `block` is intact and belongs to inode `owner`.
    pub fn check(&self, block: &Block, owner: u64, place: &str) -> Result<()> {
        if be32(&block.bytes, 0) != self.magic {
            return Err(Error::damaged(place, "a block of it has a wrong magic number"));
        }
        self.check_rest(block, owner, place)
    }

    /// The same without the magic number.
    pub fn check_rest(&self, block: &Block, owner: u64, place: &str) -> Result<()> {
        let bytes = &block.bytes;
        let bad = |reason: &str| Err(Error::damaged(place, reason));
        if !block.replayed && !is_intact(bytes, self.crc_at) {
            return bad("the checksum of a block of it does not match");
        }
        if be64(bytes, self.owner_at) != owner {
            return bad("a block of it belongs to another inode");
        }
        if be64(bytes, self.address_at) != block.offset / BASIC_BLOCK {
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
