//! Records with update sequences, and the attributes of a file record.
//!
//! Layout: `MFT_REC`, `ATTRIB` in fs/ntfs3/ntfs.h of Linux.

use crate::bytes::{clip, le16, le32, le64, slice, u8_at};
use crate::{Error, ErrorKind, Result};

/// Types of attributes.
pub(super) mod kind {
    pub const LIST: u32 = 0x20;
    pub const VOLUME_NAME: u32 = 0x60;
    pub const VOLUME_INFORMATION: u32 = 0x70;
    pub const STANDARD: u32 = 0x10;
    pub const DATA: u32 = 0x80;
    pub const INDEX_ROOT: u32 = 0x90;
    pub const INDEX_ALLOCATION: u32 = 0xa0;
    pub const REPARSE: u32 = 0xc0;
    pub const END: u32 = 0xffff_ffff;
}

/// Flag of a record that is in use.
const IN_USE: u16 = 1;
/// Flag of a record of a directory.
const DIRECTORY: u16 = 2;

/// Puts back the last two bytes of every sector, which hold a check value
/// while a record is on the disk. `magic` is its first four bytes.
pub(super) fn restore(raw: &mut [u8], magic: &[u8; 4], sector: u64, place: &str) -> Result<()> {
    if raw.get(..4) != Some(magic) {
        let reason = "it does not start with its signature";
        return Err(Error::damaged(place, reason));
    }
    let bad = || Error::damaged(place, "a sector of it was not written");
    let (at, count) = (usize::from(le16(raw, 4)), usize::from(le16(raw, 6)));
    let sector = clip(sector, raw.len());
    let sectors = raw.len() / sector.max(1);
    let sequence = slice(raw, at, count.saturating_mul(2)).to_vec();
    if count != sectors + 1 || sequence.len() != count * 2 {
        return Err(Error::damaged(place, "its update sequence has the wrong length"));
    }
    let (check, saved) = sequence.split_at(2);
    for (chunk, saved) in raw.chunks_exact_mut(sector).zip(saved.chunks_exact(2)) {
        let tail = chunk.last_chunk_mut::<2>().ok_or_else(bad)?;
        if tail.as_slice() != check {
            return Err(bad());
        }
        tail.copy_from_slice(saved);
    }
    Ok(())
}

/// A file record with its update sequence put back.
#[derive(Debug, Clone)]
pub(super) struct Record {
    raw: Vec<u8>,
    /// What it is part of, for messages.
    pub place: String,
}

/// One attribute as it is in its record.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attribute<'a> {
    raw: &'a [u8],
    /// Type, see [`kind`].
    pub kind: u32,
}

impl Record {
    /// Checks a record as it is on the disk.
    pub fn parse(mut raw: Vec<u8>, sector: u64, place: String) -> Result<Self> {
        restore(&mut raw, b"FILE", sector, &place)?;
        if le16(&raw, 0x16) & IN_USE == 0 {
            return Err(Error::new(ErrorKind::Usage, place, "there is no such file"));
        }
        Ok(Self { raw, place })
    }

    /// Whether it is a directory.
    pub fn is_directory(&self) -> bool {
        le16(&self.raw, 0x16) & DIRECTORY != 0
    }

    /// Names of the file.
    pub fn links(&self) -> u16 {
        le16(&self.raw, 0x12)
    }

    /// Its attributes.
    pub fn attributes(&self) -> Result<Vec<Attribute<'_>>> {
        let mut found = Vec::new();
        let mut at = usize::from(le16(&self.raw, 0x14));
        let bad = |reason| Error::damaged(&self.place, reason);
        loop {
            let rest = self.raw.get(at..).filter(|rest| rest.len() >= 4);
            let rest = rest.ok_or_else(|| bad("its attributes have no end"))?;
            let kind = le32(rest, 0);
            if kind == kind::END {
                return Ok(found);
            }
            let len = clip(u64::from(le32(rest, 4)), usize::MAX);
            let raw = rest.get(..len).filter(|raw| raw.len() >= 16);
            found.push(Attribute {
                raw: raw.ok_or_else(|| bad("an attribute has an impossible length"))?,
                kind,
            });
            at += len;
        }
    }
}

impl<'a> Attribute<'a> {
    /// Name, in UTF-16; empty for the default one.
    pub fn name(&self) -> &'a [u8] {
        slice(self.raw, usize::from(le16(self.raw, 10)), usize::from(u8_at(self.raw, 9)) * 2)
    }

    /// Whether its value is elsewhere.
    pub fn is_outside(&self) -> bool {
        u8_at(self.raw, 8) != 0
    }

    /// Whether it is compressed or encrypted.
    pub fn is_encoded(&self) -> bool {
        le16(self.raw, 12) & 0x40ff != 0
    }

    /// The value inside of the record.
    pub fn value(&self) -> &'a [u8] {
        let len = clip(u64::from(le32(self.raw, 16)), usize::MAX);
        slice(self.raw, usize::from(le16(self.raw, 20)), len)
    }

    /// First cluster of the file that this part of the attribute maps.
    pub fn first(&self) -> u64 {
        le64(self.raw, 16)
    }

    /// The mapping pairs.
    pub fn pairs(&self) -> &'a [u8] {
        self.raw.get(usize::from(le16(self.raw, 32))..).unwrap_or_default()
    }

    /// Bytes of the value; those after `valid` read as zeros.
    pub fn sizes(&self) -> (u64, u64) {
        (le64(self.raw, 48), le64(self.raw, 56))
    }
}
