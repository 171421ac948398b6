//! The file that is sent. A piece is no copy of its bytes but a place in the file,
//! from which the connection takes them.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::num::NonZeroU64;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{Advice, fadvise};

/// What changes when somebody writes to a file or puts another in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    inode: u64,
    size: u64,
    /// Seconds and nanoseconds.
    modified: (i64, i64),
}

impl Stamp {
    /// Of a file as it is now.
    #[must_use]
    pub fn of(meta: &Metadata) -> Self {
        let modified = (meta.mtime(), meta.mtime_nsec());
        Self { inode: meta.ino(), size: meta.len(), modified }
    }
}

/// An open file; whatever takes its name meanwhile does not matter.
#[derive(Debug)]
pub struct Source {
    file: Arc<File>,
    size: u64,
    /// As it was when it was opened.
    stamp: Stamp,
}

/// A part of a file. Reading a clone starts where the original stands.
#[derive(Clone, Debug)]
pub struct Piece {
    file: Arc<File>,
    at: u64,
    left: u64,
}

impl Source {
    /// Opens a file of `size` bytes that had this stamp when it was hashed.
    ///
    /// # Errors
    /// It cannot be read, has another size, or was written to since.
    pub fn open(path: &Path, size: u64, hashed: Option<Stamp>) -> io::Result<Self> {
        let file = File::open(path)?;
        let meta = file.metadata()?;
        if meta.len() != size {
            return Err(io::Error::other(format!("it has {} bytes, not {size}", meta.len())));
        }
        let stamp = Stamp::of(&meta);
        if hashed.is_some_and(|hashed| hashed != stamp) {
            return Err(io::Error::other("it changed after it was hashed; upload it again"));
        }
        Ok(Self { file: Arc::new(file), size, stamp })
    }

    /// The piece at `at`, of at most `length` bytes. The kernel is told to read the
    /// next one, so that a slow disk works while MAAS does.
    #[must_use]
    pub fn piece(&self, at: u64, length: u64) -> Piece {
        let next = at.saturating_add(length);
        // Only a wish: a file system without it reads when asked.
        let _unused = fadvise(&self.file, next, NonZeroU64::new(length), Advice::WillNeed);
        let left = self.size.saturating_sub(at).min(length);
        Piece { file: self.file.clone(), at, left }
    }

    /// Somebody wrote to the file since it was opened.
    ///
    /// # Errors
    /// Its state cannot be read.
    pub fn has_changed(&self) -> io::Result<bool> {
        Ok(Stamp::of(&self.file.metadata()?) != self.stamp)
    }
}

impl Piece {
    /// Bytes still to be read.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.left
    }

    /// Hands up to `most` bytes to a socket without copying them through this process.
    ///
    /// # Errors
    /// The file became shorter, or what the kernel says; `EINVAL` and `ENOSYS` mean
    /// that it cannot do that with this file.
    pub fn send_to(&mut self, socket: impl AsFd, most: usize) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(most);
        let count = rustix::fs::sendfile(socket, &self.file, Some(&mut self.at), most)?;
        if count == 0 && most > 0 {
            return Err(shorter());
        }
        self.left = self.left.saturating_sub(count as u64);
        Ok(count)
    }

    /// Nothing is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.left == 0
    }
}

impl Read for Piece {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let count = self.file.read_at(buffer.get_mut(..most).unwrap_or_default(), self.at)?;
        if count == 0 && most > 0 {
            return Err(shorter());
        }
        self.at = self.at.saturating_add(count as u64);
        self.left = self.left.saturating_sub(count as u64);
        Ok(count)
    }
}

fn shorter() -> io::Error {
    io::Error::other("the file became shorter")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_in_any_order() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        std::fs::write(&path, b"0123456789").unwrap();
        let source = Source::open(&path, 10, None).unwrap();
        for (at, length, expected) in
            [(0, 4, "0123"), (4, 2, "45"), (8, 4, "89"), (0, 4, "0123"), (10, 4, "")]
        {
            let mut piece = source.piece(at, length);
            let copy = piece.clone();
            let mut text = String::new();
            piece.read_to_string(&mut text).unwrap();
            assert_eq!(
                (text.as_str(), copy.len(), piece.is_empty()),
                (expected, expected.len() as u64, true)
            );
        }
        assert!(!source.has_changed().unwrap());
        let mut piece = source.piece(4, 6);
        std::fs::write(&path, b"012").unwrap();
        assert!(source.has_changed().unwrap());
        assert!(piece.read_to_end(&mut vec![]).is_err(), "never silently short");
        assert!(Source::open(&path, 10, None).is_err());
        let hashed = Some(Stamp::of(&std::fs::metadata(&path).unwrap()));
        assert!(Source::open(&path, 3, hashed).is_ok());
        std::fs::rename(&path, dir.path().join("y")).unwrap();
        std::fs::write(&path, b"013").unwrap();
        let why = Source::open(&path, 3, hashed).unwrap_err().to_string();
        assert!(why.contains("after it was hashed"), "{why}");
    }
}
