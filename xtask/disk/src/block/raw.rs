//! Raw disk images and block devices.

use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::SeekFrom as Sparse;
use rustix::io::Errno;

use super::{BlockRead, Extent, ExtentKind, check_range};
use crate::{Error, Result};

/// A file or device whose bytes are the disk's.
pub struct Raw {
    file: File,
    len: u64,
    place: String,
}

impl Raw {
    /// Opens `path` read-only.
    pub fn open(path: &Path) -> Result<Self> {
        let file =
            File::open(path).map_err(|error| Error::io(path.display().to_string(), error))?;
        Self::from_file(file, path)
    }

    /// Takes over an open file; `path` is for messages.
    pub(super) fn from_file(mut file: File, path: &Path) -> Result<Self> {
        let place = path.display().to_string();
        // Seeking, unlike the metadata, also knows the size of block devices.
        let len = file.seek(SeekFrom::End(0)).map_err(|error| Error::io(&place, error))?;
        Ok(Self { file, len, place })
    }

    /// Position of the next byte of the sought kind, `None` if there is none.
    fn seek(&self, to: Sparse) -> Result<Option<u64>> {
        match rustix::fs::seek(&self.file, to) {
            Ok(position) => Ok(Some(position)),
            Err(Errno::NXIO) => Ok(None),
            Err(error) => Err(Error::io(&self.place, error.into())),
        }
    }

    fn runs_until(&self, offset: u64) -> Result<(u64, ExtentKind)> {
        let Some(data) = self.seek(Sparse::Data(offset))? else {
            return Ok((self.len, ExtentKind::Zero));
        };
        if data > offset {
            return Ok((data, ExtentKind::Zero));
        }
        let hole = self.seek(Sparse::Hole(offset))?;
        Ok((hole.unwrap_or(self.len), ExtentKind::Data))
    }
}

impl BlockRead for Raw {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        check_range(self.len, offset, buf.len(), &self.place)?;
        self.file
            .read_exact_at(buf, offset)
            .map_err(|error| Error::io(format!("{} at byte {offset}", self.place), error))
    }

    fn extent_at(&self, offset: u64) -> Result<Extent> {
        check_range(self.len, offset, 1, &self.place)?;
        let (end, kind) = match self.runs_until(offset) {
            Ok(found) => found,
            // Block devices, and some network file systems, have no holes to tell.
            Err(error) if error.os_error() == Some(Errno::INVAL.raw_os_error()) => {
                (self.len, ExtentKind::Data)
            }
            Err(error) => return Err(error),
        };
        // The file may change under us; the extent must stay inside and not be empty.
        let len = end.min(self.len).saturating_sub(offset).max(1);
        Ok(Extent { len, kind })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_are_seen_and_ends_are_kept() {
        const MIB: u64 = 1 << 20;
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(8 * MIB).unwrap();
        file.as_file().write_all_at(&[7; 4096], 2 * MIB).unwrap();
        let disk = Raw::open(file.path()).unwrap();
        let mut map = Vec::new();
        let mut at = 0;
        while at < disk.len() {
            let extent = disk.extent_at(at).unwrap();
            map.push((at, extent.kind));
            at += extent.len;
        }
        let (zero, data) = (ExtentKind::Zero, ExtentKind::Data);
        assert_eq!(map, [(0, zero), (2 * MIB, data), (2 * MIB + 4096, zero)]);
        assert_eq!(at, 8 * MIB);

        let mut last = [1; 2];
        disk.read_at(8 * MIB - 2, &mut last).unwrap();
        assert_eq!(last, [0, 0]);
        let error = disk.read_at(8 * MIB - 1, &mut last).unwrap_err();
        assert!(error.to_string().contains("past its end"), "{error}");
        assert!(disk.extent_at(8 * MIB).is_err());
        assert!(disk.read_at(u64::MAX, &mut last).is_err());
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = Raw::open(Path::new("/nonexistent/disk.raw")).err().unwrap();
        assert!(error.to_string().starts_with("/nonexistent/disk.raw: "), "{error}");
    }
}
