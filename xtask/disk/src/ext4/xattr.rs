//! Extended attributes: in the inode, in a block of their own, and values in
//! inodes of their own.
//!
//! Layout: "Extended Attributes" in Documentation/filesystems/ext4/attributes.rst.

use super::content;
use super::inode::{Inode, place};
use super::superblock::Checksums;
use super::volume::Volume;
use crate::bytes::{clip, le16, le32, slice, u8_at, wide};
use crate::crc::{agree, crc32c};
use crate::fs::Xattr;
use crate::{Error, Result};

const MAGIC: u32 = 0xea02_0000;
/// Length of the header of an attribute block, bytes.
const BLOCK_HEADER: usize = 32;
/// Length of an entry before its name, bytes.
const ENTRY_LEN: usize = 16;
/// Longest value that the kernel hands out (XATTR_SIZE_MAX), bytes.
const VALUE_MAX: u32 = 65_536;

/// `e_name_index`: the prefix that the name does without.
mod index {
    pub const USER: u8 = 1;
    pub const ACL_ACCESS: u8 = 2;
    pub const ACL_DEFAULT: u8 = 3;
    pub const TRUSTED: u8 = 4;
    pub const SECURITY: u8 = 6;
    pub const SYSTEM: u8 = 7;
    pub const HURD: u8 = 10;
}

/// One entry, its value still where it is.
struct Entry<'a> {
    index: u8,
    name: &'a [u8],
    value_at: usize,
    value_inode: u32,
    value_len: u32,
}

/// All attributes that `getxattr` shows to root, sorted by name.
pub(super) fn read(volume: &Volume, inode: &Inode) -> Result<Vec<Xattr>> {
    let mut found = Vec::new();
    if let Some(area) = in_inode(inode) {
        collect(volume, inode, area, 0, &mut found)?;
    }
    if inode.attribute_block() != 0 {
        let block = attribute_block(volume, inode)?;
        collect(volume, inode, &block, BLOCK_HEADER, &mut found)?;
    }
    found.sort();
    match found.windows(2).find(|pair| matches!(pair, [(a, _), (b, _)] if a == b)) {
        Some(_) => Err(inode.damaged("an extended attribute occurs twice")),
        None => Ok(found),
    }
}

/// Value of the internal attribute that holds what inline data `i_block` has
/// no room for.
pub(super) fn inline_data(inode: &Inode) -> Result<Vec<u8>> {
    for entry in entries(inode, in_inode(inode).unwrap_or_default(), 0)? {
        if entry.index == index::SYSTEM && entry.name == b"data" && entry.value_inode == 0 {
            return Ok(local_value(inode, in_inode(inode).unwrap_or_default(), &entry)?.to_vec());
        }
    }
    Err(inode.damaged("it should hold inline data, but the attribute `system.data` is missing"))
}

/// The attribute entries inside the inode, from the first on.
fn in_inode(inode: &Inode) -> Option<&[u8]> {
    let area = inode.attribute_area();
    (le32(area, 0) == MAGIC).then(|| area.get(4..).unwrap_or_default())
}

fn attribute_block(volume: &Volume, inode: &Inode) -> Result<Vec<u8>> {
    let number = inode.attribute_block();
    let at = || format!("attribute block {number} of inode {}", inode.number);
    let block = volume.block(number, at)?;
    if le32(&block, 0) != MAGIC || le32(&block, 8) != 1 {
        return Err(Error::damaged(at(), "it is not an attribute block"));
    }
    if let Checksums::Crc32c { seed } = volume.sb.checksums {
        let crc = crc32c(seed, &number.to_le_bytes());
        let crc = crc32c(crc32c(crc, slice(&block, 0, 16)), &[0; 4]);
        if !agree(crc32c(crc, block.get(20..).unwrap_or_default()), le32(&block, 16)) {
            return Err(Error::damaged(at(), "its checksum does not match"));
        }
    }
    Ok(block)
}

fn entries<'a>(inode: &Inode, area: &'a [u8], first: usize) -> Result<Vec<Entry<'a>>> {
    let mut found = Vec::new();
    let mut at = first;
    // A list ends with four zero bytes, or where no four bytes are left.
    while slice(area, at, 4).len() == 4 && le32(area, at) != 0 {
        let name_len = usize::from(u8_at(area, at));
        let name = slice(area, at + ENTRY_LEN, name_len);
        if name.len() < name_len {
            return Err(inode.damaged("an extended attribute reaches past its area"));
        }
        found.push(Entry {
            index: u8_at(area, at + 1),
            name,
            value_at: usize::from(le16(area, at + 2)),
            value_inode: le32(area, at + 4),
            value_len: le32(area, at + 8),
        });
        at += (ENTRY_LEN + name_len).next_multiple_of(4);
    }
    Ok(found)
}

fn collect(
    volume: &Volume,
    inode: &Inode,
    area: &[u8],
    first: usize,
    found: &mut Vec<Xattr>,
) -> Result<()> {
    for entry in entries(inode, area, first)? {
        let Some(name) = full_name(inode, &entry)? else { continue };
        let raw = match entry.value_inode {
            0 => local_value(inode, area, &entry)?.to_vec(),
            node => remote_value(volume, inode, &entry, node)?,
        };
        let is_acl = matches!(entry.index, index::ACL_ACCESS | index::ACL_DEFAULT);
        let value = if is_acl { acl(inode, &raw)? } else { raw };
        found.push((name, value));
    }
    Ok(())
}

/// The name as user space sees it, `None` for those that the kernel keeps to
/// itself: `system.*` (inline data), Lustre, encryption contexts.
fn full_name(inode: &Inode, entry: &Entry<'_>) -> Result<Option<Vec<u8>>> {
    let prefix: &[u8] = match entry.index {
        index::USER => b"user.",
        index::ACL_ACCESS => b"system.posix_acl_access",
        index::ACL_DEFAULT => b"system.posix_acl_default",
        index::TRUSTED => b"trusted.",
        index::SECURITY => b"security.",
        index::HURD => b"gnu.",
        5 | index::SYSTEM | 9 => return Ok(None),
        other => {
            let reason = format!("an extended attribute has the unknown name index {other}");
            return Err(Error::unsupported(place(inode.number), reason));
        }
    };
    let is_acl = matches!(entry.index, index::ACL_ACCESS | index::ACL_DEFAULT);
    if is_acl != entry.name.is_empty() || entry.name.contains(&0) {
        return Err(inode.damaged("an extended attribute has an impossible name"));
    }
    Ok(Some([prefix, entry.name].concat()))
}

fn local_value<'a>(inode: &Inode, area: &'a [u8], entry: &Entry<'_>) -> Result<&'a [u8]> {
    let len = clip(u64::from(entry.value_len), usize::MAX);
    let value = if len == 0 { &[] } else { slice(area, entry.value_at, len) };
    if value.len() < len {
        return Err(inode.damaged("the value of an extended attribute reaches past its area"));
    }
    Ok(value)
}

fn remote_value(volume: &Volume, owner: &Inode, entry: &Entry<'_>, node: u32) -> Result<Vec<u8>> {
    let holder = Inode::read(volume, u64::from(node))?;
    let expected = u64::from(entry.value_len);
    if !holder.is_attribute_value() || holder.meta.size != expected || entry.value_len > VALUE_MAX {
        let reason = format!("inode {node} should hold a value of {expected} bytes, but does not");
        return Err(owner.damaged(reason));
    }
    let mut value = vec![0; clip(expected, usize::MAX)];
    let filled = content::Content::of(volume, &holder)?.read(volume, 0, &mut value)?;
    if filled != value.len() {
        return Err(owner.damaged(format!("the attribute value in inode {node} is cut short")));
    }
    // Lustre's values have a pointer back to the file instead of a checksum.
    let is_lustre = u64::from(holder.raw_mtime()) == owner.number
        && holder.generation == owner.generation
        && wide(value.len()) == expected;
    if let Checksums::Crc32c { seed } = volume.sb.checksums
        && !is_lustre
        && !agree(crc32c(seed, &value), holder.attribute_value_crc())
    {
        let reason = format!("the checksum of the attribute value in inode {node} does not match");
        return Err(owner.damaged(reason));
    }
    Ok(value)
}

/// From the form on the disk (version 1, no id where none is needed) to the
/// form of `getxattr` (version 2, eight bytes per entry).
fn acl(inode: &Inode, raw: &[u8]) -> Result<Vec<u8>> {
    /// Tags of entries that name a user or a group.
    const NAMED: [u16; 2] = [0x2, 0x8];
    /// Tags without: owner, owning group, mask, others.
    const UNNAMED: [u16; 4] = [0x1, 0x4, 0x10, 0x20];
    let bad = || inode.damaged("an access control list is malformed");
    if raw.len() < 4 || le32(raw, 0) != 1 {
        return Err(bad());
    }
    let mut value = 2_u32.to_le_bytes().to_vec();
    let mut at = 4;
    while at < raw.len() {
        let tag = le16(raw, at);
        let len = if NAMED.contains(&tag) { 8 } else { 4 };
        let entry = slice(raw, at, len);
        if entry.len() < len || !(NAMED.contains(&tag) || UNNAMED.contains(&tag)) {
            return Err(bad());
        }
        let id = if len == 8 { le32(entry, 4) } else { u32::MAX };
        value.extend_from_slice(slice(entry, 0, 4));
        value.extend_from_slice(&id.to_le_bytes());
        at += len;
    }
    Ok(value)
}
