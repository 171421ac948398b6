//! Files as runs of blocks on the disk.

use crate::Result;
use crate::block::BlockRead;
use crate::bytes::{clip, wide};
use crate::fs::FileExtent;

/// A run of blocks of a file, in units of the file system's block size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    /// First block within the file.
    pub logical: u64,
    /// First block on the disk, checked to be inside the file system.
    pub physical: u64,
    /// Blocks, at least 1.
    pub len: u64,
    /// Whether it was written. If not it reads as zeros, whatever is on the
    /// disk: those bytes belong to a deleted file.
    pub written: bool,
}

/// The stored bytes of a file of `size` bytes, see
/// [`crate::fs::FileSystem::extents`].
pub(crate) fn extents(runs: &[Run], block_size: u64, size: u64) -> Vec<FileExtent> {
    let mut extents: Vec<FileExtent> = Vec::new();
    for run in runs.iter().filter(|run| run.written) {
        let offset = run.logical.saturating_mul(block_size);
        // Blocks beyond the end are preallocated.
        let end = offset.saturating_add(run.len.saturating_mul(block_size)).min(size);
        if offset >= end {
            break;
        }
        match extents.last_mut() {
            Some(last) if last.offset + last.len == offset => last.len = end - last.offset,
            _ => extents.push(FileExtent { offset, len: end - offset }),
        }
    }
    extents
}

/// Where the blocks of runs are on a disk.
#[derive(Clone, Copy)]
pub(crate) struct Blocks<'a> {
    /// The disk.
    pub disk: &'a dyn BlockRead,
    /// Byte at which block 0 starts.
    pub base: u64,
    /// Bytes per block.
    pub size: u64,
}

impl Blocks<'_> {
    /// Fills `buf` with content from `offset` (bytes); what no written run
    /// covers is zeros. The runs are in file order and do not overlap.
    pub(crate) fn read(self, runs: &[Run], mut offset: u64, mut buf: &mut [u8]) -> Result<()> {
        let end_of = |run: &Run| run.logical.saturating_add(run.len).saturating_mul(self.size);
        let mut next = runs.partition_point(|run| end_of(run) <= offset);
        while !buf.is_empty() {
            let run = runs.get(next);
            let start = run.map_or(u64::MAX, |run| run.logical.saturating_mul(self.size));
            let (until, inside) = match run {
                Some(run) if start <= offset => (end_of(run), run.written),
                _ => (start, false),
            };
            let (now, rest) = buf.split_at_mut(clip(until - offset, buf.len()));
            match run.filter(|_| inside) {
                Some(run) => {
                    let physical = self.base + run.physical * self.size + (offset - start);
                    let place = || format!("file content at block {}", run.physical);
                    self.disk.read_at(physical, now).map_err(|error| error.within(place()))?;
                }
                None => now.fill(0),
            }
            offset += wide(now.len());
            next += usize::from(start < until && offset == until);
            buf = rest;
        }
        Ok(())
    }
}
