//! Finds one file on an installation medium, without mounting: UDF, which
//! Microsoft's media have, or ISO 9660, which those have that people make.

mod plain;
mod udf;

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::MediaError;

/// Bytes per sector of a CD or DVD.
const SECTOR: u64 = 2048;

/// Largest directory that is read, bytes.
const MAX_DIRECTORY: u64 = 4 << 20;

/// Deepest path that is followed.
const MAX_EXTENTS: usize = 4096;

/// A medium.
#[derive(Debug)]
pub struct Medium {
    file: File,
}

/// Where a file's bytes are on the medium: runs of first byte and length.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    runs: Vec<(u64, u64)>,
}

impl Place {
    /// Bytes of the file.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.runs.iter().fold(0, |sum, (_, len)| sum.saturating_add(*len))
    }

    /// The file is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A name in a directory.
struct Entry<T> {
    name: String,
    is_dir: bool,
    at: T,
}

impl Medium {
    /// Opens the medium at `path`.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn open(path: &Path) -> Result<Self, MediaError> {
        let file = File::open(path).map_err(|source| MediaError::Io {
            action: "cannot read",
            path: path.into(),
            source,
        })?;
        Ok(Self { file })
    }

    /// The file at `path`, names joined by `/`, in any case; `None` if there
    /// is none or the medium has no file system that is read here.
    #[must_use]
    pub fn find(&self, path: &str) -> Option<Place> {
        udf::find(self, path).or_else(|| plain::find(self, path))
    }

    /// `len` bytes from byte `offset` of a file; `None` past its end.
    #[must_use]
    pub fn read(&self, place: &Place, mut offset: u64, len: usize) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        for (start, run) in &place.runs {
            if offset >= *run {
                offset -= run;
                continue;
            }
            let left = u64::try_from(len - bytes.len()).ok()?.min(run - offset);
            bytes.extend(self.at(start.checked_add(offset)?, usize::try_from(left).ok()?)?);
            offset = 0;
            if bytes.len() == len {
                return Some(bytes);
            }
        }
        (len == 0).then_some(bytes)
    }

    /// Bytes of the medium; `None` past its end.
    fn at(&self, offset: u64, len: usize) -> Option<Vec<u8>> {
        let size = self.file.metadata().ok()?.len();
        let end = offset.checked_add(u64::try_from(len).ok()?)?;
        if end > size {
            return None;
        }
        let mut bytes = vec![0; len];
        self.file.read_exact_at(&mut bytes, offset).ok()?;
        Some(bytes)
    }
}

/// Walks down `path` from `root`.
fn walk<T>(path: &str, root: T, list: impl Fn(&T) -> Option<Vec<Entry<T>>>) -> Option<Entry<T>> {
    let mut found = Entry { name: String::new(), is_dir: true, at: root };
    for name in path.split('/') {
        if !found.is_dir {
            return None;
        }
        let entries = list(&found.at)?;
        found = entries.into_iter().find(|entry| entry.name.eq_ignore_ascii_case(name))?;
    }
    Some(found)
}

/// Little-endian number of up to eight bytes at `at`.
fn le(bytes: &[u8], at: usize, len: usize) -> Option<u64> {
    let bytes = bytes.get(at..at.checked_add(len)?)?;
    Some(bytes.iter().rev().fold(0, |sum, byte| (sum << 8) | u64::from(*byte)))
}
