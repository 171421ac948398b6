//! Finds the root file system on a disk.

use std::path::Path;
use std::sync::Arc;

use super::fstab;
use super::indexer::Indexer;
use super::overlay::Overlay;
use super::volumes::{Disk, Volume, open_disk};
use super::walk::{Mount, Tree};
use super::watch::Watch;
use crate::artifact::Index;
use crate::block::Format;
use crate::fs::{self, FileKind, FileSystem, NodeId};
use crate::partition::Guid;
use crate::policy::Policy;
use crate::{Error, ErrorKind, Result};

/// Which partition or logical volume holds `/`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum RootSelector {
    /// The one of a root partition's type, or else the only one with `/etc`
    /// and `/usr`.
    #[default]
    Auto,
    /// The partition of this number, as `sfdisk -l` shows it.
    Number(u32),
    /// The only one of this GPT partition type (GUID).
    TypeGuid(String),
    /// The logical volume of this name, `GROUP/VOLUME`.
    Logical(String),
}

/// GPT types of root partitions.
const ROOT_TYPES: &[Guid] = &[Guid::ROOT_X86_64, Guid::ROOT_ARM64];

/// The entries of the root on the disk at `path`, and which partition it is.
pub(crate) fn index_disk(
    path: &Path,
    fingerprints: bool,
    watch: &Watch<'_>,
) -> Result<(String, Index)> {
    // Never by its content: whoever made the disk could name files of this host.
    let disk = open_disk(path, Some(Format::Raw))?;
    let root = Root::find(&disk, &RootSelector::Auto, &[])?;
    let (overlay, policy) = (Overlay::default(), Policy::none());
    let mut visitor = Indexer::new(fingerprints, watch);
    Tree::new(root.mounts(), &overlay, &policy)?.walk(&mut visitor)?;
    Ok((root.place, visitor.index))
}

/// An opened root and what is mounted into it.
pub(crate) struct Root {
    /// For messages: `partition 1 (ext4)`.
    pub(crate) place: String,
    systems: Vec<(Vec<u8>, Box<dyn FileSystem>)>,
}

impl Root {
    /// Finds the root that `selector` means, opens `mounts`, and what else its
    /// fstab or the partition table says belongs to it.
    pub(crate) fn find(
        disk: &Disk,
        selector: &RootSelector,
        mounts: &[(String, u32)],
    ) -> Result<Self> {
        let (place, root) = find_root(disk, selector)?;
        let lines = fstab::lines(&*root)?;
        let mut systems = vec![(Vec::new(), root)];
        for (at, number) in mounts {
            let fs = disk.by_number(*number)?.open()?;
            let at = at.trim_matches('/').as_bytes().to_vec();
            if at.is_empty() {
                return Err(usage(format!("partition {number}"), "only the root is mounted on /"));
            }
            systems.push((at, fs));
        }
        for line in &lines {
            let at = line.at.as_bytes();
            if systems.iter().all(|(taken, _)| taken != at)
                && let Some(volume) = fstab::find(disk, line)?
            {
                let fs = volume.open().map_err(|error| error.within(format!("/{}", line.at)))?;
                systems.push((at.to_vec(), fs));
            }
        }
        if systems.iter().all(|(at, _)| at != b"boot") {
            systems.extend(extended_boot(disk)?.map(|fs| (b"boot".to_vec(), fs)));
        }
        Ok(Self { place, systems })
    }

    /// The tree's file systems, the root first.
    pub(crate) fn mounts(&self) -> Vec<Mount<'_>> {
        self.systems.iter().map(|(at, fs)| Mount { at: at.clone(), fs: &**fs }).collect()
    }
}

/// The partition whose type says that it is `/boot`, as in Ubuntu's images.
/// Without it the archive would have no kernel.
fn extended_boot(disk: &Disk) -> Result<Option<Box<dyn FileSystem>>> {
    match disk.of_type(|guid| guid == Guid::XBOOTLDR).as_slice() {
        [volume] => volume.open().map(Some),
        _ => Ok(None),
    }
}

type Found = (String, Box<dyn FileSystem>);

fn find_root(disk: &Disk, selector: &RootSelector) -> Result<Found> {
    match selector {
        RootSelector::Number(number) => checked(disk.by_number(*number)?),
        RootSelector::Logical(name) => checked(disk.by_name(name)?),
        RootSelector::TypeGuid(guid) => {
            let guid = guid.to_ascii_lowercase();
            let typed = disk.of_type(|known| known.to_string() == guid);
            match typed.as_slice() {
                [volume] => checked(*volume),
                [] => Err(refused(disk, &format!("no partition has type {guid}"))),
                _ => Err(refused(disk, &format!("several partitions have type {guid}"))),
            }
        }
        RootSelector::Auto => find_auto(disk),
    }
}

fn find_auto(disk: &Disk) -> Result<Found> {
    if disk.is_one_volume() {
        return match fs::open(Arc::clone(&disk.device)) {
            Ok(fs) if looks_like_root(&*fs)? || is_empty(&*fs)? => Ok(("disk".into(), fs)),
            Ok(_) => Err(refused(disk, "a file system without /etc and /usr")),
            Err(error) if error.kind() == ErrorKind::NotThisFormat => {
                let error = refused(disk, "neither a partition table nor a file system");
                Err(error.hint("is it a disk? raw, qcow2, VMDK, VHDX, VHD and VDI are read"))
            }
            Err(error) => Err(error),
        };
    }
    if let [volume] = disk.of_type(|guid| ROOT_TYPES.contains(&guid)).as_slice() {
        return checked(*volume);
    }
    let mut found = Vec::new();
    let mut seen: Vec<String> = disk.lvm_problem.iter().cloned().collect();
    for volume in disk.volumes() {
        match volume.open() {
            Ok(fs) if looks_like_root(&*fs)? => found.push((volume.place(&*fs), fs)),
            Ok(fs) if is_empty(&*fs)? => seen.push(format!("{} is empty", volume.place(&*fs))),
            Ok(fs) => seen.push(format!("{} has no /etc and /usr", volume.place(&*fs))),
            Err(error) => seen.push(error.to_string()),
        }
    }
    match found.len() {
        1 => found.pop().ok_or_else(|| refused(disk, "no root")),
        0 => Err(refused(disk, &format!("no root file system: {}", seen.join("; ")))),
        _ => {
            let places: Vec<_> = found.iter().map(|(place, _)| place.as_str()).collect();
            let reason = format!("several look like a root: {}", places.join(", "));
            Err(refused(disk, &reason).hint("say which with --root-partition"))
        }
    }
}

/// Opens a partition that was named, and insists that it is a root. An empty
/// one passes: it gets its own message later.
fn checked(volume: Volume<'_>) -> Result<Found> {
    let fs = volume.open()?;
    let place = volume.place(&*fs);
    if looks_like_root(&*fs)? || is_empty(&*fs)? {
        return Ok((place, fs));
    }
    Err(Error::new(ErrorKind::Refused, place, "it has no /etc and /usr, so it is not a root"))
}

fn looks_like_root(fs: &dyn FileSystem) -> Result<bool> {
    let entries = fs.read_dir(fs.root())?;
    let node = |name: &[u8]| entries.iter().find(|entry| entry.name == name).map(|e| e.node);
    let is_dir = |node: Option<NodeId>| match node {
        Some(node) => Ok(fs.metadata(node)?.kind == FileKind::Directory),
        None => Ok(false),
    };
    Ok(is_dir(node(b"etc"))? && is_dir(node(b"usr"))?)
}

fn is_empty(fs: &dyn FileSystem) -> Result<bool> {
    Ok(fs.read_dir(fs.root())?.iter().all(|entry| entry.name == b"lost+found"))
}

fn refused(disk: &Disk, reason: &str) -> Error {
    let place = format!("disk of {} bytes", disk.device.len());
    Error::new(ErrorKind::Refused, place, reason)
}

fn usage(place: String, reason: &str) -> Error {
    Error::new(ErrorKind::Usage, place, reason)
}
