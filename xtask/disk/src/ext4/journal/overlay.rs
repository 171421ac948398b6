//! A disk with some blocks replaced by newer versions from elsewhere on it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::Result;
use crate::block::{BlockRead, Extent, ExtentKind, check_range};
use crate::bytes::{clip, wide};

/// Where the newer version of a block is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Newer {
    /// Block of the same disk.
    pub block: u64,
    /// Whether the block starts with the journal's magic number, for which
    /// zeros were stored so that the log is not misread.
    pub escaped: bool,
}

/// See the module; only block numbers are held in memory.
pub(super) struct Overlay {
    disk: Arc<dyn BlockRead>,
    block_size: u64,
    newer: BTreeMap<u64, Newer>,
}

impl Overlay {
    /// Shows `newer` blocks in place of those they are keyed by.
    pub fn new(disk: Arc<dyn BlockRead>, block_size: u32, newer: BTreeMap<u64, Newer>) -> Self {
        Self { disk, block_size: u64::from(block_size), newer }
    }

    /// The replacement for the block at `offset`, if any, and where what is
    /// said about it ends.
    fn at(&self, offset: u64) -> (Option<Newer>, u64) {
        let block = offset / self.block_size;
        match self.newer.range(block..).next() {
            Some((&found, &newer)) if found == block => {
                (Some(newer), (block + 1) * self.block_size)
            }
            Some((&found, _)) => (None, found * self.block_size),
            None => (None, u64::MAX),
        }
    }

    fn read_newer(&self, newer: Newer, inside: u64, buf: &mut [u8]) -> Result<()> {
        self.disk.read_at(newer.block * self.block_size + inside, buf)?;
        if newer.escaped {
            let magic = super::MAGIC.to_be_bytes();
            let rest = magic.get(clip(inside, magic.len())..).unwrap_or_default();
            for (to, from) in buf.iter_mut().zip(rest) {
                *to = *from;
            }
        }
        Ok(())
    }
}

impl BlockRead for Overlay {
    fn len(&self) -> u64 {
        self.disk.len()
    }

    fn read_at(&self, mut offset: u64, mut buf: &mut [u8]) -> Result<()> {
        check_range(self.len(), offset, buf.len(), "disk")?;
        while !buf.is_empty() {
            let (newer, until) = self.at(offset);
            let (now, rest) = buf.split_at_mut(clip(until - offset, buf.len()));
            match newer {
                Some(newer) => self.read_newer(newer, offset % self.block_size, now)?,
                None => self.disk.read_at(offset, now)?,
            }
            offset += wide(now.len());
            buf = rest;
        }
        Ok(())
    }

    fn extent_at(&self, offset: u64) -> Result<Extent> {
        check_range(self.len(), offset, 1, "disk")?;
        let (newer, until) = self.at(offset);
        let extent = match newer {
            Some(_) => Extent { len: self.len() - offset, kind: ExtentKind::Data },
            None => self.disk.extent_at(offset)?,
        };
        Ok(Extent { len: extent.len.min(until - offset), ..extent })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newer_blocks_show_in_place_of_old_ones() {
        let disk: Vec<u8> = (0..10).flat_map(|block| [block; 8]).collect();
        let newer = BTreeMap::from([
            (2, Newer { block: 7, escaped: false }),
            (3, Newer { block: 8, escaped: true }),
        ]);
        let overlay = Overlay::new(Arc::new(disk), 8, newer);
        let mut bytes = [0; 24];
        overlay.read_at(12, &mut bytes).unwrap();
        let expected = [&[1; 4][..], &[7; 8], &[0xc0, 0x3b, 0x39, 0x98, 8, 8, 8, 8], &[4; 4]];
        assert_eq!(bytes[..], expected.concat());
        let mut inside = [0; 3];
        overlay.read_at(26, &mut inside).unwrap();
        assert_eq!(inside, [0x39, 0x98, 8]);
        let lens = [12, 16, 20, 30, 32].map(|at| overlay.extent_at(at).unwrap().len);
        assert_eq!(lens, [4, 8, 4, 2, 48]);
        assert!(overlay.read_at(70, &mut bytes).is_err());
    }
}
