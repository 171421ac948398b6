//! Inodes: type, owner, times, and the two forks.

use super::fork::{Fork, Format};
use super::volume::Volume;
use crate::bytes::{be16, be32, be64, clip, slice, u8_at, wide};
use crate::fs::{FileKind, Metadata, NodeId, Timestamp};
use crate::{Error, Result};

/// Length of the fixed part of a version 3 inode, bytes.
const CORE_LEN: usize = 176;
const MAGIC: u16 = 0x494e; // "IN"
const CRC_AT: usize = 100;

/// Bit of `di_flags`: the content is on the realtime device.
const REALTIME: u16 = 1;

/// Bits of `di_flags2`.
mod flag2 {
    pub const BIG_TIME: u64 = 1 << 3;
    pub const MANY_EXTENTS: u64 = 1 << 4;
    pub const METADATA: u64 = 1 << 5;
}

/// An inode, checked and decoded as far as every use needs.
pub(super) struct Inode {
    /// Its number.
    pub number: NodeId,
    /// What `lstat` says.
    pub meta: Metadata,
    raw: Vec<u8>,
    /// Start of the attribute fork within the inode; `None` if there is none.
    attributes_at: Option<usize>,
}

impl Inode {
    /// Reads and checks inode `number`, which something in the tree names.
    pub fn read(volume: &Volume, number: NodeId) -> Result<Self> {
        let raw = volume.raw_inode(number, CRC_AT)?;
        let bad = |reason: &str| Err(Error::damaged(place(number), reason));
        if be16(&raw, 0) != MAGIC || u8_at(&raw, 4) != 3 {
            return bad("it is not an inode of version 3");
        }
        if be64(&raw, 152) != number {
            return bad("it says that it is another inode");
        }
        let meta = metadata(number, &raw)?;
        if meta.links == 0 {
            return bad("in use, but has no links and counts as deleted");
        }
        if be64(&raw, 120) & flag2::METADATA != 0 {
            return bad("it is internal to the file system");
        }
        let offset = usize::from(u8_at(&raw, 82)) * 8;
        let attributes_at = (offset > 0).then_some(CORE_LEN + offset);
        if attributes_at.is_some_and(|at| at >= raw.len()) {
            return bad("its attribute fork lies outside of it");
        }
        Ok(Self { number, meta, raw, attributes_at })
    }

    /// Where the content is.
    pub fn data_fork(&self) -> Fork<'_> {
        let end = self.attributes_at.unwrap_or(self.raw.len());
        let extents = if self.has_many_extents() {
            be64(&self.raw, 24)
        } else {
            u64::from(be32(&self.raw, 76))
        };
        let bytes = slice(&self.raw, CORE_LEN, end - CORE_LEN);
        Fork { format: Format::of(u8_at(&self.raw, 5)), bytes, extents }
    }

    /// Where the extended attributes are.
    pub fn attribute_fork(&self) -> Option<Fork<'_>> {
        let bytes = self.raw.get(self.attributes_at?..).unwrap_or_default();
        let extents = if self.has_many_extents() {
            u64::from(be32(&self.raw, 76))
        } else {
            u64::from(be16(&self.raw, 80))
        };
        Some(Fork { format: Format::of(u8_at(&self.raw, 83)), bytes, extents })
    }

    /// Whether the content is on the realtime device.
    pub fn is_realtime(&self) -> bool {
        be16(&self.raw, 90) & REALTIME != 0
    }

    /// The first `size` bytes of a fork that is all in the inode.
    pub fn local(&self) -> Result<&[u8]> {
        let fork = self.data_fork().bytes;
        let bytes = slice(fork, 0, clip(self.meta.size, usize::MAX));
        if wide(bytes.len()) < self.meta.size {
            return Err(self.damaged("it should hold its content, but has no room for it"));
        }
        // Tied to the inode, not to the fork.
        Ok(slice(&self.raw, CORE_LEN, bytes.len()))
    }

    /// Damage found in what belongs to this inode.
    pub fn damaged(&self, reason: impl Into<String>) -> Error {
        Error::damaged(place(self.number), reason)
    }

    fn has_many_extents(&self) -> bool {
        be64(&self.raw, 120) & flag2::MANY_EXTENTS != 0
    }
}

/// How messages name an inode.
pub(super) fn place(number: NodeId) -> String {
    format!("inode {number}")
}

fn metadata(number: NodeId, raw: &[u8]) -> Result<Metadata> {
    let mode = be16(raw, 2);
    let big = be64(raw, 120) & flag2::BIG_TIME != 0;
    let time = |at: usize| {
        timestamp(be64(raw, at), big)
            .ok_or_else(|| Error::damaged(place(number), "a time has over a second of nanoseconds"))
    };
    let size = be64(raw, 56);
    if i64::try_from(size).is_err() {
        return Err(Error::damaged(place(number), format!("impossible size of {size} bytes")));
    }
    Ok(Metadata {
        kind: file_kind(number, mode, be32(raw, CORE_LEN))?,
        mode: mode & 0o7777,
        uid: be32(raw, 8),
        gid: be32(raw, 12),
        size,
        links: be32(raw, 16),
        atime: time(32)?,
        mtime: time(40)?,
        ctime: time(48)?,
    })
}

fn file_kind(number: NodeId, mode: u16, device: u32) -> Result<FileKind> {
    // 14 bits of major, 18 of minor, as IRIX had them.
    let (major, minor) = (device >> 18, device & 0x3_ffff);
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

/// 32 bits each of signed seconds and nanoseconds, or (bigtime) nanoseconds
/// since the earliest time of the other form.
fn timestamp(raw: u64, big: bool) -> Option<Timestamp> {
    const SECOND: u64 = 1_000_000_000;
    if big {
        let seconds = i64::try_from(raw / SECOND).ok()? + i64::from(i32::MIN);
        return Some(Timestamp { seconds, nanoseconds: u32::try_from(raw % SECOND).ok()? });
    }
    let bytes = raw.to_be_bytes();
    let seconds = i64::from(be32(&bytes, 0).cast_signed());
    let nanoseconds = be32(&bytes, 4);
    (nanoseconds < 1_000_000_000).then_some(Timestamp { seconds, nanoseconds })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_in_both_forms() {
        for (raw, big, seconds, nanoseconds) in [
            (0, false, 0, 0),
            (0xffff_ffff_3b9a_c9ff, false, -1, 999_999_999),
            (0, true, -0x8000_0000, 0),
            (0x8000_0000 * 1_000_000_000 + 7, true, 0, 7),
            (u64::MAX, true, 16_299_260_425, 709_551_615),
        ] {
            let expected = Some(Timestamp { seconds, nanoseconds });
            assert_eq!(timestamp(raw, big), expected, "{raw:#x}");
        }
        assert_eq!(timestamp(1_000_000_000, false), None);
    }
}
