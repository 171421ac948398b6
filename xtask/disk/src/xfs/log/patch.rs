//! A disk with some sectors replaced by newer ones in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::block::{BlockRead, Extent, ExtentKind, check_range};
use crate::bytes::{clip, wide};
use crate::{Error, Result};

/// Unit of the log, bytes.
pub(super) const SECTOR: usize = 512;
/// Most memory for newer sectors, bytes.
const MAX_BYTES: usize = 96 << 20;

/// See the module.
pub(in crate::xfs) struct Patched {
    disk: Arc<dyn BlockRead>,
    sectors: BTreeMap<u64, Box<[u8; SECTOR]>>,
}

impl Patched {
    /// `disk` as it is.
    pub(super) fn new(disk: Arc<dyn BlockRead>) -> Self {
        Self { disk, sectors: BTreeMap::new() }
    }

    /// How many sectors are newer.
    pub fn count(&self) -> usize {
        self.sectors.len()
    }

    /// Whether any of `len` bytes at `offset` is newer than the disk: its
    /// checksum is then that of an older version.
    pub fn touches(&self, offset: u64, len: u64) -> bool {
        let size = wide(SECTOR);
        let end = offset.saturating_add(len).div_ceil(size);
        self.sectors.range(offset / size..end.max(offset / size)).next().is_some()
    }

    /// Replaces bytes at `offset`.
    pub(super) fn write(&mut self, mut offset: u64, mut bytes: &[u8]) -> Result<()> {
        check_range(self.disk.len(), offset, bytes.len(), "XFS log")
            .map_err(|_| super::damaged("it has something for a place past the end"))?;
        while !bytes.is_empty() {
            let inside = clip(offset % wide(SECTOR), SECTOR);
            let (now, rest) = bytes.split_at(bytes.len().min(SECTOR - inside));
            let sector = self.sector(offset / wide(SECTOR))?;
            if let Some(place) = sector.get_mut(inside..inside + now.len()) {
                place.copy_from_slice(now);
            }
            offset += wide(now.len());
            bytes = rest;
        }
        Ok(())
    }

    fn sector(&mut self, number: u64) -> Result<&mut [u8; SECTOR]> {
        if self.sectors.len() * SECTOR > MAX_BYTES {
            let reason = format!("it changes more than {MAX_BYTES} bytes of the disk");
            return Err(Error::unsupported(super::PLACE, reason).hint(super::LET_KERNEL));
        }
        let slot = match self.sectors.entry(number) {
            std::collections::btree_map::Entry::Occupied(slot) => return Ok(slot.into_mut()),
            std::collections::btree_map::Entry::Vacant(slot) => slot,
        };
        let mut sector = Box::new([0; SECTOR]);
        let start = number * wide(SECTOR);
        let len = clip(self.disk.len() - start, SECTOR);
        self.disk.read_at(start, sector.get_mut(..len).unwrap_or_default())?;
        Ok(slot.insert(sector))
    }
}

impl BlockRead for Patched {
    fn len(&self) -> u64 {
        self.disk.len()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        self.disk.read_at(offset, buf)?;
        let size = wide(SECTOR);
        let end = offset + wide(buf.len());
        for (number, sector) in self.sectors.range(offset / size..end.div_ceil(size)) {
            let start = number * size;
            let (from, to) = (start.max(offset), (start + size).min(end));
            let source = sector.get(clip(from - start, SECTOR)..clip(to - start, SECTOR));
            let target =
                buf.get_mut(clip(from - offset, usize::MAX)..clip(to - offset, usize::MAX));
            if let (Some(source), Some(target)) = (source, target) {
                target.copy_from_slice(source);
            }
        }
        Ok(())
    }

    fn extent_at(&self, offset: u64) -> Result<Extent> {
        check_range(self.len(), offset, 1, "disk")?;
        let size = wide(SECTOR);
        match self.sectors.range(offset / size..).next() {
            Some((&found, _)) if found == offset / size => {
                let len = ((found + 1) * size).min(self.len()) - offset;
                Ok(Extent { len, kind: ExtentKind::Data })
            }
            Some((&found, _)) => {
                let extent = self.disk.extent_at(offset)?;
                Ok(Extent { len: extent.len.min(found * size - offset), ..extent })
            }
            None => self.disk.extent_at(offset),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newer_bytes_show_in_place_of_old_ones() {
        let disk: Vec<u8> = vec![1; 5 * SECTOR];
        let mut patched = Patched::new(Arc::new(disk));
        patched.write(700, &[2; 400]).unwrap();
        patched.write(2048, &[3; 10]).unwrap();
        assert!(patched.write(2560, &[3]).is_err());
        assert_eq!(patched.count(), 3);
        let mut bytes = vec![0; 2000];
        patched.read_at(100, &mut bytes).unwrap();
        let expected = [&[1; 600][..], &[2; 400], &[1; 948], &[3; 10], &[1; 42]].concat();
        assert!(bytes == expected);
        let touched = [(0, 512), (500, 20), (512, 1), (1535, 1), (1536, 512), (2058, 1)];
        let touched = touched.map(|(at, len)| patched.touches(at, len));
        assert_eq!(touched, [false, true, true, true, false, true]);
        let lens = [0, 600, 1536, 2100].map(|at| patched.extent_at(at).unwrap().len);
        assert_eq!(lens, [512, 424, 512, 460]);
    }
}
