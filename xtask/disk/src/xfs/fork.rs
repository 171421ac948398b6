//! Forks: content and attributes of an inode, in it or mapped by extents.

use super::inode::{Inode, place};
use super::volume::{Stamp, Volume};
use crate::bytes::{be16, be32, be64, slice, wide};
use crate::runs::Run;
use crate::{Error, Result};

/// Most runs one fork may have; see the same limit of ext4.
const MAX_RUNS: usize = 4 << 20;
/// Most levels of an extent tree: XFS_BM_MAXLEVELS is below this for the
/// smallest blocks and 2^48 extents.
const MAX_LEVELS: u16 = 16;
/// Length of an extent record.
const RECORD: usize = 16;
/// Length of the header of a tree block.
const HEADER: usize = 72;
const TREE: Stamp = Stamp {
    magic: 0x424d_4133, // "BMA3"
    crc_at: 64,
    owner_at: 56,
    address_at: 24,
};

/// How a fork stores what it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// In the inode itself.
    Local,
    /// A list of extents in the inode.
    Extents,
    /// A tree of extents with its root in the inode.
    Tree,
    /// A device number, or nothing known.
    Other,
}

impl Format {
    pub fn of(value: u8) -> Self {
        match value {
            1 => Self::Local,
            2 => Self::Extents,
            3 => Self::Tree,
            _ => Self::Other,
        }
    }
}

/// One fork of an inode.
#[derive(Clone, Copy)]
pub(super) struct Fork<'a> {
    pub format: Format,
    /// Its part of the inode.
    pub bytes: &'a [u8],
    /// How many extents it says it has.
    pub extents: u64,
}

/// The runs of a fork in file order, none overlapping; gaps are holes.
pub(super) fn runs(volume: &Volume, inode: &Inode, fork: Fork<'_>) -> Result<Vec<Run>> {
    let mut walk = Walk { volume, inode, runs: Vec::new(), next: 0, records: 0, nodes: 0 };
    match fork.format {
        Format::Extents => walk.list(fork)?,
        Format::Tree => walk.root(fork.bytes)?,
        Format::Local | Format::Other => return Err(walk.bad("a fork has no extents")),
    }
    if walk.records != fork.extents {
        let reason = format!("it has {} extents instead of {}", walk.records, fork.extents);
        return Err(walk.bad(&reason));
    }
    Ok(walk.runs)
}

struct Walk<'a> {
    volume: &'a Volume,
    inode: &'a Inode,
    runs: Vec<Run>,
    /// First block of the file that no run has covered yet.
    next: u64,
    records: u64,
    nodes: u64,
}

impl Walk<'_> {
    fn bad(&self, reason: &str) -> Error {
        self.inode.damaged(reason)
    }

    fn list(&mut self, fork: Fork<'_>) -> Result<()> {
        if fork.extents > wide(fork.bytes.len() / RECORD) {
            return Err(self.bad("it says that it has more extents than fit"));
        }
        let count = usize::try_from(fork.extents).unwrap_or_default();
        self.records_of(slice(fork.bytes, 0, count * RECORD))
    }

    fn records_of(&mut self, bytes: &[u8]) -> Result<()> {
        bytes.as_chunks::<RECORD>().0.iter().try_for_each(|record| self.extent(record))
    }

    /// One bit of "unwritten", 54 of position in the file, 52 of position on
    /// the disk, 21 of length.
    fn extent(&mut self, record: &[u8]) -> Result<()> {
        let (high, low) = (be64(record, 0), be64(record, 8));
        let written = high >> 63 == 0;
        let logical = (high << 1) >> 10;
        let start = ((high & 0x1ff) << 43) | (low >> 21);
        let len = low & 0x1f_ffff;
        self.records += 1;
        let physical = self.volume.sb.linear(start, len).filter(|_| len > 0);
        let physical =
            physical.ok_or_else(|| self.bad("an extent lies outside of the file system"))?;
        let limit = i64::MAX.unsigned_abs() / self.volume.sb.block_size;
        if logical < self.next || logical + len > limit {
            return Err(self.bad("its extents overlap, are out of order or too far"));
        }
        self.next = logical + len;
        self.push(Run { logical, physical, len, written })
    }

    fn push(&mut self, run: Run) -> Result<()> {
        if let Some(last) = self.runs.last_mut()
            && last.written == run.written
            && last.logical + last.len == run.logical
            && last.physical + last.len == run.physical
        {
            last.len += run.len;
            return Ok(());
        }
        if self.runs.len() >= MAX_RUNS {
            let reason = format!("it has more than {MAX_RUNS} extents");
            return Err(Error::unsupported(place(self.inode.number), reason));
        }
        self.runs.push(run);
        Ok(())
    }

    /// The root has a short header, then room for keys, then pointers.
    fn root(&mut self, bytes: &[u8]) -> Result<()> {
        let (level, count) = (be16(bytes, 0), usize::from(be16(bytes, 2)));
        let room = bytes.len().saturating_sub(4) / 16;
        if level == 0 || level > MAX_LEVELS || count > room {
            return Err(self.bad("the root of its extent tree is malformed"));
        }
        self.children(slice(bytes, 4 + room * 8, count * 8), level - 1)
    }

    fn children(&mut self, pointers: &[u8], level: u16) -> Result<()> {
        for pointer in pointers.as_chunks::<8>().0 {
            self.node(be64(pointer, 0), level)?;
        }
        Ok(())
    }

    fn node(&mut self, number: u64, level: u16) -> Result<()> {
        let at = place(self.inode.number);
        // A valid tree names each block once, so this only stops loops.
        self.nodes += 1;
        if self.nodes > wide(MAX_RUNS) {
            return Err(self.bad("its extent tree is impossibly large"));
        }
        let block = self.volume.block(number, &at)?;
        TREE.check(&block, self.inode.number, &at)?;
        let block = block.bytes;
        let count = usize::from(be16(&block, 6));
        let room = (block.len() - HEADER) / 16;
        if be16(&block, 4) != level || count > room || be32(&block, 0) != TREE.magic {
            return Err(self.bad("a node of its extent tree is malformed"));
        }
        if level == 0 {
            return self.records_of(slice(&block, HEADER, count * RECORD));
        }
        self.children(slice(&block, HEADER + room * 8, count * 8), level - 1)
    }
}
