//! Entries to archive bytes.

use std::io::{self, Write};

use super::acl::{self, ACL_XATTRS};
use super::header::{BLOCK, Header};
use super::pax::{self, Records};
use super::sparse::{self, Sparse};
use crate::fs::{FileExtent, Timestamp, Xattr};

/// GNU tar pads archives to a whole record; so do we, for tools that insist.
const RECORD: u64 = 20 * 512;
/// File content is copied in pieces of this many bytes, which stay in a cache
/// of level 2 between reading and copying.
const CHUNK: usize = 256 << 10;

/// What an [`Entry`] is, with what only that type has.
#[derive(Debug, Clone, Copy)]
pub enum Body<'a> {
    /// Regular file; its content is asked for while it is written.
    File {
        /// Size in bytes, holes included.
        size: u64,
        /// Stored runs in file order; gaps are holes.
        extents: &'a [FileExtent],
    },
    /// Directory.
    Directory,
    /// Symbolic link to this target.
    Symlink(&'a [u8]),
    /// Second or later name of the entry with this archive path.
    HardLink(&'a [u8]),
    /// Character device.
    CharDevice {
        /// Driver number.
        major: u32,
        /// Unit number.
        minor: u32,
    },
    /// Block device.
    BlockDevice {
        /// Driver number.
        major: u32,
        /// Unit number.
        minor: u32,
    },
    /// Named pipe.
    Fifo,
}

/// One member of the archive.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// Path below the root without leading or trailing slash; empty is the root.
    pub path: &'a [u8],
    /// Type and what belongs to it.
    pub body: Body<'a>,
    /// Permission, set-id and sticky bits.
    pub mode: u16,
    /// Numeric owner.
    pub uid: u32,
    /// Numeric group.
    pub gid: u32,
    /// Last change of the content.
    pub mtime: Timestamp,
    /// Extended attributes, sorted by name. Ignored on hard links.
    pub xattrs: &'a [Xattr],
}

/// Streams entries into `W` as a pax archive. Paths become `./path`.
pub struct TarWriter<W> {
    out: W,
    written: u64,
    buffer: Vec<u8>,
}

impl<W: Write> TarWriter<W> {
    /// An archive without entries.
    pub fn new(out: W) -> Self {
        Self { out, written: 0, buffer: Vec::new() }
    }

    /// Appends one entry. For files, `read` fills its buffer from the given
    /// offset (bytes); it is asked for stored runs only, in order.
    ///
    /// # Errors
    /// Whatever the output or `read` says.
    pub fn append(
        &mut self,
        entry: &Entry<'_>,
        read: impl FnMut(u64, &mut [u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let sparse = match entry.body {
            Body::File { size, extents } => sparse::plan(extents, size),
            _ => None,
        };
        self.write_headers(entry, sparse.as_ref())?;
        match (entry.body, sparse) {
            (Body::File { extents, .. }, Some(sparse)) => {
                self.put(&sparse.map)?;
                self.copy(extents, read)
            }
            (Body::File { size, extents }, None) => self.copy_with_holes(extents, size, read),
            _ => Ok(()),
        }
    }

    /// Writes the end of the archive and hands the output back.
    ///
    /// # Errors
    /// Whatever the output says.
    pub fn finish(mut self) -> io::Result<W> {
        self.put(&[0; 2 * BLOCK])?;
        let padding = self.written.next_multiple_of(RECORD) - self.written;
        self.zeros(padding)?;
        Ok(self.out)
    }

    /// Bytes of archive so far.
    pub fn written(&self) -> u64 {
        self.written
    }

    fn write_headers(&mut self, entry: &Entry<'_>, sparse: Option<&Sparse>) -> io::Result<()> {
        let (header, records) = encode(entry, sparse);
        if !records.bytes().is_empty() {
            let mut extended = Header::new(b'x');
            // Only a label for readers that know no pax; its end may be cut.
            let _: bool = extended.set_path(&beside(entry.path, b"PaxHeaders"));
            extended.set_mode(0o644);
            let len = u64::try_from(records.bytes().len()).map_err(io::Error::other)?;
            if !extended.set_size(len) {
                return Err(io::Error::other("the extended attributes exceed 8 GiB"));
            }
            self.put(&extended.finish())?;
            self.put(records.bytes())?;
            self.pad()?;
        }
        self.put(&header.finish())
    }

    fn copy(
        &mut self,
        extents: &[FileExtent],
        mut read: impl FnMut(u64, &mut [u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        for extent in extents {
            self.copy_run(*extent, &mut read)?;
        }
        self.pad()
    }

    fn copy_with_holes(
        &mut self,
        extents: &[FileExtent],
        size: u64,
        mut read: impl FnMut(u64, &mut [u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut at = 0;
        for extent in extents {
            self.zeros(extent.offset.saturating_sub(at))?;
            self.copy_run(*extent, &mut read)?;
            at = extent.offset.saturating_add(extent.len);
        }
        self.zeros(size.saturating_sub(at))?;
        self.pad()
    }

    fn copy_run(
        &mut self,
        run: FileExtent,
        read: &mut impl FnMut(u64, &mut [u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.resize(CHUNK, 0);
        let mut done = 0;
        while done < run.len {
            let want = usize::try_from(run.len - done).unwrap_or(CHUNK).min(CHUNK);
            let piece = &mut buffer[..want];
            read(run.offset + done, piece)?;
            self.put(piece)?;
            done += u64::try_from(want).map_err(io::Error::other)?;
        }
        self.buffer = buffer;
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)?;
        self.written += u64::try_from(bytes.len()).map_err(io::Error::other)?;
        Ok(())
    }

    fn zeros(&mut self, mut count: u64) -> io::Result<()> {
        static ZEROS: [u8; 64 << 10] = [0; 64 << 10];
        while count > 0 {
            let want = usize::try_from(count).unwrap_or(ZEROS.len()).min(ZEROS.len());
            self.put(&ZEROS[..want])?;
            count -= u64::try_from(want).map_err(io::Error::other)?;
        }
        Ok(())
    }

    fn pad(&mut self) -> io::Result<()> {
        let block = u64::try_from(BLOCK).map_err(io::Error::other)?;
        self.zeros(self.written.next_multiple_of(block) - self.written)
    }
}

/// The header of an entry and the records for all that does not fit in it.
fn encode(entry: &Entry<'_>, sparse: Option<&Sparse>) -> (Header, Records) {
    let mut records = Records::default();
    let mut header = Header::new(type_flag(&entry.body));
    let path = archive_path(entry);
    match (sparse, entry.body) {
        (Some(_), Body::File { size, .. }) => {
            let _: bool = header.set_path(&beside(entry.path, b"GNUSparseFile.0"));
            records.add_number("GNU.sparse.major", 1u8);
            records.add_number("GNU.sparse.minor", 0u8);
            records.add(b"GNU.sparse.name", &path);
            records.add_number("GNU.sparse.realsize", size);
        }
        _ if !header.set_path(&path) => records.add(b"path", &path),
        _ => {}
    }
    encode_body(entry, sparse, &mut header, &mut records);
    encode_owner_and_time(entry, &mut header, &mut records);
    if !matches!(entry.body, Body::HardLink(_)) {
        encode_xattrs(entry.xattrs, &mut records);
    }
    (header, records)
}

fn type_flag(body: &Body<'_>) -> u8 {
    match body {
        Body::File { .. } => b'0',
        Body::HardLink(_) => b'1',
        Body::Symlink(_) => b'2',
        Body::CharDevice { .. } => b'3',
        Body::BlockDevice { .. } => b'4',
        Body::Directory => b'5',
        Body::Fifo => b'6',
    }
}

fn encode_body(
    entry: &Entry<'_>,
    sparse: Option<&Sparse>,
    header: &mut Header,
    records: &mut Records,
) {
    match entry.body {
        Body::File { size, .. } => {
            let stored = sparse.map_or(size, |sparse| sparse.stored);
            if !header.set_size(stored) {
                records.add_number("size", stored);
            }
        }
        Body::Symlink(target) => encode_link(target, header, records),
        Body::HardLink(first) => encode_link(&[b"./", first].concat(), header, records),
        Body::CharDevice { major, minor } | Body::BlockDevice { major, minor } => {
            // Linux has 12-bit majors and 20-bit minors; both fit in 7 digits.
            // A damaged inode may hold more, and then 0:0 is what it gets.
            let _: bool = header.set_device(major, minor);
        }
        Body::Directory | Body::Fifo => {}
    }
}

fn encode_link(target: &[u8], header: &mut Header, records: &mut Records) {
    if !header.set_link(target) {
        records.add(b"linkpath", target);
    }
}

fn encode_owner_and_time(entry: &Entry<'_>, header: &mut Header, records: &mut Records) {
    header.set_mode(entry.mode);
    if !header.set_uid(entry.uid) {
        records.add_number("uid", entry.uid);
    }
    if !header.set_gid(entry.gid) {
        records.add_number("gid", entry.gid);
    }
    let whole = u64::try_from(entry.mtime.seconds).ok().filter(|_| entry.mtime.nanoseconds == 0);
    let exact = whole.is_some_and(|seconds| header.set_mtime(seconds));
    if !exact {
        // Readers without pax still get the second.
        let _: bool = header.set_mtime(u64::try_from(entry.mtime.seconds).unwrap_or(0));
        records.add(b"mtime", pax::time(entry.mtime).as_bytes());
    }
}

/// ACLs twice: as text for extraction with `--acls`, as xattr for the others.
fn encode_xattrs(xattrs: &[Xattr], records: &mut Records) {
    for (name, value) in xattrs {
        let acl = ACL_XATTRS.iter().find(|(acl, _)| acl == name);
        if let Some((keyword, text)) = acl.and_then(|(_, k)| Some((k, acl::to_text(value)?))) {
            records.add(keyword.as_bytes(), text.as_bytes());
        }
    }
    for (name, value) in xattrs {
        records.add_xattr(name, value);
    }
}

/// `./path`, with a slash at the end of directories.
fn archive_path(entry: &Entry<'_>) -> Vec<u8> {
    let mut path = [b"./", entry.path].concat();
    if matches!(entry.body, Body::Directory) && !entry.path.is_empty() {
        path.push(b'/');
    }
    path
}

/// `./dir/MARKER/name`: what GNU tar calls members that need pax support.
fn beside(path: &[u8], marker: &[u8]) -> Vec<u8> {
    match path.iter().rposition(|&byte| byte == b'/') {
        Some(at) => [b"./", &path[..at], b"/", marker, &path[at..]].concat(),
        None => [b"./", marker, b"/", path].concat(),
    }
}

#[cfg(test)]
#[path = "writer_tests.rs"]
mod tests;
