//! Directories: the entries of index `$I30`, sorted by name in a B+ tree whose
//! blocks need no order when all of them are read.

use std::collections::BTreeMap;

use crate::bytes::{clip, le16, le32, le64, slice, u8_at};
use crate::{Error, Result};

/// Flag of the entry that ends a node.
const LAST: u16 = 2;
/// Name space of the short names that Windows makes beside long ones.
const DOS: u8 = 2;
/// Entries that are kept of one directory.
const MAX_ENTRIES: usize = 1 << 20;

/// The number of a record, without the count of its uses.
pub(super) const RECORD: u64 = 0xffff_ffff_ffff;

/// Names to records.
pub(super) type Names = BTreeMap<Vec<u8>, u64>;

/// Adds the entries of a node. `node` starts at the node's header, whose
/// offsets count from there.
pub(super) fn entries(node: &[u8], names: &mut Names, place: &str) -> Result<()> {
    let bad = || Error::damaged(place, "the list of its entries is broken");
    let used = clip(u64::from(le32(node, 4)), usize::MAX);
    let node = node.get(..used).ok_or_else(bad)?;
    let mut at = clip(u64::from(le32(node, 0)), usize::MAX);
    loop {
        let entry = node.get(at..).filter(|rest| rest.len() >= 16).ok_or_else(bad)?;
        if le16(entry, 12) & LAST != 0 {
            return Ok(());
        }
        let len = usize::from(le16(entry, 8));
        let entry = entry.get(..len).filter(|entry| entry.len() >= 0x52).ok_or_else(bad)?;
        add(entry, names).ok_or_else(bad)?;
        if names.len() > MAX_ENTRIES {
            return Err(Error::damaged(place, "it has more entries than is plausible"));
        }
        at += len;
    }
}

/// Adds one entry, which holds a copy of the file's name.
fn add(entry: &[u8], names: &mut Names) -> Option<()> {
    let name = entry.get(16..)?;
    let record = le64(entry, 0) & RECORD;
    let units = usize::from(u8_at(name, 0x40));
    let raw = slice(name, 0x42, units * 2);
    if units == 0 || raw.len() != units * 2 {
        return None;
    }
    // The root names itself; short names are second names.
    if u8_at(name, 0x41) != DOS && raw != [b'.', 0] {
        names.insert(text(raw)?, record);
    }
    Some(())
}

/// UTF-16 as UTF-8, as far as it is any; `None` for what cannot be a name.
pub(super) fn text(raw: &[u8]) -> Option<Vec<u8>> {
    let units = raw.as_chunks::<2>().0.iter().map(|unit| u16::from_le_bytes(*unit));
    let text: String =
        char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
    let impossible = text == "." || text == ".." || text.contains(['/', '\0']);
    (!impossible).then(|| text.into_bytes())
}
