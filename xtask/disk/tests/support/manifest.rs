//! Everything there is to know about a tree, from the kernel and from the reader.

use std::collections::{BTreeMap, HashSet};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt};
use std::path::Path;

use disk_image::fs::{FileKind, FileSystem, NodeId, Timestamp};
use rustix::fs::{SeekFrom, major, minor};
use sha2::{Digest, Sha256};

/// One name in the tree with all that is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub kind: FileKind,
    pub mode: u32,
    pub owner: (u32, u32),
    pub size: u64,
    pub node: u64,
    pub links: u64,
    pub atime: Timestamp,
    pub mtime: Timestamp,
    pub ctime: Timestamp,
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// Target of a symbolic link, SHA-256 of a file.
    pub content: Vec<u8>,
    /// Start and end of the data runs of a file.
    pub extents: Vec<(u64, u64)>,
}

/// A tree by path, the root being the empty path.
pub type Manifest = BTreeMap<Vec<u8>, Entry>;

/// What the kernel says about the tree below `root`.
pub fn of_kernel(root: &Path) -> Manifest {
    let mut manifest = Manifest::new();
    kernel_entry(root, Vec::new(), &mut Extents::new(), &mut manifest);
    manifest
}

/// Data runs by inode. The kernel is asked once, before anything is read:
/// afterwards unwritten extents count as data, because they are cached.
type Extents = BTreeMap<u64, Vec<(u64, u64)>>;

fn kernel_entry(path: &Path, name: Vec<u8>, known: &mut Extents, manifest: &mut Manifest) {
    let meta = fs::symlink_metadata(path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    let kind = kernel_kind(&meta);
    let (content, extents) = match kind {
        FileKind::Regular => {
            let file = File::open(path).unwrap();
            let extents =
                known.entry(meta.ino()).or_insert_with(|| kernel_extents(&file, meta.len()));
            let extents = extents.clone();
            let read =
                |offset, buf: &mut [u8]| kernel_read(&file, meta.len(), &extents, offset, buf);
            (digest(meta.len(), read), extents)
        }
        FileKind::Symlink => (fs::read_link(path).unwrap().into_os_string().into_vec(), vec![]),
        _ => (vec![], vec![]),
    };
    let time = |seconds, nanos: i64| Timestamp { seconds, nanoseconds: nanos.try_into().unwrap() };
    let entry = Entry {
        kind,
        mode: meta.mode() & 0o7777,
        owner: (meta.uid(), meta.gid()),
        size: meta.len(),
        node: meta.ino(),
        links: meta.nlink(),
        atime: time(meta.atime(), meta.atime_nsec()),
        mtime: time(meta.mtime(), meta.mtime_nsec()),
        ctime: time(meta.ctime(), meta.ctime_nsec()),
        xattrs: kernel_xattrs(path),
        content,
        extents,
    };
    if kind == FileKind::Directory {
        for child in fs::read_dir(path).unwrap() {
            let child = child.unwrap();
            let name = join(&name, child.file_name().as_bytes());
            kernel_entry(&child.path(), name, known, manifest);
        }
    }
    manifest.insert(name, entry);
}

fn join(parent: &[u8], name: &[u8]) -> Vec<u8> {
    if parent.is_empty() { name.to_vec() } else { [parent, b"/", name].concat() }
}

fn kernel_kind(meta: &fs::Metadata) -> FileKind {
    let kind = meta.file_type();
    let (major, minor) = (major(meta.rdev()), minor(meta.rdev()));
    match () {
        () if kind.is_file() => FileKind::Regular,
        () if kind.is_dir() => FileKind::Directory,
        () if kind.is_symlink() => FileKind::Symlink,
        () if kind.is_fifo() => FileKind::Fifo,
        () if kind.is_socket() => FileKind::Socket,
        () if kind.is_block_device() => FileKind::BlockDevice { major, minor },
        () => FileKind::CharDevice { major, minor },
    }
}

/// Reads from the file, but takes gigabytes of holes for what they are.
fn kernel_read(file: &File, size: u64, data: &[(u64, u64)], offset: u64, buf: &mut [u8]) -> usize {
    let end = size.min(offset + buf.len() as u64);
    let stored = data.iter().any(|&(from, to)| from < end && offset < to);
    if stored || size < 64 << 20 {
        return file.read_at(buf, offset).unwrap();
    }
    let len = end.saturating_sub(offset) as usize;
    buf[..len].fill(0);
    len
}

fn kernel_extents(file: &File, size: u64) -> Vec<(u64, u64)> {
    let mut extents = Vec::new();
    let mut at = 0;
    while at < size {
        let Ok(start) = rustix::fs::seek(file, SeekFrom::Data(at)) else { break };
        at = rustix::fs::seek(file, SeekFrom::Hole(start)).unwrap();
        extents.push((start, at));
    }
    extents
}

fn kernel_xattrs(path: &Path) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut names = vec![0; 1 << 16];
    let len = rustix::fs::llistxattr(path, &mut names).unwrap();
    names.truncate(len);
    let names = names.split(|&byte| byte == 0).filter(|name| !name.is_empty());
    let mut xattrs: Vec<_> = names
        .map(|name| {
            let mut value = vec![0; 1 << 16];
            let len = rustix::fs::lgetxattr(path, OsStr::from_bytes(name), &mut value).unwrap();
            value.truncate(len);
            (name.to_vec(), value)
        })
        .collect();
    xattrs.sort();
    xattrs
}

/// SHA-256 of `size` bytes, in which a piece full of zeros is only counted.
/// Reads that come up short end it.
pub fn digest(size: u64, read: impl Fn(u64, &mut [u8]) -> usize) -> Vec<u8> {
    let mut hash = Sha256::new();
    let mut buf = vec![0; usize::try_from(size.clamp(1, 1 << 20)).unwrap()];
    let zeros = vec![0; buf.len()];
    let mut at = 0;
    loop {
        let len = read(at, &mut buf);
        if len == 0 {
            break;
        }
        if buf[..len] == zeros[..len] {
            hash.update(b"zeros");
            hash.update(at.to_le_bytes());
        } else {
            hash.update(&buf[..len]);
        }
        at += len as u64;
    }
    assert_eq!(at, size, "file shorter than its size");
    hash.finalize().to_vec()
}

/// What the reader says about the whole of `fs`.
pub fn of_reader(fs: &dyn FileSystem) -> Manifest {
    let mut manifest = Manifest::new();
    let mut entered = HashSet::new();
    reader_entry(fs, fs.root(), Vec::new(), &mut entered, &mut manifest);
    manifest
}

fn reader_entry(
    fs: &dyn FileSystem,
    node: NodeId,
    name: Vec<u8>,
    entered: &mut HashSet<NodeId>,
    manifest: &mut Manifest,
) {
    let shown = String::from_utf8_lossy(&name).into_owned();
    let meta = fs.metadata(node).unwrap_or_else(|error| panic!("{shown}: {error}"));
    let (content, extents) = match meta.kind {
        FileKind::Regular => {
            let extents = fs.extents(node).unwrap_or_else(|error| panic!("{shown}: {error}"));
            let read = |offset, buf: &mut [u8]| {
                fs.read_file_at(node, offset, buf)
                    .unwrap_or_else(|error| panic!("{shown}: {error}"))
            };
            let extents = extents.iter().map(|extent| (extent.offset, extent.offset + extent.len));
            (digest(meta.size, read), extents.collect())
        }
        FileKind::Symlink => (fs.read_link(node).unwrap(), vec![]),
        _ => (vec![], vec![]),
    };
    if meta.kind == FileKind::Directory {
        assert!(entered.insert(node), "{shown}: directory entered twice");
        for child in fs.read_dir(node).unwrap_or_else(|error| panic!("{shown}: {error}")) {
            reader_entry(fs, child.node, join(&name, &child.name), entered, manifest);
        }
    }
    let entry = Entry {
        kind: meta.kind,
        mode: meta.mode.into(),
        owner: (meta.uid, meta.gid),
        size: meta.size,
        node,
        links: meta.links.into(),
        atime: meta.atime,
        mtime: meta.mtime,
        ctime: meta.ctime,
        xattrs: fs.xattrs(node).unwrap_or_else(|error| panic!("{shown}: {error}")),
        content,
        extents,
    };
    manifest.insert(name, entry);
}

/// The fields that differ, attributes by name.
fn difference(kernel: &Entry, reader: &Entry) -> Option<String> {
    if kernel == reader {
        return None;
    }
    let names = |entry: &Entry| -> Vec<String> {
        let it = entry.xattrs.iter();
        it.map(|(name, value)| format!("{:?} ({})", OsStr::from_bytes(name), value.len())).collect()
    };
    let plain = |entry: &Entry| {
        let other = Entry { xattrs: vec![], ..entry.clone() };
        format!("{other:?}")
    };
    let (a, b) = (plain(kernel), plain(reader));
    let values = if a == b && names(kernel) == names(reader) { "(attribute values)" } else { "" };
    Some(format!("{values}\n  kernel {a} {:?}\n  reader {b} {:?}", names(kernel), names(reader)))
}

/// Panics with the differences, if there are any; returns the number of entries.
pub fn assert_same(what: &str, kernel: &Manifest, reader: &Manifest) -> usize {
    let mut differences = Vec::new();
    for (path, expected) in kernel {
        let shown = String::from_utf8_lossy(path);
        match reader.get(path) {
            None => differences.push(format!("{shown}: not seen by the reader")),
            Some(found) => {
                differences
                    .extend(difference(expected, found).map(|what| format!("{shown}: {what}")));
            }
        }
    }
    for path in reader.keys().filter(|path| !kernel.contains_key(*path)) {
        differences.push(format!("{}: invented by the reader", String::from_utf8_lossy(path)));
    }
    let count = differences.len();
    differences.truncate(10);
    assert!(count == 0, "{what}: {count} of {} differ\n{}", kernel.len(), differences.join("\n"));
    kernel.len()
}
