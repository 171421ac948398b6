//! The boot sector: where the table, the root directory and the data are.
//!
//! Layout: Microsoft, "FAT: General Overview of On-Disk Format", version 1.03.

use crate::bytes::{le16, le32, slice, u8_at};
use crate::{Error, ErrorKind, Result};

/// Length of a boot sector as far as it matters, bytes.
pub(super) const LEN: usize = 512;
/// Above this many clusters, FAT12 is FAT16 (as Linux: MAX_FAT12 in
/// fs/fat/fat.h).
const MAX_FAT12: u64 = 0xff4;
/// Most clusters of FAT32: 28 bits less the reserved values.
const MAX_FAT32: u64 = 0x0fff_fff4;

/// Bits per entry of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Width {
    Twelve,
    Sixteen,
    ThirtyTwo,
}

/// A checked boot sector, all in bytes.
#[derive(Debug)]
pub(super) struct Boot {
    pub width: Width,
    pub cluster_size: u64,
    /// Clusters of data; they are numbered from 2.
    pub clusters: u64,
    /// The table that is in use.
    pub table_start: u64,
    pub table_len: u64,
    /// The root directory of FAT12 and FAT16.
    pub root_start: u64,
    pub root_len: u64,
    /// The root directory of FAT32.
    pub root_cluster: Option<u32>,
    /// Where cluster 2 starts.
    pub data_start: u64,
    /// End of the data area.
    pub end: u64,
    pub serial: u32,
    pub label: Vec<u8>,
}

/// Sizes in sectors as the sector has them.
struct Sizes {
    sector: u64,
    per_cluster: u64,
    reserved: u64,
    tables: u64,
    table: u64,
    root_entries: u64,
    total: u64,
    is_32: bool,
}

impl Sizes {
    fn parse(raw: &[u8]) -> Result<Self> {
        let no = |what: &str| {
            Error::new(ErrorKind::NotThisFormat, "FAT boot sector", format!("impossible {what}"))
        };
        let small_total = u64::from(le16(raw, 0x13));
        let small_table = u64::from(le16(raw, 0x16));
        let total = if small_total != 0 { small_total } else { u64::from(le32(raw, 0x20)) };
        let is_32 = small_table == 0;
        let sizes = Self {
            sector: u64::from(le16(raw, 0x0b)),
            per_cluster: u64::from(u8_at(raw, 0x0d)),
            reserved: u64::from(le16(raw, 0x0e)),
            tables: u64::from(u8_at(raw, 0x10)),
            table: if is_32 { u64::from(le32(raw, 0x24)) } else { small_table },
            root_entries: u64::from(le16(raw, 0x11)),
            total,
            is_32,
        };
        if raw.len() < LEN || !(512..=4096).contains(&sizes.sector) {
            return Err(no("sector size"));
        }
        if !sizes.sector.is_power_of_two() || !sizes.per_cluster.is_power_of_two() {
            return Err(no("sector or cluster size"));
        }
        if sizes.reserved == 0 || sizes.tables == 0 || sizes.table == 0 || total == 0 {
            return Err(no("layout"));
        }
        Ok(sizes)
    }
}

impl Boot {
    /// Checks the first sector of a disk of `disk_len` bytes.
    pub fn parse(raw: &[u8], disk_len: u64) -> Result<Self> {
        let sizes = Sizes::parse(raw)?;
        let bad = |reason: String| Error::damaged("FAT boot sector", reason);
        let sector = sizes.sector;
        // All factors are 32 bits or less: nothing overflows.
        let root_start = (sizes.reserved + sizes.tables * sizes.table) * sector;
        let root_len = (sizes.root_entries * 32).next_multiple_of(sector);
        let data_start = root_start + root_len;
        let end = sizes.total * sector;
        if end > disk_len {
            let reason = format!("it takes {end} bytes, the disk or partition has {disk_len}");
            return Err(bad(reason).hint("the image may be truncated: copy it again"));
        }
        let cluster_size = sizes.per_cluster * sector;
        let clusters = end.saturating_sub(data_start) / cluster_size;
        let width = match clusters {
            _ if sizes.is_32 => Width::ThirtyTwo,
            clusters if clusters > MAX_FAT12 => Width::Sixteen,
            _ => Width::Twelve,
        };
        let fits = match width {
            Width::Twelve => sizes.table * sector * 2 / 3,
            Width::Sixteen => sizes.table * sector / 2,
            Width::ThirtyTwo => (sizes.table * sector / 4).min(MAX_FAT32),
        };
        let clusters = clusters.min(fits.saturating_sub(2));
        if clusters == 0 || data_start >= end {
            return Err(bad("there is no room for data".into()));
        }
        let active = if sizes.is_32 { active_table(raw, sizes.tables) } else { 0 };
        let extended = if sizes.is_32 { 0x42 } else { 0x26 };
        let signed = u8_at(raw, extended) == 0x29;
        let label = if signed { label(slice(raw, extended + 5, 11)) } else { Vec::new() };
        Ok(Self {
            width,
            cluster_size,
            clusters,
            table_start: (sizes.reserved + active * sizes.table) * sector,
            table_len: sizes.table * sector,
            root_start,
            root_len,
            root_cluster: sizes.is_32.then(|| le32(raw, 0x2c)),
            data_start,
            end: data_start + clusters * cluster_size,
            serial: if signed { le32(raw, extended + 1) } else { 0 },
            label,
        })
    }
}

/// Number of the table in use: the first, unless FAT32 has mirroring off.
fn active_table(raw: &[u8], tables: u64) -> u64 {
    let flags = le16(raw, 0x28);
    let active = u64::from(flags & 0xf);
    if flags & 0x80 != 0 && active < tables { active } else { 0 }
}

/// A volume label without its padding; the placeholder means none.
pub(super) fn label(raw: &[u8]) -> Vec<u8> {
    let end = raw.iter().rposition(|&byte| byte != b' ' && byte != 0);
    let label = raw.get(..end.map_or(0, |end| end + 1)).unwrap_or_default();
    if label == b"NO NAME" { Vec::new() } else { label.to_vec() }
}
