//! Partition tables: GPT and MBR, with 512-byte or (GPT) 4096-byte sectors.

mod gpt;
mod mbr;

use std::fmt;
use std::sync::Arc;

use crate::block::{BlockRead, Window};
use crate::bytes::{clip, uuid_text};
use crate::{Error, Result};

/// A globally unique identifier in GPT's order on disk: the first three
/// groups little-endian. Displays in lower case, as `blkid` does.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Guid([u8; 16]);

impl Guid {
    /// Type of an EFI system partition.
    pub const EFI_SYSTEM: Self = Self::of(0xc12a_7328, 0xf81f, 0x11d2, 0xba4b_00a0_c93e_c93b);
    /// Type of the partition that holds GRUB's core image on BIOS machines.
    pub const BIOS_BOOT: Self = Self::of(0x2168_6148, 0x6449, 0x6e6f, 0x744e_6565_6445_4649);
    /// Type of a Linux file system of no particular purpose.
    pub const LINUX: Self = Self::of(0x0fc6_3daf, 0x8483, 0x4772, 0x8e79_3d69_d847_7de4);
    /// Type of the root file system of an amd64 system.
    pub const ROOT_X86_64: Self = Self::of(0x4f68_bce3, 0xe8cd, 0x4db1, 0x96e7_fbca_f984_b709);
    /// Type of the root file system of an arm64 system.
    pub const ROOT_ARM64: Self = Self::of(0xb921_b045, 0x1df0, 0x41c3, 0xaf44_4c6f_280d_3fae);
    /// Type of an extended boot loader partition: `/boot`.
    pub const XBOOTLDR: Self = Self::of(0xbc13_c2ff, 0x59e6, 0x4262, 0xa352_b275_fd6f_7172);
    /// Type of a physical volume of LVM.
    pub const LVM: Self = Self::of(0xe6d6_d379, 0xf507, 0x44c2, 0xa23c_238f_2a3d_f928);
    /// Type of swap space.
    pub const SWAP: Self = Self::of(0x0657_fd6d, 0xa4ab, 0x43c4, 0x84e5_0933_c84b_4f4f);

    const fn of(a: u32, b: u16, c: u16, rest: u64) -> Self {
        let ([a0, a1, a2, a3], [b0, b1], [c0, c1]) =
            (a.to_le_bytes(), b.to_le_bytes(), c.to_le_bytes());
        let [d, e, f, g, h, i, j, k] = rest.to_be_bytes();
        Self([a0, a1, a2, a3, b0, b1, c0, c1, d, e, f, g, h, i, j, k])
    }

    fn from_disk(bytes: &[u8]) -> Self {
        Self(bytes.first_chunk().copied().unwrap_or_default())
    }

    fn is_unset(&self) -> bool {
        self.0 == [0; 16]
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g, h, i, rest @ ..] = self.0;
        let mut bytes = [d, c, b, a, g, e, i, h].to_vec();
        bytes.extend(rest);
        f.write_str(&uuid_text(&bytes))
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a partition says it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartitionKind {
    /// Type GUID of a GPT entry.
    Gpt(Guid),
    /// Type byte of an MBR entry: 0x83 Linux, 0xef EFI system, 0x8e LVM.
    Mbr(u8),
}

/// One partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// Number as in `/dev/sda1`: 1 and up; logical ones of an MBR from 5.
    pub number: u32,
    /// First byte on the disk.
    pub start: u64,
    /// Length in bytes. Whether it fits the disk shows when it is opened.
    pub len: u64,
    /// What it says it is for.
    pub kind: PartitionKind,
    /// Identity as in `PARTUUID=`: a GUID, or disk signature and number.
    pub id: String,
    /// Name of a GPT entry, else empty.
    pub name: String,
    /// GPT attribute bits (bit 2: legacy BIOS bootable); bit 2 also stands
    /// for the active flag of an MBR entry.
    pub attributes: u64,
}

impl Partition {
    /// The partition as a disk of its own.
    pub fn open(&self, disk: &Arc<dyn BlockRead>) -> Result<Window> {
        Window::new(Arc::clone(disk), self.start, self.len)
            .map_err(|error| error.within(format!("partition {}", self.number)))
    }

    /// Whether firmware looks for boot loaders here.
    pub fn is_efi_system(&self) -> bool {
        matches!(self.kind, PartitionKind::Gpt(Guid::EFI_SYSTEM) | PartitionKind::Mbr(0xef))
    }
}

/// The format of a partition table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// GUID partition table.
    Gpt,
    /// Master boot record.
    Mbr,
}

/// A partition table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its format.
    pub scheme: Scheme,
    /// Identity of the disk: GUID, or the eight digits of the MBR signature.
    pub disk_id: String,
    /// The partitions, by number.
    pub partitions: Vec<Partition>,
    /// What was wrong but could be worked around, each a sentence to show.
    pub warnings: Vec<String>,
}

/// Reads the partition table of `disk`; `None` if it has none, as a disk that
/// is a file system from its first byte on.
///
/// A GPT counts only if the MBR announces it, as for the kernel: a disk
/// repartitioned with MBR tools may still carry the old one.
pub fn read(disk: &dyn BlockRead) -> Result<Option<Table>> {
    let mut sector = vec![0; clip(disk.len(), mbr::SECTOR)];
    disk.read_at(0, &mut sector)?;
    match mbr::Record::parse(&sector) {
        None => Ok(None),
        Some(record) if record.announces_gpt() => gpt::read(disk).map(Some),
        Some(record) if record.is_plausible(disk.len()) => mbr::read(disk, &record).map(Some),
        Some(_) => Ok(None),
    }
}

/// Reads `len` bytes at `offset`, or says that the disk ends before.
fn read_bytes(disk: &dyn BlockRead, offset: u64, len: usize, place: &str) -> Result<Vec<u8>> {
    let mut bytes = vec![0; len];
    disk.read_at(offset, &mut bytes).map_err(|error: Error| error.within(place))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guids_as_sfdisk_lists_them() {
        // `sfdisk --label gpt --list-types` of util-linux 2.38.
        for (guid, text) in [
            (Guid::EFI_SYSTEM, "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"),
            (Guid::BIOS_BOOT, "21686148-6449-6e6f-744e-656564454649"),
            (Guid::LINUX, "0fc63daf-8483-4772-8e79-3d69d8477de4"),
            (Guid::ROOT_X86_64, "4f68bce3-e8cd-4db1-96e7-fbcaf984b709"),
            (Guid::ROOT_ARM64, "b921b045-1df0-41c3-af44-4c6f280d3fae"),
            (Guid::XBOOTLDR, "bc13c2ff-59e6-4262-a352-b275fd6f7172"),
            (Guid::LVM, "e6d6d379-f507-44c2-a23c-238f2a3df928"),
            (Guid::SWAP, "0657fd6d-a4ab-43c4-84e5-0933c84b4f4f"),
        ] {
            assert_eq!(guid.to_string(), text);
        }
    }

    #[test]
    fn a_file_system_without_a_table_is_none() {
        for disk in [vec![], vec![0; 100], vec![0; 4096]] {
            assert_eq!(read(&disk).unwrap(), None);
        }
    }
}
