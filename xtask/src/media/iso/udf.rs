//! UDF as far as media of Microsoft need it: ECMA-167 part 3 and 4 with one
//! physical partition, as UDF 1.02 demands of read-only discs.

use super::{Entry, MAX_DIRECTORY, MAX_EXTENTS, Medium, Place, SECTOR, le, walk};

/// Identifiers of descriptor tags.
mod tag {
    pub const ANCHOR: u64 = 2;
    pub const PARTITION: u64 = 5;
    pub const LOGICAL_VOLUME: u64 = 6;
    pub const TERMINATOR: u64 = 8;
    pub const FILE_SET: u64 = 256;
    pub const FILE_IDENTIFIER: u64 = 257;
    pub const FILE_ENTRY: u64 = 261;
    pub const EXTENDED_FILE_ENTRY: u64 = 266;
}

/// Sector of the anchor.
const ANCHOR: u64 = 256;

/// The volume: where its partition starts, in sectors.
struct Volume<'a> {
    medium: &'a Medium,
    start: u64,
}

/// The file at `path`.
pub(super) fn find(medium: &Medium, path: &str) -> Option<Place> {
    let anchor = sector(medium, ANCHOR, &[tag::ANCHOR])?;
    let (length, first) = (le(&anchor, 16, 4)?, le(&anchor, 20, 4)?);
    let (mut start, mut set) = (None, None);
    for number in first..first.checked_add((length / SECTOR).min(64))? {
        let bytes = medium.at(number.checked_mul(SECTOR)?, 2048)?;
        match le(&bytes, 0, 2)? {
            tag::PARTITION => start = le(&bytes, 188, 4),
            // The use of its contents is a long_ad: length, block, partition.
            tag::LOGICAL_VOLUME => set = le(&bytes, 252, 4),
            tag::TERMINATOR => break,
            _ => {}
        }
    }
    let volume = Volume { medium, start: start? };
    let set = sector(medium, volume.start.checked_add(set?)?, &[tag::FILE_SET])?;
    let root = le(&set, 404, 4)?;
    let found = walk(path, root, |block| volume.directory(*block))?;
    if found.is_dir { None } else { volume.content(found.at) }
}

/// A sector that holds a descriptor of one of these kinds.
fn sector(medium: &Medium, number: u64, kinds: &[u64]) -> Option<Vec<u8>> {
    let bytes = medium.at(number.checked_mul(SECTOR)?, 2048)?;
    kinds.contains(&le(&bytes, 0, 2)?).then_some(bytes)
}

impl Volume<'_> {
    /// Where the content of the file entry in this block of the partition is.
    fn content(&self, block: u64) -> Option<Place> {
        let number = self.start.checked_add(block)?;
        let kinds = [tag::FILE_ENTRY, tag::EXTENDED_FILE_ENTRY];
        let entry = sector(self.medium, number, &kinds)?;
        let extended = le(&entry, 0, 2)? == tag::EXTENDED_FILE_ENTRY;
        let (attributes, header) = if extended { (208, 216) } else { (168, 176) };
        let skip = usize::try_from(le(&entry, attributes, 4)?).ok()?;
        let len = usize::try_from(le(&entry, attributes + 4, 4)?).ok()?;
        let start = skip.checked_add(header)?;
        let area = entry.get(start..start.checked_add(len)?)?;
        // Bits 0 to 2 of the ICB tag's flags: what the area holds.
        match le(&entry, 34, 2)? & 7 {
            0 => self.runs(area, 8),
            1 => self.runs(area, 16),
            3 => {
                let at = number.checked_mul(SECTOR)?.checked_add(u64::try_from(start).ok()?)?;
                Some(Place { runs: vec![(at, u64::try_from(len).ok()?)] })
            }
            _ => None,
        }
    }

    /// Runs of short or long allocation descriptors.
    fn runs(&self, area: &[u8], size: usize) -> Option<Place> {
        let mut runs = Vec::new();
        for descriptor in area.chunks_exact(size).take(MAX_EXTENTS) {
            let raw = le(descriptor, 0, 4)?;
            // The upper two bits tell whether it is recorded.
            let (len, kind) = (raw & 0x3fff_ffff, raw >> 30);
            if len == 0 {
                break;
            }
            if kind != 0 {
                return None;
            }
            let block = self.start.checked_add(le(descriptor, 4, 4)?)?;
            runs.push((block.checked_mul(SECTOR)?, len));
        }
        Some(Place { runs })
    }

    fn directory(&self, block: u64) -> Option<Vec<Entry<u64>>> {
        let place = self.content(block)?;
        let len = place.runs.iter().fold(0_u64, |sum, (_, len)| sum.saturating_add(*len));
        let len = usize::try_from(len.min(MAX_DIRECTORY)).ok()?;
        let bytes = self.medium.read(&place, 0, len)?;
        let (mut entries, mut at) = (Vec::new(), 0);
        while le(&bytes, at, 2) == Some(tag::FILE_IDENTIFIER) {
            let names = usize::try_from(le(&bytes, at + 19, 1)?).ok()?;
            let uses = usize::try_from(le(&bytes, at + 36, 2)?).ok()?;
            let flags = le(&bytes, at + 18, 1)?;
            let raw = bytes.get(at + 38 + uses..at + 38 + uses + names)?;
            // Bit 2: deleted; bit 3: the parent, which has no name.
            if flags & 0b1100 == 0 {
                let is_dir = flags & 0b10 != 0;
                entries.push(Entry { name: name(raw)?, is_dir, at: le(&bytes, at + 24, 4)? });
            }
            at += (38 + uses + names).next_multiple_of(4);
        }
        Some(entries)
    }
}

/// A name in compressed Unicode: eight or sixteen bits a character.
fn name(raw: &[u8]) -> Option<String> {
    match raw.split_first()? {
        (8, rest) => Some(rest.iter().map(|byte| char::from(*byte)).collect()),
        (16, rest) => {
            let units = rest.as_chunks::<2>().0.iter().map(|unit| u16::from_be_bytes(*unit));
            Some(char::decode_utf16(units).map(|c| c.unwrap_or('\u{fffd}')).collect())
        }
        _ => None,
    }
}
