//! What starts the system of a disk without firmware, loader and menu: its own
//! kernel and initrd, read from where its loader would find them.

use std::cmp::Ordering;
use std::path::Path;

use crate::block::Format;
use crate::fs::{FileKind, FileSystem, NodeId, lookup};
use crate::pack::{Root, RootSelector, open_disk, read_exactly};
use crate::{Error, ErrorKind, Result};

/// Most bytes of a kernel or an initrd that are read.
const MAX_LEN: u64 = 1 << 30;
/// The program of initramfs-tools that becomes `/init` of each initrd.
const INITRAMFS_TOOLS: &str = "usr/share/initramfs-tools/init";

/// A kernel, its initrd, and the file system that both belong to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// `6.1.0-28-amd64`
    pub version: String,
    /// The kernel's image.
    pub kernel: Vec<u8>,
    /// The initrd as the loader would give it to the kernel.
    pub initrd: Vec<u8>,
    /// UUID of the root's file system, as `root=UUID=` takes it.
    pub root: String,
}

/// Reads the newest kernel of the disk at `path` that has an initrd. Without a
/// `format` it is detected, and then `path` must be the user's own.
///
/// # Errors
/// The disk cannot be read, has no root or no such kernel, or its initrd is not
/// of initramfs-tools: others hand nothing on to the program that starts the system.
pub fn read(path: &Path, format: Option<Format>) -> Result<Start> {
    let disk = open_disk(path, format)?;
    let found = Root::find(&disk, &RootSelector::Auto, &[]);
    let found = found.map_err(|error| error.within(path.display()))?;
    let refused = |reason: &str| Error::new(ErrorKind::Refused, path.display().to_string(), reason);
    let mounts = found.mounts();
    let root = mounts.first().ok_or_else(|| refused("no root"))?.fs;
    if lookup(root, INITRAMFS_TOOLS)?.is_none() {
        return Err(refused("its system has no initramfs-tools"));
    }
    let uuid = root.uuid().ok_or_else(|| refused("the root's file system has no UUID"))?;
    let (boot, dir) = match mounts.iter().find(|mount| mount.at == b"boot") {
        Some(mount) => (mount.fs, Some(mount.fs.root())),
        None => (root, lookup(root, "boot")?),
    };
    let dir = dir.ok_or_else(|| refused("no /boot"))?;
    let newest = kernels(boot, dir)?.into_iter().max_by(|a, b| natural(&a.0, &b.0));
    let none = || refused("no /boot/vmlinuz-VERSION with /boot/initrd.img-VERSION");
    let (version, kernel, initrd) = newest.ok_or_else(none)?;
    let (kernel, initrd) = (content(boot, kernel)?, content(boot, initrd)?);
    Ok(Start { version, kernel, initrd, root: uuid })
}

/// Versions in a directory with their kernel and initrd.
fn kernels(fs: &dyn FileSystem, dir: NodeId) -> Result<Vec<(String, NodeId, NodeId)>> {
    let entries = fs.read_dir(dir)?;
    let node = |name: &str| {
        let entry = entries.iter().find(|entry| entry.name == name.as_bytes());
        entry.map(|entry| entry.node)
    };
    let names = entries.iter().filter_map(|entry| std::str::from_utf8(&entry.name).ok());
    let versions = names.filter_map(|name| name.strip_prefix("vmlinuz-"));
    let whole = |version: &str| {
        let kernel = node(&format!("vmlinuz-{version}"))?;
        Some((version.to_owned(), kernel, node(&format!("initrd.img-{version}"))?))
    };
    Ok(versions.filter_map(whole).collect())
}

fn content(fs: &dyn FileSystem, node: NodeId) -> Result<Vec<u8>> {
    let meta = fs.metadata(node)?;
    let place = || format!("inode {node}");
    if meta.kind != FileKind::Regular || meta.size > MAX_LEN {
        return Err(Error::new(ErrorKind::Refused, place(), "no kernel and no initrd"));
    }
    let size = usize::try_from(meta.size);
    let mut bytes = vec![0; size.map_err(|_| Error::damaged(place(), "its size"))?];
    read_exactly(fs, node, 0, &mut bytes)?;
    Ok(bytes)
}

/// Orders versions by their numbers: 6.1.0-28 comes after 6.1.0-9.
fn natural(a: &str, b: &str) -> Ordering {
    let parts = |text: &str| -> Vec<(u64, String)> {
        let runs = text.split(|c: char| !c.is_ascii_alphanumeric());
        runs.map(|run| (run.parse().unwrap_or(0), run.to_owned())).collect()
    };
    parts(a).cmp(&parts(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_by_their_numbers() {
        for (low, high) in [
            ("6.1.0-9-amd64", "6.1.0-28-amd64"),
            ("5.15.0-100-generic", "6.8.0-31-generic"),
            ("6.1.0-28-amd64", "6.1.0-28-cloud-amd64"),
        ] {
            assert_eq!(natural(low, high), Ordering::Less, "{low} {high}");
        }
    }
}
