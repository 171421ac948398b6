//! The journal (jbd2) of a file system that was not unmounted cleanly.
//!
//! Its committed transactions hold newer versions of blocks. They are found
//! the way the kernel finds them at mount time, but nothing is written: an
//! overlay shows the newer blocks in place of the old ones.
//!
//! Layout: Documentation/filesystems/ext4/journal.rst. All numbers are
//! big-endian.

mod log;
mod overlay;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use self::log::{Log, Transaction};
use self::overlay::{Newer, Overlay};
use super::inode::Inode;
use super::mapping;
use super::volume::Volume;
use crate::block::BlockRead;
use crate::bytes::{be32, slice, u8_at};
use crate::crc::{agree, crc32c};
use crate::runs::Run;
use crate::{Error, Result};

/// First word of each block that the journal itself wrote.
const MAGIC: u32 = 0xc03b_3998;
/// How messages name it.
const PLACE: &str = "ext4 journal";

/// Feature bits of the journal's superblock.
mod feature {
    /// Compatible: commit blocks carry a CRC-32 of their transaction.
    pub const COMMIT_CRC: u32 = 0x1;
    /// Incompatible ones.
    pub const BIT64: u32 = 0x2;
    pub const ASYNC_COMMIT: u32 = 0x4;
    pub const CSUM_V2: u32 = 0x8;
    pub const CSUM_V3: u32 = 0x10;
    pub const FAST_COMMIT: u32 = 0x20;
    /// Revoke records and the above.
    pub const KNOWN: u32 = 0x1 | BIT64 | ASYNC_COMMIT | CSUM_V2 | CSUM_V3 | FAST_COMMIT;
}

/// The superblock of the journal: where the log starts and how to read it.
struct Header {
    /// First block of the ring; what is before belongs to the header.
    first: u32,
    /// One past the last block of the ring.
    end: u32,
    /// One past the last block of the journal; the rest after the ring is
    /// for fast commits.
    len: u32,
    /// Sequence number of the first transaction.
    sequence: u32,
    /// Block of the first transaction; 0 means that there is none.
    start: u32,
    /// Whether block numbers have 64 bits.
    wide: bool,
    /// Whether a commit may be written before its transaction.
    async_commit: bool,
    /// How blocks are protected.
    checksums: Checksums,
    fast_commits: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Checksums {
    None,
    /// One per transaction, in its commit block.
    PerCommit,
    /// In every block, and 16 bits for each block of data.
    V2 {
        seed: u32,
    },
    /// In every block, and 32 bits for each block of data.
    V3 {
        seed: u32,
    },
}

impl Checksums {
    fn seed(self) -> Option<u32> {
        match self {
            Self::V2 { seed } | Self::V3 { seed } => Some(seed),
            Self::None | Self::PerCommit => None,
        }
    }
}

impl Header {
    fn parse(block: &[u8], block_size: u32) -> Result<Self> {
        let bad = |reason: &str| Error::damaged(PLACE, reason);
        let version = be32(block, 4);
        if be32(block, 0) != MAGIC || !matches!(version, 3 | 4) {
            return Err(bad("it has no superblock"));
        }
        let modern = version == 4;
        let field = |at: usize| if modern { be32(block, at) } else { 0 };
        let incompat = field(0x28);
        if incompat & !feature::KNOWN != 0 {
            let reason = format!("unknown incompatible features {incompat:#x}");
            return Err(Error::unsupported(PLACE, reason));
        }
        let checksums = header_checksums(block, field(0x24), incompat)?;
        let (len, fast_commits) = (be32(block, 0x10), incompat & feature::FAST_COMMIT != 0);
        let reserved = match field(0x54) {
            _ if !fast_commits => 0,
            0 => 256, // the kernel's default
            blocks => blocks,
        };
        let header = Self {
            first: be32(block, 0x14),
            end: len.saturating_sub(reserved),
            len,
            sequence: be32(block, 0x18),
            start: be32(block, 0x1c),
            wide: incompat & feature::BIT64 != 0,
            async_commit: incompat & feature::ASYNC_COMMIT != 0,
            checksums,
            fast_commits,
        };
        let ring = header.first..header.end;
        let starts_inside = header.start == 0 || ring.contains(&header.start);
        if be32(block, 0xc) != block_size || header.first == 0 || ring.is_empty() || !starts_inside
        {
            return Err(bad("its superblock has impossible sizes"));
        }
        Ok(header)
    }
}

fn header_checksums(block: &[u8], compat: u32, incompat: u32) -> Result<Checksums> {
    /// Offset and length of the checksum in the 1024 bytes.
    const CHECKSUM: usize = 0xfc;
    let (v2, v3) = (incompat & feature::CSUM_V2 != 0, incompat & feature::CSUM_V3 != 0);
    if !v2 && !v3 {
        let per_commit = compat & feature::COMMIT_CRC != 0;
        return Ok(if per_commit { Checksums::PerCommit } else { Checksums::None });
    }
    if (v2 && v3) || u8_at(block, 0x50) != 4 {
        return Err(Error::unsupported(PLACE, "its checksum type is unknown"));
    }
    let crc = crc32c(u32::MAX, slice(block, 0, CHECKSUM));
    let crc = crc32c(crc32c(crc, &[0; 4]), slice(block, CHECKSUM + 4, 1024 - CHECKSUM - 4));
    if !agree(crc, be32(block, CHECKSUM)) {
        return Err(Error::damaged(PLACE, "the checksum of its superblock does not match"));
    }
    let seed = crc32c(u32::MAX, slice(block, 0x30, 16));
    Ok(if v3 { Checksums::V3 { seed } } else { Checksums::V2 { seed } })
}

/// The blocks of the journal's inode.
struct Journal<'a> {
    volume: &'a Volume,
    runs: Vec<Run>,
}

impl Journal<'_> {
    fn physical(&self, index: u32) -> Result<u64> {
        let index = u64::from(index);
        let after = self.runs.partition_point(|run| run.logical <= index);
        let run = after.checked_sub(1).and_then(|at| self.runs.get(at));
        match run.filter(|run| run.written && index - run.logical < run.len) {
            Some(run) => Ok(run.physical + (index - run.logical)),
            None => Err(Error::damaged(PLACE, format!("its block {index} is missing"))),
        }
    }

    fn block(&self, index: u32) -> Result<Vec<u8>> {
        let offset = self.physical(index)? * u64::from(self.volume.sb.block_size);
        let mut block = vec![0; self.volume.block_len()];
        self.volume.read_data(offset, &mut block)?;
        Ok(block)
    }
}

/// The disk as it is after the journal's committed transactions, and how many
/// blocks they change.
///
/// Revoked blocks keep what the disk has: they were freed, and may have been
/// given to a file whose content is not journaled.
pub(super) fn replayed(volume: &Volume) -> Result<(Arc<dyn BlockRead>, usize)> {
    let number = u64::from(volume.sb.journal_inode);
    if number == 0 {
        return Err(Error::unsupported(PLACE, "it needs replay, but is on another device")
            .hint("mount and unmount the file system once with both devices present"));
    }
    let inode = Inode::read(volume, number).map_err(|error| error.within(PLACE))?;
    let journal = Journal { volume, runs: mapping::runs(volume, &inode)? };
    let header = Header::parse(&journal.block(0)?, volume.sb.block_size)?;
    let mut log = Log::new(&journal, &header);
    let transactions = if header.start == 0 { Vec::new() } else { log.transactions()? };
    if header.fast_commits && header.start != 0 {
        refuse_fast_commits(&journal, &header, log.next_sequence())?;
    }
    let newer = newest_blocks(&journal, &header, &transactions)?;
    let count = newer.len();
    let disk = Arc::clone(volume.disk());
    Ok((Arc::new(Overlay::new(disk, volume.sb.block_size, newer)), count))
}

/// Fast commits describe changes ("link this name") instead of holding blocks.
/// They follow the last full commit, in an area of their own.
fn refuse_fast_commits(journal: &Journal<'_>, header: &Header, sequence: u32) -> Result<()> {
    /// Tag of the record that starts the area, with its length of 8 bytes.
    const HEAD: [u8; 4] = [9, 0, 8, 0];
    for index in header.end..header.len.min(header.end.saturating_add(2)) {
        let block = journal.block(index)?;
        // These records are little-endian: tag, features, transaction.
        if block.starts_with(&HEAD) && slice(&block, 8, 4) == sequence.to_le_bytes() {
            let reason = "it has fast commits that need replay, which only the kernel can do";
            return Err(Error::unsupported(PLACE, reason)
                .hint("mount and unmount the file system once, or shut the guest down cleanly"));
        }
    }
    Ok(())
}

/// For each block that a transaction wrote last and none revoked later: where
/// its newest version is.
fn newest_blocks(
    journal: &Journal<'_>,
    header: &Header,
    transactions: &[Transaction],
) -> Result<BTreeMap<u64, Newer>> {
    // Later transactions come later, so the last revocation of a block wins.
    let mut revoked: HashMap<u64, usize> = HashMap::new();
    for (order, transaction) in transactions.iter().enumerate() {
        revoked.extend(transaction.revoked.iter().map(|&block| (block, order)));
    }
    let mut newer = BTreeMap::new();
    for (order, transaction) in transactions.iter().enumerate() {
        for tag in &transaction.tags {
            if revoked.get(&tag.block).is_some_and(|&last| last >= order) {
                continue;
            }
            let place = || format!("{PLACE}, transaction {}", transaction.sequence);
            journal.volume.check_block(tag.block, place)?;
            log::verify_data(journal, header, transaction.sequence, tag)?;
            let physical = journal.physical(tag.copy)?;
            newer.insert(tag.block, Newer { block: physical, escaped: tag.escaped });
        }
    }
    Ok(newer)
}
