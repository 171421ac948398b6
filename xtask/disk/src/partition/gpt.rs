//! GUID partition tables. Layout: UEFI specification, section 5.3.

use super::{Guid, Partition, PartitionKind, Scheme, Table, read_bytes};
use crate::block::BlockRead;
use crate::bytes::{clip, le16, le32, le64, slice};
use crate::crc::{agree, crc32};
use crate::{Error, Result};

/// Largest array of entries that is read, bytes. The usual one has 16 KiB.
const ARRAY_MAX: u64 = 4 << 20;

/// Reads the table by its primary header, or else by its backup.
pub(super) fn read(disk: &dyn BlockRead) -> Result<Table> {
    let mut failures = Vec::new();
    for sector in [512, 4096] {
        match at(disk, sector, 1) {
            Ok(table) => return Ok(with_backup_checked(disk, sector, table)),
            Err(error) => failures.push(error),
        }
    }
    for sector in [512, 4096] {
        let last = (disk.len() / sector).saturating_sub(1);
        if let Ok(mut table) = at(disk, sector, last) {
            let reason = failures.first().map(ToString::to_string).unwrap_or_default();
            table.warnings.push(format!("{reason}; its backup is used"));
            return Ok(table);
        }
    }
    let first = failures.into_iter().next();
    Err(first
        .unwrap_or_else(|| Error::damaged("GPT", "no header"))
        .within("neither header is valid"))
}

fn with_backup_checked(disk: &dyn BlockRead, sector: u64, mut table: Table) -> Table {
    let last = (disk.len() / sector).saturating_sub(1);
    if let Err(error) = at(disk, sector, last) {
        table.warnings.push(format!("the backup at the end of the disk is not valid: {error}"));
    }
    table
}

/// Reads the table whose header is in sector `lba`.
fn at(disk: &dyn BlockRead, sector: u64, lba: u64) -> Result<Table> {
    let place = format!("GPT header in sector {lba}");
    let bad = |reason: String| Error::damaged(&place, reason);
    let offset = lba.saturating_mul(sector);
    let raw = read_bytes(disk, offset, clip(sector, usize::MAX), &place)?;
    if !raw.starts_with(b"EFI PART") {
        return Err(bad("its signature is missing".into()));
    }
    // The checksum covers as many bytes as the header says that it has.
    let len = clip(u64::from(le32(&raw, 0xc)), usize::MAX);
    let mut header = slice(&raw, 0, len).to_vec();
    if len < 92 || header.len() < len {
        return Err(bad(format!("impossible length of {len} bytes")));
    }
    if let Some(checksum) = header.get_mut(0x10..0x14) {
        checksum.fill(0);
    }
    if !agree(crc32(&header), le32(&raw, 0x10)) {
        return Err(bad("its checksum does not match".into()));
    }
    if le64(&raw, 0x18) != lba {
        return Err(bad(format!("it says that it is in sector {}", le64(&raw, 0x18))));
    }
    let entries = entries(disk, sector, &raw, &place)?;
    let disk_id = Guid::from_disk(slice(&raw, 0x38, 16)).to_string();
    Ok(Table { scheme: Scheme::Gpt, disk_id, partitions: entries, warnings: Vec::new() })
}

fn entries(
    disk: &dyn BlockRead,
    sector: u64,
    header: &[u8],
    place: &str,
) -> Result<Vec<Partition>> {
    let (count, size) = (u64::from(le32(header, 0x50)), u64::from(le32(header, 0x54)));
    let len = count.saturating_mul(size);
    if size < 128 || !size.is_multiple_of(8) || len > ARRAY_MAX {
        let reason = format!("impossible array of {count} entries of {size} bytes");
        return Err(Error::damaged(place, reason));
    }
    let offset = le64(header, 0x48).saturating_mul(sector);
    let array = read_bytes(disk, offset, clip(len, usize::MAX), place)?;
    if !agree(crc32(&array), le32(header, 0x58)) {
        return Err(Error::damaged(place, "the checksum of its entries does not match"));
    }
    let chunks = array.chunks(clip(size, usize::MAX));
    let used = (1..).zip(chunks).filter(|(_, raw)| !Guid::from_disk(raw).is_unset());
    used.map(|(number, raw)| entry(number, raw, sector)).collect()
}

fn entry(number: u32, raw: &[u8], sector: u64) -> Result<Partition> {
    let (first, last) = (le64(raw, 32), le64(raw, 40));
    let start = first.checked_mul(sector);
    let len =
        last.checked_sub(first).and_then(|sectors| sectors.checked_add(1)?.checked_mul(sector));
    let (Some(start), Some(len)) = (start, len) else {
        let reason = format!("impossible range of sectors {first} to {last}");
        return Err(Error::damaged(format!("GPT entry {number}"), reason));
    };
    let units: Vec<u16> = (56..128).step_by(2).map(|at| le16(raw, at)).collect();
    let used = units.split(|&unit| unit == 0).next().unwrap_or_default();
    Ok(Partition {
        number,
        start,
        len,
        kind: PartitionKind::Gpt(Guid::from_disk(raw)),
        id: Guid::from_disk(slice(raw, 16, 16)).to_string(),
        name: String::from_utf16_lossy(used),
        attributes: le64(raw, 48),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Synthetic: no tool at hand writes 4096-byte sectors to a plain file.
    #[test]
    fn sectors_of_4096_bytes() {
        let mut disk = vec![0_u8; 64 * 4096];
        let mut put = |at: usize, bytes: &[u8]| disk[at..at + bytes.len()].copy_from_slice(bytes);
        let mut array = vec![0; 128];
        array[..16].fill(7);
        array[32..40].copy_from_slice(&10_u64.to_le_bytes());
        array[40..48].copy_from_slice(&19_u64.to_le_bytes());
        let mut header = vec![0; 92];
        header[..8].copy_from_slice(b"EFI PART");
        header[0xc] = 92;
        header[0x18] = 1;
        header[0x48] = 2;
        header[0x50] = 1;
        header[0x54] = 128;
        header[0x58..0x5c].copy_from_slice(&crc32(&array).to_le_bytes());
        let crc = crc32(&header);
        header[0x10..0x14].copy_from_slice(&crc.to_le_bytes());
        put(4096, &header);
        put(2 * 4096, &array);
        let table = read(&disk).unwrap();
        let [partition] = &table.partitions[..] else { panic!("{table:?}") };
        assert_eq!((partition.start, partition.len), (10 * 4096, 10 * 4096));
        assert_eq!(table.warnings.len(), 1, "no backup");
    }
}
