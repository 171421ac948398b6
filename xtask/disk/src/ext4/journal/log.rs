//! Finding the committed transactions in the ring of log blocks.

use super::{Checksums, Header, Journal, MAGIC, PLACE};
use crate::bytes::{be16, be32, be64, join32, slice, u8_at};
use crate::crc::{agree, crc32_be, crc32c};
use crate::{Error, Result};

/// Most blocks that one replay may bring: a full journal of 8 GiB at 4 KiB.
const MAX_TAGS: usize = 2 << 20;
/// Length of the header of each block that the journal wrote: magic number,
/// type, sequence number of the transaction.
const HEADER: usize = 12;

/// A block that a transaction wrote.
pub(super) struct Tag {
    /// Block of the file system.
    pub block: u64,
    /// Block of the journal that has the new version.
    pub copy: u32,
    /// See [`super::overlay::Newer::escaped`].
    pub escaped: bool,
    checksum: u32,
}

/// A committed transaction.
pub(super) struct Transaction {
    /// Its number; they follow each other and wrap around.
    pub sequence: u32,
    /// Blocks written, in order.
    pub tags: Vec<Tag>,
    /// Blocks of which no version up to this transaction's may be replayed.
    pub revoked: Vec<u64>,
}

/// A walk along the log.
pub(super) struct Log<'a> {
    journal: &'a Journal<'a>,
    header: &'a Header,
    /// Next block of the journal to look at.
    at: u32,
    /// Blocks that may still be visited before the ring closes.
    left: u32,
    sequence: u32,
    /// Running CRC of the current transaction, see [`Checksums::PerCommit`].
    crc: u32,
    /// Whether the current transaction has a block with a bad checksum: damage
    /// if it was committed, else a stale block from an earlier use.
    suspect: bool,
    last_commit_time: u64,
    tag_count: usize,
}

/// What a commit block says about its transaction.
enum Commit {
    Valid,
    /// Left over from an earlier use of these blocks, or torn: the log ends.
    End,
}

impl<'a> Log<'a> {
    /// A walk that starts where the journal's superblock says.
    pub fn new(journal: &'a Journal<'a>, header: &'a Header) -> Self {
        Self {
            journal,
            header,
            at: header.start,
            left: header.end - header.first,
            sequence: header.sequence,
            crc: u32::MAX,
            suspect: false,
            last_commit_time: 0,
            tag_count: 0,
        }
    }

    /// Number that the next transaction would have.
    pub fn next_sequence(&self) -> u32 {
        self.sequence
    }

    /// All committed transactions, oldest first.
    pub fn transactions(&mut self) -> Result<Vec<Transaction>> {
        let mut committed = Vec::new();
        let mut open = self.open();
        while self.left > 0 {
            let block = self.journal.block(self.at)?;
            if be32(&block, 0) != MAGIC || be32(&block, 8) != self.sequence {
                break;
            }
            self.advance(1);
            match be32(&block, 4) {
                1 => self.descriptor(&block, &mut open.tags)?,
                2 => match self.commit(&block)? {
                    Commit::Valid => {
                        self.sequence = self.sequence.wrapping_add(1);
                        committed.push(std::mem::replace(&mut open, self.open()));
                    }
                    Commit::End => break,
                },
                5 => self.revoke(&block, &mut open.revoked)?,
                _ => break,
            }
        }
        Ok(committed)
    }

    fn open(&self) -> Transaction {
        Transaction { sequence: self.sequence, tags: Vec::new(), revoked: Vec::new() }
    }

    fn damaged(&self, reason: &str) -> Error {
        Error::damaged(format!("{PLACE}, transaction {}", self.sequence), reason)
            .hint("`e2fsck` on a copy of the disk can say what is lost")
    }

    fn advance(&mut self, blocks: u32) {
        let ring = self.header.end - self.header.first;
        self.left = self.left.saturating_sub(blocks);
        let from_start = u64::from(self.at - self.header.first) + u64::from(blocks);
        let inside = u32::try_from(from_start % u64::from(ring)).unwrap_or_default();
        self.at = self.header.first + inside;
    }

    /// Whether the checksum at the end of a descriptor or revoke block matches.
    fn is_intact(&self, block: &[u8]) -> bool {
        let Some(seed) = self.header.checksums.seed() else { return true };
        let end = block.len().saturating_sub(4);
        agree(crc32c(crc32c(seed, slice(block, 0, end)), &[0; 4]), be32(block, end))
    }

    fn descriptor(&mut self, block: &[u8], tags: &mut Vec<Tag>) -> Result<()> {
        self.suspect |= !self.is_intact(block);
        let per_commit = self.header.checksums == Checksums::PerCommit;
        if per_commit {
            self.crc = crc32_be(self.crc, block);
        }
        let mut at = HEADER;
        while let Some((tag, len, last)) = self.tag(block, at) {
            at += len;
            if self.left == 0 {
                return Err(self.damaged("it is longer than the journal"));
            }
            if per_commit {
                self.crc = crc32_be(self.crc, &self.journal.block(self.at)?);
            }
            self.advance(1);
            self.tag_count += 1;
            if self.tag_count > MAX_TAGS {
                let reason = format!("more than {MAX_TAGS} blocks need replay");
                return Err(Error::unsupported(PLACE, reason));
            }
            tags.push(tag);
            if last {
                break;
            }
        }
        Ok(())
    }

    /// The tag at `at` with its length and whether it is the last; `None` at
    /// the end of the block.
    fn tag(&self, block: &[u8], at: usize) -> Option<(Tag, usize, bool)> {
        const ESCAPED: u16 = 1;
        const SAME_UUID: u16 = 2;
        const LAST: u16 = 8;
        let (v3, wide) = (matches!(self.header.checksums, Checksums::V3 { .. }), self.header.wide);
        let v2 = matches!(self.header.checksums, Checksums::V2 { .. });
        let len = match (v3, wide) {
            (true, _) => 16,
            (false, true) => 12 + if v2 { 2 } else { 0 },
            (false, false) => 8 + if v2 { 2 } else { 0 },
        };
        let tail = if self.header.checksums.seed().is_some() { 4 } else { 0 };
        if at + len > block.len().saturating_sub(tail) {
            return None;
        }
        let high = if wide { be32(block, at + 8) } else { 0 };
        let flags = be16(block, at + 6);
        let checksum = if v3 { be32(block, at + 12) } else { u32::from(be16(block, at + 4)) };
        let tag = Tag {
            block: join32(high, be32(block, at)),
            copy: self.at,
            escaped: flags & ESCAPED != 0,
            checksum,
        };
        let uuid = if flags & SAME_UUID == 0 { 16 } else { 0 };
        Some((tag, len + uuid, flags & LAST != 0))
    }

    fn revoke(&mut self, block: &[u8], revoked: &mut Vec<u64>) -> Result<()> {
        self.suspect |= !self.is_intact(block);
        let used = usize::try_from(be32(block, HEADER)).unwrap_or(usize::MAX);
        if used > block.len() {
            return Err(self.damaged("a revoke block has an impossible length"));
        }
        let len = if self.header.wide { 8 } else { 4 };
        let mut at = HEADER + 4;
        while at + len <= used {
            revoked.push(if len == 8 { be64(block, at) } else { u64::from(be32(block, at)) });
            at += len;
        }
        Ok(())
    }

    fn commit(&mut self, block: &[u8]) -> Result<Commit> {
        let time = be64(block, 48);
        let stale = time < self.last_commit_time;
        if self.suspect && !stale {
            return Err(self.damaged("a checksum in it does not match, although it was committed"));
        }
        if self.suspect || (!self.commit_matches(block) && (stale || self.header.async_commit)) {
            return Ok(Commit::End);
        }
        if !self.commit_matches(block) {
            return Err(self.damaged("the checksum of its commit block does not match"));
        }
        self.last_commit_time = time;
        self.crc = u32::MAX;
        Ok(Commit::Valid)
    }

    fn commit_matches(&self, block: &[u8]) -> bool {
        const CHECKSUM: usize = 16;
        let stored = be32(block, CHECKSUM);
        let (kind, size) = (u8_at(block, 12), u8_at(block, 13));
        match (self.header.checksums, self.header.checksums.seed()) {
            (_, Some(seed)) => {
                let crc = crc32c(crc32c(seed, slice(block, 0, CHECKSUM)), &[0; 4]);
                agree(crc32c(crc, block.get(CHECKSUM + 4..).unwrap_or_default()), stored)
            }
            // Type 1 is CRC-32 of 4 bytes; all zeros means that none was made.
            (Checksums::PerCommit, None) => {
                (agree(self.crc, stored) && (kind, size) == (1, 4))
                    || (stored, kind, size) == (0, 0, 0)
            }
            _ => true,
        }
    }
}

/// Checks the copy of a block against the checksum in its tag.
pub(super) fn verify_data(
    journal: &Journal<'_>,
    header: &Header,
    sequence: u32,
    tag: &Tag,
) -> Result<()> {
    let Some(seed) = header.checksums.seed() else { return Ok(()) };
    let crc = crc32c(seed, &sequence.to_be_bytes());
    let crc = crc32c(crc, &journal.block(tag.copy)?);
    let narrow = matches!(header.checksums, Checksums::V2 { .. });
    if agree(if narrow { crc & 0xffff } else { crc }, tag.checksum) {
        return Ok(());
    }
    let place = format!("{PLACE}, transaction {sequence}");
    let reason = format!("the checksum of the new version of block {} does not match", tag.block);
    Err(Error::damaged(place, reason))
}
