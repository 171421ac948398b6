//! The superblock: geometry and features.

use crate::bytes::{be16, be32, be64, slice, u8_at, uuid_text};
use crate::{Error, ErrorKind, Result};

/// Longest superblock, bytes: the largest sector of XFS.
pub(super) const MAX_LEN: usize = 32 * 1024;
const MAGIC: &[u8] = b"XFSB";
/// Where the checksum is.
const CRC_AT: usize = 224;

/// Bits of `sb_features_incompat`.
mod incompat {
    pub const FILE_TYPES: u32 = 1 << 0;
    const SPARSE_INODES: u32 = 1 << 1;
    pub const META_UUID: u32 = 1 << 2;
    const BIG_TIMES: u32 = 1 << 3;
    pub const NEEDS_REPAIR: u32 = 1 << 4;
    const MANY_EXTENTS: u32 = 1 << 5;
    const EXCHANGE_RANGE: u32 = 1 << 6;
    const PARENT_POINTERS: u32 = 1 << 7;
    /// What this reader knows. Some change nothing for a reader; 64-bit times
    /// and extent counts are also marked in each inode.
    pub const KNOWN: u32 = FILE_TYPES
        | SPARSE_INODES
        | META_UUID
        | BIG_TIMES
        | NEEDS_REPAIR
        | MANY_EXTENTS
        | EXCHANGE_RANGE
        | PARENT_POINTERS;
}

pub(super) use incompat::META_UUID;

/// A checked superblock.
#[derive(Debug)]
pub(super) struct Superblock {
    /// Bytes per block: 1 KiB to 64 KiB.
    pub block_size: u64,
    /// Blocks of the data device.
    pub blocks: u64,
    /// Bytes per inode.
    pub inode_size: u64,
    /// Blocks per allocation group, and how many groups.
    pub group_blocks: u64,
    pub groups: u64,
    /// Bits of a block number below those of the group's number.
    pub group_bits: u32,
    /// Bits of an inode number below those of its block.
    pub inode_bits: u32,
    /// Bytes per block of a directory.
    pub dir_block_size: u64,
    /// Inode of the root directory.
    pub root: u64,
    /// First block of the log and its length in blocks.
    pub log: (u64, u64),
    /// Whether directory entries have a byte for the type.
    pub file_types: bool,
    pub label: Vec<u8>,
    uuid: [u8; 16],
    /// UUID in all metadata: the first one that the file system had.
    pub metadata_uuid: [u8; 16],
}

impl Superblock {
    /// Checks the first bytes of a disk of `disk_len` bytes. The checksum is
    /// not looked at if the log has a newer version of it.
    pub fn parse(raw: &[u8], disk_len: u64, replayed: bool) -> Result<Self> {
        if !raw.starts_with(MAGIC) {
            return Err(Error::new(ErrorKind::NotThisFormat, "XFS superblock", "no magic number"));
        }
        version(raw)?;
        if !replayed {
            checksum(raw)?;
        }
        features(be16(raw, 100), be32(raw, 216))?;
        let sb = Self::decode(raw).ok_or_else(|| bad("its sizes contradict each other"))?;
        let bytes = sb.blocks.checked_mul(sb.block_size).ok_or_else(|| bad("impossible size"))?;
        if bytes > disk_len {
            let reason = format!("it takes {bytes} bytes, the disk or partition has {disk_len}");
            return Err(bad(&reason).hint("the image may be truncated: copy it again"));
        }
        if sb.log.0 == 0 {
            return Err(Error::unsupported("XFS superblock", "its log is on another device"));
        }
        Ok(sb)
    }

    fn decode(raw: &[u8]) -> Option<Self> {
        let power = |log: u8, range: std::ops::RangeInclusive<u8>| {
            range.contains(&log).then(|| 1u64 << log)
        };
        let block_size = power(u8_at(raw, 120), 10..=16)?;
        let inode_size = power(u8_at(raw, 122), 9..=11)?;
        let dir_log = u8_at(raw, 120).checked_add(u8_at(raw, 192))?;
        let (group_log, inode_log) = (u8_at(raw, 124), u8_at(raw, 123));
        let metadata_uuid_at = if be32(raw, 216) & META_UUID == 0 { 32 } else { 248 };
        let sb = Self {
            block_size,
            blocks: be64(raw, 8),
            inode_size,
            group_blocks: u64::from(be32(raw, 84)),
            groups: u64::from(be32(raw, 88)),
            group_bits: u32::from(group_log),
            inode_bits: u32::from(inode_log),
            dir_block_size: power(dir_log, 10..=16)?,
            root: be64(raw, 56),
            log: (be64(raw, 48), u64::from(be32(raw, 96))),
            file_types: be32(raw, 216) & incompat::FILE_TYPES != 0,
            label: label(slice(raw, 108, 12)),
            uuid: slice(raw, 32, 16).try_into().ok()?,
            metadata_uuid: slice(raw, metadata_uuid_at, 16).try_into().ok()?,
        };
        let most = sb.groups.checked_mul(sb.group_blocks)?;
        let least = sb.groups.checked_sub(1)?.checked_mul(sb.group_blocks)?;
        let consistent = u64::from(be32(raw, 4)) == block_size
            && u64::from(be16(raw, 104)) == inode_size
            && inode_size << inode_log == block_size
            && group_log <= 31
            && sb.group_blocks > 0
            && sb.group_blocks <= 1 << group_log
            && sb.blocks > least
            && sb.blocks <= most;
        consistent.then_some(sb)
    }

    /// A block number of the format, which has the group in its upper bits, as
    /// a count from the start; `None` if `count` blocks from there do not fit.
    pub fn linear(&self, number: u64, count: u64) -> Option<u64> {
        let group = number >> self.group_bits;
        let inside = number & ((1 << self.group_bits) - 1);
        let first = group.checked_mul(self.group_blocks)?.checked_add(inside)?;
        let group_end = inside.checked_add(count)?;
        let end = first.checked_add(count)?;
        let fits = group < self.groups && group_end <= self.group_blocks;
        (fits && end <= self.blocks).then_some(first)
    }

    /// UUID as `blkid` prints it.
    pub fn uuid_text(&self) -> Option<String> {
        (self.uuid != [0; 16]).then(|| uuid_text(&self.uuid))
    }
}

#[cfg(test)]
impl Superblock {
    /// One group of 16 blocks of 4 KiB.
    pub fn for_tests() -> Self {
        Self {
            block_size: 4096,
            blocks: 16,
            inode_size: 512,
            group_blocks: 16,
            groups: 1,
            group_bits: 4,
            inode_bits: 3,
            dir_block_size: 4096,
            root: 128,
            log: (8, 4),
            file_types: true,
            label: vec![],
            uuid: [1; 16],
            metadata_uuid: [1; 16],
        }
    }
}

fn version(raw: &[u8]) -> Result<()> {
    let refuse = |reason: &str| Err(Error::unsupported("XFS superblock", reason));
    match be16(raw, 100) & 0xf {
        5 if u8_at(raw, 126) == 0 => Ok(()),
        5 => refuse("mkfs did not finish making it"),
        other => Err(Error::unsupported(
            "XFS superblock",
            format!("version {other} without checksums is not read, only version 5"),
        )
        .hint("make it with `mkfs.xfs -m crc=1`")),
    }
}

fn checksum(raw: &[u8]) -> Result<()> {
    let len = usize::from(be16(raw, 102));
    let sector = raw.get(..len).filter(|_| len.is_power_of_two() && (512..=MAX_LEN).contains(&len));
    match sector {
        Some(sector) if super::volume::is_intact(sector, CRC_AT) => Ok(()),
        _ => Err(bad("its checksum does not match")),
    }
}

/// Bit of `sb_versionnum`: names differ in more than case (`mkfs.xfs -n version=ci`).
const CASE_INSENSITIVE: u16 = 0x4000;

fn features(version: u16, bits: u32) -> Result<()> {
    if version & CASE_INSENSITIVE != 0 {
        let reason = "its names are case-insensitive, which an archive cannot express";
        return Err(Error::unsupported("XFS superblock", reason));
    }
    if bits & incompat::NEEDS_REPAIR != 0 {
        return Err(Error::unsupported("XFS superblock", "it is marked as in need of repair")
            .hint("run `xfs_repair` on it"));
    }
    match bits & !incompat::KNOWN {
        0 => Ok(()),
        unknown => {
            let reason = format!("it has incompatible features that are not known: {unknown:#x}");
            Err(Error::unsupported("XFS superblock", reason))
        }
    }
}

fn label(raw: &[u8]) -> Vec<u8> {
    raw.split(|&byte| byte == 0).next().unwrap_or_default().to_vec()
}

fn bad(reason: &str) -> Error {
    Error::damaged("XFS superblock", reason)
}
