//! Pages of a table's tree, and records in them.

use crate::bytes::{be16, be32, u8_at};

const LEAF: u8 = 0x0d;
const INTERIOR: u8 = 0x05;

/// The cells of one page.
pub(super) struct Cells<'a> {
    pub(super) leaf: bool,
    /// Page of the largest keys; of an interior page only.
    pub(super) right: u32,
    page: &'a [u8],
    pointers: &'a [u8],
}

impl<'a> Cells<'a> {
    /// The header is at `at`, 100 in the first page of a file.
    pub(super) fn read(page: &'a [u8], at: usize) -> Option<Self> {
        let leaf = match u8_at(page, at) {
            LEAF => true,
            INTERIOR => false,
            _ => return None,
        };
        let count = usize::from(be16(page, at + 3));
        let first = at + if leaf { 8 } else { 12 };
        let pointers = page.get(first..first + 2 * count)?;
        Some(Self { leaf, right: be32(page, at + 8), page, pointers })
    }

    /// Each from where it begins to the end of the page; empty if it lies outside.
    pub(super) fn content(&self) -> impl Iterator<Item = &'a [u8]> {
        let page = self.page;
        let at = |pointer: &[u8]| usize::from(be16(pointer, 0));
        self.pointers.chunks_exact(2).map(move |p| page.get(at(p)..).unwrap_or_default())
    }
}

/// A number of up to 9 bytes, and what follows it.
pub(super) fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0;
    for (at, &byte) in bytes.iter().take(9).enumerate() {
        if at == 8 {
            return Some((value << 8 | u64::from(byte), bytes.get(9..)?));
        }
        value = value << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some((value, bytes.get(at + 1..)?));
        }
    }
    None
}

/// One row: types and values of its columns.
pub(super) struct Record<'a> {
    columns: Vec<(u64, &'a [u8])>,
}

impl<'a> Record<'a> {
    pub(super) fn read(payload: &'a [u8]) -> Option<Self> {
        let (len, _) = varint(payload)?;
        let (types, mut values) = payload.split_at_checked(usize::try_from(len).ok()?)?;
        let (_, mut types) = varint(types)?;
        let mut columns = Vec::new();
        while !types.is_empty() {
            let (kind, rest) = varint(types)?;
            let (value, after) = values.split_at_checked(value_len(kind)?)?;
            columns.push((kind, value));
            (types, values) = (rest, after);
        }
        Some(Self { columns })
    }

    /// A column that is a text or blob.
    pub(super) fn bytes(&self, column: usize) -> Option<&'a [u8]> {
        self.columns.get(column).filter(|(kind, _)| *kind >= 12).map(|(_, value)| *value)
    }

    /// A column that is a whole number, not negative.
    pub(super) fn number(&self, column: usize) -> Option<u64> {
        match self.columns.get(column)? {
            (8, _) => Some(0),
            (9, _) => Some(1),
            (1..=6, [first, ..]) if first & 0x80 != 0 => None,
            (1..=6, value) => Some(value.iter().fold(0, |n, &byte| n << 8 | u64::from(byte))),
            _ => None,
        }
    }
}

/// Bytes that a value of this type takes.
fn value_len(kind: u64) -> Option<usize> {
    let len = match kind {
        0 | 8 | 9 => 0,
        1..=4 => kind,
        5 => 6,
        6 | 7 => 8,
        10 | 11 => return None,
        _ => (kind - 12) / 2,
    };
    usize::try_from(len).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints() {
        assert_eq!(varint(&[0x7f, 1]), Some((127, &[1][..])));
        assert_eq!(varint(&[0x81, 0x00]), Some((128, &[][..])));
        assert_eq!(varint(&[0xff; 9]), Some((u64::MAX, &[][..])));
        assert_eq!(varint(&[0xff; 8]), None);
        assert_eq!(varint(&[]), None);
    }

    #[test]
    fn records() {
        // Header of 4 bytes: a number of 2 bytes, a text of 1, a one.
        let record = Record::read(&[4, 2, 15, 9, 0x01, 0x02, b'x']).unwrap();
        assert_eq!((record.number(0), record.bytes(1)), (Some(258), Some(&b"x"[..])));
        assert_eq!((record.number(2), record.number(3), record.bytes(0)), (Some(1), None, None));
        assert!(Record::read(&[4, 2, 15, 9, 0x01, 0x02]).is_none(), "cut off");
        assert!(Record::read(&[200]).is_none());
    }
}
