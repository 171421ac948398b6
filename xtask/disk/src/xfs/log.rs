//! The log: whether all that is in it is also on the disk.
//!
//! It is a ring of records in blocks of 512 bytes. Only headers of records
//! start with their magic number: the first word of each other block is
//! replaced by the number of the round. After a clean unmount the newest
//! record says so.

use super::volume::{BASIC_BLOCK, Volume};
use crate::bytes::{be32, be64, clip, u8_at, wide};
use crate::{Error, Result};

/// First word of a record.
const MAGIC: u32 = 0xfeed_babe;
/// A block of the log in memory.
const BLOCK: usize = 512;
/// Bytes of the log that are read at a time.
const PIECE: usize = 1 << 20;
/// Longest log (XFS_MAX_LOG_BYTES), bytes.
const MAX_LEN: u64 = 2 << 30;
/// Bytes of a record that one header block describes (XLOG_HEADER_CYCLE_SIZE).
const PER_HEADER: u32 = 32 << 10;
/// Bit of an operation's flags, and of the version of a record.
const UNMOUNT: u8 = 0x20;
const VERSION_2: u32 = 2;

/// Fails if the file system was not unmounted.
pub(super) fn refuse_dirty(volume: &Volume) -> Result<()> {
    if Log::open(volume)?.is_clean()? {
        return Ok(());
    }
    let reason = "it was not unmounted: its log holds changes that are not on the disk yet";
    Err(Error::unsupported("XFS log", reason)
        .hint("shut the guest down cleanly, or mount and unmount the disk once to replay the log"))
}

struct Log<'a> {
    volume: &'a Volume,
    /// First byte on the disk.
    start: u64,
    /// Length in blocks of 512 bytes.
    blocks: u64,
}

impl<'a> Log<'a> {
    fn open(volume: &'a Volume) -> Result<Self> {
        let (first, count) = volume.sb.log;
        let len = count * volume.sb.block_size;
        let start = volume.linear(first, count).filter(|_| count > 0 && len <= MAX_LEN);
        let start = start.ok_or_else(|| {
            Error::damaged("XFS log", format!("{count} blocks at {first} cannot be the log"))
        })?;
        Ok(Self { volume, start: start * volume.sb.block_size, blocks: len / BASIC_BLOCK })
    }

    fn is_clean(&self) -> Result<bool> {
        let Some(record) = self.newest()? else { return Ok(true) };
        let block = self.block(record)?;
        let headers = match be32(&block, 8) {
            version if version & VERSION_2 != 0 => be32(&block, 320).div_ceil(PER_HEADER).max(1),
            _ => 1,
        };
        let operations = be32(&block, 40);
        let first = self.block((record + u64::from(headers)) % self.blocks)?;
        // Transaction, length, client, flags.
        Ok(operations == 1 && u8_at(&first, 9) & UNMOUNT != 0)
    }

    /// Block of the record with the highest sequence number; `None` if the log
    /// was never written. Going by the highest one instead of looking for the
    /// end of the ring can only err towards "not clean": writes of a crash may
    /// have arrived out of order.
    fn newest(&self) -> Result<Option<u64>> {
        let mut newest = None;
        let mut at = 0;
        let mut piece = vec![0; PIECE];
        while at < self.blocks {
            let len = clip((self.blocks - at) * BASIC_BLOCK, PIECE);
            let bytes = piece.get_mut(..len).unwrap_or_default();
            self.volume.disk().read_at(self.start + at * BASIC_BLOCK, bytes)?;
            for (number, block) in (at..).zip(bytes.as_chunks::<BLOCK>().0) {
                // The number has the round in its upper half, the block below.
                let sequence = be64(block, 16);
                if be32(block, 0) == MAGIC && sequence & u64::from(u32::MAX) == number {
                    newest = newest.max(Some((sequence, number)));
                }
            }
            at += wide(len) / BASIC_BLOCK;
        }
        Ok(newest.map(|(_, number)| number))
    }

    fn block(&self, number: u64) -> Result<[u8; BLOCK]> {
        let mut block = [0; BLOCK];
        self.volume.disk().read_at(self.start + number * BASIC_BLOCK, &mut block)?;
        Ok(block)
    }
}
