//! The header of a qcow2 image and its extensions.
//!
//! Layout: docs/interop/qcow2.txt of QEMU. All numbers are big-endian.

use std::ops::RangeInclusive;

use crate::block::{BlockRead, Raw};
use crate::bytes::{be32, be64, clip, slice, u8_at};
use crate::{Error, ErrorKind, Result};

/// First bytes of a qcow2 image (and of its predecessor, version 1).
pub(in crate::block) const MAGIC: &[u8] = b"QFI\xfb";
/// How much is read to parse a header: extensions and the name of the backing
/// file must lie in the first cluster, and they are short.
pub(super) const READ: usize = 64 << 10;
const PLACE: &str = "qcow2 header";
/// 512 bytes to 2 MiB, the limits of QEMU.
const CLUSTER_BITS: RangeInclusive<u32> = 9..=21;
/// Largest level 1 table, bytes; the limit of QEMU.
const L1_MAX: u64 = 32 << 20;

mod incompatible {
    pub const CORRUPT: u64 = 0x2;
    pub const DATA_FILE: u64 = 0x4;
    pub const COMPRESSION: u64 = 0x8;
    pub const EXTENDED_L2: u64 = 0x10;
    /// Bit 0 says that reference counts are out of date: they only matter for
    /// writing.
    pub const KNOWN: u64 = 0x1 | CORRUPT | DATA_FILE | COMPRESSION | EXTENDED_L2;
}

/// Whether it is only because of its subclusters that this image is refused.
pub(in crate::block) fn has_subclusters_alone(file: &Raw) -> Result<bool> {
    let mut head = vec![0; clip(file.len(), 104)];
    file.read_at(0, &mut head)?;
    let features = be64(&head, 72) & !0x1;
    let (backing, encryption) = (be64(&head, 8), be32(&head, 32));
    Ok(head.starts_with(MAGIC)
        && be32(&head, 4) == 3
        && features & !incompatible::COMPRESSION == incompatible::EXTENDED_L2
        && (backing, encryption) == (0, 0))
}

mod extension {
    pub const END: u32 = 0;
    pub const BACKING_FORMAT: u32 = 0xe279_2aca;
    pub const FEATURE_NAMES: u32 = 0x6803_f857;
}

/// How clusters are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    /// Raw deflate.
    Zlib,
    /// Zstandard frames.
    Zstd,
}

/// The file that shows where this one has nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Backing {
    /// Name as stored, relative to the image's own directory.
    pub name: String,
    /// Its format (`raw`, `qcow2`), if recorded.
    pub format: Option<String>,
}

/// What a reader needs to know.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// 2 or 3.
    pub version: u32,
    /// Binary logarithm of the cluster size.
    pub cluster_bits: u32,
    /// Size of the virtual disk, bytes.
    pub size: u64,
    /// Offset of the level 1 table in the file.
    pub l1_offset: u64,
    /// Entries of the level 1 table that the size needs.
    pub l1_len: usize,
    /// How clusters are compressed.
    pub compression: Compression,
    /// What is below.
    pub backing: Option<Backing>,
}

impl Header {
    /// Parses the first [`READ`] bytes of a file, fewer if it is shorter.
    pub fn parse(raw: &[u8]) -> Result<Self> {
        let version = be32(raw, 4);
        if !raw.starts_with(MAGIC) {
            return Err(Error::new(ErrorKind::NotThisFormat, PLACE, "no qcow2 magic number")
                .hint("it is another format; without --disk-format its first bytes decide"));
        }
        if !matches!(version, 2 | 3) {
            let reason = format!("version {version} is not supported, only 2 and 3 are");
            return Err(convert(Error::unsupported(PLACE, reason)));
        }
        let extensions = Extensions::parse(raw, version)?;
        let features = if version == 3 { be64(raw, 72) } else { 0 };
        refuse_features(features, &extensions)?;
        if be32(raw, 32) != 0 {
            return Err(convert(Error::unsupported(PLACE, "the image is encrypted")));
        }
        let cluster_bits = be32(raw, 20);
        if !CLUSTER_BITS.contains(&cluster_bits) {
            let reason = format!("impossible cluster size of 2^{cluster_bits} bytes");
            return Err(Error::damaged(PLACE, reason));
        }
        let (size, l1_offset) = (be64(raw, 24), be64(raw, 40));
        let l1_len = l1_len(size, cluster_bits, be32(raw, 36))?;
        let compression = compression(raw, features)?;
        let backing = backing(raw, extensions.backing_format)?;
        Ok(Self { version, cluster_bits, size, l1_offset, l1_len, compression, backing })
    }
}

/// Adds the way out that works for everything QEMU can read.
fn convert(error: Error) -> Error {
    error.hint("`qemu-img convert -O qcow2 OLD NEW` makes an image that can be read")
}

fn refuse_features(features: u64, extensions: &Extensions) -> Result<()> {
    let refused = |reason: &str| Err(convert(Error::unsupported(PLACE, reason)));
    if features & incompatible::CORRUPT != 0 {
        return Err(Error::damaged(PLACE, "QEMU has marked the image as corrupt")
            .hint("`qemu-img check -r all` on a copy may repair it"));
    }
    if features & incompatible::DATA_FILE != 0 {
        return refused("the data is in an external file");
    }
    if features & incompatible::EXTENDED_L2 != 0 {
        return refused("the image has subclusters (extended_l2)");
    }
    match features & !incompatible::KNOWN {
        0 => Ok(()),
        unknown => refused(&format!(
            "unknown incompatible feature {}",
            extensions.feature_name(unknown.trailing_zeros())
        )),
    }
}

/// How many entries of the level 1 table the disk needs; the table may be larger.
fn l1_len(size: u64, cluster_bits: u32, stored: u32) -> Result<usize> {
    // Each entry leads to one cluster full of 8-byte entries for clusters.
    let covered = 1_u64 << (2 * cluster_bits - 3);
    let needed = size.div_ceil(covered);
    if needed > u64::from(stored) {
        let reason =
            format!("a disk of {size} bytes needs {needed} level 1 entries, it has {stored}");
        return Err(Error::damaged(PLACE, reason));
    }
    if needed * 8 > L1_MAX {
        return Err(Error::damaged(PLACE, format!("impossible disk size of {size} bytes")));
    }
    Ok(clip(needed, usize::MAX))
}

fn compression(raw: &[u8], features: u64) -> Result<Compression> {
    if features & incompatible::COMPRESSION == 0 {
        return Ok(Compression::Zlib);
    }
    match u8_at(raw, 104) {
        0 => Ok(Compression::Zlib),
        1 => Ok(Compression::Zstd),
        other => {
            let reason = format!("unknown compression type {other}");
            Err(convert(Error::unsupported(PLACE, reason)))
        }
    }
}

fn backing(raw: &[u8], format: Option<String>) -> Result<Option<Backing>> {
    let (offset, len) = (clip(be64(raw, 8), usize::MAX), clip(u64::from(be32(raw, 16)), READ));
    if offset == 0 {
        return Ok(None);
    }
    let name = slice(raw, offset, len);
    if len == 0 || len > 1023 || name.len() < len {
        return Err(Error::damaged(PLACE, "the name of the backing file is out of place"));
    }
    match std::str::from_utf8(name) {
        Ok(name) => Ok(Some(Backing { name: name.to_owned(), format })),
        Err(_) => Err(Error::unsupported(PLACE, "the name of the backing file is not UTF-8")),
    }
}

#[derive(Default)]
struct Extensions {
    backing_format: Option<String>,
    feature_names: Vec<u8>,
}

impl Extensions {
    fn parse(raw: &[u8], version: u32) -> Result<Self> {
        let mut found = Self::default();
        let header_len = if version == 2 { 72 } else { be32(raw, 100) };
        if version == 3 && !(104..=4096).contains(&header_len) {
            let reason = format!("impossible length of {header_len} bytes");
            return Err(Error::damaged(PLACE, reason));
        }
        let mut at = clip(u64::from(header_len), READ);
        while at + 8 <= raw.len() {
            let (kind, len) = (be32(raw, at), clip(u64::from(be32(raw, at + 4)), usize::MAX));
            let data = slice(raw, at + 8, len);
            match kind {
                extension::END => break,
                _ if data.len() < len => {
                    return Err(Error::damaged(PLACE, "an extension reaches past the header"));
                }
                extension::BACKING_FORMAT => {
                    found.backing_format = Some(String::from_utf8_lossy(data).into_owned());
                }
                extension::FEATURE_NAMES => found.feature_names = data.to_vec(),
                // Bitmaps, hints for writers: a reader may ignore the rest.
                _ => {}
            }
            at += 8 + len.next_multiple_of(8);
        }
        Ok(found)
    }

    /// The name that the image gives to an incompatible feature bit.
    fn feature_name(&self, bit: u32) -> String {
        /// Type (0: incompatible), bit, name of 46 bytes.
        const ENTRY: usize = 48;
        let entry = self
            .feature_names
            .chunks_exact(ENTRY)
            .find(|entry| u8_at(entry, 0) == 0 && u32::from(u8_at(entry, 1)) == bit);
        let name = entry.map(|entry| slice(entry, 2, 46)).unwrap_or_default();
        let name = name.split(|&byte| byte == 0).next().unwrap_or_default();
        match name {
            [] => format!("bit {bit}"),
            name => format!("bit {bit} ({:?})", String::from_utf8_lossy(name)),
        }
    }
}
