//! Finds the root file system on a disk.

use std::path::Path;
use std::sync::Arc;

use super::walk::Mount;
use crate::block::{BlockRead, Raw, Window};
use crate::ext4::Ext4;
use crate::fs::{FileKind, FileSystem, NodeId};
use crate::{Error, ErrorKind, Result};

/// Which partition holds `/`.
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
}

/// GPT types of root partitions (Discoverable Partitions Specification, as
/// `sfdisk --list-types` of util-linux 2.38 prints them).
const ROOT_TYPES: &[&str] = &[
    "4f68bce3-e8cd-4db1-96e7-fbcaf984b709", // x86-64
    "b921b045-1df0-41c3-af44-4c6f280d3fae", // ARM-64
];

/// A partition of an open disk.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) number: u32,
    /// GPT type GUID in lower case, or MBR type in hexadecimal.
    pub(crate) type_id: String,
    pub(crate) start: u64,
    pub(crate) len: u64,
}

/// A disk and its partitions; none if it has no table.
pub(crate) struct Disk {
    pub(crate) device: Arc<dyn BlockRead>,
    pub(crate) parts: Vec<Part>,
}

/// Opens a disk image and reads its partition table.
pub(crate) fn open_disk(path: &Path) -> Result<Disk> {
    let device: Arc<dyn BlockRead> = Arc::new(Raw::open(path)?);
    Ok(Disk { device, parts: Vec::new() })
}

/// An opened root and what is mounted into it.
pub(crate) struct Root {
    /// For messages: `partition 1 (ext4)`.
    pub(crate) place: String,
    systems: Vec<(Vec<u8>, Box<dyn FileSystem>)>,
}

impl Root {
    /// Finds the root that `selector` means, and opens `mounts`.
    pub(crate) fn find(
        disk: &Disk,
        selector: &RootSelector,
        mounts: &[(String, u32)],
    ) -> Result<Self> {
        let (place, root) = find_root(disk, selector)?;
        let mut systems = vec![(Vec::new(), root)];
        for (at, number) in mounts {
            let part = by_number(disk, *number)?;
            let fs = open(disk, part)?;
            let at = at.trim_matches('/').as_bytes().to_vec();
            if at.is_empty() {
                return Err(usage(format!("partition {number}"), "only the root is mounted on /"));
            }
            systems.push((at, fs));
        }
        Ok(Self { place, systems })
    }

    /// The tree's file systems, the root first.
    pub(crate) fn mounts(&self) -> Vec<Mount<'_>> {
        self.systems.iter().map(|(at, fs)| Mount { at: at.clone(), fs: &**fs }).collect()
    }
}

type Found = (String, Box<dyn FileSystem>);

fn find_root(disk: &Disk, selector: &RootSelector) -> Result<Found> {
    match selector {
        RootSelector::Number(number) => checked(disk, by_number(disk, *number)?),
        RootSelector::TypeGuid(guid) => {
            let typed = of_types(disk, &[guid.to_ascii_lowercase().as_str()]);
            match typed.as_slice() {
                [part] => checked(disk, part),
                [] => Err(refused(disk, &format!("no partition has type {guid}"))),
                _ => Err(refused(disk, &format!("several partitions have type {guid}"))),
            }
        }
        RootSelector::Auto => find_auto(disk),
    }
}

fn find_auto(disk: &Disk) -> Result<Found> {
    if disk.parts.is_empty() {
        let fs = open_at(disk, 0, disk.device.len())?;
        return match fs {
            Some(fs) if looks_like_root(&*fs)? || is_empty(&*fs)? => Ok(("disk".into(), fs)),
            Some(_) => Err(refused(disk, "a file system without /etc and /usr")),
            None => Err(refused(disk, "neither a partition table nor a file system")),
        };
    }
    if let [part] = of_types(disk, ROOT_TYPES).as_slice() {
        return checked(disk, part);
    }
    let mut found = Vec::new();
    let mut seen = Vec::new();
    for part in &disk.parts {
        match open(disk, part) {
            Ok(fs) if looks_like_root(&*fs)? => found.push((place(part, &*fs), fs)),
            Ok(fs) if is_empty(&*fs)? => seen.push(format!("{} is empty", place(part, &*fs))),
            Ok(fs) => seen.push(format!("{} has no /etc and /usr", place(part, &*fs))),
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
fn checked(disk: &Disk, part: &Part) -> Result<Found> {
    let fs = open(disk, part)?;
    let place = place(part, &*fs);
    if looks_like_root(&*fs)? || is_empty(&*fs)? {
        return Ok((place, fs));
    }
    Err(Error::new(ErrorKind::Refused, place, "it has no /etc and /usr, so it is not a root"))
}

fn by_number(disk: &Disk, number: u32) -> Result<&Part> {
    let part = disk.parts.iter().find(|part| part.number == number);
    part.ok_or_else(|| {
        let known: Vec<String> = disk.parts.iter().map(|part| part.number.to_string()).collect();
        let known = if known.is_empty() { "none".into() } else { known.join(", ") };
        usage(format!("partition {number}"), &format!("there is none; the disk has {known}"))
    })
}

fn of_types<'a>(disk: &'a Disk, types: &[&str]) -> Vec<&'a Part> {
    disk.parts.iter().filter(|part| types.contains(&part.type_id.as_str())).collect()
}

fn open(disk: &Disk, part: &Part) -> Result<Box<dyn FileSystem>> {
    let name = || format!("partition {}", part.number);
    let fs = open_at(disk, part.start, part.len).map_err(|error| error.within(name()))?;
    fs.ok_or_else(|| {
        let reason = format!("no file system that can be read (type {})", part.type_id);
        Error::new(ErrorKind::Refused, name(), reason)
    })
}

/// The file system in a range of the disk; `None` if it is of no known format.
fn open_at(disk: &Disk, start: u64, len: u64) -> Result<Option<Box<dyn FileSystem>>> {
    let window: Arc<dyn BlockRead> = Arc::new(Window::new(Arc::clone(&disk.device), start, len)?);
    match Ext4::open(window) {
        Ok(fs) => Ok(Some(Box::new(fs))),
        Err(error) if error.kind() == ErrorKind::NotThisFormat => Ok(None),
        Err(error) => Err(error),
    }
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

fn place(part: &Part, fs: &dyn FileSystem) -> String {
    format!("partition {} ({})", part.number, fs.kind_name())
}

fn refused(disk: &Disk, reason: &str) -> Error {
    let place = format!("disk of {} bytes", disk.device.len());
    Error::new(ErrorKind::Refused, place, reason)
}

fn usage(place: String, reason: &str) -> Error {
    Error::new(ErrorKind::Usage, place, reason)
}
