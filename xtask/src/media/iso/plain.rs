//! ISO 9660 (ECMA-119): the primary volume descriptor and its directories.

use super::{Entry, MAX_DIRECTORY, Medium, Place, SECTOR, le, walk};

/// The file at `path`. A file in several extents, which one above 4 GB needs,
/// has a record for each.
pub(super) fn find(medium: &Medium, path: &str) -> Option<Place> {
    let descriptor = (16..32).find_map(|sector| {
        let bytes = medium.at(sector * SECTOR, 2048)?;
        bytes.starts_with(b"\x01CD001").then_some(bytes)
    })?;
    let root = extent(descriptor.get(156..190)?)?;
    let found = walk(path, Place { runs: vec![root] }, |place| directory(medium, place))?;
    (!found.is_dir).then_some(found.at)
}

/// Start and length of a directory record, in bytes.
fn extent(record: &[u8]) -> Option<(u64, u64)> {
    Some((le(record, 2, 4)?.checked_mul(SECTOR)?, le(record, 10, 4)?))
}

fn directory(medium: &Medium, place: &Place) -> Option<Vec<Entry<Place>>> {
    let (start, len) = *place.runs.first()?;
    let bytes = medium.at(start, usize::try_from(len.min(MAX_DIRECTORY)).ok()?)?;
    let mut entries: Vec<Entry<Place>> = Vec::new();
    // Records do not cross sectors; zeros fill the rest of one.
    for sector in bytes.chunks(2048) {
        let mut rest = sector;
        while let Some(&len) = rest.first().filter(|len| **len >= 34) {
            let record = rest.get(..usize::from(len))?;
            let entry = Entry {
                name: name(record)?,
                is_dir: record.get(25)? & 2 != 0,
                at: Place { runs: vec![extent(record)?] },
            };
            match entries.last_mut().filter(|last| last.name == entry.name && !entry.is_dir) {
                Some(last) => last.at.runs.extend(entry.at.runs),
                None => entries.push(entry),
            }
            rest = rest.get(usize::from(len)..)?;
        }
    }
    Some(entries)
}

/// `INSTALL.WIM;1` without its version.
fn name(record: &[u8]) -> Option<String> {
    let raw = record.get(33..33 + usize::from(*record.get(32)?))?;
    let text = String::from_utf8_lossy(raw);
    let text = text.split(';').next().unwrap_or_default();
    Some(text.trim_end_matches('.').to_owned())
}
