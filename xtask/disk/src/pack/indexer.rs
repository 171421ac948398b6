//! Walked entries into an [`Index`].

use std::collections::HashMap;

use super::archive::read_exactly;
use super::overlay::Added;
use super::walk::{Item, Source, Visitor};
use super::watch::Watch;
use crate::artifact::{Fingerprinter, Index, Node, NodeKind};
use crate::fs::{FileKind, FileSystem, NodeId, Xattr};
use crate::{Error, Result};

/// Collects what is visited.
pub(crate) struct Indexer<'a> {
    pub(crate) index: Index,
    watch: &'a Watch<'a>,
    /// Whether to read all content for fingerprints.
    fingerprints: bool,
    names: HashMap<(usize, NodeId), Vec<u8>>,
}

impl<'a> Indexer<'a> {
    pub(crate) fn new(fingerprints: bool, watch: &'a Watch<'a>) -> Self {
        Self { index: Index::default(), watch, fingerprints, names: HashMap::new() }
    }

    fn add(&mut self, item: &Item<'_>, kind: NodeKind, xattrs: Vec<Xattr>) {
        let regular = matches!(kind, NodeKind::File);
        let node = Node {
            kind,
            mode: item.meta.mode,
            uid: item.meta.uid.into(),
            gid: item.meta.gid.into(),
            size: if regular { item.meta.size } else { 0 },
            mtime: item.meta.mtime,
            xattrs,
            fingerprint: None,
        };
        self.index.insert(item.path.to_vec(), node);
    }

    fn node(
        &mut self,
        item: &Item<'_>,
        mount: usize,
        fs: &dyn FileSystem,
        id: NodeId,
    ) -> Result<()> {
        let key = (mount, id);
        let shared = item.meta.links > 1 && item.meta.kind != FileKind::Directory;
        if let Some(first) = self.names.get(&key).filter(|_| shared).cloned() {
            self.add(item, NodeKind::HardLink(first), Vec::new());
            return Ok(());
        }
        if shared {
            self.names.insert(key, item.path.to_vec());
        }
        let kind = match item.meta.kind {
            FileKind::Regular => NodeKind::File,
            FileKind::Directory => NodeKind::Directory,
            FileKind::Symlink => NodeKind::Symlink(fs.read_link(id)?),
            FileKind::CharDevice { major, minor } => {
                NodeKind::CharDevice(major.into(), minor.into())
            }
            FileKind::BlockDevice { major, minor } => {
                NodeKind::BlockDevice(major.into(), minor.into())
            }
            FileKind::Fifo => NodeKind::Fifo,
            FileKind::Socket => NodeKind::Other,
        };
        let regular = kind == NodeKind::File;
        self.add(item, kind, fs.xattrs(id)?);
        if regular { self.content(item, fs, id) } else { Ok(()) }
    }

    fn content(&mut self, item: &Item<'_>, fs: &dyn FileSystem, id: NodeId) -> Result<()> {
        if let Some(limit) = Index::wants(item.path) {
            let len = usize::try_from(item.meta.size.min(limit))
                .map_err(|_| Error::unsupported("file", "it does not fit into memory"))?;
            let mut bytes = vec![0; len];
            read_exactly(fs, id, 0, &mut bytes)?;
            self.index.insert_content(item.path.to_vec(), bytes);
        }
        if self.fingerprints {
            let mut print = Fingerprinter::new(item.meta.size);
            let mut buffer = vec![0; 256 << 10];
            for extent in fs.extents(id)? {
                let mut done = 0;
                while done < extent.len {
                    let want = usize::try_from(extent.len - done).unwrap_or(buffer.len());
                    let piece = &mut buffer[..want.min(256 << 10)];
                    read_exactly(fs, id, extent.offset + done, piece)?;
                    print.update(extent.offset + done, piece);
                    done += u64::try_from(piece.len()).unwrap_or(extent.len);
                }
            }
            self.index.set_fingerprint(item.path, print.finish());
        }
        Ok(())
    }
}

impl Visitor for Indexer<'_> {
    fn visit(&mut self, item: &Item<'_>) -> Result<()> {
        self.watch.check()?;
        match item.source {
            Source::Node { mount, fs, node } => self.node(item, mount, fs, node),
            Source::Rewritten { fs, node, bytes } => {
                self.add(item, NodeKind::File, fs.xattrs(node)?);
                self.index.insert_content(item.path.to_vec(), bytes.to_vec());
                Ok(())
            }
            Source::Added(Added::Directory { .. }) => {
                self.add(item, NodeKind::Directory, Vec::new());
                Ok(())
            }
            Source::Added(Added::File { bytes, .. }) => {
                self.add(item, NodeKind::File, Vec::new());
                self.index.insert_content(item.path.to_vec(), bytes.clone());
                Ok(())
            }
        }
    }
}
