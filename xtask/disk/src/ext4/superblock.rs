//! The superblock: geometry, features, identity.
//!
//! Layout and feature bits: "Super Block" in the kernel's documentation of
//! ext4 (Documentation/filesystems/ext4/super.rst).

use crate::bytes::{join32, le16, le32, slice, u8_at, uuid_text};
use crate::crc::{agree, crc32c};
use crate::{Error, ErrorKind, Result};

/// Offset of the superblock from the start of the partition, bytes.
pub(super) const OFFSET: u64 = 1024;
/// Length of the superblock, bytes.
pub(super) const LEN: usize = 1024;
const MAGIC: u16 = 0xef53;
const PLACE: &str = "ext4 superblock";

/// Compatible features: may be ignored by a reader.
const COMPAT_HAS_JOURNAL: u32 = 0x4;
const COMPAT_SPARSE_SUPER2: u32 = 0x200;

/// Incompatible features: a reader must know each one.
mod incompat {
    pub const FILETYPE: u32 = 0x2;
    pub const RECOVER: u32 = 0x4;
    pub const JOURNAL_DEV: u32 = 0x8;
    pub const META_BG: u32 = 0x10;
    pub const EXTENTS: u32 = 0x40;
    pub const BIT64: u32 = 0x80;
    pub const MMP: u32 = 0x100;
    pub const FLEX_BG: u32 = 0x200;
    pub const EA_INODE: u32 = 0x400;
    pub const CSUM_SEED: u32 = 0x2000;
    pub const LARGEDIR: u32 = 0x4000;
    pub const INLINE_DATA: u32 = 0x8000;
    pub const ENCRYPT: u32 = 0x1_0000;
    pub const CASEFOLD: u32 = 0x2_0000;
    /// What this reader knows. Encryption and casefolding are per directory:
    /// a file system may have the feature and no such directory.
    pub const KNOWN: u32 = FILETYPE
        | RECOVER
        | META_BG
        | EXTENTS
        | BIT64
        | MMP
        | FLEX_BG
        | EA_INODE
        | CSUM_SEED
        | LARGEDIR
        | INLINE_DATA
        | ENCRYPT
        | CASEFOLD;
    /// Names of those it does not, and of two that name other things.
    pub const REFUSED: [(u32, &str); 3] =
        [(0x1, "compression"), (JOURNAL_DEV, "journal device"), (0x1000, "dirdata")];
    /// Those that ext2 and ext3 have.
    pub const EXT3: u32 = FILETYPE | RECOVER | META_BG;
}

/// Features that forbid writing only: a reader may ignore unknown ones.
mod ro_compat {
    pub const SPARSE_SUPER: u32 = 0x1;
    pub const GDT_CSUM: u32 = 0x10;
    pub const BIGALLOC: u32 = 0x200;
    pub const METADATA_CSUM: u32 = 0x400;
    /// Those that ext2 and ext3 have: sparse_super, large_file, btree_dir.
    pub const EXT3: u32 = 0x7;
}

/// How metadata is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Checksums {
    /// No checksums.
    None,
    /// CRC-16 over group descriptors only (`uninit_bg`).
    GroupCrc16,
    /// CRC-32C over all metadata; the seed is derived from the UUID.
    Crc32c {
        /// Initial value for everything but the superblock.
        seed: u32,
    },
}

/// The parts of the superblock that a reader needs, checked.
#[derive(Debug, Clone)]
pub(super) struct Superblock {
    /// Bytes per block, a power of two from 1024 to 65536.
    pub block_size: u32,
    /// Blocks of the file system.
    pub blocks: u64,
    /// Inodes; valid numbers are 1 to this.
    pub inodes: u32,
    /// Block that group 0 starts at: 1 with 1 KiB blocks, else 0.
    pub first_data_block: u32,
    /// Blocks per group.
    pub blocks_per_group: u32,
    /// Inodes per group.
    pub inodes_per_group: u32,
    /// Bytes per inode.
    pub inode_size: u16,
    /// Bytes per group descriptor, 32 to 1024.
    pub descriptor_size: u16,
    /// Group descriptor blocks before the meta_bg layout starts;
    /// `None` without that feature.
    pub first_meta_bg: Option<u32>,
    /// How metadata is protected.
    pub checksums: Checksums,
    /// Raw UUID.
    pub uuid: [u8; 16],
    /// Volume label.
    pub label: Vec<u8>,
    /// Inode of the journal, 0 if there is none inside.
    pub journal_inode: u32,
    compat: u32,
    incompat: u32,
    ro_compat: u32,
    backup_groups: [u32; 2],
}

impl Superblock {
    /// Parses and checks the 1024 bytes; `disk_len` is the partition's size.
    pub fn parse(raw: &[u8], disk_len: u64) -> Result<Self> {
        if le16(raw, 0x38) != MAGIC {
            return Err(Error::new(
                ErrorKind::NotThisFormat,
                PLACE,
                "no ext2, ext3 or ext4 magic number",
            ));
        }
        let sb = Self::fields(raw)?;
        sb.check_features()?;
        sb.check_checksum(raw)?;
        sb.check_geometry(disk_len)?;
        Ok(sb)
    }

    fn fields(raw: &[u8]) -> Result<Self> {
        let log_block_size = le32(raw, 0x18);
        if log_block_size > 6 {
            let reason = format!("block size 2^{log_block_size} KiB is over the limit of 64 KiB");
            return Err(Error::damaged(PLACE, reason));
        }
        let (compat, incompat, ro_compat) = (le32(raw, 0x5c), le32(raw, 0x60), le32(raw, 0x64));
        let wide = incompat & incompat::BIT64 != 0;
        // Revision 0 predates the fields from 0x54 on.
        let inode_size = if le32(raw, 0x4c) == 0 { 128 } else { le16(raw, 0x58) };
        let mut uuid = [0; 16];
        uuid.copy_from_slice(raw.get(0x68..0x78).unwrap_or(&[0; 16]));
        let label = slice(raw, 0x78, 16).split(|&byte| byte == 0).next().unwrap_or_default();
        Ok(Self {
            block_size: 1024 << log_block_size,
            blocks: join32(if wide { le32(raw, 0x150) } else { 0 }, le32(raw, 0x4)),
            inodes: le32(raw, 0x0),
            first_data_block: le32(raw, 0x14),
            blocks_per_group: le32(raw, 0x20),
            inodes_per_group: le32(raw, 0x28),
            inode_size,
            descriptor_size: if wide { le16(raw, 0xfe) } else { 32 },
            first_meta_bg: (incompat & incompat::META_BG != 0).then(|| le32(raw, 0x104)),
            checksums: checksums(raw, incompat, ro_compat, &uuid)?,
            uuid,
            label: label.to_vec(),
            journal_inode: le32(raw, 0xe0),
            compat,
            incompat,
            ro_compat,
            backup_groups: [le32(raw, 0x24c), le32(raw, 0x250)],
        })
    }

    fn check_features(&self) -> Result<()> {
        for (bit, name) in incompat::REFUSED {
            if self.incompat & bit != 0 {
                let reason = format!("the feature `{name}` is not supported");
                return Err(Error::unsupported(PLACE, reason));
            }
        }
        let unknown = self.incompat & !incompat::KNOWN;
        if unknown != 0 {
            let reason = format!("unknown incompatible features {unknown:#x}");
            return Err(Error::unsupported(PLACE, reason));
        }
        Ok(())
    }

    fn check_checksum(&self, raw: &[u8]) -> Result<()> {
        let Checksums::Crc32c { .. } = self.checksums else { return Ok(()) };
        if agree(crc32c(u32::MAX, slice(raw, 0, 0x3fc)), le32(raw, 0x3fc)) {
            return Ok(());
        }
        Err(Error::damaged(PLACE, "its checksum does not match")
            .hint("`e2fsck` can restore it from a backup"))
    }

    fn check_geometry(&self, disk_len: u64) -> Result<()> {
        let bits = u64::from(self.block_size) * 8;
        let wide = self.incompat & incompat::BIT64 != 0;
        let descriptor_sizes = if wide { 64..=1024 } else { 32..=32 };
        // A bitmap block counts clusters with bigalloc, so a group may be larger.
        let group_limit = if self.ro_compat & ro_compat::BIGALLOC != 0 { u64::MAX } else { bits };
        let sane = [
            ("block count", self.blocks > u64::from(self.first_data_block)),
            ("first data block", self.first_data_block <= 1),
            ("blocks per group", (1..=group_limit).contains(&u64::from(self.blocks_per_group))),
            ("inodes per group", (1..=bits).contains(&u64::from(self.inodes_per_group))),
            ("inode count", u64::from(self.inodes) <= self.groups() * bits),
            (
                "inode size",
                self.inode_size.is_power_of_two()
                    && (128..=self.block_size).contains(&u32::from(self.inode_size)),
            ),
            (
                "group descriptor size",
                self.descriptor_size.is_power_of_two()
                    && descriptor_sizes.contains(&self.descriptor_size),
            ),
        ];
        if let Some((name, _)) = sane.iter().find(|(_, sane)| !sane) {
            return Err(Error::damaged(PLACE, format!("impossible {name}")));
        }
        let Some(size) = self.blocks.checked_mul(u64::from(self.block_size)) else {
            return Err(Error::damaged(PLACE, "impossible block count"));
        };
        if size > disk_len {
            let reason =
                format!("the file system is {size} bytes long, its partition only {disk_len}");
            return Err(Error::damaged(PLACE, reason)
                .hint("the disk image may be truncated: copy or download it again"));
        }
        Ok(())
    }

    /// Number of block groups.
    pub fn groups(&self) -> u64 {
        let blocks = self.blocks.saturating_sub(u64::from(self.first_data_block));
        blocks.div_ceil(u64::from(self.blocks_per_group.max(1)))
    }

    /// Whether directory entries carry a file type, so that names have 8-bit lengths.
    pub fn has_file_types(&self) -> bool {
        self.incompat & incompat::FILETYPE != 0
    }

    /// Whether directories may have more than 4 GiB, see `Inode`.
    pub fn has_large_dirs(&self) -> bool {
        self.incompat & incompat::LARGEDIR != 0
    }

    /// Whether the journal holds changes that the file system lacks.
    pub fn needs_recovery(&self) -> bool {
        self.compat & COMPAT_HAS_JOURNAL != 0 && self.incompat & incompat::RECOVER != 0
    }

    /// Whether `group` starts with a copy of the superblock.
    pub fn has_super(&self, group: u64) -> bool {
        if group == 0 {
            return true;
        }
        if self.compat & COMPAT_SPARSE_SUPER2 != 0 {
            return self.backup_groups.iter().any(|&backup| u64::from(backup) == group);
        }
        if group == 1 || self.ro_compat & ro_compat::SPARSE_SUPER == 0 {
            return true;
        }
        [3, 5, 7].iter().any(|&base| {
            let mut power = base;
            while power < group {
                power = power.saturating_mul(base);
            }
            power == group
        })
    }

    /// The name of the oldest member of the family that can mount this.
    pub fn kind_name(&self) -> &'static str {
        let ext4 = self.incompat & !incompat::EXT3 != 0 || self.ro_compat & !ro_compat::EXT3 != 0;
        match (ext4, self.compat & COMPAT_HAS_JOURNAL != 0) {
            (true, _) => "ext4",
            (false, true) => "ext3",
            (false, false) => "ext2",
        }
    }

    /// The UUID as text, `None` if it was never set.
    pub fn uuid_text(&self) -> Option<String> {
        (self.uuid != [0; 16]).then(|| uuid_text(&self.uuid))
    }
}

fn checksums(raw: &[u8], incompat: u32, ro_compat: u32, uuid: &[u8]) -> Result<Checksums> {
    if ro_compat & ro_compat::METADATA_CSUM == 0 {
        let group = ro_compat & ro_compat::GDT_CSUM != 0;
        return Ok(if group { Checksums::GroupCrc16 } else { Checksums::None });
    }
    let kind = u8_at(raw, 0x175);
    if kind != 1 {
        let reason = format!("unknown checksum type {kind}, only 1 (CRC-32C) is defined");
        return Err(Error::unsupported(PLACE, reason));
    }
    // tune2fs -U stores the seed so that a new UUID leaves checksums alone.
    let stored = incompat & incompat::CSUM_SEED != 0;
    let seed = if stored { le32(raw, 0x270) } else { crc32c(u32::MAX, uuid) };
    Ok(Checksums::Crc32c { seed })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A bare ext2 superblock of a file system with 1 KiB blocks.
    fn sample() -> Vec<u8> {
        let mut raw = vec![0; LEN];
        let mut put = |at: usize, value: u32| raw[at..at + 4].copy_from_slice(&value.to_le_bytes());
        put(0x0, 128); // inodes
        put(0x4, 1024); // blocks
        put(0x14, 1);
        put(0x20, 8192);
        put(0x28, 128);
        put(0x38, u32::from(MAGIC));
        put(0x4c, 1);
        put(0x58, 128);
        raw
    }

    fn error(at: usize, value: u32) -> String {
        let mut raw = sample();
        raw[at..at + 4].copy_from_slice(&value.to_le_bytes());
        Superblock::parse(&raw, 1 << 20).unwrap_err().to_string()
    }

    #[test]
    fn a_plain_one_is_accepted() {
        let sb = Superblock::parse(&sample(), 1 << 20).unwrap();
        assert_eq!((sb.block_size, sb.groups(), sb.kind_name()), (1024, 1, "ext2"));
        assert_eq!(sb.uuid_text(), None);
    }

    #[test]
    fn nonsense_is_refused_with_its_name() {
        for (at, value, expected) in [
            (0x38, 0, "magic"),
            (0x18, 7, "64 KiB"),
            (0x20, 0, "blocks per group"),
            (0x20, 8193, "blocks per group"),
            (0x28, 0, "inodes per group"),
            (0x28, u32::MAX, "inodes per group"),
            (0x0, u32::MAX, "inode count"),
            (0x58, 100, "inode size"),
            (0x58, 2048, "inode size"),
            (0x4, 0, "block count"),
            (0x4, 1025, "only 1048576"),
            (0x14, 2, "first data block"),
            (0x60, 0x1, "compression"),
            (0x60, 0x8, "journal device"),
            (0x60, 0x4000_0000, "0x40000000"),
            (0x64, 0x400, "checksum type"),
        ] {
            let message = error(at, value);
            assert!(message.contains(expected), "{at:#x} = {value:#x}: {message}");
        }
    }

    #[test]
    fn backups_are_in_groups_0_1_and_powers_of_3_5_7() {
        let mut sb = Superblock::parse(&sample(), 1 << 20).unwrap();
        sb.ro_compat = ro_compat::SPARSE_SUPER;
        let groups: Vec<u64> = (0..130).filter(|&group| sb.has_super(group)).collect();
        assert_eq!(groups, [0, 1, 3, 5, 7, 9, 25, 27, 49, 81, 125]);
    }
}
