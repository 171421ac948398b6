//! Master boot records, with logical partitions.

use super::{Partition, PartitionKind, Scheme, Table, read_bytes};
use crate::block::BlockRead;
use crate::bytes::{le16, le32, slice, u8_at};
use crate::{Error, Result};

/// MBRs count in these, bytes.
pub(super) const SECTOR: usize = 512;
const SECTOR_LEN: u64 = 512;
/// Offset of the four entries, each of 16 bytes.
const ENTRIES: usize = 446;
/// Type of the entry that stands for a GPT.
const GPT: u8 = 0xee;
/// Most logical partitions that are followed; Linux has minors for fewer.
const LOGICAL_MAX: u32 = 256;

/// One entry; empty ones have type 0.
#[derive(Debug, Clone, Copy)]
struct Slot {
    status: u8,
    kind: u8,
    start: u64,
    sectors: u64,
}

impl Slot {
    fn is_used(&self) -> bool {
        self.kind != 0 && self.sectors != 0
    }

    fn is_extended(&self) -> bool {
        // 0x05 CHS, 0x0f LBA, 0x85 Linux.
        matches!(self.kind, 0x05 | 0x0f | 0x85)
    }
}

/// The first sector of a disk, or of a logical partition's envelope.
#[derive(Debug)]
pub(super) struct Record {
    signature: u32,
    slots: [Slot; 4],
}

impl Record {
    /// `None` without the closing 0x55 0xaa.
    pub fn parse(sector: &[u8]) -> Option<Self> {
        let slot = |index: usize| {
            let raw = slice(sector, ENTRIES + index * 16, 16);
            Slot {
                status: u8_at(raw, 0),
                kind: u8_at(raw, 4),
                start: u64::from(le32(raw, 8)),
                sectors: u64::from(le32(raw, 12)),
            }
        };
        let slots = [0, 1, 2, 3].map(slot);
        (le16(sector, 510) == 0xaa55).then_some(Self { signature: le32(sector, 440), slots })
    }

    /// Whether the disk has a GPT, alone or with an MBR beside it (hybrid).
    pub fn announces_gpt(&self) -> bool {
        self.slots.iter().any(|slot| slot.kind == GPT)
    }

    /// Whether this is a table at all: the boot sector of a FAT file system
    /// ends in the same two bytes, but has code where the entries would be.
    pub fn is_plausible(&self, disk_len: u64) -> bool {
        let fits = |slot: &Slot| slot.start > 0 && slot.start * SECTOR_LEN < disk_len;
        self.slots.iter().all(|slot| matches!(slot.status, 0 | 0x80))
            && self.slots.iter().any(Slot::is_used)
            && self.slots.iter().all(|slot| !slot.is_used() || fits(slot))
    }
}

/// The primary and logical partitions that `record` leads to.
pub(super) fn read(disk: &dyn BlockRead, record: &Record) -> Result<Table> {
    let signature = record.signature;
    let mut partitions = Vec::new();
    let mut next_logical = 5;
    for (number, slot) in (1..).zip(&record.slots) {
        if slot.is_extended() && slot.is_used() {
            logical(disk, slot.start, signature, &mut next_logical, &mut partitions)?;
        } else if slot.is_used() {
            partitions.push(partition(number, slot, slot.start, signature));
        }
    }
    partitions.sort_by_key(|partition| partition.number);
    let disk_id = format!("{signature:08x}");
    Ok(Table { scheme: Scheme::Mbr, disk_id, partitions, warnings: Vec::new() })
}

/// Follows the chain of envelopes: each has one logical partition, relative
/// to itself, and a link to the next, relative to the extended partition.
fn logical(
    disk: &dyn BlockRead,
    extended: u64,
    signature: u32,
    next: &mut u32,
    partitions: &mut Vec<Partition>,
) -> Result<()> {
    let mut at = extended;
    // The chain may run in any order, but not for ever.
    for _ in 0..LOGICAL_MAX {
        let place = format!("extended partition, sector {at}");
        let sector = read_bytes(disk, at * SECTOR_LEN, SECTOR, &place)?;
        let Some(record) = Record::parse(&sector) else {
            return Err(Error::damaged(place, "its signature is missing"));
        };
        for slot in record.slots.iter().filter(|slot| slot.is_used() && !slot.is_extended()) {
            partitions.push(partition(*next, slot, at + slot.start, signature));
            *next += 1;
        }
        let link = record.slots.iter().find(|slot| slot.is_used() && slot.is_extended());
        let Some(link) = link else { return Ok(()) };
        at = extended + link.start;
    }
    Err(Error::damaged("extended partition", "the chain of logical partitions does not end"))
}

fn partition(number: u32, slot: &Slot, start: u64, signature: u32) -> Partition {
    Partition {
        number,
        start: start * SECTOR_LEN,
        len: slot.sectors * SECTOR_LEN,
        kind: PartitionKind::Mbr(slot.kind),
        id: format!("{signature:08x}-{number:02x}"),
        name: String::new(),
        attributes: if slot.status == 0x80 { 1 << 2 } else { 0 },
    }
}
