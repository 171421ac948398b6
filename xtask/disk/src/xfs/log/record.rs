//! Records of the log: what one write of the kernel put there.

use super::{Log, damaged};
use crate::Result;
use crate::bytes::{be32, be64, clip, le32, slice, u8_at, wide};
use crate::crc::{agree, crc32c};

/// First word of a record.
pub(super) const MAGIC: u32 = 0xfeed_babe;
/// A block of the log in memory.
pub(super) const BLOCK: usize = 512;
/// Bytes of a record that one header block describes (XLOG_HEADER_CYCLE_SIZE).
const PER_HEADER: u32 = 32 << 10;
/// Words that one header block keeps.
const WORDS: usize = 64;
/// Where the header has them, and where a further header block has them.
const WORDS_AT: usize = 44;
const MORE_WORDS_AT: usize = 4;
/// Longest record: XLOG_MAX_RECORD_BSIZE.
const MAX_LEN: u32 = 256 << 10;
const VERSION_2: u32 = 2;
/// Where the checksum is, and what it covers of the headers. The structure has
/// 324 bytes, which a 64-bit machine rounds up.
const CRC_AT: usize = 32;
const CRC_LEN: [usize; 2] = [328, 324];
const MORE_CRC_LEN: usize = 260;
/// Format of the items: structures of a little-endian machine.
const LITTLE_ENDIAN: u32 = 1;

/// The header of a record, not yet checked against its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Its sequence number: the round in the upper half, its block in the lower.
    pub lsn: u64,
    /// Where replay has to start when this record is the last.
    pub tail: u64,
    /// Bytes of content.
    pub len: u32,
    /// Blocks of headers.
    pub headers: u32,
    /// Operations in the content.
    pub operations: u32,
}

impl Header {
    /// The header in `block`, which is block `number` of the log, if it is one.
    pub fn parse(block: &[u8], number: u64) -> Option<Self> {
        let lsn = be64(block, 16);
        if be32(block, 0) != MAGIC || lsn & u64::from(u32::MAX) != number {
            return None;
        }
        let headers = match be32(block, 8) {
            version if version & VERSION_2 != 0 => {
                be32(block, 320).clamp(1, MAX_LEN).div_ceil(PER_HEADER)
            }
            _ => 1,
        };
        let len = be32(block, 12);
        let fits = len <= headers.saturating_mul(PER_HEADER);
        fits.then(|| Self { lsn, tail: be64(block, 24), len, headers, operations: be32(block, 40) })
    }

    /// Its block.
    pub fn block(&self) -> u64 {
        self.lsn & u64::from(u32::MAX)
    }

    /// Blocks of headers and content.
    pub fn blocks(&self) -> u64 {
        u64::from(self.headers) + u64::from(self.len).div_ceil(wide(BLOCK))
    }
}

/// A record whose checksum matches.
pub(super) struct Record {
    pub header: Header,
    /// Operations one after the other.
    pub content: Vec<u8>,
}

/// Reads the record at `header`; `None` if it was not written completely.
pub(super) fn read(log: &Log<'_>, header: Header) -> Result<Option<Record>> {
    let mut bytes = log.blocks(header.block(), header.blocks())?;
    let content_at = clip(u64::from(header.headers), usize::MAX) * BLOCK;
    let mut content = bytes.split_off(content_at.min(bytes.len()));
    let used = slice(&content, 0, clip(u64::from(header.len), usize::MAX));
    // Records of kernels before 3.8 have none.
    let stored = le32(&bytes, CRC_AT);
    let matches = |len: usize| agree(crc(&bytes, len, used), stored);
    if stored != 0 && !CRC_LEN.into_iter().any(matches) {
        return Ok(None);
    }
    if be32(&bytes, 300) != LITTLE_ENDIAN {
        let reason = "it was written by a big-endian machine";
        return Err(crate::Error::unsupported(super::PLACE, reason).hint(super::LET_KERNEL));
    }
    if !restore(&bytes, &mut content, header.lsn) {
        return Ok(None);
    }
    content.truncate(clip(u64::from(header.len), usize::MAX));
    Ok(Some(Record { header, content }))
}

fn crc(headers: &[u8], first_len: usize, content: &[u8]) -> u32 {
    let crc = crc32c(u32::MAX, slice(headers, 0, CRC_AT));
    let crc = crc32c(crc, &[0; 4]);
    let crc = crc32c(crc, slice(headers, CRC_AT + 4, first_len - CRC_AT - 4));
    // Only of those header blocks that the content needs.
    let needed = content.len().div_ceil(WORDS * BLOCK);
    let more = headers.chunks(BLOCK).take(needed).skip(1);
    let crc = more.fold(crc, |crc, block| crc32c(crc, slice(block, 0, MORE_CRC_LEN)));
    !crc32c(crc, content)
}

/// Puts the first word of each block back, in whose place the log has the
/// number of the round. `false` if a block is of another round.
fn restore(headers: &[u8], content: &mut [u8], lsn: u64) -> bool {
    let round = be32(&lsn.to_be_bytes(), 0);
    let mut is_whole = true;
    for (index, block) in content.chunks_mut(BLOCK).enumerate() {
        // A record that wraps around goes on in the next round.
        let found = be32(block, 0);
        is_whole &= found == round || found == round.wrapping_add(1) || cfg!(fuzzing);
        let header = slice(headers, index / WORDS * BLOCK, BLOCK);
        let words_at = if index < WORDS { WORDS_AT } else { MORE_WORDS_AT };
        let word = slice(header, words_at + index % WORDS * 4, 4);
        if let (Some(place), 4) = (block.get_mut(..4), word.len()) {
            place.copy_from_slice(word);
        }
    }
    is_whole
}

/// One operation of a record.
#[derive(Debug)]
pub(super) struct Operation<'a> {
    pub transaction: u32,
    pub flags: u8,
    pub bytes: &'a [u8],
}

/// Bits of an operation's flags.
pub(super) mod flag {
    pub const START: u8 = 0x01;
    pub const COMMIT: u8 = 0x02;
    pub const CONTINUES: u8 = 0x04;
    pub const CONTINUED: u8 = 0x08;
    pub const END: u8 = 0x10;
    pub const UNMOUNT: u8 = 0x20;
}

/// Calls `each` with the operations of a record.
pub(super) fn operations(
    record: &Record,
    mut each: impl FnMut(Operation<'_>) -> Result<()>,
) -> Result<()> {
    /// Length of the header of an operation.
    const HEADER: usize = 12;
    /// Who may write operations: transactions, and the log itself.
    const CLIENTS: [u8; 2] = [0x69, 0xaa];
    let mut rest = &record.content[..];
    for _ in 0..record.header.operations {
        if rest.is_empty() {
            break;
        }
        let (transaction, len) = (be32(rest, 0), clip(u64::from(be32(rest, 4)), usize::MAX));
        let (client, flags) = (u8_at(rest, 8), u8_at(rest, 9));
        let bytes = slice(rest, HEADER, len);
        if !CLIENTS.contains(&client) || bytes.len() < len || rest.len() < HEADER {
            return Err(damaged("an operation of it is malformed"));
        }
        each(Operation { transaction, flags, bytes })?;
        rest = rest.get(HEADER + len..).unwrap_or_default();
    }
    Ok(())
}
