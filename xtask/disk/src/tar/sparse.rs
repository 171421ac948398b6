//! Sparse files as GNU tar's pax format 1.0: the map precedes the data.

use super::header::BLOCK;
use crate::fs::FileExtent;

/// How a sparse file is stored.
pub(crate) struct Sparse {
    /// The encoded map, padded to whole blocks.
    pub(crate) map: Vec<u8>,
    /// Bytes after the header: map and data, without the padding at the end.
    pub(crate) stored: u64,
}

/// Encodes the stored runs of a file of `size` bytes; `None` if writing the
/// holes out takes no more room.
pub(crate) fn plan(extents: &[FileExtent], size: u64) -> Option<Sparse> {
    let data = extents.iter().fold(0u64, |sum, extent| sum.saturating_add(extent.len));
    if data >= size {
        return None;
    }
    let map = encode(extents, size);
    let stored = u64::try_from(map.len()).ok()?.checked_add(data)?;
    // The extra pax records take two blocks at most for ordinary names.
    let block = u64::try_from(BLOCK).ok()?;
    (stored.div_ceil(block) + 2 < size.div_ceil(block)).then_some(Sparse { map, stored })
}

/// Count, then offset and length of each run, one decimal number per line. A
/// file that ends in a hole gets an empty run at its end, as GNU tar does.
fn encode(extents: &[FileExtent], size: u64) -> Vec<u8> {
    let end = extents.last().map_or(0, |last| last.offset.saturating_add(last.len));
    let tail = (end < size).then_some((size, 0));
    let runs = extents.iter().map(|extent| (extent.offset, extent.len)).chain(tail);
    let mut text = format!("{}\n", extents.len() + usize::from(tail.is_some()));
    for (offset, len) in runs {
        text.push_str(&format!("{offset}\n{len}\n"));
    }
    let mut map = text.into_bytes();
    map.resize(map.len().next_multiple_of(BLOCK), 0);
    map
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_when_it_saves_space() {
        let run = |offset, len| FileExtent { offset, len };
        let saves = |extents: &[FileExtent], size| plan(extents, size).map(|s| s.stored);
        assert_eq!(saves(&[], 0), None);
        assert_eq!(saves(&[run(0, 4096)], 4096), None);
        assert_eq!(saves(&[run(0, 4096)], 4097), None);
        assert_eq!(saves(&[], 1 << 40), Some(512));
        assert_eq!(saves(&[run(0, 4096), run(1 << 20, 4096)], 1 << 30), Some(512 + 8192));
        let map = plan(&[run(4096, 10)], 1 << 20).unwrap().map;
        assert!(map.starts_with(b"2\n4096\n10\n1048576\n0\n\0"));
    }
}
