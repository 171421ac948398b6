//! Inodes: type, owner, times, and where the rest is.
//!
//! Layout: "Index Nodes" in Documentation/filesystems/ext4/inodes.rst.

use super::superblock::Checksums;
use super::volume::Volume;
use crate::bytes::{join32, le16, le32, slice};
use crate::crc::{agree, crc32c};
use crate::fs::{FileKind, Metadata, NodeId, Timestamp};
use crate::{Error, Result};

/// Length of the part that every inode has, bytes.
const BASE_LEN: usize = 128;
/// Offset and length of `i_block`: block pointers, extent tree root, inline
/// data, short symlink or device number.
const I_BLOCK: (usize, usize) = (0x28, 60);

/// Flags of `i_flags`.
mod flag {
    pub const COMPRESSED: u32 = 0x4;
    pub const ENCRYPTED: u32 = 0x800;
    pub const INDEXED: u32 = 0x1000;
    pub const EXTENTS: u32 = 0x8_0000;
    pub const EA_INODE: u32 = 0x20_0000;
    pub const INLINE_DATA: u32 = 0x1000_0000;
    pub const CASEFOLDED: u32 = 0x4000_0000;
}

/// An inode, checked and decoded as far as every use needs.
pub(super) struct Inode {
    /// Its number.
    pub number: NodeId,
    /// What `lstat` says.
    pub meta: Metadata,
    /// Initial value of the checksums of everything that hangs off this
    /// inode; `None` where the file system has none.
    pub seed: Option<u32>,
    /// Generation: tells reuses of one number apart.
    pub generation: u32,
    raw: Vec<u8>,
    flags: u32,
    extra_len: usize,
}

impl Inode {
    /// Reads and checks inode `number`, which something in the tree names.
    pub fn read(volume: &Volume, number: NodeId) -> Result<Self> {
        let raw = volume.raw_inode(number)?;
        let inode = Self::decode(volume, number, raw)?;
        if inode.meta.links == 0 {
            return Err(inode.damaged("in use, but has no links and counts as deleted"));
        }
        inode.refuse_unreadable()?;
        Ok(inode)
    }

    fn decode(volume: &Volume, number: NodeId, raw: Vec<u8>) -> Result<Self> {
        let extra_len = extra_len(number, &raw)?;
        let generation = le32(&raw, 0x64);
        let seed = match volume.sb.checksums {
            Checksums::Crc32c { seed } => {
                let low = u32::try_from(number).unwrap_or(u32::MAX);
                let crc = crc32c(seed, &low.to_le_bytes());
                Some(crc32c(crc, &generation.to_le_bytes()))
            }
            Checksums::None | Checksums::GroupCrc16 => None,
        };
        if seed.is_some_and(|seed| !is_intact(seed, &raw, extra_len)) {
            return Err(Error::damaged(place(number), "its checksum does not match"));
        }
        let meta = metadata(volume, number, &raw, extra_len)?;
        let flags = le32(&raw, 0x20);
        Ok(Self { number, meta, seed, generation, raw, flags, extra_len })
    }

    fn refuse_unreadable(&self) -> Result<()> {
        let what = if self.flags & flag::ENCRYPTED != 0 {
            "it is encrypted (fscrypt)"
        } else if self.flags & flag::COMPRESSED != 0 {
            "it is compressed (e2compr)"
        } else if self.flags & flag::CASEFOLDED != 0 {
            // A tree that relies on case-insensitive lookup would unpack
            // into one that fails at run time.
            "it is a case-insensitive directory, which an archive cannot express"
        } else {
            return Ok(());
        };
        Err(Error::unsupported(place(self.number), what))
    }

    /// Whether the content is in the inode itself.
    pub fn has_inline_data(&self) -> bool {
        self.flags & flag::INLINE_DATA != 0
    }

    /// Whether the content is found by an extent tree rather than block pointers.
    pub fn has_extents(&self) -> bool {
        self.flags & flag::EXTENTS != 0
    }

    /// Whether a directory has hash tree blocks among its own.
    pub fn is_indexed(&self) -> bool {
        self.flags & flag::INDEXED != 0
    }

    /// Whether this holds the value of an extended attribute.
    pub fn is_attribute_value(&self) -> bool {
        self.flags & flag::EA_INODE != 0
    }

    /// The 60 bytes of `i_block`.
    pub fn i_block(&self) -> &[u8] {
        slice(&self.raw, I_BLOCK.0, I_BLOCK.1)
    }

    /// What follows the fixed fields: extended attributes, if any.
    pub fn attribute_area(&self) -> &[u8] {
        self.raw.get(BASE_LEN + self.extra_len..).unwrap_or_default()
    }

    /// Block of extended attributes, 0 if there is none.
    pub fn attribute_block(&self) -> u64 {
        join32(u32::from(le16(&self.raw, 0x76)), le32(&self.raw, 0x68))
    }

    /// Checksum of an attribute value, which its inode keeps in the access time.
    pub fn attribute_value_crc(&self) -> u32 {
        le32(&self.raw, 0x8)
    }

    /// Low half of the modification time: Lustre's back pointer to the owner
    /// of an attribute value.
    pub fn raw_mtime(&self) -> u32 {
        le32(&self.raw, 0x10)
    }

    /// Damage found in what belongs to this inode.
    pub fn damaged(&self, reason: impl Into<String>) -> Error {
        Error::damaged(place(self.number), reason)
    }
}

/// How messages name an inode.
pub(super) fn place(number: NodeId) -> String {
    format!("inode {number}")
}

/// How many bytes of fixed fields follow the first 128.
fn extra_len(number: NodeId, raw: &[u8]) -> Result<usize> {
    if raw.len() == BASE_LEN {
        return Ok(0);
    }
    let len = le16(raw, 0x80);
    let end = BASE_LEN + usize::from(len);
    if end > raw.len() || !len.is_multiple_of(4) {
        let reason = format!("impossible size of its extra fields: {len} bytes");
        return Err(Error::damaged(place(number), reason));
    }
    Ok(usize::from(len))
}

fn is_intact(seed: u32, raw: &[u8], extra_len: usize) -> bool {
    const LOW: usize = 0x7c;
    const HIGH: usize = 0x82;
    let has_high = extra_len >= HIGH + 2 - BASE_LEN;
    let mut crc = crc32c(seed, slice(raw, 0, LOW));
    crc = crc32c(crc, &[0, 0]);
    crc = crc32c(crc, slice(raw, LOW + 2, BASE_LEN - LOW - 2));
    if raw.len() > BASE_LEN {
        crc = crc32c(crc, slice(raw, BASE_LEN, HIGH - BASE_LEN));
        let rest = raw.get(HIGH..).unwrap_or_default();
        let after = if has_high { crc32c(crc, &[0, 0]) } else { crc };
        crc = crc32c(after, rest.get(if has_high { 2 } else { 0 }..).unwrap_or_default());
    }
    let low_matches = agree(crc & 0xffff, u32::from(le16(raw, LOW)));
    low_matches && (!has_high || agree(crc >> 16, u32::from(le16(raw, HIGH))))
}

fn metadata(volume: &Volume, number: NodeId, raw: &[u8], extra_len: usize) -> Result<Metadata> {
    let mode = le16(raw, 0x0);
    let kind = file_kind(number, mode, slice(raw, I_BLOCK.0, I_BLOCK.1))?;
    let time = |base: usize, extra: usize| {
        let has_extra = extra + 4 <= BASE_LEN + extra_len;
        timestamp(le32(raw, base), if has_extra { le32(raw, extra) } else { 0 })
            .ok_or_else(|| Error::damaged(place(number), "a time has over a second of nanoseconds"))
    };
    let large = kind == FileKind::Regular || volume.sb.has_large_dirs();
    let size = join32(if large { le32(raw, 0x6c) } else { 0 }, le32(raw, 0x4));
    if i64::try_from(size).is_err() {
        return Err(Error::damaged(place(number), format!("impossible size of {size} bytes")));
    }
    Ok(Metadata {
        kind,
        mode: mode & 0o7777,
        uid: u32::from(le16(raw, 0x2)) | (u32::from(le16(raw, 0x78)) << 16),
        gid: u32::from(le16(raw, 0x18)) | (u32::from(le16(raw, 0x7a)) << 16),
        size,
        links: u32::from(le16(raw, 0x1a)),
        atime: time(0x8, 0x8c)?,
        mtime: time(0x10, 0x88)?,
        ctime: time(0xc, 0x84)?,
    })
}

fn file_kind(number: NodeId, mode: u16, i_block: &[u8]) -> Result<FileKind> {
    let (major, minor) = device_number(i_block);
    Ok(match mode >> 12 {
        0o1 => FileKind::Fifo,
        0o2 => FileKind::CharDevice { major, minor },
        0o4 => FileKind::Directory,
        0o6 => FileKind::BlockDevice { major, minor },
        0o10 => FileKind::Regular,
        0o12 => FileKind::Symlink,
        0o14 => FileKind::Socket,
        _ => {
            let reason = format!("its mode {mode:#o} is of no file type");
            return Err(Error::damaged(place(number), reason));
        }
    })
}

/// The first word holds 8-bit numbers (Linux 2.4 and older), or is zero and
/// the second holds 12 bits of major and 20 of minor.
fn device_number(i_block: &[u8]) -> (u32, u32) {
    let (old, new) = (le32(i_block, 0), le32(i_block, 4));
    if old == 0 {
        ((new >> 8) & 0xfff, (new & 0xff) | ((new >> 12) & 0xf_ff00))
    } else {
        ((old >> 8) & 0xff, old & 0xff)
    }
}

/// Signed 32-bit seconds; the extra field adds two bits above them (so the
/// range is 1901 to 2446) and 30 bits of nanoseconds.
fn timestamp(base: u32, extra: u32) -> Option<Timestamp> {
    let nanoseconds = extra >> 2;
    let epoch = i64::from(extra & 3) << 32;
    let seconds = i64::from(base.cast_signed()) + epoch;
    (nanoseconds < 1_000_000_000).then_some(Timestamp { seconds, nanoseconds })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_from_1901_to_2446() {
        for (base, extra, seconds, nanoseconds) in [
            (0, 0, 0, 0),
            (0xffff_ffff, 0, -1, 0),
            (0x8000_0000, 0, -0x8000_0000, 0),
            (0x7fff_ffff, 0, 0x7fff_ffff, 0),
            (0x8000_0000, 1, 0x8000_0000, 0),
            (0x7fff_ffff, 3, 0x3_7fff_ffff, 0),
            (5, 999_999_999 << 2, 5, 999_999_999),
        ] {
            let expected = Some(Timestamp { seconds, nanoseconds });
            assert_eq!(timestamp(base, extra), expected, "{base:#x} {extra:#x}");
        }
        assert_eq!(timestamp(0, 1_000_000_000 << 2), None);
    }

    #[test]
    fn device_numbers_in_both_encodings() {
        let words = |old: u32, new: u32| [old.to_le_bytes(), new.to_le_bytes()].concat();
        assert_eq!(device_number(&words(0x0801, 0)), (8, 1));
        assert_eq!(device_number(&words(0, 0x0801)), (8, 1));
        assert_eq!(device_number(&words(0, 0x1230_34ff)), (0x034, 0x1_23ff));
        assert_eq!(device_number(&words(0, 0xffff_ffff)), (0xfff, 0xf_ffff));
    }
}
