//! Chains of clusters in the allocation table.

use super::boot::{Boot, Width};
use crate::bytes::{le16, le32, wide};
use crate::metadata::Metadata;
use crate::runs::Run;
use crate::{Error, Result};

/// Most runs one file may have; more is hostile.
const MAX_RUNS: usize = 1 << 20;

/// The allocation table.
pub(super) struct Table<'a> {
    pub metadata: &'a Metadata,
    pub boot: &'a Boot,
}

impl Table<'_> {
    /// The clusters from `first` on as runs, at most `limit` of them: a file
    /// may have more than its size needs, and a damaged chain may loop.
    pub fn runs(&self, first: u32, limit: u64) -> Result<Vec<Run>> {
        let mut runs: Vec<Run> = Vec::new();
        let mut next = Some(first);
        let mut count = 0;
        let pieces = |runs: &[Run]| match runs.len() {
            MAX_RUNS.. => Err(bad("a chain with too many pieces")),
            _ => Ok(()),
        };
        while let Some(cluster) = next.filter(|_| count < limit) {
            let physical = self.index(cluster)?;
            match runs.last_mut() {
                Some(last) if last.physical + last.len == physical => last.len += 1,
                _ => {
                    pieces(&runs)?;
                    runs.push(Run { logical: count, physical, len: 1, written: true });
                }
            }
            count += 1;
            if count > self.boot.clusters {
                return Err(bad("a chain of clusters runs in a circle"));
            }
            next = self.next(cluster)?;
        }
        Ok(runs)
    }

    /// Position of a cluster in the data area.
    fn index(&self, cluster: u32) -> Result<u64> {
        let index = u64::from(cluster).checked_sub(2);
        index.filter(|&index| index < self.boot.clusters).ok_or_else(|| {
            bad(&format!("cluster {cluster} is outside of the {} there are", self.boot.clusters))
        })
    }

    /// The cluster after `cluster`, `None` at the end.
    fn next(&self, cluster: u32) -> Result<Option<u32>> {
        let (value, end) = match self.boot.width {
            Width::Twelve => {
                let raw = le16(&self.bytes::<2>(u64::from(cluster) * 3 / 2)?, 0);
                (u32::from(if cluster.is_multiple_of(2) { raw & 0xfff } else { raw >> 4 }), 0xff8)
            }
            Width::Sixteen => {
                (u32::from(le16(&self.bytes::<2>(u64::from(cluster) * 2)?, 0)), 0xfff8)
            }
            Width::ThirtyTwo => {
                (le32(&self.bytes::<4>(u64::from(cluster) * 4)?, 0) & 0x0fff_ffff, 0x0fff_fff8)
            }
        };
        Ok((value < end).then_some(value))
    }

    fn bytes<const N: usize>(&self, offset: u64) -> Result<[u8; N]> {
        if offset + wide(N) > self.boot.table_len {
            return Err(bad("an entry lies past the end of the table"));
        }
        let mut bytes = [0; N];
        self.metadata.read(self.boot.table_start + offset, &mut bytes)?;
        Ok(bytes)
    }
}

fn bad(reason: &str) -> Error {
    Error::damaged("FAT", reason)
}
