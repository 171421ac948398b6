//! Walks the tree of an image in archive order: file systems mounted into each
//! other, trees added, policy applied.

use std::collections::{BTreeMap, HashSet};

use super::archive::read_exactly;
use super::overlay::{Added, Overlay};
use crate::bytes::wide;
use crate::fs::{FileKind, FileSystem, Metadata, NodeId, Timestamp};
use crate::policy::{Action, Policy};
use crate::{Error, ErrorKind, Result};

/// Longest path that is followed. Linux refuses more than 4095 bytes in one
/// call, but trees can be deeper; this only bounds memory.
const MAX_PATH: usize = 64 << 10;

/// A file system and where it is mounted (path below the root; empty for `/`).
#[derive(Clone)]
pub(crate) struct Mount<'a> {
    pub(crate) at: Vec<u8>,
    pub(crate) fs: &'a dyn FileSystem,
}

/// What policy did to one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Id of the policy's rule.
    pub rule: &'static str,
    /// Absolute path; bytes that are not UTF-8 are replaced.
    pub path: String,
    /// `drop`, `clear`, `empty` or `replace`.
    pub action: &'static str,
    /// Entries that are left out because of it.
    pub entries: u64,
    /// Bytes of file content that are left out because of it.
    pub bytes: u64,
}

/// Where an entry's content is.
#[derive(Clone, Copy)]
pub(crate) enum Source<'a> {
    /// An inode of the mount with this index.
    Node { mount: usize, fs: &'a dyn FileSystem, node: NodeId },
    /// The same inode, with other content.
    Rewritten { fs: &'a dyn FileSystem, node: NodeId, bytes: &'static [u8] },
    /// A directory or file that was added.
    Added(&'a Added),
}

/// One entry that goes into the archive.
pub(crate) struct Item<'a> {
    /// Path below the root, empty for the root.
    pub(crate) path: &'a [u8],
    pub(crate) meta: Metadata,
    pub(crate) source: Source<'a>,
}

/// Receives the entries in archive order.
pub(crate) trait Visitor {
    fn visit(&mut self, item: &Item<'_>) -> Result<()>;
}

/// One tree to walk.
pub(crate) struct Tree<'a> {
    mounts: Vec<Mount<'a>>,
    overlay: &'a Overlay,
    policy: &'a Policy,
    /// Time of what is added: the image's own, so that packing twice gives
    /// the same bytes.
    added_time: Timestamp,
}

struct Frame<'a> {
    path_len: usize,
    /// Last child first, so that `pop` takes them in order.
    children: Vec<(Vec<u8>, Origin)>,
    parent: Source<'a>,
    /// Index of the change because of which all below is left out.
    dropped: Option<usize>,
}

/// Where a name comes from.
#[derive(Clone, Copy)]
enum Origin {
    Node(NodeId),
    Added,
}

/// State of one walk.
struct Walk<'a, 'v> {
    tree: &'a Tree<'a>,
    visitor: &'v mut dyn Visitor,
    path: Vec<u8>,
    entered: HashSet<(usize, NodeId)>,
    changes: Vec<Change>,
}

impl<'a> Tree<'a> {
    /// `mounts[0]` is the root.
    pub(crate) fn new(
        mounts: Vec<Mount<'a>>,
        overlay: &'a Overlay,
        policy: &'a Policy,
    ) -> Result<Self> {
        let added_time = match mounts.first() {
            Some(root) => root.fs.metadata(root.fs.root())?.mtime,
            None => Timestamp::default(),
        };
        Ok(Self { mounts, overlay, policy, added_time })
    }

    /// Visits everything and says what policy did.
    pub(crate) fn walk(&self, visitor: &mut dyn Visitor) -> Result<Vec<Change>> {
        let Some(root) = self.mounts.first() else { return Ok(Vec::new()) };
        let source = Source::Node { mount: 0, fs: root.fs, node: root.fs.root() };
        let (path, entered, changes) = (Vec::new(), HashSet::new(), Vec::new());
        let mut walk = Walk { tree: self, visitor, path, entered, changes };
        walk.run(source)?;
        let missed = (0..self.mounts.len()).find(|&mount| !walk.mounted(mount));
        match missed.and_then(|mount| self.mounts.get(mount)) {
            Some(mount) => {
                let reason = "there is no such directory to mount a partition on";
                Err(Error::new(ErrorKind::Usage, shown(&mount.at), reason))
            }
            None => Ok(walk.changes),
        }
    }
}

impl<'a> Walk<'a, '_> {
    fn run(&mut self, root: Source<'a>) -> Result<()> {
        let mut stack = Vec::new();
        stack.extend(self.entry(root, None)?);
        while let Some(frame) = stack.last_mut() {
            self.path.truncate(frame.path_len);
            let Some((name, origin)) = frame.children.pop() else {
                stack.pop();
                continue;
            };
            let (parent, dropped) = (frame.parent, frame.dropped);
            if !self.path.is_empty() {
                self.path.push(b'/');
            }
            self.path.extend_from_slice(&name);
            self.check_name(&name)?;
            let source = self.source(parent, origin)?;
            stack.extend(self.entry(source, dropped)?);
        }
        Ok(())
    }

    fn mounted(&self, mount: usize) -> bool {
        self.entered.iter().any(|(entered, _)| *entered == mount)
    }

    /// Handles one entry; a frame if there is something below it.
    fn entry(&mut self, source: Source<'a>, dropped: Option<usize>) -> Result<Option<Frame<'a>>> {
        let meta = self.metadata(source)?;
        let mut below = dropped;
        if let Some(change) = dropped {
            self.count(change, &meta);
        } else {
            below = self.emit(source, &meta)?;
        }
        if meta.kind != FileKind::Directory {
            return Ok(None);
        }
        self.frame(source, below).map(Some)
    }

    /// Applies policy and passes the entry on. The result is the change that
    /// drops everything below.
    fn emit(&mut self, source: Source<'a>, meta: &Metadata) -> Result<Option<usize>> {
        let policy = self.tree.policy;
        let rule = match source {
            Source::Added(_) => None,
            _ => policy.decide(&self.path, meta),
        };
        let Some(rule) = rule else {
            self.visit(source, *meta)?;
            return Ok(None);
        };
        if let (Action::Replace(bytes), Source::Node { fs, node, .. }) = (rule.action, source)
            && holds(fs, node, meta, bytes)?
        {
            self.visit(source, *meta)?;
            return Ok(None);
        }
        let change = self.record(rule.id, rule.action);
        match rule.action {
            Action::Drop => {
                self.count(change, meta);
                Ok(Some(change))
            }
            Action::Clear => {
                self.visit(source, *meta)?;
                Ok(Some(change))
            }
            Action::Empty => self.rewrite(source, meta, change, &[]),
            Action::Replace(bytes) => self.rewrite(source, meta, change, bytes),
        }
    }

    fn rewrite(
        &mut self,
        source: Source<'a>,
        meta: &Metadata,
        change: usize,
        bytes: &'static [u8],
    ) -> Result<Option<usize>> {
        if let Some(change) = self.changes.get_mut(change) {
            change.bytes = meta.size;
        }
        let source = match source {
            Source::Node { fs, node, .. } => Source::Rewritten { fs, node, bytes },
            other => other,
        };
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.visit(source, Metadata { size, links: 1, ..*meta })?;
        Ok(None)
    }

    fn visit(&mut self, source: Source<'a>, meta: Metadata) -> Result<()> {
        let item = Item { path: &self.path, meta, source };
        self.visitor.visit(&item).map_err(|error| error.within(shown(&self.path)))
    }

    /// The children of a directory, sorted.
    fn frame(&mut self, source: Source<'a>, dropped: Option<usize>) -> Result<Frame<'a>> {
        let mut children = BTreeMap::new();
        if let Source::Node { mount, fs, node } = source {
            if !self.entered.insert((mount, node)) {
                let reason = "the directory is reached twice: a loop";
                return Err(Error::damaged(shown(&self.path), reason));
            }
            let entries = fs.read_dir(node).map_err(|error| error.within(shown(&self.path)))?;
            children.extend(entries.into_iter().map(|e| (e.name, Origin::Node(e.node))));
        }
        if dropped.is_none() {
            for name in self.tree.overlay.children(&self.path) {
                self.overlay_child(name, &mut children);
            }
        }
        let children = children.into_iter().rev().collect();
        Ok(Frame { path_len: self.path.len(), children, parent: source, dropped })
    }

    /// Adds a name of the overlay. Parents of an added tree give way to a
    /// directory that the image already has.
    fn overlay_child(&self, name: &[u8], children: &mut BTreeMap<Vec<u8>, Origin>) {
        let path = join(&self.path, name);
        let parent_only =
            self.tree.overlay.get(&path) == Some(&Added::Directory { replaces: false });
        if parent_only && children.contains_key(name) {
            return;
        }
        children.insert(name.to_vec(), Origin::Added);
    }

    fn source(&self, parent: Source<'a>, origin: Origin) -> Result<Source<'a>> {
        let tree = self.tree;
        match (origin, parent) {
            (Origin::Node(node), Source::Node { mount, fs, .. }) => {
                let over = tree.mounts.iter().enumerate().skip(1).find(|(_, m)| m.at == self.path);
                Ok(match over {
                    Some((mount, m)) => Source::Node { mount, fs: m.fs, node: m.fs.root() },
                    None => Source::Node { mount, fs, node },
                })
            }
            _ => match tree.overlay.get(&self.path) {
                Some(added) => Ok(Source::Added(added)),
                None => Err(Error::damaged(shown(&self.path), "an entry without a source")),
            },
        }
    }

    fn metadata(&self, source: Source<'a>) -> Result<Metadata> {
        match source {
            Source::Node { fs, node, .. } | Source::Rewritten { fs, node, .. } => {
                fs.metadata(node).map_err(|error| error.within(shown(&self.path)))
            }
            Source::Added(added) => Ok(added_metadata(added, self.tree.added_time)),
        }
    }

    fn check_name(&self, name: &[u8]) -> Result<()> {
        let odd = name.is_empty()
            || name == b"."
            || name == b".."
            || name.iter().any(|byte| matches!(byte, 0 | b'/'));
        if odd {
            return Err(Error::damaged(shown(&self.path), "an impossible file name"));
        }
        if self.path.len() > MAX_PATH {
            return Err(Error::damaged(shown(&self.path[..80]), "directories nested too deep"));
        }
        Ok(())
    }

    fn record(&mut self, rule: &'static str, action: Action) -> usize {
        let action = match action {
            Action::Drop => "drop",
            Action::Clear => "clear",
            Action::Empty => "empty",
            Action::Replace(_) => "replace",
        };
        let path = shown(&self.path);
        self.changes.push(Change { rule, path, action, entries: 0, bytes: 0 });
        self.changes.len() - 1
    }

    fn count(&mut self, change: usize, meta: &Metadata) {
        if let Some(change) = self.changes.get_mut(change) {
            change.entries += 1;
            if meta.kind == FileKind::Regular {
                change.bytes = change.bytes.saturating_add(meta.size);
            }
        }
    }
}

/// Whether a file already has this content.
fn holds(fs: &dyn FileSystem, node: NodeId, meta: &Metadata, bytes: &[u8]) -> Result<bool> {
    if meta.size != wide(bytes.len()) {
        return Ok(false);
    }
    let mut found = vec![0; bytes.len()];
    read_exactly(fs, node, 0, &mut found)?;
    Ok(found == bytes)
}

fn join(dir: &[u8], name: &[u8]) -> Vec<u8> {
    if dir.is_empty() { name.to_vec() } else { [dir, b"/", name].concat() }
}

/// A path below the root as people write it.
pub(crate) fn shown(path: &[u8]) -> String {
    format!("/{}", String::from_utf8_lossy(path))
}

fn added_metadata(added: &Added, time: Timestamp) -> Metadata {
    let (kind, mode, size) = match added {
        Added::Directory { .. } => (FileKind::Directory, 0o755, 0),
        Added::File { bytes, executable } => {
            let mode = if *executable { 0o755 } else { 0o644 };
            (FileKind::Regular, mode, u64::try_from(bytes.len()).unwrap_or(u64::MAX))
        }
    };
    // Whole seconds: files of ours need no pax header.
    let time = Timestamp { nanoseconds: 0, ..time };
    Metadata { kind, mode, uid: 0, gid: 0, size, links: 1, atime: time, mtime: time, ctime: time }
}
