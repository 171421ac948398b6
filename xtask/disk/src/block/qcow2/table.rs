//! The two levels of tables that map clusters of the disk to the file.

use std::sync::Arc;

use super::header::Header;
use crate::block::{BlockRead, Raw};
use crate::bytes::{be64, clip, wide};
use crate::cache::SlotCache;
use crate::{Error, Result};

/// Memory for level 2 tables, bytes; each covers 512 MiB with usual clusters.
const CACHE: u64 = 4 << 20;
/// Bits of an entry that hold an offset in the file.
const OFFSET: u64 = 0x00ff_ffff_ffff_fe00;

/// Where one cluster is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cluster {
    /// At this offset in the file.
    Data(u64),
    /// Compressed, at this offset, in at most so many bytes.
    Compressed { offset: u64, len: usize },
    /// Zeros, whatever the backing file has.
    Zero,
    /// Shows the backing file.
    Unallocated,
}

/// The tables of one image.
pub(super) struct Tables {
    version: u32,
    cluster_bits: u32,
    file_len: u64,
    l1: Vec<u64>,
    l2: SlotCache<Arc<[u64]>>,
}

impl Tables {
    /// Reads the level 1 table.
    pub fn open(file: &Raw, header: &Header) -> Result<Self> {
        let l1 = entries(file, header.l1_offset, header.l1_len, "qcow2 level 1 table")?;
        let slots = clip(CACHE >> header.cluster_bits, usize::MAX).max(2);
        Ok(Self {
            version: header.version,
            cluster_bits: header.cluster_bits,
            file_len: file.len(),
            l1,
            l2: SlotCache::new(slots),
        })
    }

    /// Binary logarithm of the number of entries in a level 2 table.
    pub fn l2_bits(&self) -> u32 {
        self.cluster_bits - 3
    }

    /// The level 2 table that covers cluster `number` of the disk, `None` if
    /// none of its clusters is allocated.
    pub fn l2(&self, file: &Raw, number: u64) -> Result<Option<Arc<[u64]>>> {
        let index = number >> self.l2_bits();
        let place = || format!("qcow2 level 2 table {index}");
        let entry = usize::try_from(index).ok().and_then(|index| self.l1.get(index));
        let offset = entry.copied().unwrap_or_default() & OFFSET;
        if offset == 0 {
            return Ok(None);
        }
        if !offset.is_multiple_of(1 << self.cluster_bits) {
            return Err(Error::damaged(place(), format!("unaligned offset {offset:#x}")));
        }
        let table = self.l2.get_or(index, || {
            let table = entries(file, offset, 1 << self.l2_bits(), &place())?;
            Ok::<_, Error>(table.into())
        })?;
        Ok(Some(table))
    }

    /// What `entry` of a level 2 table says about cluster `number`.
    pub fn decode(&self, entry: u64, number: u64) -> Result<Cluster> {
        const COMPRESSED: u64 = 1 << 62;
        const ZERO: u64 = 1;
        let bad = |reason: String| Err(Error::damaged(format!("qcow2 cluster {number}"), reason));
        if entry & COMPRESSED != 0 {
            return self.compressed(entry, number);
        }
        let offset = entry & OFFSET;
        if entry & ZERO != 0 {
            if self.version < 3 {
                return bad("flagged as zeros, which version 2 does not have".into());
            }
            return Ok(Cluster::Zero);
        }
        if offset == 0 {
            return Ok(Cluster::Unallocated);
        }
        if !offset.is_multiple_of(1 << self.cluster_bits) {
            return bad(format!("unaligned offset {offset:#x}"));
        }
        Ok(Cluster::Data(offset))
    }

    /// The offset and, above it, the number of further 512-byte sectors.
    fn compressed(&self, entry: u64, number: u64) -> Result<Cluster> {
        let offset_bits = 62 - (self.cluster_bits - 8);
        let offset = entry & ((1 << offset_bits) - 1);
        let sectors = ((entry >> offset_bits) & ((1 << (self.cluster_bits - 8)) - 1)) + 1;
        let len = sectors * 512 - offset % 512;
        if offset >= self.file_len {
            let place = format!("qcow2 cluster {number}");
            return Err(beyond(place, offset, self.file_len));
        }
        // The last sector need not be complete.
        let len = clip(len.min(self.file_len - offset), usize::MAX);
        Ok(Cluster::Compressed { offset, len })
    }
}

/// Something at `offset` that the file is too short for.
pub(super) fn beyond(place: String, offset: u64, file_len: u64) -> Error {
    let reason = format!("it is at byte {offset} of a file that has only {file_len}");
    Error::damaged(place, reason).hint("the image may be truncated: copy or download it again")
}

/// Reads `len` big-endian entries of 8 bytes, after checking that they exist.
fn entries(file: &Raw, offset: u64, len: usize, place: &str) -> Result<Vec<u64>> {
    let size = wide(len).saturating_mul(8);
    if offset.checked_add(size).is_none_or(|end| end > file.len()) {
        return Err(beyond(place.to_owned(), offset, file.len()));
    }
    let mut bytes = vec![0; clip(size, usize::MAX)];
    file.read_at(offset, &mut bytes)?;
    Ok(bytes.chunks_exact(8).map(|entry| be64(entry, 0)).collect())
}
