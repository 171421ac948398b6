//! Pieces of disks one after the other.

use std::sync::Arc;

use super::{BlockRead, Extent, check_range};
use crate::bytes::{clip, wide};
use crate::{Error, Result};

/// Pieces of disks as a disk of their own, such as a logical volume.
pub struct Concat {
    /// End of each piece within the whole, and the piece.
    pieces: Vec<(u64, Arc<dyn BlockRead>)>,
}

impl Concat {
    /// The pieces in order; empty ones are left out.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Damaged`] if the sizes add up to more than 2^64.
    pub fn new(pieces: impl IntoIterator<Item = Arc<dyn BlockRead>>) -> Result<Self> {
        let mut all: Vec<(u64, Arc<dyn BlockRead>)> = Vec::new();
        let mut end = 0u64;
        for piece in pieces.into_iter().filter(|piece| !piece.is_empty()) {
            end = end
                .checked_add(piece.len())
                .ok_or_else(|| Error::damaged("disk", "its pieces are too large together"))?;
            all.push((end, piece));
        }
        Ok(Self { pieces: all })
    }

    /// The piece with byte `offset`, and where that is in it.
    fn piece(&self, offset: u64) -> Result<(&dyn BlockRead, u64)> {
        let index = self.pieces.partition_point(|(end, _)| *end <= offset);
        let piece = self.pieces.get(index);
        let (end, piece) = piece.ok_or_else(|| Error::damaged("disk", "a piece is missing"))?;
        Ok((&**piece, offset - (end - piece.len())))
    }
}

impl BlockRead for Concat {
    fn len(&self) -> u64 {
        self.pieces.last().map_or(0, |(end, _)| *end)
    }

    fn read_at(&self, mut offset: u64, mut buf: &mut [u8]) -> Result<()> {
        check_range(self.len(), offset, buf.len(), "disk in pieces")?;
        while !buf.is_empty() {
            let (piece, at) = self.piece(offset)?;
            let (now, rest) = buf.split_at_mut(clip(piece.len() - at, buf.len()));
            piece.read_at(at, now)?;
            offset += wide(now.len());
            buf = rest;
        }
        Ok(())
    }

    fn extent_at(&self, offset: u64) -> Result<Extent> {
        check_range(self.len(), offset, 1, "disk in pieces")?;
        let (piece, at) = self.piece(offset)?;
        piece.extent_at(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_across_pieces() {
        let piece = |bytes: &[u8]| Arc::new(bytes.to_vec()) as Arc<dyn BlockRead>;
        let disk = Concat::new([piece(b"abc"), piece(b""), piece(b"de"), piece(b"f")]).unwrap();
        let mut all = [0; 6];
        disk.read_at(0, &mut all).unwrap();
        assert_eq!(&all, b"abcdef");
        let mut middle = [0; 3];
        disk.read_at(2, &mut middle).unwrap();
        assert_eq!(&middle, b"cde");
        assert_eq!(disk.extent_at(4).unwrap().len, 1);
        assert!(disk.read_at(4, &mut middle).is_err() && disk.extent_at(6).is_err());
        assert!(Concat::new([]).unwrap().is_empty());
    }
}
