//! The log, and what it holds that is not on the disk yet.
//!
//! It is a ring of records in blocks of 512 bytes. Only headers of records
//! start with their magic number: the first word of each other block is
//! replaced by the number of the round. After a clean unmount the newest
//! record says so. Otherwise the transactions from the tail on, which the
//! newest record names, are put on top of the disk in memory, in the way of
//! the kernel; nothing is written.

mod inode;
mod patch;
mod record;
mod replay;
mod transaction;

use std::sync::Arc;

pub(super) use self::patch::Patched;
use self::record::{BLOCK, Header, Record, flag};
use self::replay::Replay;
use super::volume::{BASIC_BLOCK, Volume};
use crate::bytes::{clip, wide};
use crate::{Error, Result};

/// How messages name it.
const PLACE: &str = "XFS log";
/// What to do about a log that is not for us.
const LET_KERNEL: &str =
    "shut the guest down cleanly, or mount and unmount the disk once: the kernel replays the log";
/// Bytes of the log that are read at a time.
const PIECE: usize = 1 << 20;
/// Longest log (XFS_MAX_LOG_BYTES), bytes.
const MAX_LEN: u64 = 2 << 30;
/// Records that can be under way at once (XLOG_MAX_ICLOGS): so many may be
/// there although one before them is not.
const IN_FLIGHT: usize = 8;

fn damaged(reason: impl Into<String>) -> Error {
    Error::damaged(PLACE, reason).hint(LET_KERNEL)
}

/// The disk with the changes of the log on top; `None` if it holds none.
pub(super) fn replayed(volume: &Volume) -> Result<Option<Patched>> {
    let log = Log::open(volume)?;
    let headers = log.headers()?;
    let Some(newest) = headers.last() else { return Ok(None) };
    if log.is_unmount(newest)? {
        return Ok(None);
    }
    let records = log.dirty(&headers)?;
    let mut replay = Replay::new(&volume.sb, Patched::new(Arc::clone(volume.disk_shared())));
    log.transactions(&records, |transaction| {
        replay.note_cancelled(transaction);
        Ok(())
    })?;
    log.transactions(&records, |transaction| replay.apply(transaction))?;
    replay.refuse_pending()?;
    Ok(Some(replay.disk))
}

/// Where the log is.
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
        let start = volume.sb.linear(first, count).filter(|_| count > 0 && len <= MAX_LEN);
        let start = start.ok_or_else(|| {
            Error::damaged(PLACE, format!("{count} blocks at {first} cannot be the log"))
        })?;
        Ok(Self { volume, start: start * volume.sb.block_size, blocks: len / BASIC_BLOCK })
    }

    /// `count` blocks from `block` on, around the end of the ring.
    fn blocks(&self, block: u64, count: u64) -> Result<Vec<u8>> {
        let block = block % self.blocks;
        let mut bytes = vec![0; clip(count.min(self.blocks) * BASIC_BLOCK, usize::MAX)];
        let until_end = clip((self.blocks - block) * BASIC_BLOCK, bytes.len());
        let (first, wrapped) = bytes.split_at_mut(until_end);
        let disk = self.volume.disk_shared();
        disk.read_at(self.start + block * BASIC_BLOCK, first)?;
        disk.read_at(self.start, wrapped)?;
        Ok(bytes)
    }

    /// All headers of records, the newest last, also of older rounds.
    fn headers(&self) -> Result<Vec<Header>> {
        let mut headers = Vec::new();
        let mut at = 0;
        while at < self.blocks {
            let piece = self.blocks(at, (wide(PIECE) / BASIC_BLOCK).min(self.blocks - at))?;
            let blocks = (at..).zip(piece.as_chunks::<BLOCK>().0);
            headers.extend(blocks.filter_map(|(number, block)| Header::parse(block, number)));
            at += wide(PIECE) / BASIC_BLOCK;
        }
        headers.sort_unstable_by_key(|header| header.lsn);
        Ok(headers)
    }

    /// Whether the record is what a clean unmount leaves.
    fn is_unmount(&self, header: &Header) -> Result<bool> {
        let Some(record) = record::read(self, *header)? else { return Ok(false) };
        let mut flags = 0;
        record::operations(&record, |operation| {
            flags |= operation.flags;
            Ok(())
        })?;
        Ok(header.operations == 1 && flags & flag::UNMOUNT != 0)
    }

    /// The records to replay, oldest first. What was being written when the
    /// machine stopped may have holes; all from the first hole on is void.
    fn dirty(&self, headers: &[Header]) -> Result<Vec<Header>> {
        let Some(newest) = headers.last() else { return Ok(vec![]) };
        let first = self.chain(headers, newest.tail)?;
        let Some(last) = first.last() else {
            return Err(damaged("the record at its tail is missing or damaged"));
        };
        let void = headers.iter().filter(|header| header.lsn > last.lsn).count();
        if void > IN_FLIGHT {
            let reason = format!("a record of it is damaged, and {void} follow");
            return Err(damaged(reason));
        }
        // The last record that counts may need more than the newest one says.
        let records = self.chain(headers, last.tail)?;
        match records.last() {
            Some(end) if end.lsn == last.lsn => Ok(records),
            _ => Err(damaged("a record between its tail and its end is damaged")),
        }
    }

    /// The records from `tail` on, each of which starts where the one before
    /// ends, as far as they are whole.
    fn chain(&self, headers: &[Header], tail: u64) -> Result<Vec<Header>> {
        let mut found = Vec::new();
        let start = headers.partition_point(|header| header.lsn < tail);
        let mut expected = tail;
        for header in headers.iter().skip(start) {
            if header.lsn != expected || record::read(self, *header)?.is_none() {
                break;
            }
            found.push(*header);
            let (round, next) = (header.lsn >> 32, header.block() + header.blocks());
            expected = match next.checked_sub(self.blocks) {
                None => (round << 32) | next,
                Some(next) => ((round + 1) << 32) | next,
            };
        }
        Ok(found)
    }

    /// Calls `each` with every committed transaction, in the order of commits.
    fn transactions(
        &self,
        records: &[Header],
        mut each: impl FnMut(&transaction::Transaction) -> Result<()>,
    ) -> Result<()> {
        let mut open = transaction::Open::default();
        for header in records {
            let gone = || damaged("a record of it changed while it was read");
            let record: Record = record::read(self, *header)?.ok_or_else(gone)?;
            record::operations(&record, |operation| match open.take(header.lsn, &operation)? {
                Some(transaction) => each(&transaction),
                None => Ok(()),
            })?;
        }
        Ok(())
    }
}
