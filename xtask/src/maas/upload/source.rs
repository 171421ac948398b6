//! The file that is sent, read one piece ahead of the connection.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};

/// A piece of the file: where it starts and its bytes.
type Piece = (u64, io::Result<Vec<u8>>);

/// An open file and a thread that reads ahead.
pub struct Source {
    file: File,
    size: u64,
    /// Modification time when it was opened.
    changed: (i64, i64),
    wanted: Sender<(u64, usize)>,
    read: Receiver<Piece>,
    /// What the thread reads now.
    ahead: Option<(u64, usize)>,
}

impl Source {
    /// Opens a file of `size` bytes.
    ///
    /// # Errors
    /// It cannot be read, or has another size.
    pub fn open(path: &Path, size: u64) -> io::Result<Self> {
        let file = File::open(path)?;
        let meta = file.metadata()?;
        if meta.len() != size {
            return Err(io::Error::other(format!("it has {} bytes, not {size}", meta.len())));
        }
        let (wanted, requests) = channel::<(u64, usize)>();
        let (sender, read) = channel();
        let copy = file.try_clone()?;
        std::thread::Builder::new().name("read ahead".into()).spawn(move || {
            while let Ok((at, length)) = requests.recv() {
                let mut bytes = vec![0; length];
                let result = copy.read_exact_at(&mut bytes, at).map(|()| bytes);
                if sender.send((at, result)).is_err() {
                    return;
                }
            }
        })?;
        let changed = (meta.mtime(), meta.mtime_nsec());
        Ok(Self { file, size, changed, wanted, read, ahead: None })
    }

    /// The piece at `at`, of at most `length` bytes; the next one is read
    /// meanwhile.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn piece(&mut self, at: u64, length: usize) -> io::Result<Vec<u8>> {
        let now = (at, self.length_at(at, length));
        if self.ahead.take_if(|ahead| *ahead != now).is_some() {
            drop(self.read.recv()); // read in vain: the server wants another place
        }
        if self.ahead.take().is_none() {
            self.ask(now)?;
        }
        let gone = || io::Error::other("the reading thread ended");
        let (_, bytes) = self.read.recv().map_err(|_| gone())?;
        let bytes = bytes?;
        let next = at.saturating_add(bytes.len() as u64);
        if next < self.size {
            let next = (next, self.length_at(next, length));
            self.ask(next)?;
            self.ahead = Some(next);
        }
        Ok(bytes)
    }

    fn ask(&self, piece: (u64, usize)) -> io::Result<()> {
        self.wanted.send(piece).map_err(|_| io::Error::other("the reading thread ended"))
    }

    fn length_at(&self, at: u64, length: usize) -> usize {
        let left = self.size.saturating_sub(at);
        usize::try_from(left).unwrap_or(usize::MAX).min(length)
    }

    /// Somebody wrote to the file since it was opened.
    ///
    /// # Errors
    /// Its state cannot be read.
    pub fn has_changed(&self) -> io::Result<bool> {
        let meta = self.file.metadata()?;
        Ok((meta.mtime(), meta.mtime_nsec()) != self.changed || meta.len() != self.size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_in_any_order() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        std::fs::write(&path, b"0123456789").unwrap();
        let mut source = Source::open(&path, 10).unwrap();
        for (at, length, expected) in [
            (0, 4, "0123"),
            (4, 4, "4567"),
            (4, 2, "45"),
            (6, 2, "67"),
            (0, 4, "0123"),
            (8, 4, "89"),
        ] {
            assert_eq!(source.piece(at, length).unwrap(), expected.as_bytes());
        }
        assert!(!source.has_changed().unwrap());
        std::fs::write(&path, b"changed").unwrap();
        assert!(source.has_changed().unwrap());
        assert!(Source::open(&path, 3).is_err());
    }
}
