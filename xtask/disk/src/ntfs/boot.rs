//! The boot sector: sizes, and where the master file table starts.
//!
//! Layout: `struct NTFS_BOOT` in fs/ntfs3/ntfs.h of Linux.

use crate::bytes::{le16, le64, u8_at};
use crate::{Error, ErrorKind, Result};

/// Length of a boot sector, bytes.
pub(super) const LEN: usize = 512;
/// Largest cluster that Windows makes, bytes.
const MAX_CLUSTER: u64 = 2 << 20;
/// Largest file record, bytes; Windows makes 1024 or 4096.
const MAX_RECORD: u64 = 64 << 10;

/// A checked boot sector.
#[derive(Debug, Clone, Copy)]
pub(super) struct Boot {
    /// Bytes per sector, the unit of the checks in records.
    pub sector: u64,
    /// Bytes per cluster.
    pub cluster: u64,
    /// Clusters of the volume.
    pub clusters: u64,
    /// First cluster of the master file table.
    pub mft: u64,
    /// Bytes per file record.
    pub record: u64,
    /// Serial number.
    pub serial: u64,
}

impl Boot {
    /// Checks the first sector of a disk of `disk_len` bytes.
    pub fn parse(raw: &[u8], disk_len: u64) -> Result<Self> {
        let bad = |reason: String| Error::damaged("NTFS boot sector", reason);
        if raw.get(3..11) != Some(b"NTFS    ") {
            return Err(Error::new(ErrorKind::NotThisFormat, "NTFS boot sector", "no signature"));
        }
        let sector = u64::from(le16(raw, 0x0b));
        if !(256..=4096).contains(&sector) || !sector.is_power_of_two() {
            return Err(bad(format!("impossible sector size {sector}")));
        }
        let cluster = match u8_at(raw, 0x0d) {
            count @ 1..=128 => u64::from(count) * sector,
            // Above 128 it is a negative power of two.
            power => sector << (256 - u32::from(power)).min(32),
        };
        if !cluster.is_power_of_two() || cluster > MAX_CLUSTER {
            return Err(bad(format!("impossible cluster size {cluster}")));
        }
        let record = match u8_at(raw, 0x40) {
            count @ 1..=127 => u64::from(count) * cluster,
            power => 1 << (256 - u32::from(power)).min(32),
        };
        if !(512..=MAX_RECORD).contains(&record) || !record.is_power_of_two() || record < sector {
            return Err(bad(format!("impossible size {record} of a file record")));
        }
        let size = le64(raw, 0x28).saturating_mul(sector);
        if size > disk_len {
            let reason = format!("it takes {size} bytes, the disk or partition has {disk_len}");
            return Err(bad(reason).hint("the image may be truncated: copy it again"));
        }
        let (clusters, mft) = (size / cluster, le64(raw, 0x30));
        if mft == 0 || mft >= clusters {
            return Err(bad(format!("the file table at cluster {mft} is outside of the volume")));
        }
        Ok(Self { sector, cluster, clusters, mft, record, serial: le64(raw, 0x48) })
    }
}
