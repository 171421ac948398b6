//! Whether curtin would find its root on a whole disk.

use std::path::Path;
use std::sync::Arc;

use super::indexer::Indexer;
use super::overlay::Overlay;
use super::volumes::{Disk, Volume, open_disk};
use super::walk::{Mount, Tree};
use super::watch::Watch;
use crate::artifact::Index;
use crate::block::Format;
use crate::fs::{
    self, Content, DirEntry, FileExtent, FileKind, FileSystem, Metadata, NodeId, Xattr,
};
use crate::ntfs::Ntfs;
use crate::policy::Policy;
use crate::{Error, ErrorKind, Result};

/// Directories by which curtin recognises the root of a disk that it has
/// written: `get_root_device` in `curtin/block/__init__.py`, called with these
/// by `curtin/commands/curthooks.py` and `extract.py`. The last two are Ubuntu Core's.
const MARKERS: [&str; 3] = ["curtin", "system-data/var/lib/snapd", "snaps"];

/// Fails if curtin would find nothing: it mounts every partition in turn and
/// stops with a `ValueError` if none has such a directory. A partition that
/// curtin may be able to read and this crate is not leaves it undecided.
pub(super) fn verify(disk: &Disk) -> Result<()> {
    let mut seen = Vec::new();
    for volume in disk.volumes() {
        let device = match (volume.device(), volume) {
            (Ok(device), _) => device,
            // Such as a thin one, which LVM can read.
            (Err(_), Volume::Logical(_)) => return Ok(()),
            (Err(_), _) => continue,
        };
        match fs::probe(&*device)? {
            // What no kernel mounts.
            Content::Unknown | Content::Foreign("swap" | "crypto_LUKS" | "LVM2_member") => {}
            Content::Foreign(_) => return Ok(()),
            Content::Ntfs => {
                let fs = Ntfs::open(device).map_err(|error| error.within(volume.name()))?;
                if has_marker(&fs)? {
                    return mountable(&fs, &volume);
                }
                seen.push(format!("{} (ntfs)", volume.name()));
            }
            Content::Ext | Content::Fat | Content::Xfs => {
                let Ok(fs) = fs::open(Arc::clone(&device)) else { return Ok(()) };
                if has_marker(&*fs)? {
                    return Ok(());
                }
                seen.push(format!("{} ({})", volume.name(), fs.kind_name()));
            }
        }
    }
    if seen.is_empty() {
        return Ok(());
    }
    let reason =
        format!("no directory /curtin on {}: curtin would not find the root", seen.join(", "));
    Err(Error::new(ErrorKind::Refused, "disk", reason)
        .hint("let the guest create /curtin while it is built, it may be empty"))
}

/// curtin has to write there: Linux mounts no NTFS that Windows has not let go.
fn mountable(fs: &Ntfs, volume: &Volume<'_>) -> Result<()> {
    let Some(why) = fs.unclean()? else { return Ok(()) };
    let place = format!("{} (ntfs)", volume.name());
    let reason = format!("{why}, so curtin could not mount it for writing");
    Err(Error::new(ErrorKind::Refused, place, reason)
        .hint("shut Windows down with `shutdown /s /f /t 0`, without hibernation or fast startup"))
}

/// The entries of `/curtin`, for a disk whose root is no Linux: none if no
/// file system that is read here has it.
pub(crate) fn index(path: &Path, fingerprints: bool, watch: &Watch<'_>) -> Result<Index> {
    index_of(&open_disk(path, Some(Format::Raw))?, fingerprints, watch)
}

/// The same of an opened disk.
pub(super) fn index_of(disk: &Disk, fingerprints: bool, watch: &Watch<'_>) -> Result<Index> {
    for volume in disk.volumes() {
        // What cannot be read is told where the root is looked for.
        let Ok(fs) = volume.open() else { continue };
        if has_marker(&*fs)? {
            let only = Only { fs: &*fs };
            let (overlay, policy) = (Overlay::default(), Policy::none());
            let mut visitor = Indexer::new(fingerprints, watch);
            let mounts = vec![Mount { at: Vec::new(), fs: &only }];
            Tree::new(mounts, &overlay, &policy)?.walk(&mut visitor)?;
            return Ok(visitor.index);
        }
    }
    Ok(Index::default())
}

/// A file system of which only `/curtin` is seen: Windows has 200,000 other files.
struct Only<'a> {
    fs: &'a dyn FileSystem,
}

impl FileSystem for Only<'_> {
    fn root(&self) -> NodeId {
        self.fs.root()
    }
    fn metadata(&self, node: NodeId) -> Result<Metadata> {
        self.fs.metadata(node)
    }
    fn read_dir(&self, node: NodeId) -> Result<Vec<DirEntry>> {
        let mut entries = self.fs.read_dir(node)?;
        if node == self.fs.root() {
            entries.retain(|entry| entry.name == b"curtin");
        }
        Ok(entries)
    }
    fn read_link(&self, node: NodeId) -> Result<Vec<u8>> {
        self.fs.read_link(node)
    }
    fn xattrs(&self, node: NodeId) -> Result<Vec<Xattr>> {
        self.fs.xattrs(node)
    }
    fn extents(&self, node: NodeId) -> Result<Vec<FileExtent>> {
        self.fs.extents(node)
    }
    fn read_file_at(&self, node: NodeId, offset: u64, buf: &mut [u8]) -> Result<usize> {
        self.fs.read_file_at(node, offset, buf)
    }
    fn label(&self) -> Vec<u8> {
        self.fs.label()
    }
    fn uuid(&self) -> Option<String> {
        self.fs.uuid()
    }
    fn kind_name(&self) -> &'static str {
        self.fs.kind_name()
    }
}

fn has_marker(fs: &dyn FileSystem) -> Result<bool> {
    for marker in MARKERS {
        if let Some(node) = fs::lookup(fs, marker)?
            && fs.metadata(node)?.kind == FileKind::Directory
        {
            return Ok(true);
        }
    }
    Ok(false)
}
