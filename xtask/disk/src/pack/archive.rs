//! Walked entries into a tar archive.

use std::collections::HashMap;
use std::io::Write;

use super::overlay::Added;
use super::walk::{Item, Source, Visitor};
use super::watch::Watch;
use crate::fs::{FileExtent, FileKind, FileSystem, Metadata, NodeId, Xattr};
use crate::tar::{Body, Entry, TarWriter};
use crate::{Error, Result};

/// What went into the archive.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Members, hard links included.
    pub entries: u64,
    /// Bytes of file content, holes included, every inode once.
    pub bytes: u64,
    /// Sockets, which archives cannot hold and daemons make anew.
    pub sockets: u64,
}

/// Writes every entry it visits.
pub(crate) struct Archive<'a, W> {
    tar: TarWriter<W>,
    watch: &'a Watch<'a>,
    /// First archived name of inodes with several.
    names: HashMap<(usize, NodeId), Vec<u8>>,
    totals: Totals,
}

impl<'a, W: Write> Archive<'a, W> {
    pub(crate) fn new(out: W, watch: &'a Watch<'a>) -> Self {
        let tar = TarWriter::new(out);
        Self { tar, watch, names: HashMap::new(), totals: Totals::default() }
    }

    pub(crate) fn finish(self) -> Result<(W, Totals)> {
        let out = self.tar.finish().map_err(|error| Error::from_io("archive", error))?;
        Ok((out, self.totals))
    }

    fn node(&mut self, item: &Item<'_>, fs: &dyn FileSystem, node: NodeId) -> Result<()> {
        let xattrs = fs.xattrs(node)?;
        let entry = |body| entry(item, body, &xattrs);
        match item.meta.kind {
            FileKind::Regular => {
                let extents = fs.extents(node)?;
                let body = Body::File { size: item.meta.size, extents: &extents };
                self.file(entry(body), fs, node)
            }
            FileKind::Directory => self.plain(entry(Body::Directory)),
            FileKind::Symlink => {
                let target = fs.read_link(node)?;
                if target.contains(&0) {
                    return Err(Error::damaged("symbolic link", "its target holds a NUL"));
                }
                self.plain(entry(Body::Symlink(&target)))
            }
            FileKind::CharDevice { major, minor } => {
                self.plain(entry(Body::CharDevice { major, minor }))
            }
            FileKind::BlockDevice { major, minor } => {
                self.plain(entry(Body::BlockDevice { major, minor }))
            }
            FileKind::Fifo => self.plain(entry(Body::Fifo)),
            FileKind::Socket => Ok(()),
        }
    }

    fn file(&mut self, entry: Entry<'_>, fs: &dyn FileSystem, node: NodeId) -> Result<()> {
        let watch = self.watch;
        let read = |offset, buffer: &mut [u8]| {
            watch.check().map_err(std::io::Error::other)?;
            read_exactly(fs, node, offset, buffer).map_err(std::io::Error::other)?;
            watch.advance(buffer.len());
            Ok(())
        };
        self.tar.append(&entry, read).map_err(|error| Error::from_io("archive", error))
    }

    fn plain(&mut self, entry: Entry<'_>) -> Result<()> {
        let nothing = |_, _: &mut [u8]| Ok(());
        self.tar.append(&entry, nothing).map_err(|error| Error::from_io("archive", error))
    }

    /// A file whose content is in memory.
    fn bytes(&mut self, item: &Item<'_>, bytes: &[u8], xattrs: &[Xattr]) -> Result<()> {
        let len = item.meta.size;
        let whole = [FileExtent { offset: 0, len }];
        let extents = if len == 0 { &whole[..0] } else { &whole };
        let entry = entry(item, Body::File { size: len, extents }, xattrs);
        let read = |offset, buffer: &mut [u8]| {
            let from = usize::try_from(offset).unwrap_or(usize::MAX);
            let piece = bytes.get(from..).and_then(|rest| rest.get(..buffer.len()));
            buffer.copy_from_slice(piece.ok_or(std::io::ErrorKind::UnexpectedEof)?);
            Ok(())
        };
        self.tar.append(&entry, read).map_err(|error| Error::from_io("archive", error))
    }

    /// The name under which this inode is already in the archive; otherwise
    /// this one is remembered.
    fn first_name(&mut self, item: &Item<'_>, mount: usize, node: NodeId) -> Option<Vec<u8>> {
        if item.meta.links < 2 || item.meta.kind == FileKind::Directory {
            return None;
        }
        let known = self.names.get(&(mount, node)).cloned();
        if known.is_none() {
            self.names.insert((mount, node), item.path.to_vec());
        }
        known
    }
}

impl<W: Write> Visitor for Archive<'_, W> {
    fn visit(&mut self, item: &Item<'_>) -> Result<()> {
        self.watch.check()?;
        if item.meta.kind == FileKind::Socket {
            self.totals.sockets += 1;
            return Ok(());
        }
        self.totals.entries += 1;
        match item.source {
            Source::Node { mount, fs, node } => {
                if let Some(first) = self.first_name(item, mount, node) {
                    return self.plain(entry(item, Body::HardLink(&first), &[]));
                }
                self.node(item, fs, node)?;
            }
            Source::Rewritten { fs, node, bytes } => self.bytes(item, bytes, &fs.xattrs(node)?)?,
            Source::Added(Added::File { bytes, .. }) => self.bytes(item, bytes, &[])?,
            Source::Added(Added::Directory { .. }) => {
                self.plain(entry(item, Body::Directory, &[]))?;
            }
        }
        if item.meta.kind == FileKind::Regular {
            self.totals.bytes = self.totals.bytes.saturating_add(item.meta.size);
        }
        Ok(())
    }
}

fn entry<'a>(item: &Item<'a>, body: Body<'a>, xattrs: &'a [Xattr]) -> Entry<'a> {
    let Metadata { mode, uid, gid, mtime, .. } = item.meta;
    Entry { path: item.path, body, mode, uid, gid, mtime, xattrs }
}

/// Fills the whole buffer or fails.
pub(crate) fn read_exactly(
    fs: &dyn FileSystem,
    node: NodeId,
    offset: u64,
    buffer: &mut [u8],
) -> Result<()> {
    let mut done = 0;
    while done < buffer.len() {
        let at = offset.saturating_add(u64::try_from(done).unwrap_or(u64::MAX));
        let len = fs.read_file_at(node, at, &mut buffer[done..])?;
        if len == 0 || len > buffer.len() - done {
            return Err(Error::damaged(format!("inode {node}"), "its content ends early"));
        }
        done += len;
    }
    Ok(())
}
