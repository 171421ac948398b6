//! Blocks, group descriptors and raw inodes of one file system.

use std::sync::Arc;

use super::journal;
use super::superblock::{self, Checksums, Superblock};
use crate::block::BlockRead;
use crate::bytes::{clip, join32, le16, le32, slice, wide};
use crate::crc::{agree, crc16, crc32c};
use crate::metadata::Metadata;
use crate::{Error, Result};

/// A disk with an ext2, ext3 or ext4 superblock on it.
pub(super) struct Volume {
    metadata: Metadata,
    /// The checked superblock.
    pub sb: Superblock,
    /// Blocks that came from the journal.
    pub replayed: usize,
}

impl Volume {
    /// Opens the file system on `disk`; see [`journal`] if it was not unmounted.
    pub fn open(disk: Arc<dyn BlockRead>) -> Result<Self> {
        let stored = Self::read(disk)?;
        if !stored.sb.needs_recovery() {
            return Ok(stored);
        }
        // The journal may also hold a newer superblock, and nothing that was
        // cached before it was replayed may be used.
        let (disk, replayed) = journal::replayed(&stored)?;
        Ok(Self { replayed, ..Self::read(disk)? })
    }

    fn read(disk: Arc<dyn BlockRead>) -> Result<Self> {
        let mut raw = vec![0; superblock::LEN];
        let fits = superblock::OFFSET + wide(superblock::LEN) <= disk.len();
        if fits {
            disk.read_at(superblock::OFFSET, &mut raw)?;
        }
        let sb = Superblock::parse(&raw, disk.len())?;
        Ok(Self { metadata: Metadata::new(disk), sb, replayed: 0 })
    }

    /// The disk below.
    pub fn disk(&self) -> &Arc<dyn BlockRead> {
        self.metadata.disk()
    }

    /// Bytes per block, in memory terms.
    pub fn block_len(&self) -> usize {
        clip(u64::from(self.sb.block_size), usize::MAX)
    }

    /// The blocks `start..start + count` as a byte offset, or an error at `place`.
    pub fn byte_range(&self, start: u64, count: u64, place: impl Fn() -> String) -> Result<u64> {
        let end = start.checked_add(count);
        if start == 0 || end.is_none_or(|end| end > self.sb.blocks) {
            let reason = format!(
                "{count} blocks at {start} lie outside the {} blocks of the file system",
                self.sb.blocks
            );
            return Err(Error::damaged(place(), reason));
        }
        // `blocks * block_size` was checked to fit when the superblock was read.
        Ok(start * u64::from(self.sb.block_size))
    }

    /// Fails unless `number` is a block of the file system, the first included:
    /// that one holds the superblock, which only the journal may name.
    pub fn check_block(&self, number: u64, place: impl Fn() -> String) -> Result<()> {
        if number == 0 { Ok(()) } else { self.byte_range(number, 1, place).map(|_| ()) }
    }

    /// Reads content: straight from the disk, past the cache.
    pub fn read_data(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        self.disk().read_at(offset, buf)
    }

    /// Reads metadata through the cache.
    pub fn read_metadata(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        self.metadata.read(offset, buf)
    }

    /// One block of metadata; `place` names what points at it.
    pub fn block(&self, number: u64, place: impl Fn() -> String) -> Result<Vec<u8>> {
        let offset = self.byte_range(number, 1, place)?;
        let mut bytes = vec![0; self.block_len()];
        self.read_metadata(offset, &mut bytes)?;
        Ok(bytes)
    }

    /// The bytes of inode `number`, checked to be in range but nothing else.
    pub fn raw_inode(&self, number: u64) -> Result<Vec<u8>> {
        let sb = &self.sb;
        let place = || format!("inode {number}");
        if number == 0 || number > u64::from(sb.inodes) {
            let reason = format!("the file system has inodes 1 to {} only", sb.inodes);
            return Err(Error::damaged(place(), reason));
        }
        let per_group = u64::from(sb.inodes_per_group);
        let (group, index) = ((number - 1) / per_group, (number - 1) % per_group);
        let inside = index * u64::from(sb.inode_size);
        let block_size = u64::from(sb.block_size);
        let table = self.inode_table(group)?;
        let block = table.saturating_add(inside / block_size);
        let offset = self.byte_range(block, 1, place)? + inside % block_size;
        let mut raw = vec![0; usize::from(sb.inode_size)];
        self.read_metadata(offset, &mut raw)?;
        Ok(raw)
    }

    /// First block of the inode table of `group`.
    fn inode_table(&self, group: u64) -> Result<u64> {
        let place = || format!("group descriptor {group}");
        let size = u64::from(self.sb.descriptor_size);
        let per_block = u64::from(self.sb.block_size) / size;
        let block = self.descriptor_block(group / per_block);
        let offset = self.byte_range(block, 1, place)? + group % per_block * size;
        let mut raw = vec![0; usize::from(self.sb.descriptor_size)];
        self.read_metadata(offset, &mut raw)?;
        if !self.descriptor_is_intact(group, &raw) {
            return Err(Error::damaged(place(), "its checksum does not match"));
        }
        // A short descriptor has no upper half, which then reads as zero.
        Ok(join32(le32(&raw, 0x28), le32(&raw, 0x8)))
    }

    /// Block that holds the `index`th block of group descriptors.
    fn descriptor_block(&self, index: u64) -> u64 {
        let sb = &self.sb;
        let primary = superblock::OFFSET / u64::from(sb.block_size);
        match sb.first_meta_bg {
            Some(first) if index >= u64::from(first) => {
                let per_block = u64::from(sb.block_size) / u64::from(sb.descriptor_size);
                let group = index.saturating_mul(per_block);
                let start = group
                    .saturating_mul(u64::from(sb.blocks_per_group))
                    .saturating_add(u64::from(sb.first_data_block));
                // Group 0 of a bigalloc file system with 1 KiB blocks starts
                // at block 0, before the superblock's own block.
                let skipped =
                    u64::from(index == 0 && sb.block_size == 1024 && sb.first_data_block == 0);
                start.saturating_add(u64::from(sb.has_super(group)) + skipped)
            }
            _ => primary + 1 + index,
        }
    }

    fn descriptor_is_intact(&self, group: u64, raw: &[u8]) -> bool {
        const CHECKSUM_AT: usize = 0x1e;
        let number = clip(group, usize::MAX); // below 2^32: bounded by the inode count
        let number = u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes();
        let head = slice(raw, 0, CHECKSUM_AT);
        let tail = raw.get(CHECKSUM_AT + 2..).unwrap_or_default();
        let stored = le16(raw, CHECKSUM_AT);
        match self.sb.checksums {
            Checksums::None => true,
            Checksums::GroupCrc16 => {
                let crc = crc16(crc16(u16::MAX, &self.sb.uuid), &number);
                agree(crc16(crc16(crc, head), tail), stored)
            }
            Checksums::Crc32c { seed } => {
                let crc = crc32c(crc32c(seed, &number), head);
                let [a, b, ..] = crc32c(crc32c(crc, &[0, 0]), tail).to_le_bytes();
                agree(u16::from_le_bytes([a, b]), stored)
            }
        }
    }
}
