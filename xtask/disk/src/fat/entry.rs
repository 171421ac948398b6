//! Directory entries: short names, long names, times.

use super::boot::{Boot, Width};
use crate::bytes::{le16, le32, slice, u8_at};
use crate::fs::{DirEntry, FileKind, Metadata, NodeId, Timestamp};
use crate::{Error, Result};

/// Length of an entry, bytes.
pub(super) const LEN: u64 = 32;
/// UTF-16 units of a long name per entry, and most entries it may take.
const UNITS: usize = 13;
const MAX_PARTS: u8 = 20;

/// Bits of the attribute byte.
mod attribute {
    pub const READ_ONLY: u8 = 0x01;
    pub const LABEL: u8 = 0x08;
    pub const DIRECTORY: u8 = 0x10;
    /// All four of the lower bits: part of a long name.
    pub const LONG_NAME: u8 = 0x0f;
    pub const MASK: u8 = 0x3f;
}

/// Code page 437 from 0x80 on: what Linux takes bytes of short names for by
/// default (CONFIG_FAT_DEFAULT_CODEPAGE).
const CODE_PAGE: &str = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐\
    └┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}";

/// A short entry.
pub(super) struct Entry {
    pub size: u32,
    attributes: u8,
    cluster: (u16, u16),
    modified: (u16, u16),
    accessed: u16,
}

impl Entry {
    pub fn decode(raw: &[u8; 32]) -> Self {
        Self {
            size: le32(raw, 28),
            attributes: u8_at(raw, 11),
            cluster: (le16(raw, 20), le16(raw, 26)),
            modified: (le16(raw, 24), le16(raw, 22)),
            accessed: le16(raw, 18),
        }
    }

    pub fn kind(&self) -> FileKind {
        match self.attributes & attribute::DIRECTORY {
            0 => FileKind::Regular,
            _ => FileKind::Directory,
        }
    }

    /// First cluster, 0 if there is none. Only FAT32 has the upper half.
    pub fn cluster(&self, boot: &Boot) -> u32 {
        let high = if boot.width == Width::ThirtyTwo { self.cluster.0 } else { 0 };
        (u32::from(high) << 16) | u32::from(self.cluster.1)
    }

    pub fn metadata(&self) -> Metadata {
        let kind = self.kind();
        let mtime = timestamp(self.modified.0, self.modified.1);
        // The kernel ignores the bit on directories: it means something else
        // to Windows.
        let fixed = kind == FileKind::Regular && self.attributes & attribute::READ_ONLY != 0;
        Metadata {
            kind,
            mode: if fixed { 0o555 } else { 0o755 },
            uid: 0,
            gid: 0,
            size: if kind == FileKind::Regular { u64::from(self.size) } else { 0 },
            links: 1,
            atime: timestamp(self.accessed, 0),
            mtime,
            ctime: mtime,
        }
    }
}

/// Date and time as DOS counts them, which says nothing about the time zone:
/// taken for UTC, so that the same disk gives the same archive everywhere.
fn timestamp(date: u16, time: u16) -> Timestamp {
    let (year, month, day) = (1980 + i64::from(date >> 9), (date >> 5) & 15, date & 31);
    let month = i64::from(month.clamp(1, 12));
    let days = days_before(year, month) + i64::from(day.max(1)) - 1;
    let (hour, minute, second) = (time >> 11, (time >> 5) & 63, (time & 31) * 2);
    let seconds = i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second);
    Timestamp { seconds: days * 86_400 + seconds, nanoseconds: 0 }
}

/// Days from 1970-01-01 to the first of a month between 1980 and 2107.
fn days_before(year: i64, month: i64) -> i64 {
    const BEFORE: [i64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let leap = year % 4 == 0 && year != 2100;
    // Of the years before, each fourth was a leap year, 2100 excepted.
    let leaps = (year - 1969) / 4 - i64::from(year > 2100);
    let index = usize::try_from(month - 1).unwrap_or_default();
    let within = BEFORE.get(index).copied().unwrap_or_default();
    (year - 1970) * 365 + leaps + within + i64::from(leap && month > 2)
}

/// Collects the entries of one directory.
#[derive(Default)]
pub(super) struct Parser {
    pub entries: Vec<DirEntry>,
    /// The volume's label, in the root directory only.
    pub label: Option<Vec<u8>>,
    long: LongName,
}

impl Parser {
    /// Takes the 32 bytes at byte `node` of the disk; `false` at the end.
    pub fn push(&mut self, node: NodeId, raw: &[u8; 32]) -> Result<bool> {
        const DELETED: u8 = 0xe5;
        let attributes = u8_at(raw, 11);
        match u8_at(raw, 0) {
            0 => return Ok(false),
            DELETED => self.long = LongName::default(),
            _ if attributes & attribute::MASK == attribute::LONG_NAME => self.long.push(raw),
            _ if attributes & attribute::LABEL != 0 => {
                self.long = LongName::default();
                self.label = Some(super::boot::label(slice(raw, 0, 11)));
            }
            _ => {
                let long = std::mem::take(&mut self.long).finish(raw);
                self.add(node, long.unwrap_or_else(|| short_name(raw)))?;
            }
        }
        Ok(true)
    }

    fn add(&mut self, node: NodeId, name: String) -> Result<()> {
        if name == "." || name == ".." {
            return Ok(());
        }
        let name = name.into_bytes();
        // 255 UTF-16 units are up to 765 bytes, which no Linux can create.
        if name.is_empty() || name.iter().any(|&byte| matches!(byte, 0 | b'/')) {
            return Err(Error::damaged(super::place(node), "it has an impossible name"));
        }
        if name.len() > 255 {
            let reason = format!("its name has {} bytes, Linux allows 255", name.len());
            return Err(Error::unsupported(super::place(node), reason));
        }
        self.entries.push(DirEntry { name, node });
        Ok(())
    }
}

/// A long name, whose parts come last part first before its short entry.
#[derive(Default)]
struct LongName {
    parts: Vec<[u16; UNITS]>,
    /// Number that the next part must have; 0 if the short entry is next.
    expected: u8,
    checksum: u8,
    valid: bool,
}

impl LongName {
    fn push(&mut self, raw: &[u8; 32]) {
        const LAST: u8 = 0x40;
        let (order, checksum) = (u8_at(raw, 0), u8_at(raw, 13));
        if order & LAST != 0 {
            let count = order & !LAST;
            let valid = (1..=MAX_PARTS).contains(&count);
            *self = Self { expected: count, checksum, valid, parts: Vec::new() };
        }
        self.valid &= order & !LAST == self.expected && checksum == self.checksum;
        if !self.valid {
            return;
        }
        let mut part = [0; UNITS];
        for (unit, at) in
            part.iter_mut().zip((1..11).step_by(2).chain((14..26).step_by(2)).chain([28, 30]))
        {
            *unit = le16(raw, at);
        }
        self.parts.push(part);
        self.expected = self.expected.saturating_sub(1);
        // After part 1 only the short entry may follow.
        self.valid &= self.expected > 0 || order & !LAST == 1;
    }

    /// The name, if it belongs to the short entry `raw`; otherwise some DOS
    /// has renamed the file and left the long name behind.
    fn finish(self, raw: &[u8; 32]) -> Option<String> {
        let complete = self.valid && self.expected == 0 && !self.parts.is_empty();
        if !complete || self.checksum != checksum(slice(raw, 0, 11)) {
            return None;
        }
        let units: Vec<u16> = self.parts.iter().rev().flatten().copied().collect();
        let end = units.iter().position(|&unit| unit == 0).unwrap_or(units.len());
        Some(String::from_utf16_lossy(units.get(..end).unwrap_or_default()))
    }
}

/// Checksum of a short name in the parts of its long name.
fn checksum(name: &[u8]) -> u8 {
    name.iter().fold(0u8, |sum, &byte| sum.rotate_right(1).wrapping_add(byte))
}

/// The name in 8.3 form. Windows NT keeps in byte 12 which half was lower case.
fn short_name(raw: &[u8; 32]) -> String {
    let flags = u8_at(raw, 12);
    let mut base = slice(raw, 0, 8).to_vec();
    if let Some(first) = base.first_mut()
        && *first == 0x05
    {
        *first = 0xe5; // would mean a deleted file
    }
    let base = part(&base, flags & 0x08 != 0);
    let extension = part(slice(raw, 8, 3), flags & 0x10 != 0);
    if extension.is_empty() { base } else { format!("{base}.{extension}") }
}

fn part(raw: &[u8], lower: bool) -> String {
    let end = raw.iter().rposition(|&byte| byte != b' ').map_or(0, |end| end + 1);
    let letter = |&byte: &u8| {
        let letter = match byte.checked_sub(0x80) {
            None => char::from(byte),
            Some(index) => CODE_PAGE.chars().nth(usize::from(index)).unwrap_or('_'),
        };
        if lower { letter.to_ascii_lowercase() } else { letter }
    };
    raw.get(..end).unwrap_or_default().iter().map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected: `date -u -d '1980-01-01 00:00:00' +%s` and so on.
    #[test]
    fn times_from_1980_to_2107() {
        let date = |year: u16, month: u16, day: u16| ((year - 1980) << 9) | (month << 5) | day;
        for (date, time, seconds) in [
            (date(1980, 1, 1), 0, 315_532_800),
            (date(2000, 2, 29), (23 << 11) | (59 << 5) | 29, 951_868_798),
            (date(2024, 3, 1), 0, 1_709_251_200),
            (date(2100, 3, 1), 0, 4_107_542_400),
            (date(2107, 12, 31), 0, 4_354_732_800),
            (0, 0, 315_532_800),
        ] {
            assert_eq!(timestamp(date, time).seconds, seconds, "{date:#x}");
        }
    }

    #[test]
    fn the_code_page_is_complete() {
        assert_eq!(CODE_PAGE.chars().count(), 128);
    }
}
