//! Whole disks: unpacked to a sparse temporary file, then read like any disk.

use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::index::Index;
use crate::bytes::wide;
use crate::pack::{Watch, index_curtin, index_disk};
use crate::{Error, ErrorKind, Result};

/// Zeros are skipped in pieces of this many bytes: a block of ext4.
const GRAIN: usize = 4096;

/// What an unpacked disk holds.
pub(super) struct Contents {
    /// The root; only `/curtin` where that is no Linux.
    pub(super) index: Index,
    /// `partition 1 (ext4)`, or why there is no root that can be read.
    pub(super) root: Result<String, String>,
    /// Size of the disk in bytes.
    pub(super) size: u64,
}

/// Unpacks `input` into a temporary file in `temp` and reads its root.
pub(super) fn scan(mut input: impl Read, temp: &Path, fingerprints: bool) -> Result<Contents> {
    let place = || format!("temporary disk in {}", temp.display());
    let mut file =
        tempfile::NamedTempFile::new_in(temp).map_err(|error| Error::from_io(place(), error))?;
    let mut buffer = vec![0; 256 << 10];
    let mut size = 0;
    loop {
        let len = fill(&mut input, &mut buffer)?;
        for piece in buffer[..len].chunks(GRAIN) {
            write_sparse(file.as_file_mut(), piece).map_err(|e| Error::from_io(place(), e))?;
        }
        size += wide(len);
        if len < buffer.len() {
            break;
        }
    }
    file.as_file().set_len(size).map_err(|error| Error::from_io(place(), error))?;
    match index_disk(file.path(), fingerprints, &Watch::default()) {
        Ok((root, index)) => Ok(Contents { index, root: Ok(root), size }),
        Err(error) if matches!(error.kind(), ErrorKind::Refused | ErrorKind::Unsupported) => {
            let index = index_curtin(file.path(), fingerprints, &Watch::default())?;
            Ok(Contents { index, root: Err(error.to_string()), size })
        }
        Err(error) => Err(error),
    }
}

fn write_sparse(file: &mut std::fs::File, piece: &[u8]) -> std::io::Result<()> {
    if piece.iter().all(|&byte| byte == 0) {
        let len = i64::try_from(piece.len()).unwrap_or(0);
        return file.seek(SeekFrom::Current(len)).map(drop);
    }
    file.write_all(piece)
}

/// Reads until the buffer is full or the stream ends.
fn fill(input: &mut impl Read, buffer: &mut [u8]) -> Result<usize> {
    let mut len = 0;
    while len < buffer.len() {
        match input.read(&mut buffer[len..]).map_err(super::tarread::unreadable)? {
            0 => break,
            more => len += more,
        }
    }
    Ok(len)
}
