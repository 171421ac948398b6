//! Opening disk images by path: format detection and backing chains.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::qcow2::{self, Qcow2};
use super::{BlockRead, Raw};
use crate::bytes::clip;
use crate::{Error, ErrorKind, Result};

/// Most images that may stand on each other.
const CHAIN_MAX: usize = 64;

/// The format of a disk image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The bytes of the disk and nothing else.
    Raw,
    /// QEMU's copy-on-write format.
    Qcow2,
}

/// Opens the disk image at `path`, its format detected by its first bytes.
///
/// Prefer [`open_as`] where the format is known: the content of a raw disk
/// belongs to the guest, which can make it look like a qcow2 image that names
/// files of the host.
pub fn open(path: &Path) -> Result<Arc<dyn BlockRead>> {
    open_chain(path, None, &mut Vec::new())
}

/// Opens the disk image at `path` as `format`.
///
/// Backing files are opened in the format that the image above them records.
/// Where none is recorded it is detected, but then the backing file must not
/// have a backing file itself.
pub fn open_as(path: &Path, format: Format) -> Result<Arc<dyn BlockRead>> {
    open_chain(path, Some(format), &mut Vec::new())
}

/// Says what the image at `path` looks like.
///
/// Formats other than those of [`Format`] are an error that names them.
pub fn detect(path: &Path) -> Result<Format> {
    detect_open(&Raw::open(path)?, path)
}

fn open_chain(
    path: &Path,
    format: Option<Format>,
    chain: &mut Vec<PathBuf>,
) -> Result<Arc<dyn BlockRead>> {
    let file = Raw::open(path)?;
    let format = match format {
        Some(format) => format,
        None => detect_open(&file, path)?,
    };
    if format == Format::Raw {
        return Ok(Arc::new(file));
    }
    enter(path, chain)?;
    let image = Qcow2::open(file, path)?;
    let below = match image.backing() {
        None => None,
        Some((name, format)) => {
            Some(open_backing(path, name, format, chain).map_err(|error| {
                error.within(format!("{}: backing file `{name}`", path.display()))
            })?)
        }
    };
    Ok(Arc::new(image.on_top_of(below)))
}

fn enter(path: &Path, chain: &mut Vec<PathBuf>) -> Result<()> {
    let place = || path.display().to_string();
    let real = path.canonicalize().map_err(|error| Error::io(place(), error))?;
    if chain.contains(&real) {
        return Err(Error::damaged(place(), "the image is its own backing file"));
    }
    if chain.len() >= CHAIN_MAX {
        let reason = format!("over {CHAIN_MAX} backing files stand on each other");
        return Err(Error::unsupported(place(), reason));
    }
    chain.push(real);
    Ok(())
}

fn open_backing(
    image: &Path,
    name: &str,
    format: Option<&str>,
    chain: &mut Vec<PathBuf>,
) -> Result<Arc<dyn BlockRead>> {
    let path = backing_path(image, name)?;
    match format {
        Some("raw") => open_chain(&path, Some(Format::Raw), chain),
        Some("qcow2") => open_chain(&path, Some(Format::Qcow2), chain),
        Some(other) => {
            let reason = format!("the format `{other}` is not supported");
            Err(flatten(Error::unsupported(path.display().to_string(), reason)))
        }
        None => open_undeclared(&path, chain),
    }
}

/// A guess at the format may be wrong, so it must not lead to further files.
fn open_undeclared(path: &Path, chain: &mut Vec<PathBuf>) -> Result<Arc<dyn BlockRead>> {
    let file = Raw::open(path)?;
    if detect_open(&file, path)? == Format::Raw {
        return Ok(Arc::new(file));
    }
    enter(path, chain)?;
    let image = Qcow2::open(file, path)?;
    if image.backing().is_some() {
        let reason = "its format is not recorded above it, but it names a backing file itself";
        return Err(Error::unsupported(path.display().to_string(), reason)
            .hint("record it: `qemu-img rebase -u -F qcow2 -b BACKING IMAGE`"));
    }
    Ok(Arc::new(image.on_top_of(None)))
}

fn flatten(error: Error) -> Error {
    error.hint("`qemu-img convert -O qcow2 OLD NEW` makes one image of the chain")
}

/// Relative names count from the directory of the image that has them.
fn backing_path(image: &Path, name: &str) -> Result<PathBuf> {
    let name = name.strip_prefix("file:").unwrap_or(name);
    // As QEMU decides: a colon before the first slash ends a protocol's name.
    let head = name.split('/').next().unwrap_or_default();
    if head.contains(':') {
        return Err(flatten(Error::unsupported(name, "it is not a file on this machine")));
    }
    let dir = image.parent().unwrap_or_else(|| Path::new(""));
    Ok(dir.join(name))
}

/// Formats that are not read here: offset and bytes of their magic number, what
/// to call them, and QEMU's name where `qemu-img` reads them from one file.
const FOREIGN: [(usize, &[u8], &str, Option<&str>); 12] = [
    (0, b"KDMV", "a VMDK image", Some("vmdk")),
    (0, b"# Disk DescriptorFile", "the description of a VMDK image", None),
    (0, b"vhdxfile", "a VHDX image", Some("vhdx")),
    (0, b"conectix", "a VHD image", Some("vpc")),
    (0x40, &[0x7f, 0x10, 0xda, 0xbe], "a VDI image", Some("vdi")),
    (0, b"QED\0", "a QED image", None),
    (0, b"WithoutFreeSpace", "a Parallels image", Some("parallels")),
    (0, b"WithouFreSpacExt", "a Parallels image", Some("parallels")),
    (0, &[0x1f, 0x8b, 8], "compressed with gzip", None),
    (0, &[0xfd, b'7', b'z', b'X', b'Z', 0], "compressed with xz", None),
    (0, &[0x28, 0xb5, 0x2f, 0xfd], "compressed with zstd", None),
    (0, b"BZh", "compressed with bzip2", None),
];

/// A disk image that has to be converted first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Foreign {
    /// In a sentence: `a VMDK image`.
    pub what: &'static str,
    /// Name for `qemu-img convert -f`.
    pub format: &'static str,
}

/// Says whether the image at `path` is in a format that `qemu-img` reads and
/// this crate does not. Formats and images that name further files are none of
/// these: whoever made the image could name files of this host.
pub fn foreign(path: &Path) -> Result<Option<Foreign>> {
    let file = Raw::open(path)?;
    if qcow2::has_subclusters_alone(&file)? {
        let what = "a qcow2 image with subclusters (extended_l2)";
        return Ok(Some(Foreign { what, format: "qcow2" }));
    }
    let found = foreign_magic(&file)?;
    Ok(found.and_then(|(what, format)| format.map(|format| Foreign { what, format })))
}

type Known = (&'static str, Option<&'static str>);

fn foreign_magic(file: &Raw) -> Result<Option<Known>> {
    let mut head = vec![0; clip(file.len(), 512)];
    file.read_at(0, &mut head)?;
    let is = |at: usize, magic: &[u8]| head.get(at..).is_some_and(|rest| rest.starts_with(magic));
    let found = FOREIGN.iter().find(|(at, magic, ..)| is(*at, magic));
    Ok(found.map(|(_, _, what, format)| (*what, *format)))
}

fn detect_open(file: &Raw, path: &Path) -> Result<Format> {
    let mut head = vec![0; clip(file.len(), qcow2::MAGIC.len())];
    file.read_at(0, &mut head)?;
    if head.starts_with(qcow2::MAGIC) {
        return Ok(Format::Qcow2);
    }
    match foreign_magic(file)? {
        None => Ok(Format::Raw),
        Some((what, _)) => {
            let reason = format!("the file is {what}, not a raw or qcow2 disk");
            let hint = if what.starts_with("compressed") {
                "unpack it first"
            } else {
                "convert it first: `qemu-img convert -O qcow2 OLD NEW`"
            };
            Err(Error::new(ErrorKind::Unsupported, path.display().to_string(), reason).hint(hint))
        }
    }
}
