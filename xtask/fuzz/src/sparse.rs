//! A small form of a disk that is mostly zeros.
//!
//! Little-endian: length of the disk in sectors (32 bits), count of runs (16
//! bits), for each run its first sector (32 bits) and its sectors (16 bits),
//! then their bytes. What is missing at the end is zeros: any bytes are a disk.

use disk_image::block::{BlockRead, Extent, ExtentKind};
use disk_image::{Error, ErrorKind, Result};

/// Bytes of a sector.
pub const SECTOR: usize = 512;
const HEAD: usize = 6;
const ENTRY: usize = 6;

/// A disk in the small form.
#[derive(Debug)]
pub struct Sparse<'a> {
    len: u64,
    /// First byte on the disk, and the bytes; sorted, not overlapping.
    runs: Vec<(u64, &'a [u8])>,
}

/// Length of the table in front of the content.
#[must_use]
pub fn content_at(bytes: &[u8]) -> usize {
    HEAD + ENTRY * usize::from(u16_at(bytes, 4))
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |b| u16::from_le_bytes(*b))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |b| u32::from_le_bytes(*b))
}

fn wide(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

/// Packs the sectors of `disk` that are not zeros; `None` if there are more of
/// them than the form can say.
#[must_use]
pub fn pack(disk: &[u8]) -> Option<Vec<u8>> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for (number, sector) in disk.chunks(SECTOR).enumerate() {
        if sector.iter().all(|&byte| byte == 0) {
            continue;
        }
        match runs.last_mut() {
            Some((first, count)) if *first + *count == number && *count < 0xffff => *count += 1,
            _ => runs.push((number, 1)),
        }
    }
    let mut packed = u32::try_from(disk.len().div_ceil(SECTOR)).ok()?.to_le_bytes().to_vec();
    packed.extend(u16::try_from(runs.len()).ok()?.to_le_bytes());
    for &(first, count) in &runs {
        packed.extend(u32::try_from(first).ok()?.to_le_bytes());
        packed.extend(u16::try_from(count).ok()?.to_le_bytes());
    }
    for &(first, count) in &runs {
        packed.extend(disk.iter().skip(first * SECTOR).take(count * SECTOR));
    }
    Some(packed)
}

impl<'a> Sparse<'a> {
    /// Any bytes are a disk: runs that overlap earlier ones or reach past the
    /// end are left out.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        let sector = wide(SECTOR);
        let len = u64::from(u32_at(bytes, 0)) * sector;
        let mut rest = bytes.get(content_at(bytes)..).unwrap_or_default();
        let mut runs: Vec<(u64, &[u8])> = Vec::new();
        for index in 0..usize::from(u16_at(bytes, 4)) {
            let entry = HEAD + ENTRY * index;
            let start = u64::from(u32_at(bytes, entry)) * sector;
            let count = usize::from(u16_at(bytes, entry + 4)) * SECTOR;
            let (now, after) = rest.split_at(count.min(rest.len()));
            rest = after;
            let end = runs.last().map_or(0, |(start, bytes)| start + wide(bytes.len()));
            if start >= end && start + wide(now.len()) <= len && !now.is_empty() {
                runs.push((start, now));
            }
        }
        Self { len, runs }
    }

    /// The run around or after `offset`.
    fn find(&self, offset: u64) -> Option<(u64, &'a [u8])> {
        let next = self.runs.partition_point(|(start, bytes)| start + wide(bytes.len()) <= offset);
        self.runs.get(next).copied()
    }
}

/// A disk that owns its bytes.
#[derive(Debug)]
pub struct Disk(pub Vec<u8>);

impl BlockRead for Disk {
    fn len(&self) -> u64 {
        Sparse::new(&self.0).len
    }

    fn read_at(&self, mut offset: u64, mut buf: &mut [u8]) -> Result<()> {
        let sparse = Sparse::new(&self.0);
        if offset.checked_add(wide(buf.len())).is_none_or(|end| end > sparse.len) {
            return Err(Error::new(ErrorKind::Usage, "disk", "past the end"));
        }
        while !buf.is_empty() {
            let (gap, bytes) = match sparse.find(offset) {
                Some((start, bytes)) if start <= offset => {
                    let inside = usize::try_from(offset - start).unwrap_or(usize::MAX);
                    (0, bytes.get(inside..).unwrap_or_default())
                }
                Some((start, _)) => (start - offset, &[][..]),
                None => (u64::MAX, &[][..]),
            };
            let len = usize::try_from(gap).unwrap_or(usize::MAX).max(bytes.len()).min(buf.len());
            let (now, rest) = buf.split_at_mut(len);
            match bytes.get(..len) {
                Some(bytes) => now.copy_from_slice(bytes),
                None => now.fill(0),
            }
            offset += wide(len);
            buf = rest;
        }
        Ok(())
    }

    fn extent_at(&self, offset: u64) -> Result<Extent> {
        let sparse = Sparse::new(&self.0);
        if offset >= sparse.len {
            return Err(Error::new(ErrorKind::Usage, "disk", "past the end"));
        }
        Ok(match sparse.find(offset) {
            Some((start, bytes)) if start <= offset => {
                Extent { len: start + wide(bytes.len()) - offset, kind: ExtentKind::Data }
            }
            Some((start, _)) => Extent { len: start - offset, kind: ExtentKind::Zero },
            None => Extent { len: sparse.len - offset, kind: ExtentKind::Zero },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_packed_reads_the_same() {
        let mut disk = vec![0; 20 * SECTOR];
        for sector in [0, 1, 5, 19] {
            disk[sector * SECTOR + 7] = 1 + u8::try_from(sector).unwrap();
        }
        let packed = pack(&disk).unwrap();
        assert_eq!(packed.len(), HEAD + 3 * ENTRY + 4 * SECTOR);
        let small = Disk(packed);
        let mut read = vec![9; disk.len()];
        small.read_at(0, &mut read).unwrap();
        assert!(read == disk);
        let mut piece = [9; 700];
        small.read_at(1000, &mut piece).unwrap();
        assert_eq!(piece[..], disk[1000..1700]);
        assert!(small.read_at(19 * 512 + 1, &mut [0; 512]).is_err());
        let extents = [0, 1024, 2560, 9000, 9728].map(|at| small.extent_at(at).unwrap().len);
        assert_eq!(extents, [1024, 1536, 512, 728, 512]);
    }

    #[test]
    fn any_bytes_are_a_disk() {
        for bytes in [&[][..], &[255; 5], &[255; 300], &[1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 7]] {
            let disk = Disk(bytes.to_vec());
            let mut sector = [1; 512];
            let read = disk.read_at(0, &mut sector);
            assert_eq!(read.is_ok(), disk.len() > 0);
        }
    }
}
