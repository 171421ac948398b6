//! The write-ahead log: pages that were committed but are not in the file yet.

use std::collections::HashMap;

use crate::bytes::{be32, le32, slice};

const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;
/// Its lowest bit says in which byte order checksums are computed.
const MAGIC: u32 = 0x377f_0682;

/// Pages by number, each as the last commit left it.
pub(super) struct Wal<'a>(HashMap<u32, &'a [u8]>);

impl<'a> Wal<'a> {
    /// Takes what SQLite itself would take: frames with the salt of the header
    /// and right checksums, up to the last that ends a transaction. The rest
    /// is of a transaction that never was, or of an earlier log.
    pub(super) fn read(log: &'a [u8], page_size: usize) -> Self {
        let mut committed = HashMap::new();
        let big = match be32(log, 0) ^ MAGIC {
            0 => false,
            1 => true,
            _ => return Self(committed),
        };
        let size = usize::try_from(be32(log, 8)).unwrap_or(0);
        let mut sum = checksum(big, slice(log, 0, 24), (0, 0));
        if size != page_size || sum != (be32(log, 24), be32(log, 28)) {
            return Self(committed);
        }
        let mut open = Vec::new();
        let frames = log.get(HEADER..).unwrap_or_default();
        for frame in frames.chunks_exact(FRAME_HEADER + page_size) {
            let (head, page) = frame.split_at(FRAME_HEADER);
            sum = checksum(big, slice(head, 0, 8), sum);
            sum = checksum(big, page, sum);
            let salted = slice(head, 8, 8) == slice(log, 16, 8);
            if !salted || sum != (be32(head, 16), be32(head, 20)) {
                break;
            }
            open.push((be32(head, 0), page));
            if be32(head, 4) != 0 {
                committed.extend(open.drain(..));
            }
        }
        Self(committed)
    }

    pub(super) fn page(&self, number: u32) -> Option<&'a [u8]> {
        self.0.get(&number).copied()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

fn checksum(big: bool, bytes: &[u8], (mut a, mut b): (u32, u32)) -> (u32, u32) {
    let word = |at| if big { be32(bytes, at) } else { le32(bytes, at) };
    for at in (0..bytes.len()).step_by(8) {
        a = a.wrapping_add(word(at)).wrapping_add(b);
        b = b.wrapping_add(word(at + 4)).wrapping_add(a);
    }
    (a, b)
}
